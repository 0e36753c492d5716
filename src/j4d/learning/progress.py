"""The progress display of a learning run: ladder, rate, loss and time left, on stderr.

On a terminal it is a bar; in a log it is one line for every finished point.
"""

from __future__ import annotations

import sys
import time

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from j4d.support.printable import echo, safe_console


class LadderProgress:
    """Shows steps over all points; use as a context manager."""

    def __init__(self, shown: bool, steps: int) -> None:
        self.steps = steps
        self.console = safe_console(stderr=True)
        self.shown = shown and sys.stderr.isatty()
        self.logged = shown and not self.shown
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
        self.display = Progress(
            *columns, TimeRemainingColumn(), console=self.console, transient=True, disable=not self.shown
        )
        self.task = self.display.add_task("preparing", total=None)
        self.loss: float | None = None
        self.share = 1.0  # pixels stored over pixels given, where pictures are stored smaller

    def __enter__(self) -> LadderProgress:
        self.display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.display.stop()

    def start(self, index: int, count: int) -> None:
        """Point `index` of `count` begins."""
        self.index, self.count, self.loss, self.began = index, count, None, time.monotonic()
        self.display.update(self.task, total=count * self.steps, completed=index * self.steps)

    def step(self, step: int, loss: float, bpp: float) -> None:
        """One step is done: batch loss in nats (shown as a running mean), rate in bits per stored pixel."""
        self.loss = loss if self.loss is None else 0.8 * self.loss + 0.2 * loss
        self.text = f"point {self.index + 1}/{self.count}  estimated {bpp * self.share:.3f} bpp  loss {self.loss:.3f}"
        self.display.update(self.task, completed=self.index * self.steps + step + 1, description=self.text)

    def end(self) -> None:
        """The point is done."""
        if self.logged:
            echo(f"{self.text}  {time.monotonic() - self.began:.0f} s", err=True)

    def finish(self, what: str) -> None:
        """Everything is learned; `what` comes after."""
        self.display.update(self.task, description=what)
