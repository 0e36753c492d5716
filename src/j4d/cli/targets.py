"""Where results are written: checked before the first one is made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from j4d.errors import DataError


def is_folder(place: str) -> bool:
    """Whether this names a folder: there is one, or it ends as folders do."""
    return place.endswith(("/", os.sep)) or Path(place).is_dir()


def must_be_writable(out: Path) -> None:
    """Before hours of work: DataError where the result could not be written in the end."""
    if out.is_dir():
        raise DataError(f"{out} is a folder; name a file with -o")
    for folder in out.absolute().parents:
        if folder.exists():
            if not folder.is_dir():
                raise DataError(f"{folder} is a file, so {out} cannot be written")
            break


def must_not_clash(plan: Sequence[tuple[Path, Path]]) -> None:
    """DataError where one of the (source, target) pairs would overwrite another's target, any source, or a folder."""
    first: dict[Path, Path] = {}
    inputs = {source.resolve() for source, _ in plan}
    for source, target in plan:
        if target in first:
            raise DataError(f"{first[target]} and {source} would both be written to {target}; write them apart")
        if target.resolve() in inputs:
            raise DataError(f"{target} is one of the files read; choose another folder with -o")
        first[target] = source
    for folder in dict.fromkeys(target.parent for target in first):
        must_be_writable(folder / "any")
