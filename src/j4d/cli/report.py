"""`j4d report`: evaluations as one HTML page for people who would rather look. PyTorch only where a model is asked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.cli.inputs import (
    IMAGES_HELP,
    CropOption,
    InterpolationOption,
    LabelsOption,
    LimitOption,
    MeanOption,
    NoLabelsOption,
    ResizeOption,
    SplitOption,
    StdOption,
    ThreadsOption,
    image_set_of,
    preprocessing,
    say_preparations,
)
from j4d.cli.targets import must_be_writable
from j4d.errors import DataError, ParameterError
from j4d.support.files import write_atomic
from j4d.support.printable import echo

if TYPE_CHECKING:
    from j4d.evaluation.results import Evaluation

PHOTOGRAPHS = "Photographs (together)"
MODEL_HELP = "Ask this model about photographs: the one evaluated, named as for `j4d evaluate`."


def report(
    evaluations: Annotated[
        list[Path],
        typer.Argument(help="evaluation.json files from `j4d evaluate`; the first is shown first.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.", show_default=False)],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            "-p",
            help="A profile measured in them, a file or a built-in name: adds how it was learned. May be repeated.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=PHOTOGRAPHS)] = None,
    images: Annotated[str | None, typer.Option("--images", "-i", help=IMAGES_HELP, rich_help_panel=PHOTOGRAPHS)] = None,
    labels: LabelsOption = None,
    no_labels: NoLabelsOption = False,
    split: SplitOption = None,
    limit: LimitOption = None,
    class_names: Annotated[
        Path | None, typer.Option(help="Names of the classes: a CSV with columns index,name or one name a line.")
    ] = None,
    photographs: Annotated[int, typer.Option(min=1, max=12, help="How many photographs to show.")] = 12,
    resize: ResizeOption = None,
    crop: CropOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    interpolation: InterpolationOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Make one HTML page of evaluations: curves, tables, photographs, provenance.

    The page is a single file that loads nothing from anywhere; open it in any
    browser, send it, archive it. The same input gives the same bytes. With
    --model and --images it also shows photographs under default JPEG and the
    learned profile at equal bytes, with the model's answers: evenly spaced
    places of the set, so that nobody chooses.

    \b
      j4d report report/evaluation.json -o page.html
      j4d report a/evaluation.json b/evaluation.json -p a.json -o page.html
      j4d report report/evaluation.json -m timm:resnet18 -i data:test -o page.html
    """
    must_be_writable(out)
    if (model is None) != (images is None):
        given, missing = ("--model", "--images") if images is None else ("--images", "--model")
        raise ParameterError(f"{given} without {missing}: photographs need both, a page without them neither")
    command = _command(
        evaluations,
        {
            "--profile": profile,
            "--model": model,
            "--images": images,
            "--labels": labels,
            "--no-labels": no_labels,
            "--split": split,
            "--limit": limit,
            "--class-names": class_names,
            "--photographs": photographs if images is not None and photographs != 12 else None,
            "--resize": resize,
            "--crop": crop,
            "--mean": mean,
            "--std": std,
            "--interpolation": interpolation,
            "--threads": threads,
            "--out": out,
        },
    )

    from j4d.evaluation.results import Evaluation
    from j4d.profile.lookup import find
    from j4d.report.page import render_page

    loaded = [Evaluation.load(path) for path in evaluations]
    profiles = {place: find(place) for place in profile or []}
    shown: dict[int, Mapping[str, Any]] = {}
    if model is not None and images is not None:
        import torch

        from j4d.readers.answers import probabilities
        from j4d.readers.loading import load_model
        from j4d.report import page_photographs

        names = [] if class_names is None else page_photographs.read_class_names(class_names)
        image_set = image_set_of(images, labels, no_labels, split, limit)
        if threads is not None:
            torch.set_num_threads(threads)
        vision_model = load_model(model, **preprocessing(resize, crop, mean, std, interpolation))
        say_preparations([vision_model])
        number = _belongs(loaded, vision_model, image_set.fingerprint, model)
        ask = partial(probabilities, vision_model)
        shown[number] = page_photographs.photographs(loaded[number], image_set, ask, names, most=photographs)
    page = render_page(loaded, profiles=profiles, photographs=shown, command=command)
    write_atomic(out, page)
    echo(f"wrote {out}, {len(page)} bytes")


def _belongs(evaluations: Sequence[Evaluation], model: Any, images: str, spec: str) -> int:
    """The evaluation that `model` was measured in, rather one on the set with this fingerprint. DataError if none."""
    from j4d.readers.fingerprints import fingerprint

    own = fingerprint(model)
    measured = [i for i, one in enumerate(evaluations) if one.record.get("model_fingerprint") == own]
    if not measured:
        models = ", ".join(sorted({str(one.record.get("model", "?")) for one in evaluations}))
        raise DataError(f"{spec}: its weights are not those of any model evaluated here ({models})")
    return next((i for i in measured if evaluations[i].record.get("data_fingerprint") == images), measured[0])


def _command(evaluations: Sequence[Path], options: Mapping[str, Any]) -> str:
    """The command line that was given, in one fixed order."""
    words = ["j4d", "report", *map(str, evaluations)]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            for one in value if isinstance(value, list) else [value]:
                words += [name, str(one)]
    return shlex.join(words)
