"""`j4d encode` and `j4d decode`: pictures to JPEG files and back. No PyTorch.

Where each file goes is decided, and every setting checked, before the first
one is written. A file that fails ends nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from j4d.cli.failures import Failures
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
from j4d.cli.streams import STANDARD_STREAM, name_of, plan_of_streams, read_picture, read_source, write_result
from j4d.cli.targets import is_folder, must_not_clash
from j4d.errors import CodecError, DataError, ImageError
from j4d.images.kinds import JPEG_SUFFIXES, is_called_image, is_called_jpeg
from j4d.support.files import permissions, write_atomic
from j4d.support.printable import echo


def encode(
    images: Annotated[
        list[Path], typer.Argument(help="Image files, folders of them, or - for standard input.", show_default=False)
    ],
    out: Annotated[
        str | None,
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
    background: Annotated[
        str, typer.Option(help="What shows through transparent pixels: a name, #rrggbb, or R,G,B.")
    ] = "white",
    to_srgb: Annotated[
        bool,
        typer.Option("--to-srgb", help="Convert the colours to sRGB, in place of embedding the source's ICC profile."),
    ] = False,
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
    goes to standard output.

    Pictures come out upright and opaque: the orientation is applied, and what is
    transparent is shown on white, or on --background. The ICC profile of an RGB
    picture is embedded unless it says no more than sRGB, or the colours are
    converted with --to-srgb (relative colorimetric); one of gray or CMYK is
    applied. Other metadata (Exif, XMP, IPTC) are not copied; `j4d transcode`
    keeps them. From a folder images are
    taken by their names, hidden ones passed over. A file that cannot be read
    gets a line on stderr and the exit code 2; the others are written.

    \b
      j4d encode photo.png --quality 40
      j4d encode photo.png -o photo.jpg --profile profile.json --bpp 0.5
      j4d encode photos/ -o encoded/ --profile profile.json --quality 40
      j4d encode photos/ -o small/ --quality 60 --longest-side 408
      j4d encode photos/*.webp -o default/ --jpeg-quality 30 --sampling 4:2:0
      convert scan.tif png:- | j4d encode - --quality 40 > scan.jpg
    """
    from j4d.images.reading import colour_of
    from j4d.jpeg import encoding
    from j4d.jpeg.size import stored_size

    parameters = parameters_for(profile, index, bpp, quality, jpeg_quality, sampling, adapt, None, judge, longest_side)
    reading: dict[str, Any] = {"background": colour_of(background, "--background"), "to_srgb": to_srgb}
    writing: dict[str, Any] = {"seed": seed, "deterministic": deterministic, "effort": effort}
    total_bytes = total_pixels = 0
    failures = Failures()
    plan = plan_of_streams(images, None if out is None else Path(out), JPEG_SUFFIXES)
    if not plan:
        plan = _beside(images) if out is None else _plan(_expand(images, is_called_image, failures), out, JPEG_SUFFIXES)
    total = len(plan) + failures.count
    for source, target in plan:
        try:
            picture = read_picture(source, **reading)
            found = parameters(picture.pixels)
            icc = None if found.sampling == "gray" else picture.icc  # which describes RGB
            data = encoding.encode(picture.pixels, found, progressive=progressive, icc=icc, **writing)
        except (ImageError, CodecError, DataError) as error:
            failures.tell(name_of(source), error)
            continue
        write_result(target, data, source)
        for note in picture.notes:
            echo(f"j4d: note: {name_of(source)}: {note}", err=True)
        image_height, image_width = picture.pixels.shape[:2]
        pixels = image_height * image_width
        total_bytes, total_pixels = total_bytes + len(data), total_pixels + pixels
        height, width = stored_size(image_height, image_width, found.longest_side)
        stored = "" if (height, width) == (image_height, image_width) else f"  stored at {width} x {height}"
        rate = f"{8 * len(data) / pixels:.3f} bpp"
        echo(f"{target}  {len(data)} bytes  {rate}{stored}", err=target == STANDARD_STREAM)
    if total_pixels and total > 1:
        rate = f"{8 * total_bytes / total_pixels:.3f} bpp"
        echo(f"{total - failures.count} files  {total_bytes} bytes  {rate} over all pixels")
    failures.end(total)


def decode(
    images: Annotated[list[Path], typer.Argument(help="JPEG files, or folders of them.", show_default=False)],
    out: Annotated[
        str,
        typer.Option("--out", "-o", help="Folder for the PNG files, or a .png name for one.", show_default=False),
    ],
) -> None:
    """Decode JPEG files to PNG, pixel by pixel what the evaluation's decoder sees.

    Pictures come out upright: where Exif says that one is to be turned, its
    pixels are. The colour profile is kept as by encode, other metadata are not. Of a folder
    the JPEG files are taken, and keep their places below it. A file that cannot
    be decoded gets a line on stderr and the exit code 2; the others are written.

    \b
      j4d decode photo.jpg -o photo.png
      j4d decode encoded/*.jpg -o pixels/
    """
    import io

    from PIL import Image

    from j4d.images import reading
    from j4d.jpeg import decoding

    failures = Failures()
    plan = _plan(_expand(images, is_called_jpeg, failures), out, (".png",))
    total = len(plan) + failures.count
    for source, target in plan:
        try:
            data = read_source(source)
            pixels = reading.upright(decoding.decode(data), reading.orientation_of(data))
            icc = reading.profile_of(data, str(source))
        except (OSError, CodecError, DataError, ImageError) as error:
            failures.tell(source, error)
            continue
        encoded = io.BytesIO()
        Image.fromarray(pixels).save(encoded, format="PNG", icc_profile=icc)
        write_atomic(target, encoded.getvalue(), permissions(source))
        echo(f"{target}  {pixels.shape[1]} x {pixels.shape[0]} pixels")
    failures.end(total)


def _expand(paths: list[Path], wanted: Callable[[str], bool], failures: Failures) -> list[tuple[Path, Path]]:
    """(file, its name below the folder that was given), folders replaced by the `wanted` files in them, in order.

    A folder that cannot be read is told as a failure. DataError for what does not exist, and where nothing is found.
    """
    from j4d.images.image_set import images_below

    found: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            inside, unreadable = images_below(path, wanted)
            for line in unreadable:
                failures.tell(*line.split(": ", 1))
            if not inside and not unreadable:
                raise DataError(f"{path}: no {'JPEG files' if wanted is is_called_jpeg else 'images'} in this folder")
            found += [(file, file.relative_to(path)) for file in inside]
        elif path.exists():
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


def _plan(sources: list[tuple[Path, Path]], place: str, suffixes: tuple[str, ...]) -> list[tuple[Path, Path]]:
    """(source, target) pairs. DataError where a target would be written twice, or is one of the sources."""
    out = Path(place)
    if is_folder(place):
        plan = [(source, out / name.with_suffix(suffixes[0])) for source, name in sources]
    elif out.suffix.lower() in suffixes:
        if len(sources) > 1:
            raise DataError(f"{out} is one file, but there are {len(sources)} images; name a folder with -o")
        plan = [(source, out) for source, _ in sources]
    elif out.is_file():
        raise DataError(f"{out} is a file; name a folder, or a file ending in {suffixes[0]}, with -o")
    elif is_called_image(out.name):
        raise DataError(f"{out} is no place for {suffixes[0]} files; name a folder, or a file ending so, with -o")
    else:
        plan = [(source, out / name.with_suffix(suffixes[0])) for source, name in sources]
    must_not_clash(plan)
    return plan
