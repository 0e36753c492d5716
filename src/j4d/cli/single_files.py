"""Single JPEG files on the command line: where each goes, read, transcoded several at a time, written and summed up.

Where each file goes is decided before the first one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from j4d.cli.failures import Failures
from j4d.cli.streams import STANDARD_STREAM, must_not_be_a_terminal, name_of, read_source, write_result
from j4d.cli.targets import is_folder, must_not_clash
from j4d.errors import CodecError, DataError, UnsupportedError
from j4d.support.cores import thread_count
from j4d.support.printable import echo

if TYPE_CHECKING:
    from j4d.jpeg.strip import Keep
    from j4d.jpeg.transcoding import Transcoded

FILES_AT_ONCE = 4  # per thread, in memory


class OnUnsupported(str, Enum):
    """What becomes of a JPEG file of a kind that is not transcoded."""

    fail = "fail"
    skip = "skip"
    copy = "copy"


def transcode_files(
    sources: list[Path],
    place: str,
    one: Callable[[bytes], Transcoded | CodecError],
    unsupported: OnUnsupported,
    keep: tuple[Keep, ...] | None,
    threads: int | None,
) -> None:
    """Write what `one` makes of each source. Ends with exit code 2 where one failed. Raises DataError, OSError.

    keep: what survives where files are stripped; None where they are not.
    """

    out = Path(place)
    plan = _plan(sources, out, is_folder(place))
    if out == STANDARD_STREAM:
        must_not_be_a_terminal()
    count = thread_count(threads)
    totals = _Totals()
    pending: list[_Job] = []

    def finish() -> None:
        for job, result in zip(pending, pool.map(one, (job.data for job in pending)), strict=True):
            _write(job, result, unsupported, keep, totals)
        pending.clear()

    with ThreadPoolExecutor(count) as pool:
        for job in _read(plan, totals):
            pending.append(job)
            if len(pending) == FILES_AT_ONCE * count:
                finish()
        finish()
    totals.report(len(plan), to_stdout=out == STANDARD_STREAM)


def _plan(sources: list[Path], out: Path, folder: bool) -> list[tuple[Path, Path]]:
    """(source, target) pairs. DataError where a target would be written twice, or is one of the sources."""
    for source in sources:
        if source.is_dir():
            raise DataError(f"{source} is a folder; name the JPEG files in it")
        if source != STANDARD_STREAM and not source.exists():
            raise DataError(f"{source}: no such file")
    if len(sources) == 1 and not folder:
        plan = [(sources[0], out)]
        if STANDARD_STREAM in plan[0]:
            return plan
    elif out == STANDARD_STREAM or out.is_file():
        raise DataError(f"{out} takes one file, but there are {len(sources)}; name a folder with -o")
    elif STANDARD_STREAM in sources:
        raise DataError("standard input has no name; give it a file with -o, alone")
    else:
        plan = [(source, out / source.name) for source in sources]
    must_not_clash(plan)
    return plan


@dataclass(frozen=True)
class _Job:
    source: Path
    target: Path
    data: bytes


@dataclass
class _Totals:
    """What the summary tells."""

    read: int = 0  # bytes of the sources that were written
    written: int = 0
    kept: int = 0  # files that are as they were
    skipped: int = 0
    failures: Failures = field(default_factory=Failures)

    def fail(self, source: Path, reason: object) -> None:
        self.failures.tell(name_of(source), reason)

    def report(self, count: int, *, to_stdout: bool) -> None:
        """Print the sum of several files; end with exit code 2 where one failed."""
        done = count - self.failures.count - self.skipped
        if done and count > 1:
            parts = [f"{done} files", _saving(self.read, self.written), f"{self.kept} kept as they were"]
            parts += [f"{self.skipped} skipped"] if self.skipped else []
            echo("  ".join(parts), err=to_stdout)
        self.failures.end(count)


def _saving(before: int, after: int) -> str:
    return f"{before} -> {after} bytes  {100 * (before - after) / before:.1f} % saved"


def _read(plan: list[tuple[Path, Path]], totals: _Totals) -> Iterator[_Job]:
    for source, target in plan:
        try:
            data = read_source(source)
        except (OSError, DataError) as error:
            totals.fail(source, error)
            continue
        yield _Job(source, target, data)


def _write(
    job: _Job,
    result: Transcoded | CodecError,
    unsupported: OnUnsupported,
    keep: tuple[Keep, ...] | None,
    totals: _Totals,
) -> None:
    """Write one result, or tell why there is none."""
    from j4d.jpeg.strip import stripped

    to_stdout = job.target == STANDARD_STREAM
    if isinstance(result, UnsupportedError) and unsupported is OnUnsupported.skip:
        totals.skipped += 1
        echo(f"{name_of(job.source)}  skipped: {result}", err=to_stdout)
        return
    if isinstance(result, UnsupportedError) and unsupported is OnUnsupported.copy:
        copy = job.data if keep is None else stripped(job.data, keep)
        if copy is None:
            totals.fail(job.source, f"{result}; and its metadata cannot be stripped")
            return
        data, note, kept = copy, f"copied: {result}", True
    elif isinstance(result, CodecError):
        totals.fail(job.source, result)
        return
    else:
        data, kept = result.data, result.copied
        note = f"{8 * len(data) / (result.height * result.width):.3f} bpp{_remarks(result)}"
    write_result(job.target, data, job.source)
    totals.read += len(job.data)
    totals.written += len(data)
    totals.kept += kept
    echo(f"{job.target}  {_saving(len(job.data), len(data))}  {note}", err=to_stdout)


def _remarks(result: Transcoded) -> str:
    """What there is to know of a file that was written, behind its figures."""
    said = []
    if result.left:
        said.append(f"left as it is: {result.left}")
    elif result.copied:
        said.append("kept as it was")
    if result.damage:
        said.append(f"damage tolerated: {result.damage}")
    said += [f"note: {note}" for note in result.notes]
    if result.dropped:
        said.append(f"dropped: {result.dropped}")
    return "".join(f"  {remark}" for remark in said)
