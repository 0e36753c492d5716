"""Options that several commands share, and how they become one operating point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from j4d.parameters import EncodingParameters

    Picture = NDArray[np.uint8] | bytes


class SamplingName(str, Enum):
    """Chroma sampling as written on the command line."""

    full = "4:4:4"
    half = "4:2:2"
    quarter = "4:2:0"
    gray = "gray"


class ProtocolName(str, Enum):
    """Where JPEG sits: on the photograph as kept, or on the model's crop."""

    stored = "stored-size"
    model = "model-size"


ProfileOption = Annotated[Path | None, typer.Option("--profile", "-p", help="Profile file from `j4d learn`.")]
IndexOption = Annotated[int | None, typer.Option(help="Operating point of the profile; -1 is the largest rate.")]
BppOption = Annotated[float | None, typer.Option(help="Estimated bits per pixel, interpolated along the profile.")]
QualityOption = Annotated[float | None, typer.Option(help="0 to 100 along the profile: smallest to largest rate.")]
JpegQualityOption = Annotated[
    int | None, typer.Option(help="No profile: default JPEG (Annex K tables) at IJG quality 1..100.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of the probabilistic quantizer.")]
DeterministicOption = Annotated[bool, typer.Option("--deterministic", help="Nearest index instead of a random draw.")]
EffortOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2,
        help="Choice of indices. 0: nearest. 1: the profile's dead zones. 2: jointly by a trellis, the smallest files; "
        "a third as fast. By default what the profile says.",
        show_default=False,
    ),
]
AdaptOption = Annotated[
    bool,
    typer.Option(
        "--adapt/--no-adapt", help="Coarser steps for busy and large pictures, if the profile has learned it."
    ),
]
ProgressiveOption = Annotated[bool, typer.Option("--progressive", help="Write progressive files.")]


def operating_point(
    profile: Path | None,
    index: int | None,
    bpp: float | None,
    quality: float | None,
    jpeg_quality: int | None = None,
    sampling: SamplingName | None = None,
) -> EncodingParameters:
    """The encoding parameters the options ask for; ParameterError where they contradict or miss each other."""
    from j4d.parameters import EncodingParameters
    from j4d.profile import Profile

    places = {"--index": index, "--bpp": bpp, "--quality": quality}
    given = [name for name, value in places.items() if value is not None]
    if (profile is None) == (jpeg_quality is None):
        found = "neither" if profile is None else "both"
        raise ParameterError(f"give either --profile or --jpeg-quality, got {found}")
    if jpeg_quality is not None:
        if given:
            raise ParameterError(f"{given[0]} needs --profile; --jpeg-quality stands alone")
        return EncodingParameters.from_quality(jpeg_quality, sampling.value if sampling else "4:2:0")
    assert profile is not None
    if sampling is not None:
        raise ParameterError("--sampling goes with --jpeg-quality; a profile has its own sampling")
    loaded = Profile.load(profile)
    if len(given) != 1:
        low, high = loaded.points[0].estimated_bpp, loaded.points[-1].estimated_bpp
        found = " and ".join(given) or "none"
        raise ParameterError(
            f"say where on the profile with one of --index 0..{len(loaded.points) - 1}, "
            f"--bpp {low:.3g}..{high:.3g}, --quality 0..100; got {found}"
        )
    return loaded.at(index=index, bpp=bpp, quality=quality)


def parameters_for(
    profile: Path | None,
    index: int | None,
    bpp: float | None,
    quality: float | None,
    jpeg_quality: int | None,
    sampling: SamplingName | None,
    adapt: bool,
    reading: Mapping[str, Any] | None = None,
) -> Callable[[Picture], EncodingParameters]:
    """What pixels or a JPEG file are encoded with: the options' operating point, moved for the picture if `adapt`.

    reading: see `Profile.adapted`. ParameterError as `operating_point`, before any picture is seen.
    """
    from j4d.profile import Profile

    fixed = operating_point(profile, index, bpp, quality, jpeg_quality, sampling)
    loaded = Profile.load(profile) if profile is not None and adapt else None
    if loaded is None or loaded.adaptation is None:
        return lambda picture: fixed
    return lambda picture: loaded.adapted(picture, index=index, bpp=bpp, quality=quality, **(reading or {}))


def numbers(text: str, option: str) -> list[float]:
    """Numbers with commas between; ParameterError naming the option."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"{option} {text!r}: expected numbers with commas between, such as 20,5,1") from None


def integer(text: str, option: str) -> int:
    """One quality of a list; ParameterError naming the option."""
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"{option}: {text!r} is not an integer 1..100") from None
