"""`j4d transcode`: JPEG files to smaller JPEG files, without going through pixels. No PyTorch.

Where each file goes is decided, and every setting checked, before the first
one is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.cli import data_set
from j4d.cli.options import (
    AdaptOption,
    BppOption,
    DeterministicOption,
    EffortOption,
    IndexOption,
    JpegQualityOption,
    JudgeOption,
    ProfileOption,
    ProgressiveOption,
    QualityOption,
    SamplingName,
    SeedOption,
    parameters_for,
)
from j4d.cli.targets import must_not_clash
from j4d.errors import CodecError, DataError, ParameterError, UnsupportedError

if TYPE_CHECKING:
    from j4d.transcode import Sampling, Transcoded

LARGEST_FILE = 1 << 30  # bytes; no JPEG picture within the limits is larger
FILES_AT_ONCE = 4  # per thread, in memory
STANDARD_STREAM = Path("-")


class TargetSampling(str, Enum):
    """Chroma sampling of what is written."""

    keep = "keep"
    profile = "profile"
    full = "4:4:4"
    half = "4:2:2"
    quarter = "4:2:0"
    gray = "gray"


class OnUnsupported(str, Enum):
    """What becomes of a JPEG file of a kind that is not transcoded."""

    fail = "fail"
    skip = "skip"
    copy = "copy"


class OnError(str, Enum):
    """What becomes of an image of a data set that is damaged or of a kind that is not transcoded."""

    copy = "copy"
    quarantine = "quarantine"
    fail = "fail"


class EngineName(str, Enum):
    """Where a data set is transcoded."""

    threads = "threads"
    ray = "ray"


def transcode(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="JPEG files, or - for standard input. Or a data set: a folder, tar shards, Parquet files, URLs; "
            "then DST may follow.",
            metavar="SRC...",
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="A file for one source, a folder for several, or -.", show_default=False),
    ] = None,
    profile: ProfileOption = None,
    index: IndexOption = None,
    bpp: BppOption = None,
    quality: QualityOption = None,
    jpeg_quality: JpegQualityOption = None,
    sampling: Annotated[
        TargetSampling,
        typer.Option(help="Keep the source's, take the profile's, or with --jpeg-quality or universal name one."),
    ] = TargetSampling.keep,
    seed: SeedOption = 0,
    deterministic: DeterministicOption = False,
    effort: EffortOption = None,
    progressive: ProgressiveOption = False,
    strip: Annotated[bool, typer.Option("--strip", help="Leave Exif (orientation too), ICC and XMP out.")] = False,
    never_grow: Annotated[
        bool, typer.Option("--never-grow/--may-grow", help="Keep the source where the result is not smaller.")
    ] = True,
    unsupported: Annotated[
        OnUnsupported, typer.Option(help="CMYK, 12-bit and lossless files: an error, left out, or copied.")
    ] = OnUnsupported.fail,
    tolerate_damage: Annotated[
        bool, typer.Option("--tolerate-damage", help="Take what can be read of damaged files.")
    ] = False,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures.")] = 1 << 28,
    threads: Annotated[int | None, typer.Option(min=1, help="By default one per processor.")] = None,
    adapt: AdaptOption = True,
    judge: JudgeOption = None,
    verify: Annotated[bool, typer.Option("--verify", help="Data sets: read every output back and check it.")] = False,
    on_error: Annotated[
        OnError, typer.Option(help="Data sets: damaged and unsupported images are copied, put aside, or end the run.")
    ] = OnError.copy,
    engine: Annotated[EngineName, typer.Option(help="Data sets: threads here, or tasks on Ray.")] = EngineName.threads,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Data sets: do all again where DST was made with other settings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data sets: progress and summary as JSON lines.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Data sets: transcode a sample in memory and tell the saving.")
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Data sets: images of a dry run.")] = 200,
) -> None:
    """Make JPEG files smaller with learned parameters, without decoding them.

    Say where on the profile with one of --quality, --bpp or --index, as for
    `j4d encode`.
    Size, orientation and sampling stay, and so do Exif, ICC and XMP. Where the
    profile has learned it, busy and large pictures get coarser steps; with
    --judge a model is asked for each where bits are needed. A file that would
    not get smaller is kept as it is. A file that cannot be read gets a line on
    stderr and the exit code 2; the others are written.

    \b
      j4d transcode photo.jpg -o small.jpg --quality 40
      j4d transcode photo.jpg -o small.jpg --profile profile.json --bpp 0.5
      j4d transcode photos/*.jpg -o small/ --profile profile.json --quality 40
      cat photo.jpg | j4d transcode - -o - --jpeg-quality 60 > small.jpg

    A whole data set (a folder, tar shards, Parquet files, here or behind a URL)
    goes to a new folder under the same names, everything that is no JPEG image
    as it is. Run it again to go on after an interruption (docs/datasets.md).

    \b
      j4d transcode photos/ small/ --quality 40
      j4d transcode 'shards/train-{000..099}.tar' small/ --quality 40 --verify
    """
    from j4d.batch import thread_count
    from j4d.transcode import Transcoder

    named, rule = _sampling(jpeg_quality, sampling)
    reading: dict[str, Any] = {"sampling": rule, "tolerate_damage": tolerate_damage, "max_pixels": max_pixels}
    writing: dict[str, Any] = {"seed": seed, "deterministic": deterministic, "effort": effort}
    keeping: dict[str, Any] = {"progressive": progressive, "strip": strip, "never_grow": never_grow}
    if data_set.asked_for(sources):
        places, target = data_set.split(sources, out)
        asked = data_set.place(profile, index, bpp, quality, jpeg_quality, named)
        options = {**asked, **reading, **writing, **keeping, "adapt": adapt, "on_error": on_error.value}
        options["judges"] = tuple(judge or ())
        running: dict[str, Any] = {"threads": threads, "engine": engine.value}
        running |= {"verify": verify, "overwrite": overwrite}
        data_set.transcode(places, target, options, as_json, samples if dry_run else None, running)
        return
    if out is None:
        raise DataError("say where to write with -o: a file for one source, a folder for several, or -")
    files, out_path = [Path(source) for source in sources], Path(out)
    parameters = parameters_for(profile, index, bpp, quality, jpeg_quality, named, adapt, reading, judge)

    def one(job: _Job) -> Transcoded | CodecError:
        try:
            return Transcoder(parameters(job.data), **reading, **writing, **keeping).one(job.data)
        except CodecError as error:
            return error

    plan = _plan(files, out_path)
    count = thread_count(threads)
    totals = _Totals()
    pending: list[_Job] = []

    def finish() -> None:
        for job, result in zip(pending, pool.map(one, pending), strict=True):
            _write(job, result, unsupported, strip, totals)
        pending.clear()

    with ThreadPoolExecutor(count) as pool:
        for job in _read(plan, totals):
            pending.append(job)
            if len(pending) == FILES_AT_ONCE * count:
                finish()
        finish()
    totals.report(len(plan), to_stdout=out_path == STANDARD_STREAM)


def _sampling(jpeg_quality: int | None, sampling: TargetSampling) -> tuple[SamplingName | None, Sampling]:
    """The sampling that is named, and which is written. ParameterError where options contradict."""
    named = None if sampling in (TargetSampling.keep, TargetSampling.profile) else SamplingName(sampling.value)
    if jpeg_quality is not None and sampling is TargetSampling.profile:
        raise ParameterError("--sampling profile goes with --profile; with --jpeg-quality name one, such as 4:2:0")
    return named, "keep" if sampling is TargetSampling.keep else "parameters"


def _plan(sources: list[Path], out: Path) -> list[tuple[Path, Path]]:
    """(source, target) pairs. DataError where a target would be written twice, or is one of the sources."""
    for source in sources:
        if source.is_dir():
            raise DataError(f"{source} is a folder; name the JPEG files in it")
        if source != STANDARD_STREAM and not source.exists():
            raise DataError(f"{source}: no such file")
    if len(sources) == 1 and not out.is_dir():
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
    failed: int = 0

    def fail(self, source: Path, reason: object) -> None:
        self.failed += 1
        typer.echo(f"j4d: error: {source}: {reason}", err=True)

    def report(self, count: int, *, to_stdout: bool) -> None:
        """Print the sum of several files; end with exit code 2 where one failed."""
        done = count - self.failed - self.skipped
        if done and count > 1:
            parts = [f"{done} files", _saving(self.read, self.written), f"{self.kept} kept as they were"]
            parts += [f"{self.skipped} skipped"] if self.skipped else []
            typer.echo("  ".join(parts), err=to_stdout)
        if self.failed:
            if count > 1:
                typer.echo(f"j4d: error: {self.failed} of {count} files failed", err=True)
            raise typer.Exit(2)


def _saving(before: int, after: int) -> str:
    return f"{before} -> {after} bytes  {100 * (before - after) / before:.1f} % saved"


def _read(plan: list[tuple[Path, Path]], totals: _Totals) -> Iterator[_Job]:
    from j4d.files import read_limited

    for source, target in plan:
        try:
            if source == STANDARD_STREAM:
                read = sys.stdin.buffer.read(LARGEST_FILE + 1)
                data = None if len(read) > LARGEST_FILE else read
            else:
                data = read_limited(source, LARGEST_FILE)
        except OSError as error:
            totals.fail(source, error.strerror or error)
            continue
        if data is None:
            totals.fail(source, f"larger than {LARGEST_FILE} bytes, which no JPEG picture within the limits is")
            continue
        yield _Job(source, target, data)


def _write(
    job: _Job, result: Transcoded | CodecError, unsupported: OnUnsupported, strip: bool, totals: _Totals
) -> None:
    """Write one result, or tell why there is none."""
    from j4d.files import write_atomic
    from j4d.markers import without_metadata

    to_stdout = job.target == STANDARD_STREAM
    if isinstance(result, UnsupportedError) and unsupported is OnUnsupported.skip:
        totals.skipped += 1
        typer.echo(f"{job.source}  skipped: {result}", err=to_stdout)
        return
    if isinstance(result, UnsupportedError) and unsupported is OnUnsupported.copy:
        copy = without_metadata(job.data) if strip else job.data
        if copy is None:
            totals.fail(job.source, f"{result}; and its metadata cannot be stripped")
            return
        data, note, kept = copy, f"copied: {result}", True
    elif isinstance(result, CodecError):
        totals.fail(job.source, result)
        return
    else:
        data, kept = result.data, result.copied
        note = f"{8 * len(data) / (result.height * result.width):.3f} bpp" + ("  kept as it was" if kept else "")
    if to_stdout:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_atomic(job.target, data)
    totals.read += len(job.data)
    totals.written += len(data)
    totals.kept += kept
    typer.echo(f"{job.target}  {_saving(len(job.data), len(data))}  {note}", err=to_stdout)
