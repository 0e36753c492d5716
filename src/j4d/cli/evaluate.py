"""`j4d evaluate`: profiles, default JPEG and rivals on any models and image sets. PyTorch is loaded inside it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from j4d.cli.inputs import (
    IMAGES_HELP,
    MODEL_HELP,
    CropOption,
    InterpolationOption,
    LabelsOption,
    LimitOption,
    MeanOption,
    NoLabelsOption,
    ResizeOption,
    SplitOption,
    StdOption,
    image_set_of,
    preprocessing,
    say_preparations,
)
from j4d.cli.options import DeterministicOption, ProtocolName, SamplingName
from j4d.cli.parsing import integer
from j4d.cli.targets import must_be_writable
from j4d.errors import DataError, ParameterError
from j4d.support.allocator import keep_freed_memory
from j4d.support.cores import available_cores
from j4d.support.printable import echo, safe_console

if TYPE_CHECKING:
    from j4d.evaluation.results import Evaluation
    from j4d.evaluation.stored import StoredResult
    from j4d.images.image_set import ImageSet
    from j4d.profile.profile import Profile


class AdaptChoice(str, Enum):
    """Whether pictures are moved along a profile that has learned to."""

    yes = "yes"
    no = "no"
    both = "both"


PICTURES_PER_JOB = 16  # fewer are not worth a process that has to load the models


def evaluate(
    models: Annotated[
        list[str],
        typer.Option("--model", "-m", help=f"{MODEL_HELP} May be repeated.", show_default=False),
    ],
    images: Annotated[
        list[str],
        typer.Option("--images", "-i", help=f"{IMAGES_HELP} May be repeated.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report's files.", show_default=False)],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", "-p", help="Profile to measure, a file or a built-in name, on every model; may be repeated."
        ),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(help="Rival to measure, such as mozjpeg, or all; NAME?option=value; may be repeated."),
    ] = None,
    learn_images: Annotated[
        str | None, typer.Option(help="Folder, or DIR:SPLIT, for rivals that learn; not what is measured on.")
    ] = None,
    learn_split: Annotated[str | None, typer.Option(help="Only rows of this split of the CSV there.")] = None,
    learn_limit: Annotated[int | None, typer.Option(min=1, help="Use only the first so many of them.")] = None,
    points: Annotated[int, typer.Option(min=1, help="Settings of a rival that learns.")] = 12,
    default_jpeg: Annotated[
        str | None, typer.Option(help="IJG qualities of the default JPEG it is compared with, such as 10,20,40.")
    ] = None,
    labels: LabelsOption = None,
    no_labels: NoLabelsOption = False,
    split: SplitOption = None,
    limit: LimitOption = None,
    protocol: Annotated[
        ProtocolName | None, typer.Option(help="Recorded in the report; by default the profiles'.")
    ] = None,
    sampling: Annotated[
        SamplingName | None, typer.Option(help="Of default JPEG and rivals; by default the first profile's.")
    ] = None,
    deterministic: DeterministicOption = False,
    adapt: Annotated[
        AdaptChoice,
        typer.Option(help="Coarser steps for busy and large pictures, where profiles have learned it; or both ways."),
    ] = AdaptChoice.yes,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure profiles also with each picture's place chosen by this model (see `j4d judge`); repeated: by "
            "the mean of several. own: by the model that is measured.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples of the images behind the 95 % intervals.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="Most files of one image in a forward pass.")] = 32,
    seed: Annotated[int, typer.Option(help="Of the quantizer, the bootstrap and rivals that learn.")] = 0,
    resize: ResizeOption = None,
    crop: CropOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    interpolation: InterpolationOption = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one per core, fewer for few images.")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="PyTorch threads of each; another number may change last digits.")
    ] = 1,
    cache: Annotated[
        Path | None, typer.Option(help="Where measurements are kept; by default this user's cache folder.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Measure everything anew and keep nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Measure profiles and rivals against default JPEG: actual bytes, the model's answers on the decoded files.

    Writes evaluation.json (every per-image figure), curve.csv, curve.png and
    tables.png, in a folder each where there are several models or image sets,
    and summary.json, .csv and .md over all. Use images that the profile has
    not seen. What was measured before comes from the cache, so that an
    interrupted run goes on where it stopped.

    \b
      j4d evaluate --model timm:resnet18 --images test -p profile.json -o report
      j4d evaluate -m timm:resnet18 -i data:test -p a.json -p b.json -o out
      j4d evaluate -m A=net.py:a -m B=net.py:b -i test -p a.json -p b.json \\
          --rival all --learn-images train -o report
      j4d evaluate -m timm:resnet18 -i test --learn-images train -o report \\
          --rival "random-search?evaluations=480"
    """
    from j4d.codecs.default import DEFAULT_QUALITIES, DefaultJPEG
    from j4d.profile.lookup import find

    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; name a folder with -o")
    must_be_writable(out / "evaluation.json")
    profiles = [find(place, sampling.value if sampling else None) for place in profile or []]
    qualities = DEFAULT_QUALITIES if default_jpeg is None else _qualities(default_jpeg)
    chosen = sampling.value if sampling else (profiles[0].provenance.sampling if profiles else "4:2:0")
    reference = DefaultJPEG(qualities, sampling=chosen)
    image_sets = [image_set_of(place, labels, no_labels, split, limit) for place in images]
    learning = None
    if learn_images is not None:
        learning = image_set_of(learn_images, None, no_labels, learn_split, learn_limit)
        _warn_of_shared(learning, image_sets)
    where = protocol.value if protocol else _protocol(profiles)

    import torch

    from j4d.evaluation import contenders as contending
    from j4d.evaluation import grid
    from j4d.evaluation.measurements import default_folder
    from j4d.report.summaries import save_all

    rivals, reasons = contending.rival_names(rival or [])
    keep_freed_memory()
    torch.set_num_threads(threads)
    options = preprocessing(resize, crop, mean, std, interpolation)
    grid_models = [grid.GridModel.from_spec(spec, **options) for spec in models]
    judges = contending.judges_of(judge or [], grid_models, options)
    say_preparations([one.subject.load() for one in grid_models], *(one.judge.models for one in judges))
    folder = None if no_cache else (cache or default_folder())
    contenders = contending.Contenders()
    contenders.add_default(reference)
    for one, name in zip(profiles, _distinct_names(profiles, profile or []), strict=True):
        contenders.add_profile(one, name, seed=seed, deterministic=deterministic, adapt=adapt.value)
        reasons += contenders.add_chosen(one, name, judges)
    for reason in reasons:
        echo(f"left out: {reason}", err=True)
    contending.add_rivals(
        contenders,
        rivals,
        sampling=chosen,
        models=grid_models,
        learning=learning,
        points=points,
        seed=seed,
        cache=folder,
        say=(lambda text: None) if quiet else (lambda text: echo(text, err=True)),
    )
    pictures = sum(len(images) for images in image_sets)
    evaluations = grid.evaluate_grid(
        grid_models,
        image_sets,
        contenders.entries,
        protocol=where,
        seed=seed,
        bootstrap=bootstrap,
        batch_size=batch_size,
        jobs=jobs or max(1, min(available_cores(), pictures // PICTURES_PER_JOB)),
        threads=threads,
        cache=folder,
        progress=not quiet,
        roles=contenders.roles,
    )
    written, results = save_all(evaluations, out)
    _show(evaluations, results)
    echo("wrote " + ", ".join(str(path) for path in written))


def _show(evaluations: list[Evaluation], results: list[StoredResult]) -> None:
    console = safe_console(highlight=False)
    if len(evaluations) == 1:
        from j4d.report.terminal import print_evaluation

        print_evaluation(evaluations[0], console)
        for warning in evaluations[0].warnings:
            echo(f"note: {warning}")
    else:
        from rich.markdown import Markdown

        from j4d.report.summaries import summary_markdown

        console.print(Markdown(summary_markdown(results)))


def _qualities(text: str) -> list[int]:
    return [integer(value, "--default-jpeg") for value in text.split(",")]


def _protocol(profiles: list[Profile]) -> str:
    found = list(dict.fromkeys(profile.provenance.protocol for profile in profiles))
    if len(found) > 1:
        raise ParameterError(f"the profiles were learned for {' and '.join(found)}; say which is measured: --protocol")
    return found[0] if found else "stored-size"


def _warn_of_shared(learning: ImageSet, measured: list[ImageSet]) -> None:
    known = {path.resolve() for path in learning.paths}
    shared = sum(path.resolve() in known for images in measured for path in images.paths)
    if shared:
        echo(f"warning: rivals learn from {shared} of the images they are measured on", err=True)


def _distinct_names(profiles: list[Profile], places: list[str]) -> list[str]:
    """The profiles' own names, with what was given for them where two are called the same."""
    names = [profile.name for profile in profiles]
    return [name if names.count(name) == 1 else f"{name} ({place})" for name, place in zip(names, places, strict=True)]
