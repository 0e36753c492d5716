"""`j4d judge`: make a model known to a profile, so that encoding may ask it. PyTorch is loaded inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from j4d.cli.inputs import (
    MODEL_HELP,
    CropOption,
    ImagesOption,
    InterpolationOption,
    LimitOption,
    MeanOption,
    ResizeOption,
    SplitOption,
    StdOption,
    ThreadsOption,
    image_set_of,
    preprocessing,
    say_preparations,
)
from j4d.cli.options import profile_of
from j4d.cli.targets import must_be_writable
from j4d.support.allocator import keep_freed_memory
from j4d.support.printable import echo


def judge(
    profile: Annotated[
        str, typer.Argument(help="Profile file, or the name of a built-in one such as universal.", show_default=False)
    ],
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help=f"{MODEL_HELP} Repeated: the mean of several counts, as one judge.",
            show_default=False,
        ),
    ],
    images: ImagesOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Profile file to write.", show_default=False)],
    split: SplitOption = None,
    limit: LimitOption = None,
    name: Annotated[
        str | None, typer.Option(help="What the profile calls the judge.", show_default="the model's name")
    ] = None,
    resize: ResizeOption = None,
    crop: CropOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    interpolation: InterpolationOption = None,
    threads: ThreadsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Teach a profile a judge: a model that `j4d encode --judge` asks about each picture.

    A judge looks at each picture's files along the profile and takes the
    place where bits do its answer the most good. How it has to weigh bits so
    that all pictures together get the rate they would have had is learned here,
    from a hundred or more photographs like those to come; labels are not
    needed. `j4d learn` has taught the models it learned for already.

    \b
      j4d judge universal -m timm:resnet18 -i photos -o mine.json
      j4d encode photos/ -o encoded/ -p mine.json --quality 40 \\
          --judge timm:resnet18
    """
    must_be_writable(out)
    known = profile_of(profile)
    pictures = image_set_of(images, None, True, split, limit)

    import torch

    from j4d.learning.adaptation import calibrate_judge
    from j4d.readers.loading import load_model

    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    options = preprocessing(resize, crop, mean, std, interpolation)
    models = [load_model(spec, **options) for spec in model]
    say_preparations(models)
    better = calibrate_judge(known, models, pictures, name=name, progress=not quiet)
    better.save(out)
    echo(f"wrote {out}; {better.name} knows {', '.join(choice.judge for choice in better.choices)}")
