"""Names of files below a root: which of them would leave it, or reach what is ours in it.

Names come from listings, archives and whoever calls; every target asks here before it opens anything for writing.
"""

from __future__ import annotations

import os
import re

from j4d.errors import DataError

PRIVATE = ".j4d"  # in the target: manifest, lock, temporary files, quarantine
_ODD = ("/.", "//", "\\", ":", "\0")  # there may be something wrong with a name that has one of these in it
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


class NotWrittenError(DataError):
    """Outputs that cannot have their names in the target; the others of a run can. reasons: by name."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(reasons)  # so that it can be pickled
        self.reasons = reasons

    def __str__(self) -> str:
        return "; ".join(f"{name!r}: {reason}" for name, reason in self.reasons.items())


class UnreadableError(OSError):
    """A source that could be opened cannot be read: not the target's fault, so the run goes on."""


def checked(name: str) -> str:
    """The name, which stays below any root. Raises NotWrittenError."""
    if reason := why_refused(name):
        raise NotWrittenError({name: reason})
    return name


def why_refused(name: str) -> str:
    """Why nothing of this name is written below any root; empty for a plain name with slashes."""
    if name and name[0] not in "/." and name[-1] != "/" and not any(odd in name for odd in _ODD):
        return ""  # nearly always
    steps = re.split(r"[/\\]", name)
    if not name or "\0" in name:
        return "no possible name"
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or (os.name == "nt" and ":" in name):
        return "an absolute path"
    if ".." in steps:
        return "a path with .. in it"
    if not all(name.split("/")) or "." in name.split("/"):
        return "no plain path: a part of it is empty or ."
    return ""


def is_private(name: str) -> bool:
    """Whether this is `.j4d` or lies in it, on file systems that know no case too."""
    if PRIVATE not in name.casefold():
        return False  # nearly always
    steps = [step for step in re.split(r"[/\\]", name) if step not in ("", ".")]
    return bool(steps) and steps[0].casefold() == PRIVATE
