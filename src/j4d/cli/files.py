"""`j4d encode` and `j4d decode`: pictures to JPEG files and back. No PyTorch.

Where each file goes is decided, and every setting checked, before the first
one is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from j4d.cli.options import (
    AdaptOption,
    BppOption,
    DeterministicOption,
    EffortOption,
    IndexOption,
    JpegQualityOption,
    JudgeOption,
    LongestSideOption,
    ProfileOption,
    ProgressiveOption,
    QualityOption,
    SamplingName,
    SeedOption,
    parameters_for,
)
from j4d.cli.streams import STANDARD_STREAM, name_of, plan_of_streams, read_picture, write_result
from j4d.cli.targets import must_not_clash
from j4d.errors import DataError, ImageError

JPEG_SUFFIXES = (".jpg", ".jpeg")


def encode(
    images: Annotated[
        list[Path], typer.Argument(help="Image files, folders of them, or - for standard input.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the files, a .jpg name for one, or -; by default beside each image."
        ),
    ] = None,
    profile: ProfileOption = None,
    index: IndexOption = None,
    bpp: BppOption = None,
    quality: QualityOption = None,
    jpeg_quality: JpegQualityOption = None,
    sampling: Annotated[
        SamplingName | None,
        typer.Option(help="Chroma sampling, with --jpeg-quality or universal; other profiles have their own."),
    ] = None,
    seed: SeedOption = 0,
    deterministic: DeterministicOption = False,
    effort: EffortOption = None,
    progressive: ProgressiveOption = False,
    adapt: AdaptOption = True,
    judge: JudgeOption = None,
    longest_side: LongestSideOption = None,
) -> None:
    """Encode images as ordinary JPEG files with learned parameters, or with default JPEG's.

    Say where on the profile with one of --quality, --bpp or --index. Quality 0
    is its first point, 100 its last, and every step between changes the rate by
    the same factor; it is not the IJG quality of other encoders
    (docs/profiles.md compares the two). Where the profile has learned it, busy
    and large pictures get coarser steps than calm and small ones; --no-adapt
    gives all the same. With --judge a model is asked for each picture, and
    the bits go where its answers need them. The rate printed is actual: all
    bytes of the file over the pixels of the picture as it was given, also
    where --longest-side or the profile has it stored smaller. Without -o, photo.png
    becomes photo.jpg beside it, and no file is overwritten; standard input
    goes to standard output. Metadata of the source (EXIF, ICC) are not
    copied; the orientation is applied.

    \b
      j4d encode photo.png --quality 40
      j4d encode photo.png -o photo.jpg --profile profile.json --bpp 0.5
      j4d encode photos/ -o encoded/ --profile profile.json --quality 40
      j4d encode photos/ -o small/ --quality 60 --longest-side 408
      j4d encode photos/*.webp -o default/ --jpeg-quality 30 --sampling 4:2:0
      convert scan.tif png:- | j4d encode - --quality 40 > scan.jpg
    """
    from j4d import codec
    from j4d.size import stored_size

    parameters = parameters_for(profile, index, bpp, quality, jpeg_quality, sampling, adapt, None, judge, longest_side)
    total_bytes = total_pixels = 0
    plan = plan_of_streams(images, out, JPEG_SUFFIXES)
    plan = plan or (_beside(images) if out is None else _plan(_expand(images), out, JPEG_SUFFIXES))
    for source, target in plan:
        image = read_picture(source)
        try:
            options: dict[str, Any] = {"seed": seed, "deterministic": deterministic, "effort": effort}
            found = parameters(image)
            data = codec.encode(image, found, progressive=progressive, **options)
        except ImageError as error:
            raise ImageError(f"{name_of(source)}: {error}") from None
        write_result(target, data, source)
        pixels = image.shape[0] * image.shape[1]
        total_bytes, total_pixels = total_bytes + len(data), total_pixels + pixels
        to_stdout = target == STANDARD_STREAM
        height, width = stored_size(image.shape[0], image.shape[1], found.longest_side)
        stored = "" if (height, width) == image.shape[:2] else f"  stored at {width} x {height}"
        typer.echo(f"{target}  {len(data)} bytes  {8 * len(data) / pixels:.3f} bpp{stored}", err=to_stdout)
    if len(plan) > 1:
        rate = 8 * total_bytes / total_pixels
        typer.echo(f"{len(plan)} files  {total_bytes} bytes  {rate:.3f} bpp over all pixels")


def decode(
    images: Annotated[list[Path], typer.Argument(help="JPEG files, or folders of them.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the PNG files, or a .png name for one.", show_default=False),
    ],
) -> None:
    """Decode JPEG files to PNG, pixel by pixel what the evaluation's decoder sees.

    A folder's pictures keep their places below it.

    \b
      j4d decode photo.jpg -o photo.png
      j4d decode encoded/*.jpg -o pixels/
    """
    import io

    from PIL import Image

    from j4d import codec
    from j4d.errors import CodecError
    from j4d.files import permissions, read_limited, write_atomic

    for source, target in _plan(_expand(images), out, (".png",)):
        data = read_limited(source, 1 << 30)
        if data is None:
            raise CodecError(f"{source}: larger than 1 GiB, which no JPEG picture within the limits is")
        try:
            pixels = codec.decode(data)
        except CodecError as error:
            raise CodecError(f"{source}: {error}") from None
        encoded = io.BytesIO()
        Image.fromarray(pixels).save(encoded, format="PNG")
        write_atomic(target, encoded.getvalue(), permissions(source))
        typer.echo(f"{target}  {pixels.shape[1]} x {pixels.shape[0]} pixels")


def _expand(paths: list[Path]) -> list[tuple[Path, Path]]:
    """(file, its name below the folder that was given), folders replaced by the images in them, in order."""
    from j4d.images import SUFFIXES

    found: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise DataError(f"{path}: no images in this folder (suffixes {' '.join(SUFFIXES)})")
            found += [(file, file.relative_to(path)) for file in inside]
        elif path.is_file():
            found.append((path, Path(path.name)))
        else:
            raise DataError(f"{path}: no such file or folder")
    return found


def _beside(images: list[Path]) -> list[tuple[Path, Path]]:
    """(source, target) pairs, each target beside its source. DataError where that would overwrite a file."""
    plan = [(source, source.with_suffix(JPEG_SUFFIXES[0])) for source in images]
    for source, target in plan:
        if source.is_dir():
            raise DataError(f"{source} is a folder; name another one for the files with -o")
        if not source.is_file():
            raise DataError(f"{source}: no such file or folder")
        if target.exists():
            raise DataError(f"{target} exists already; name the file to write with -o")
    must_not_clash(plan)
    return plan


def _plan(sources: list[tuple[Path, Path]], out: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, Path]]:
    """(source, target) pairs. DataError where a target would be written twice, or is one of the sources."""
    from j4d.images import SUFFIXES

    if out.suffix.lower() in suffixes and not out.is_dir():
        if len(sources) > 1:
            raise DataError(f"{out} is one file, but there are {len(sources)} images; name a folder with -o")
        plan = [(sources[0][0], out)]
    elif out.is_file():
        raise DataError(f"{out} is a file; name a folder, or a file ending in {suffixes[0]}, with -o")
    elif out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise DataError(f"{out} is no place for {suffixes[0]} files; name a folder, or a file ending so, with -o")
    else:
        plan = [(source, out / name.with_suffix(suffixes[0])) for source, name in sources]
    must_not_clash(plan)
    return plan
