"""Profiles by file or by built-in name."""

from __future__ import annotations

import os
from pathlib import Path

from j4d.profile import builtin
from j4d.profile.profile import Profile


def nearest_to(sampling: str) -> Profile:
    """The default family's profile for this sampling, or where it has none the one for 4:2:0."""
    samplings = map(builtin.sampling_of, builtin.members_of(builtin.DEFAULT))
    return Profile.builtin(builtin.DEFAULT, sampling if sampling in samplings else None)


def is_file(place: str | os.PathLike[str]) -> bool:
    """Whether `place` means a profile's file: there is one, or it has a folder or a suffix. Else it is a name."""
    path = Path(place)
    return bool(path.suffix) or path.name != os.fspath(place) or (path.exists() and not path.is_dir())


def find(place: str | os.PathLike[str], sampling: str | None = None) -> Profile:
    """The profile in a file, or the built-in one of that name (see `is_file`, `Profile.builtin`).

    Args:
        place: A path or a name.
        sampling: Of the name of a family, which member. A file and a single profile have their own.

    Raises:
        ProfileError: There is no such profile, or its file is not valid.
    """
    if is_file(place):
        return Profile.load(place)
    name = os.fspath(place)
    return Profile.builtin(name, sampling if name in builtin.families() else None)
