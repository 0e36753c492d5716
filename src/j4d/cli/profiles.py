"""`j4d show` and `j4d export`: look at a profile, and take a point of it to other encoders. No PyTorch."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from j4d.cli.options import BppOption, IndexOption, QualityOption, operating_point

ProfileArgument = Annotated[
    Path, typer.Argument(help="Profile file from `j4d learn`.", metavar="PROFILE", show_default=False)
]


class ExportFormat(str, Enum):
    """What `export` writes."""

    cjpeg = "cjpeg"
    pillow = "pillow"
    c = "c"


def show(
    profile: ProfileArgument, index: IndexOption = None, bpp: BppOption = None, quality: QualityOption = None
) -> None:
    """Show a profile: rates, tables and where it comes from.

    Without a place on the ladder, the tables of its first, middle and last
    points.

    \b
      j4d show profile.json
      j4d show profile.json --index 3
      j4d show profile.json --bpp 0.5
    """
    from rich.console import Console

    from j4d.profile import Profile
    from j4d.report.terminal import parameters_tables, profile_table, provenance_table, quantizer_text

    console = Console(highlight=False)
    loaded = Profile.load(profile)
    if (index, bpp, quality) == (None, None, None):
        console.print(profile_table(loaded))
        console.print(provenance_table(loaded.provenance))
        count = len(loaded.points)
        for i in sorted({0, count // 2, count - 1}):
            point = loaded.points[i]
            console.print(f"\n[bold]point {i}[/bold], estimated {point.estimated_bpp:.3f} bpp")
            console.print(parameters_tables(point.parameters))
        return
    parameters = operating_point(profile, index, bpp, quality)
    console.print(parameters_tables(parameters))
    console.print(f"sampling {parameters.sampling}, {quantizer_text(parameters)}")


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
    from j4d.export import export as export_text
    from j4d.files import write_atomic

    text = export_text(operating_point(profile, index, bpp, quality), format.value)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())
        typer.echo(f"wrote {out}")
