"""The progress of a run: a live line on a terminal, JSON lines for machines, else silence until the end."""

from __future__ import annotations

import json
import sys
import time

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from j4d.bulk.results import Done
from j4d.support.printable import safe_console

EVERY = 1.0  # seconds between JSON lines


class Display:
    """Watches a run (`transcode_data_set(watch=...)`); use as a context manager. as_json: lines on stdout."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn(), TextColumn("left"))
        shown = not as_json and sys.stderr.isatty()
        self._bar = Progress(*columns, console=safe_console(stderr=True), transient=True, disable=not shown)
        self._task = self._bar.add_task("planning", total=None)
        self._images = self._read = self._before = self._after = self._errors = self._notes = self._bytes = (
            self._total
        ) = 0
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, totals: dict[str, int], results: list[Done]) -> None:
        """The totals when the run starts, then what units gave."""
        self._total = totals.get("bytes_to_do", self._total)
        for done in results:
            self._bytes += done.entry.size
            self._read += done.entry.size
            self._images += len(done.images)
            self._before += sum(image.bytes_in for image in done.images if image.bytes_out)
            self._after += sum(image.bytes_out for image in done.images)
            self._notes += bool(done.note) + sum(bool(image.note) for image in done.images)
            self._errors += bool(done.problem) + sum(bool(image.error) for image in done.images)
        now = time.monotonic()
        seconds = max(now - self._began, 1e-9)
        saved = 100 * (1 - self._after / self._before) if self._before else 0.0
        text = (
            f"{self._images} images  {self._images / seconds:.0f}/s  {self._read / seconds / 1e6:.1f} MB/s  "
            f"{saved:.1f} % saved  {self._errors} errors" + (f"  {self._notes} notes" if self._notes else "")
        )
        self._bar.update(self._task, total=self._total or None, completed=self._bytes, description=text)
        if self._json and results and now - self._told >= EVERY:
            self._told = now
            left = (self._total - self._bytes) * seconds / self._bytes if self._bytes else None
            line = {
                "event": "progress",
                "images": self._images,
                "images_per_second": round(self._images / seconds, 1),
                "bytes_per_second": round(self._read / seconds),
                "bytes_in": self._before,
                "bytes_out": self._after,
                "errors": self._errors,
                "notes": self._notes,
                "seconds_left": None if left is None else round(max(left, 0.0), 1),
            }
            print(json.dumps(line), flush=True)
