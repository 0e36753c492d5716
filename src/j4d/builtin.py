"""Profiles that come with j4d: encoding parameters for those who have no model at hand.

    >>> names()
    ('universal', 'universal-420')
    >>> load("universal").at(quality=40)   # EncodingParameters, the same for every picture

Each is a profile file in `profiles/`, learned and measured like any other (docs/profiles.md), called after its family
and its sampling. A family's name alone stands for its member of the sampling asked for. No PyTorch here.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from j4d.codec import check_image
from j4d.errors import ParameterError, ProfileError
from j4d.parameters import EncodingParameters, check_sampling
from j4d.profile import Profile
from j4d.transcode import OpenedJPEG

DEFAULT = "universal"  # what encoding takes where no profile is named
DEFAULT_SAMPLING = "4:2:0"


def names() -> tuple[str, ...]:
    """Every name that `load` takes: families and their members."""
    return tuple(sorted({*members(), *families()}))


def families() -> tuple[str, ...]:
    """The names that stand for one profile per sampling."""
    return tuple(dict.fromkeys(name.rpartition("-")[0] for name in members()))


@cache
def members() -> tuple[str, ...]:
    """The names of single profiles: family, hyphen, sampling without colons."""
    files = sorted(entry.name for entry in (resources.files("j4d") / "profiles").iterdir())
    return tuple(name.removesuffix(".json") for name in files if name.endswith(".json"))


def load(name: str, sampling: str | None = None) -> Profile:
    """The built-in profile of this name.

    sampling: which member of a family, by default 4:2:0; of a member nothing but its own. Raises ProfileError for an
    unknown name or a sampling that there is none for, ParameterError where `sampling` is none at all.
    """
    if sampling is not None:
        check_sampling(sampling)
    if name in members():
        profile = _read(name)
        if sampling not in (None, profile.provenance.sampling):
            raise ProfileError(f"profile {name} is for sampling {profile.provenance.sampling}, not {sampling}")
        return profile
    if name not in families():
        raise ProfileError(f"profile {name!r}: no such file, and none that comes with j4d: {', '.join(names())}")
    found = {profile.provenance.sampling: profile for profile in map(_read, members_of(name))}
    wanted = sampling or (DEFAULT_SAMPLING if DEFAULT_SAMPLING in found else next(iter(found)))
    if wanted not in found:
        raise ProfileError(f"profile {name} has no sampling {wanted}, only {', '.join(found)}")
    return found[wanted]


def nearest_to(sampling: str) -> Profile:
    """The default family's profile for this sampling, or where it has none the one for 4:2:0."""
    found = {profile.provenance.sampling: profile for profile in map(_read, members_of(DEFAULT))}
    return found.get(sampling) or found[DEFAULT_SAMPLING]


def members_of(family: str) -> tuple[str, ...]:
    """The names of the profiles that a family's name stands for."""
    return tuple(name for name in members() if name.rpartition("-")[0] == family)


def is_file(place: str | os.PathLike[str]) -> bool:
    """Whether `place` means a profile's file: there is one, or it has a folder or a suffix. Else it is a name."""
    path = Path(place)
    return bool(path.suffix) or path.name != os.fspath(place) or (path.exists() and not path.is_dir())


def find(place: str | os.PathLike[str], sampling: str | None = None) -> Profile:
    """The profile in a file, or the built-in one of that name (see `is_file`, `load`). Raises ProfileError.

    sampling: of a family's name, which member; a file and a single profile have their own, whatever is asked for.
    """
    if is_file(place):
        return Profile.load(place)
    name = os.fspath(place)
    return load(name, sampling if name in families() else None)


def parameters_for(
    picture: Any, parameters: EncodingParameters | None, quality: float | None, **reading: Any
) -> EncodingParameters:
    """`parameters`, or without them those of the default profile at `quality` for this picture.

    picture, reading: as for `Profile.adapted`. Raises ParameterError unless exactly one of the two is given,
    ProfileError for a quality outside 0..100, ImageError and CodecError for what is no picture.
    """
    if (parameters is None) == (quality is None):
        got = "neither" if quality is None else "both"
        raise ParameterError(f"give either parameters or quality=0..100, along the built-in {DEFAULT}; got {got}")
    if parameters is not None:
        return parameters
    profile = load(DEFAULT)
    if not isinstance(picture, (bytes, OpenedJPEG)):
        picture = check_image(picture, profile.provenance.sampling)
    return profile.adapted(picture, quality=quality, **reading)


@cache
def _read(name: str) -> Profile:
    from j4d.profile_file import parse

    return parse((resources.files("j4d") / "profiles" / f"{name}.json").read_bytes())
