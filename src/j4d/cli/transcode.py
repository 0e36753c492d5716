"""`j4d transcode`: JPEG files to smaller JPEG files, without going through pixels. No PyTorch.

Every setting is checked before the first file is written.
"""

from __future__ import annotations

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
    judge_of,
    parameters_for,
    profile_of,
)
from j4d.cli.parsing import size_of
from j4d.cli.single_files import OnUnsupported, transcode_files
from j4d.errors import CodecError, DataError, ParameterError

if TYPE_CHECKING:
    from j4d.jpeg.transcoding import Sampling, Transcoded


class TargetSampling(str, Enum):
    """Chroma sampling of what is written."""

    keep = "keep"
    profile = "profile"
    full = "4:4:4"
    half = "4:2:2"
    quarter = "4:2:0"
    gray = "gray"


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
    strip: Annotated[
        bool,
        typer.Option(
            "--strip",
            help="Leave out all that stands beside the picture: Exif (with its orientation), XMP, ICC profile, IPTC, "
            "comments, JFIF header (with its density), further pictures, films. Of single files that is told.",
        ),
    ] = False,
    keep_orientation: Annotated[
        bool, typer.Option("--keep-orientation", help="With --strip: the orientation stays, so the picture is upright.")
    ] = False,
    keep_copyright: Annotated[
        bool, typer.Option("--keep-copyright", help="With --strip: author and copyright stay (Exif, IPTC, XMP).")
    ] = False,
    never_grow: Annotated[
        bool, typer.Option("--never-grow/--may-grow", help="Keep the source where the result is not smaller.")
    ] = True,
    unsupported: Annotated[
        OnUnsupported, typer.Option(help="CMYK, 12-bit and lossless files: an error, left out, or copied.")
    ] = OnUnsupported.fail,
    tolerate_damage: Annotated[
        bool, typer.Option("--tolerate-damage", help="Take what can be read of damaged files, and say so.")
    ] = False,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures.")] = 1 << 28,
    max_memory: Annotated[
        str,
        typer.Option(help="That pictures under way take together, as 512M or 3G; one that needs more is refused."),
    ] = "3G",
    threads: Annotated[int | None, typer.Option(min=1, help="By default one per processor.")] = None,
    adapt: AdaptOption = True,
    judge: JudgeOption = None,
    verify: Annotated[bool, typer.Option("--verify", help="Data sets: read every output back and check it.")] = False,
    verify_all: Annotated[
        bool, typer.Option("--verify-all", help="The same, and once more for what was verified before.")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option(help="Data sets: damaged and unsupported images are copied, put aside, or end the run.")
    ] = OnError.copy,
    engine: Annotated[EngineName, typer.Option(help="Data sets: threads here, or tasks on Ray.")] = EngineName.threads,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Data sets: do all again where DST was made otherwise, over its files.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data sets: progress and summary as JSON lines.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Data sets: transcode a sample in memory and tell the saving.")
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Data sets: images of a dry run.")] = 200,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Of a dry run: ask this model about the sample before and after, and tell how often its answer stays; "
            "how often it is right, where SRC has a labels.csv.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make JPEG files smaller with learned parameters, without decoding them.

    Say where on the profile with one of --quality, --bpp or --index, as for
    `j4d encode`.
    Size, orientation and sampling stay, and so does all that stands beside the
    picture in the file; where that cannot be, the file is left as it is. Where the
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
      j4d transcode photos/ small/ --quality 40 --dry-run --model timm:resnet18
    """
    from j4d.jpeg import transcoding
    from j4d.jpeg.strip import check_keep

    if model is not None and not dry_run:
        raise ParameterError("--model goes with --dry-run; to have a model choose for each picture, use --judge")
    named, rule = _sampling(jpeg_quality, sampling)
    limits = {"max_pixels": max_pixels, "max_memory": size_of(max_memory, "--max-memory")}
    reading: dict[str, Any] = {"sampling": rule, "tolerate_damage": tolerate_damage, **limits}
    writing: dict[str, Any] = {"seed": seed, "deterministic": deterministic, "effort": effort}
    kept = {"orientation": keep_orientation, "copyright": keep_copyright}
    keep: tuple[Any, ...] = check_keep([name for name, wanted in kept.items() if wanted], strip)
    keeping: dict[str, Any] = {"progressive": progressive, "strip": strip, "keep": keep, "never_grow": never_grow}
    if data_set.asked_for(sources, out):
        places, target = data_set.split(sources, out)
        asked = data_set.operating_point(profile, index, bpp, quality, jpeg_quality, named)
        options = {**asked, **reading, **writing, **keeping, "adapt": adapt, "on_error": on_error.value}
        options["judge"] = judge_of(judge) if judge else None
        running: dict[str, Any] = {"threads": threads, "engine": engine.value}
        running |= {"verify": "all" if verify_all else verify, "overwrite": overwrite}
        data_set.transcode(places, target, options, as_json, samples if dry_run else None, model, running)
        return
    if dry_run:
        raise ParameterError(
            "--dry-run samples a data set: a folder, tar shards, Parquet files; these are single files"
        )
    if out is None:
        if sources[0] != "-" and not Path(sources[0]).exists():
            raise DataError(f"{sources[0]}: no such file or folder")
        raise DataError("say where to write with -o: a file for one source, a folder for several, or -")
    parameters = parameters_for(profile, index, bpp, quality, jpeg_quality, named, adapt, reading, judge)
    if profile is not None:
        transcoding.check_keeps_size(profile_of(profile, named).points[0].parameters)

    gate = transcoding.MemoryGate(limits["max_memory"])

    def one(data: bytes) -> Transcoded | CodecError:
        try:
            with gate.admit(data):
                opened = transcoding.OpenedJPEG(data, tolerate_damage=tolerate_damage, **limits)
                return transcoding.Transcoder(parameters(opened), **reading, **writing, **keeping).one(opened)
        except CodecError as error:
            return error

    transcode_files([Path(source) for source in sources], out, one, unsupported, keep if strip else None, threads)


def _sampling(jpeg_quality: int | None, sampling: TargetSampling) -> tuple[SamplingName | None, Sampling]:
    """The sampling that is named, and which is written. ParameterError where options contradict."""
    named = None if sampling in (TargetSampling.keep, TargetSampling.profile) else SamplingName(sampling.value)
    if jpeg_quality is not None and sampling is TargetSampling.profile:
        raise ParameterError("--sampling profile goes with --profile; with --jpeg-quality name one, such as 4:2:0")
    return named, "keep" if sampling is TargetSampling.keep else "parameters"
