"""Warnings of libraries that tell a user of the commands nothing."""

from __future__ import annotations

import warnings


def silence_pillow() -> None:
    """Show no more of Pillow's warnings in this process; for a program at its start, since it holds for all threads.

    Of an odd picture they name a line of Pillow's own source, not the file. What matters is told by the commands.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
