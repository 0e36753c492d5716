"""The whole way on one page: learn a short profile, encode with it, measure it against default JPEG.

The classifier and the photographs come inside Python packages, so it runs anywhere without a download
of its own. A few dozen photographs make a demonstration, not a benchmark; `run` says so in its output.
Whole photographs are kept apart between learning and measuring; both see crops of them as a camera
would have stored them.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape

from j4d.codecs.chosen import ChosenJPEG
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.codecs.protocol import Codec
from j4d.errors import DataError
from j4d.evaluation.evaluate import evaluate
from j4d.evaluation.results import Evaluation
from j4d.images.image_set import ImageSet, read_image
from j4d.learning.learn import learn
from j4d.readers.encoder_judge import EncoderJudge
from j4d.readers.loading import load_model
from j4d.report.terminal import print_evaluation
from j4d.support.files import write_atomic
from j4d.support.printable import safe_console

MODEL = "demo:efficientnet-lite0"
TRIAL_PICTURES = 32  # a third of the usual: the demonstration is to take a few minutes
SAMPLING = "4:2:0"


@dataclass(frozen=True)
class Budget:
    """How much work the demonstration does; the defaults take a little over two minutes on two idle cores.

    rates: of the ladder, bits per pixel; steps: per point of it. crops: per set, shared out evenly over its
    photographs; side: of every square crop, in pixels. qualities: of the default JPEG measured beside it.
    """

    rates: tuple[float, ...] = (0.15, 0.25, 0.4, 0.65, 1.0)
    steps: int = 18
    batch_size: int = 24
    learning_crops: int = 153
    held_out_crops: int = 90
    side: int = 400
    qualities: tuple[int, ...] = (5, 10, 15, 20, 30, 45, 65, 85)

    def shrunk(self, share: float) -> Budget:
        """The same ladder with `share` of the steps and crops, at least one step and eight crops."""

        def part(count: int, least: int) -> int:
            return max(least, round(count * share))

        return Budget(
            rates=self.rates if share >= 0.5 else self.rates[1::2],
            steps=part(self.steps, 1),
            batch_size=self.batch_size if share >= 0.5 else max(4, self.batch_size // 4),
            learning_crops=part(self.learning_crops, 8),
            held_out_crops=part(self.held_out_crops, 8),
            side=self.side,
            qualities=self.qualities,
        )


# (package, folder in it, file name pattern). Colour photographs of things; of the stereo pair only one.
SOURCES = (
    ("foolbox", "data", r"imagenet_\d+_\d+\.jpg"),
    ("skimage", "data", r"(astronaut|coffee|motorcycle_left)\.png|rocket\.jpg"),
    ("sklearn", "datasets/images", r"(china|flower)\.jpg"),
)


def photographs() -> list[Path]:
    """The photographs that the installed packages bring, in a fixed order. DataError where there are too few."""
    found: list[Path] = []
    for package, folder, pattern in SOURCES:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            files = sorted((Path(place) / folder).glob("*"))
            found += [file for file in files if re.fullmatch(pattern, file.name)]
    if len(found) < 4:
        raise DataError(
            f"the demonstration needs 4 photographs or more and found {len(found)}: "
            "pip install 'j4d[demo]' brings scikit-image and scikit-learn, which carry some"
        )
    return found


def split_photographs(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """(learning, held-out): every third photograph is held out, so each source gives to both."""
    held_out = files[1::3]
    return [file for file in files if file not in held_out], held_out


def crops(files: list[Path], count: int, side: int, *, seed: int, name: str) -> ImageSet:
    """`count` random crops (side, side, 3), shared out evenly over the photographs, every other round mirrored.

    A photograph smaller than the crop is left out. Pixels are never resampled. DataError where none is left.
    """
    images = [image for image in map(read_image, files) if min(image.shape[:2]) >= side]
    if not images:
        raise DataError(f"none of {len(files)} photographs holds a crop of {side} x {side} pixels")
    generator = np.random.default_rng(seed)
    cut = []
    for i in range(count):
        image = images[i % len(images)]
        top, left = (generator.integers(length - side + 1) for length in image.shape[:2])
        piece = image[top : top + side, left : left + side]
        cut.append(np.ascontiguousarray(piece[:, ::-1] if i // len(images) % 2 else piece))
    return ImageSet.from_arrays(cut, name=name)


def run(
    out: Path,
    *,
    budget: float = 1.0,
    seed: int = 0,
    progress: bool = True,
    console: Console | None = None,
) -> Evaluation:
    """Learn, encode, measure; write profile.json, the report and some encoded files into `out`.

    budget: share of the usual work (see `Budget`). Raises DataError, ModelError where a package is missing.
    """
    console = console or safe_console(highlight=False)
    work = Budget().shrunk(budget) if budget != 1 else Budget()
    learning_files, held_out_files = split_photographs(photographs())
    learning = crops(learning_files, work.learning_crops, work.side, seed=seed, name="demo/learning")
    held_out = crops(held_out_files, work.held_out_crops, work.side, seed=seed + 1, name="demo/held-out")
    console.print(
        f"[bold]1. Photographs[/bold]: {len(learning_files)} to learn from, {len(held_out_files)} others to measure "
        f"on; {len(learning)} and {len(held_out)} crops of {work.side} x {work.side}."
    )
    model = load_model(MODEL)
    console.print(
        f"[bold]2. Learning[/bold] {len(work.rates)} operating points for EfficientNet-Lite0, {work.steps} steps each, "
        "without labels: the model's own answers must survive."
    )
    profile = learn(
        model,
        learning,
        sampling=SAMPLING,
        rates=work.rates,
        steps=work.steps,
        batch_size=work.batch_size,
        trial_pictures=TRIAL_PICTURES,
        seed=seed,
        progress=progress,
        name="efficientnet-lite0-demo",
        model_name=MODEL,
    )
    out.mkdir(parents=True, exist_ok=True)
    profile.save(out / "profile.json")

    console.print(
        "[bold]3. Measuring[/bold] real files of the held-out crops: default JPEG, learned, and learned with the model "
        "asked where each picture belongs."
    )
    codecs: list[Codec] = [DefaultJPEG(work.qualities, sampling=SAMPLING), LearnedJPEG(profile, name="learned")]
    if profile.choices:  # there were enough pictures to learn from
        codecs.append(ChosenJPEG(profile, EncoderJudge(model), name="learned, chosen by the model"))
    evaluation = evaluate(model, held_out, codecs=codecs, seed=seed, progress=progress, model_name=MODEL)
    written = [out / "profile.json", *evaluation.save(out), *_write_samples(evaluation, held_out, out / "encoded")]
    print_evaluation(evaluation, console)
    names = ", ".join(str(path.relative_to(out)) for path in written)
    console.print(f"\n[bold]4. Written[/bold] to {escape(f'{out}/: {names}')}")
    console.print(_closing(out), markup=False, soft_wrap=True)
    return evaluation


def _write_samples(evaluation: Evaluation, images: ImageSet, folder: Path, count: int = 3) -> list[Path]:
    """A few crops as learned files from the middle of the ladder, beside default JPEG nearest in rate."""
    default, learned = evaluation.codecs[:2]
    middle = len(learned.settings) // 2
    rates = evaluation.bpp(default).mean(axis=1)
    nearest = int(np.argmin(np.abs(np.log(rates / evaluation.bpp(learned)[middle].mean()))))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    codecs: dict[str, Codec] = {
        "learned": LearnedJPEG.from_config(learned.config),
        "default": DefaultJPEG.from_config(default.config),
    }
    settings = {"learned": learned.settings[middle], "default": default.settings[nearest]}
    for i in range(min(count, len(images))):
        for kind, codec in codecs.items():
            path = folder / f"{i}-{kind}-{settings[kind]}.jpg"
            write_atomic(path, codec.encode(images[i], settings[kind]))
            written.append(path)
    return written


def _closing(out: Path) -> str:
    return f"""
This was a demonstration, not a benchmark: a few dozen photographs, several crops
of each counted as separate images (so the intervals are too narrow), a few
minutes of learning. Learn on hundreds of your own photographs.

Try next:
  j4d show {out}/profile.json
  j4d encode YOUR_PHOTOS -o encoded --profile {out}/profile.json --quality 50
  j4d encode YOUR_PHOTOS -o asked --profile {out}/profile.json --quality 50 --judge {MODEL}
  j4d learn --model timm:resnet18 --images YOUR_PHOTOS -o mine.json
  j4d evaluate --model timm:resnet18 --images OTHERS --profile mine.json -o report"""
