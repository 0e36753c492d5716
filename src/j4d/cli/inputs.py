"""Models and photographs on the command line: the options that several commands share, and what they become."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.cli.parsing import numbers
from j4d.errors import ParameterError
from j4d.support.printable import echo

if TYPE_CHECKING:
    from j4d.images.image_set import ImageSet

MODEL_HELP = (
    "package.module:callable or file.py:callable (runs that Python), a TorchScript or torch.export file, timm:NAME, "
    "torchvision:NAME, hf:NAME, or demo:efficientnet-lite0. NAME=SPEC gives it a name."
)
IMAGES_HELP = "Folder of photographs, or DIR:SPLIT."
ImagesOption = Annotated[str, typer.Option("--images", "-i", help=IMAGES_HELP, show_default=False)]
LabelsOption = Annotated[
    Path | None,
    typer.Option(help="CSV with columns file,label[,split]; by default labels.csv in the folder, if there."),
]
SplitOption = Annotated[
    str | None, typer.Option(help="Only rows of this split of the CSV, such as test; DIR:SPLIT says it shorter.")
]
NoLabelsOption = Annotated[
    bool, typer.Option("--no-labels", help="Ignore labels: the model's own answers are the truth.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Use only the first so many images.")]
ResizeOption = Annotated[int | None, typer.Option(help="The model's resize: shorter side, pixels.")]
CropOption = Annotated[int | None, typer.Option(help="The model's centre crop, pixels.")]
MeanOption = Annotated[str | None, typer.Option(help="Subtracted per channel, in 0..255: R,G,B.")]
StdOption = Annotated[str | None, typer.Option(help="Divided by per channel, in 0..255: R,G,B.")]
InterpolationOption = Annotated[str | None, typer.Option(help="Of the model's resize: bilinear or bicubic.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="PyTorch threads; fewer is faster on busy cores.")]


def image_set_of(place: str, labels: Path | None, no_labels: bool, split: str | None, limit: int | None) -> ImageSet:
    """The photographs that the options ask for; place: DIR or DIR:SPLIT. Raises J4DError."""
    from j4d.images.image_set import load_images

    if labels is not None and no_labels:
        raise ParameterError("--labels and --no-labels contradict each other; give one")
    folder, split = folder_and_split(place, split)
    found = load_images(folder, labels=labels, split=split)
    if limit is not None and limit < len(found):
        found = found.subset(range(limit))
    return dataclasses.replace(found, labels=None) if no_labels else found


def folder_and_split(text: str, split: str | None) -> tuple[Path, str | None]:
    """DIR or DIR:SPLIT; a folder of that very name comes first, and `split` is that of all others."""
    folder, colon, own = text.rpartition(":")
    if colon and own and folder and not Path(text).is_dir() and Path(folder).is_dir():
        return Path(folder), own
    return Path(text), split


def say_preparations(*models: Sequence[object]) -> None:
    """Print the preprocessing in force on stderr, a line for each model."""
    told = (getattr(model, "preparation", None) for group in models for model in group)
    for line in dict.fromkeys(filter(None, told)):
        echo(line, err=True)


def preprocessing(
    resize: int | None, crop: int | None, mean: str | None, std: str | None, interpolation: str | None
) -> dict[str, Any]:
    """Keyword arguments of `load_model`."""
    return {
        "resize": resize,
        "crop": crop,
        "mean": None if mean is None else numbers(mean, "--mean"),
        "std": None if std is None else numbers(std, "--std"),
        "interpolation": interpolation,
    }
