"""Options that several commands share, and how they become one operating point."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from j4d.errors import DataError, ParameterError

if TYPE_CHECKING:
    from j4d.parameters import EncodingParameters


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


def operating_point(
    profile: Path | None,
    index: int | None,
    bpp: float | None,
    quality: float | None,
    jpeg_quality: int | None = None,
    sampling: SamplingName | None = None,
) -> EncodingParameters:
    """The encoding parameters the options ask for; ParameterError where they contradict or miss each other."""
    from j4d.parameters import EncodingParameters, Profile

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


def must_be_writable(out: Path) -> None:
    """Before hours of work: DataError where the result could not be written in the end."""
    if out.is_dir():
        raise DataError(f"{out} is a folder; name a file with -o")
    for folder in out.absolute().parents:
        if folder.exists():
            if not folder.is_dir():
                raise DataError(f"{folder} is a file, so {out} cannot be written")
            break


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
