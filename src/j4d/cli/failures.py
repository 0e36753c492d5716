"""Several files in one command: each that fails costs a line on stderr, the others are written, the exit code tells."""

from __future__ import annotations

import typer

from j4d.support.printable import echo

FAILED = 2  # exit code


class Failures:
    """Counts what failed, and says so at once."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, name: object, reason: object) -> None:
        """One file, or folder, with why."""
        self.count += 1
        text = str(getattr(reason, "strerror", None) or reason)
        named = text if text.startswith(f"{name}: ") else f"{name}: {text}"
        echo(f"j4d: error: {' '.join(named.split())}", err=True)

    def end(self, total: int) -> None:
        """Exit with FAILED where anything failed. total: how many there were to do."""
        if self.count:
            if total > 1:
                echo(f"j4d: error: {self.count} of {total} files failed", err=True)
            raise typer.Exit(FAILED)
