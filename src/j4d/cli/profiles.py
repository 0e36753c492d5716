"""`j4d profiles`, `show` and `export`: which profiles there are, what is in one, and a point of it for other encoders.

No PyTorch.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from j4d.cli.options import BppOption, IndexOption, QualityOption, operating_point, profile_of
from j4d.support.files import write_atomic
from j4d.support.printable import echo, safe_console

ProfileArgument = Annotated[
    str,
    typer.Argument(
        help="Profile file from `j4d learn`, or a built-in name.",
        metavar="PROFILE",
        show_default=False,
    ),
]


class ExportFormat(str, Enum):
    """What `export` writes."""

    cjpeg = "cjpeg"
    pillow = "pillow"
    c = "c"


def profiles() -> None:
    """List the profiles that come with j4d, one line each.

    Wherever a profile is asked for, its name serves as well as a file. A name
    without a sampling, such as universal, stands for the profile of the
    sampling asked for, 4:2:0 by default.

    \b
      j4d profiles
      j4d show universal
      j4d encode photo.png --profile universal --quality 40
    """
    from j4d.profile import builtin
    from j4d.profile.profile import Profile

    for family in builtin.families():
        echo(f"{family}  stands for {' or '.join(builtin.members_of(family))}, by the sampling")
    for name in builtin.members():
        profile = Profile.builtin(name)
        source, (first, *_, last) = profile.provenance, profile.points
        models = len(source.model.split(" + "))
        echo(
            f"{name}  {source.sampling}  {len(profile.points)} points  {first.estimated_bpp:.2f} to "
            f"{last.estimated_bpp:.2f} estimated bpp  learned for {models} model{'s' if models > 1 else ''} on "
            f"{source.image_count} photographs, {source.protocol}"
        )


def show(
    profile: ProfileArgument, index: IndexOption = None, bpp: BppOption = None, quality: QualityOption = None
) -> None:
    """Show a profile: rates, tables and where it comes from.

    Without a place on the ladder, the tables of its first, middle and last
    points.

    \b
      j4d show universal
      j4d show profile.json
      j4d show profile.json --index 3
      j4d show profile.json --bpp 0.5
    """
    from j4d.report import terminal

    console = safe_console(highlight=False)
    loaded = profile_of(profile)
    if (index, bpp, quality) == (None, None, None):
        console.print(terminal.profile_table(loaded))
        console.print(terminal.provenance_table(loaded.provenance))
        count = len(loaded.points)
        for i in sorted({0, count // 2, count - 1}):
            point = loaded.points[i]
            console.print(f"\n[bold]point {i}[/bold], estimated {point.estimated_bpp:.3f} bpp")
            console.print(terminal.parameters_tables(point.parameters))
        return
    parameters = operating_point(profile, index, bpp, quality)
    console.print(terminal.parameters_tables(parameters))
    console.print(f"sampling {parameters.sampling}, {terminal.quantizer_text(parameters)}")


def export(
    profile: ProfileArgument,
    format: Annotated[
        ExportFormat,
        typer.Option("--format", "-f", help="cjpeg -qtables file, Pillow snippet, or C array."),
    ] = ExportFormat.cjpeg,
    index: IndexOption = None,
    bpp: BppOption = None,
    quality: QualityOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; else the terminal.")] = None,
) -> None:
    """Export the tables of one point for other JPEG encoders.

    They round to the nearest index; the dead zone and the sharpness of a
    profile work only in j4d's encoder.

    \b
      j4d export profile.json --bpp 0.5 --format cjpeg -o tables.txt
      cjpeg -qtables tables.txt -sample 2x2 -optimize photo.ppm > photo.jpg
      j4d export profile.json --index 2 --format pillow
    """
    from j4d.jpeg.export import export as export_text

    text = export_text(operating_point(profile, index, bpp, quality), format.value)
    if out is None:
        echo(text.removesuffix("\n"))
    else:
        write_atomic(out, text.encode())
        echo(f"wrote {out}")
