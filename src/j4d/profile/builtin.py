"""Profiles that come with j4d, for users who have no model at hand: their names and their bytes.

    >>> names()
    ('universal', 'universal-420')
    >>> member_of("universal", "4:2:0")
    'universal-420'

Each is a profile file in `profiles/`, learned and measured like any other (docs/profiles.md). Its name is that of a
family, a hyphen and the sampling without colons. The name of a family alone stands for its member of the sampling
asked for. `Profile.builtin` makes profiles of them.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from j4d.errors import ProfileError
from j4d.jpeg.parameters import check_sampling

DEFAULT = "universal"  # the profile of encoding where none is named
DEFAULT_SAMPLING = "4:2:0"


def names() -> tuple[str, ...]:
    """Every name that `Profile.builtin` takes: families and their members."""
    return tuple(sorted({*members(), *families()}))


def families() -> tuple[str, ...]:
    """The names that stand for one profile per sampling."""
    return tuple(dict.fromkeys(name.rpartition("-")[0] for name in members()))


@cache
def members() -> tuple[str, ...]:
    """The names of single profiles."""
    files = sorted(entry.name for entry in (resources.files("j4d") / "profiles").iterdir())
    return tuple(name.removesuffix(".json") for name in files if name.endswith(".json"))


def members_of(family: str) -> tuple[str, ...]:
    """The names of the profiles that the name of a family stands for."""
    return tuple(name for name in members() if name.rpartition("-")[0] == family)


def member_of(name: str, sampling: str | None = None) -> str:
    """The member that a name stands for.

    Args:
        name: Of a family or a member.
        sampling: Which member of a family, by default 4:2:0. A member has nothing but its own.

    Raises:
        ProfileError: The name is unknown, or there is no profile of this sampling.
        ParameterError: `sampling` is not one of the samplings.
    """
    if sampling is not None:
        check_sampling(sampling)
    if name in members():
        if sampling not in (None, sampling_of(name)):
            raise ProfileError(f"profile {name} is for sampling {sampling_of(name)}, not {sampling}")
        return name
    if name not in families():
        raise ProfileError(f"profile {name!r}: no such file, and none that comes with j4d: {', '.join(names())}")
    found = {sampling_of(member): member for member in members_of(name)}
    wanted = sampling or (DEFAULT_SAMPLING if DEFAULT_SAMPLING in found else next(iter(found)))
    if wanted not in found:
        raise ProfileError(f"profile {name} has no sampling {wanted}, only {', '.join(found)}")
    return found[wanted]


def sampling_of(member: str) -> str:
    """The sampling that ends the name of a member, "4:2:0" of "universal-420"."""
    digits = member.rpartition("-")[2]
    return ":".join(digits) if digits.isdecimal() else digits


def read(member: str) -> bytes:
    """The file of a member."""
    return (resources.files("j4d") / "profiles" / f"{member}.json").read_bytes()
