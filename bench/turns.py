"""Contenders that take turns, checks of their files, and aims for their ratios: what bench/codec.py measures with."""

from __future__ import annotations

import math
import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import numpy as np

from j4d.jpeg.coefficients import read_coefficients

Run = Callable[[int], "bytes | Path"]  # the i-th file, or where it was written
Check = Callable[[int, bytes], "bool | float"]  # is the i-th file right? Or its PSNR, where it is a reference
SLOW_ROUNDS = 3


@dataclass
class Row:
    """A contender. word: what its check means where it holds; slow: takes part in the first rounds only."""

    run: Run
    check: Check
    word: str
    slow: bool = False
    times: list[float] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)

    def checked(self, reference: Sequence[float]) -> str:
        """The word where all files are right; for a reference, the median of what its PSNR is beyond `reference`."""
        checks = [self.check(i, file) for i, file in enumerate(self.files)]
        if self.word == "own":
            return f"own, {statistics.median(a - b for a, b in zip(checks, reference, strict=True)):+.1f} dB"
        return self.word if all(checks) else "NO"

    def over(self, other: Row) -> float:
        """How many times as fast as the other it is; both began with the same rounds."""
        return statistics.median(b / a for a, b in zip(self.times, other.times, strict=False))

    @property
    def size(self) -> int:
        return sum(map(len, self.files))

    def speed(self, pixels: int) -> str:
        return quartiles([pixels / time / 1e6 for time in self.times])


def available(rows: dict[str, Callable[[], Row]], left_out: set[str]) -> dict[str, Row]:
    """The rows that this machine can make. Prints the others by name, once; `left_out` collects them."""
    found = {}
    for name, make in rows.items():
        try:
            found[name] = make()
        except (ImportError, OSError) as error:
            if name not in left_out:
                print(f"\nleft out: {name}: {error}")
            left_out.add(name)
    return found


def processor_time() -> float:
    """Seconds of this process and of the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def take_turns(rows: dict[str, Row], count: int, rounds: int) -> None:
    """Times of all rounds but the first, which warms up, and the files of the last."""
    for turn in range(rounds + 1):
        for row in rows.values():
            if row.slow and turn > SLOW_ROUNDS:
                continue
            start = processor_time()
            files = [row.run(i) for i in range(count)]
            if turn:
                row.times.append(processor_time() - start)
            row.files = [file if isinstance(file, bytes) else file.read_bytes() for file in files]


def quartiles(values: Sequence[float], form: str = ".0f") -> str:
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [*values] * 3
    return f"{middle:{form}} [{low:{form}}, {high:{form}}]"


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * math.log10(max(float(np.mean((a.astype(float) - b) ** 2)), 1e-6) / 255**2)


def same_planes(data: bytes, planes: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(read_coefficients(data).planes, planes, strict=True))


@dataclass
class Bar:
    """An aim: what is measured is at least `limit`, or at most, on every set."""

    limit: float
    least: bool = True
    form: str = ".2f"
    measured: dict[str, float] = field(default_factory=dict)

    def line(self, name: str) -> str:
        limit = f"{'at least' if self.least else 'at most'} {self.limit:{self.form}}"
        if not self.measured:
            return f"| {name} | {limit} | not measured | |"
        good = sum(value >= self.limit if self.least else value <= self.limit for value in self.measured.values())
        met = "yes" if good == len(self.measured) else f"in {good} of {len(self.measured)}" if good else "no"
        worst = (min if self.least else max)(self.measured, key=self.measured.__getitem__)
        low, high = (f"{pick(self.measured.values()):{self.form}}" for pick in (min, max))
        span = low if low == high else f"{low} to {high}; worst: {worst}"
        return f"| {name} | {limit} | {span} | {met} |"
