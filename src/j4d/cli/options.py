"""Options that several commands share, and how they become one operating point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.cli.inputs import say_preparations
from j4d.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from j4d.jpeg.parameters import EncodingParameters
    from j4d.jpeg.transcoding import OpenedJPEG
    from j4d.profile.profile import Profile
    from j4d.readers.encoder_judge import EncoderJudge

    Picture = NDArray[np.uint8] | bytes | OpenedJPEG


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


ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Profile file from `j4d learn`, or a built-in name (see `j4d profiles`); by default universal.",
    ),
]
IndexOption = Annotated[int | None, typer.Option(help="Operating point of the profile; -1 is the largest rate.")]
BppOption = Annotated[float | None, typer.Option(help="Estimated bits per pixel, interpolated along the profile.")]
QualityOption = Annotated[
    float | None, typer.Option(help="0 to 100 along the profile: smallest to largest rate, even in log rate.")
]
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
JudgeOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Ask this model about each picture's files, and give bits where its answer needs them; one that the "
        "profile knows (see `j4d judge`). Loads PyTorch, and takes its time.",
        show_default=False,
    ),
]
LongestSideOption = Annotated[
    int | None,
    typer.Option(
        help="Pixels; larger pictures are scaled down to it before they are encoded. What is scaled away is gone for "
        "any later model (docs/size.md). By default the profile's, and that is none unless it was learned with one.",
        show_default=False,
    ),
]
ProgressiveOption = Annotated[bool, typer.Option("--progressive", help="Write progressive files.")]


def profile_of(place: str, sampling: SamplingName | None = None) -> Profile:
    """The profile in a file, or the built-in one of that name.

    sampling: of a built-in family, which member. ParameterError where the profile has but one; ProfileError.
    """
    from j4d.profile import builtin, lookup

    found = lookup.find(place, sampling.value if sampling else None)
    if sampling is not None and (lookup.is_file(place) or place not in builtin.families()):
        raise ParameterError(
            f"--sampling goes with --jpeg-quality, or with {' or '.join(builtin.families())}; "
            f"{place} has its own, {found.provenance.sampling}"
        )
    return found


def point_of(profile: Profile, **places: float | None) -> dict[str, Any]:
    """The one place on the profile that is named, as `Profile.at` takes it; ParameterError."""
    given = {name: value for name, value in places.items() if value is not None}
    if len(given) != 1:
        low, high = profile.points[0].estimated_bpp, profile.points[-1].estimated_bpp
        found = " and ".join(f"--{name}" for name in given) or "none"
        raise ParameterError(
            f"say where on the profile {profile.name} with one of --quality 0..100, --bpp {low:.3g}..{high:.3g}, "
            f"--index 0..{len(profile.points) - 1}; got {found}"
        )
    return given


def operating_point(
    profile: str, index: int | None = None, bpp: float | None = None, quality: float | None = None
) -> EncodingParameters:
    """The encoding parameters at a place of a profile; ParameterError where there is none or more than one."""
    loaded = profile_of(profile)
    return loaded.at(**point_of(loaded, index=index, bpp=bpp, quality=quality))


def parameters_for(
    profile: str | None,
    index: int | None,
    bpp: float | None,
    quality: float | None,
    jpeg_quality: int | None,
    sampling: SamplingName | None,
    adapt: bool,
    reading: Mapping[str, Any] | None = None,
    judge: list[str] | None = None,
    longest_side: int | None = None,
) -> Callable[[Picture], EncodingParameters]:
    """What pixels or a JPEG file are encoded with: the options' operating point, moved for the picture if `adapt`.

    Without --profile and --jpeg-quality the profile is the built-in universal. reading: see `Profile.adapted`. judge:
    specs of models that choose each picture's place instead. longest_side: in place of the profile's. ParameterError
    where options contradict or miss each other, ProfileError where the profile does not know the judge, before any
    picture is seen.
    """
    from j4d.jpeg.parameters import EncodingParameters
    from j4d.profile.builtin import DEFAULT

    if jpeg_quality is not None:
        if profile is not None:
            raise ParameterError("give either --profile or --jpeg-quality, got both")
        for name, value in {"--index": index, "--bpp": bpp, "--quality": quality}.items():
            if value is not None:
                raise ParameterError(f"{name} needs a profile; --jpeg-quality stands alone")
        if judge:
            raise ParameterError("--judge needs a profile that knows it; --jpeg-quality stands alone")
        default = EncodingParameters.from_quality(jpeg_quality, sampling.value if sampling else "4:2:0")
        default = replace(default, longest_side=longest_side)
        return lambda picture: default
    loaded = profile_of(profile or DEFAULT, sampling)
    if longest_side is not None:
        loaded = loaded.stored_at(longest_side)
    place = point_of(loaded, index=index, bpp=bpp, quality=quality)
    fixed = loaded.at(**place)
    if judge:
        if not adapt:
            raise ParameterError("--judge gives each picture its own place, --no-adapt all the same; choose one")
        return _asking(loaded, judge, {**place, **(reading or {})})
    if not adapt or loaded.adaptation is None:
        return lambda picture: fixed
    return lambda picture: loaded.adapted(picture, **place, **(reading or {}))


def _asking(profile: Profile, specs: list[str], options: dict[str, Any]) -> Callable[[Picture], EncodingParameters]:
    asked = judge_of(specs)
    profile.choice_of(asked)
    return lambda picture: profile.chosen(picture, asked, **options)


def judge_of(specs: Sequence[str]) -> EncoderJudge:
    """The judge made of the models with these specs, with one thread of PyTorch in each process.

    Pictures share the cores of a process, not the layers of one picture. One thread also gives the same bytes anywhere.
    """
    from j4d.readers.encoder_judge import EncoderJudge

    judge = EncoderJudge.from_specs(specs, threads=1)
    say_preparations(judge.models)
    return judge
