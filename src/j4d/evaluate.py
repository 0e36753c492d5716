"""Measure codecs with a model: real files, whole-file bytes, the model's answers on the decoded pixels.

Images are taken in windows and grouped by size inside a window, so that memory stays small and every
batch holds images of one size; the order is fixed, so the same input gives the same figures.
"""

from __future__ import annotations

import contextlib
import datetime
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import features

from j4d import __version__
from j4d.codecs import Codec, EncodeCache, Setting
from j4d.errors import CodecError, DataError, ModelError, ParameterError
from j4d.images import ImageSet
from j4d.provenance import PROTOCOLS
from j4d.results import METRICS, CodecResult, Evaluation
from j4d.tasks import Model, logits_of

__all__ = ["Evaluation", "evaluate"]

Image = NDArray[np.uint8]


def evaluate(
    model: Model,
    images: ImageSet | Sequence[Image],
    labels: Sequence[int] | NDArray[np.int64] | None = None,
    codecs: Sequence[Codec] = (),
    *,
    protocol: str = "stored-size",
    seed: int = 0,
    bootstrap: int = 1000,
    batch_size: int = 32,
    cache: EncodeCache | None = None,
    progress: bool = True,
    model_name: str | None = None,
) -> Evaluation:
    """Measure every setting of `codecs` on `images` with `model`; the first codec is the reference.

    model: callable from float (B, 3, H, W) RGB 0..255 at stored size to logits (B, K), doing its own
    resize and normalisation; an nn.Module is run in eval mode on the device of its parameters. images:
    uint8 (H, W, 3). labels: N class indices, by default those of the ImageSet; without any, agreement
    with the model's answer on the uncompressed image takes the place of top-1. protocol: "stored-size"
    or "model-size", recorded only. bootstrap: number of resamples, drawn with `seed`. cache: share it
    between calls with several models.

    Per image and setting: whole-file bytes; top1, top5 and cross_entropy where there are labels;
    agreement and kl = KL(uncompressed answer || compressed answer) always; losses in nats. Raises
    DataError (labels that do not fit), ModelError (not logits), CodecError (decoded size differs),
    ParameterError (no codec, a name twice).
    """
    codecs = tuple(codecs)
    _check_request(codecs, protocol, batch_size, bootstrap)
    image_set = images if isinstance(images, ImageSet) else ImageSet.from_arrays(list(images))
    count = len(image_set)
    if count == 0:
        raise DataError("no images to evaluate on: the image set is empty")
    answers = _labels(image_set.labels if labels is None else labels, count)
    encode = _encode if cache is None else cache.encode
    names = [name for name in METRICS if answers is not None or name in ("agreement", "kl")]

    pixels = np.zeros(count, dtype=np.int64)
    uncompressed = {name: np.zeros(count) for name in names}
    sizes = [np.zeros((len(c.settings), count), dtype=np.int64) for c in codecs]
    measured = [{name: np.zeros((len(c.settings), count)) for name in names} for c in codecs]

    steps = count * (1 + sum(len(codec.settings) for codec in codecs))
    with torch.inference_mode(), _evaluating(model), _progress(steps, progress) as advance:
        for where, batch in _batches(image_set, batch_size):
            pixels[where] = batch[0].shape[0] * batch[0].shape[1]
            truth = None if answers is None else answers[where]
            clean = _log_probabilities(model, batch)
            _store(uncompressed, where, _judge(clean, clean, truth))
            advance(len(batch))
            for codec, codec_sizes, codec_measured in zip(codecs, sizes, measured, strict=True):
                for row, setting in enumerate(codec.settings):
                    files = [encode(codec, image, setting) for image in batch]
                    decoded = [_decode(codec, file, image) for file, image in zip(files, batch, strict=True)]
                    codec_sizes[row, where] = [len(file) for file in files]
                    judged = _judge(_log_probabilities(model, decoded), clean, truth)
                    _store({name: rows[row] for name, rows in codec_measured.items()}, where, judged)
                    advance(len(batch))

    return Evaluation(
        pixels=pixels,
        uncompressed=uncompressed,
        codecs=tuple(
            CodecResult(
                name=codec.name,
                settings=codec.settings,
                estimated_bpp=tuple(codec.estimated_bpp(setting) for setting in codec.settings),
                bytes=size,
                metrics=metrics,
                config=codec.get_config(),
            )
            for codec, size, metrics in zip(codecs, sizes, measured, strict=True)
        ),
        record=_record(model, image_set, protocol, seed, model_name),
        resamples=bootstrap,
        seed=seed,
    )


def _check_request(codecs: Sequence[Codec], protocol: str, batch_size: int, bootstrap: int) -> None:
    if not codecs:
        raise ParameterError("no codecs to evaluate: pass codecs=[DefaultJPEG(), LearnedJPEG(profile)]")
    names = [codec.name for codec in codecs]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"two codecs are called {name!r}; give one another name=")
    if protocol not in PROTOCOLS:
        raise ParameterError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    for name, value in [("batch_size", batch_size), ("bootstrap", bootstrap)]:
        if value < 1:
            raise ParameterError(f"{name} {value} is below 1")


def _labels(labels: Sequence[int] | NDArray[np.int64] | None, count: int) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"labels of shape {array.shape}, type {array.dtype}: expected {count} integers")
    if array.min() < 0:
        raise DataError(f"label {array.min()} is negative")
    return array.astype(np.int64)


def _batches(images: ImageSet, batch_size: int) -> Iterator[tuple[NDArray[np.intp], list[Image]]]:
    """(positions, images) of at most `batch_size` images of one size, from windows of 8 batches."""
    for start in range(0, len(images), 8 * batch_size):
        window = range(start, min(start + 8 * batch_size, len(images)))
        by_size: dict[tuple[int, ...], list[tuple[int, Image]]] = {}
        for i in window:
            image = images[i]
            by_size.setdefault(image.shape, []).append((i, image))
        for same in by_size.values():
            for first in range(0, len(same), batch_size):
                part = same[first : first + batch_size]
                yield np.array([i for i, _ in part]), [image for _, image in part]


def _encode(codec: Codec, image: Image, setting: Setting) -> bytes:
    return codec.encode(image, setting)


def _decode(codec: Codec, file: bytes, image: Image) -> Image:
    decoded = codec.decode(file)
    if decoded.shape != image.shape or decoded.dtype != np.uint8:
        raise CodecError(f"{codec.name} decoded to {decoded.dtype} {decoded.shape}, encoded was uint8 {image.shape}")
    return decoded


def _log_probabilities(model: Model, images: Sequence[Image]) -> torch.Tensor:
    """float64 (B, K) on the CPU."""
    batch = torch.from_numpy(np.stack(images)).to(_device(model)).permute(0, 3, 1, 2).float()
    logits = logits_of(model, batch).detach().to("cpu", torch.float64)
    if not torch.isfinite(logits).all():
        raise ModelError("the model returned NaN or infinite logits")
    return torch.log_softmax(logits, dim=1)


def _judge(
    answer: torch.Tensor, clean: torch.Tensor, truth: NDArray[np.int64] | None
) -> dict[str, NDArray[np.float64]]:
    """Per-image figures (B,) from log-probabilities (B, K) of the compressed and the uncompressed images."""
    figures = {
        "agreement": answer.argmax(dim=1) == clean.argmax(dim=1),
        "kl": (clean.exp() * (clean - answer)).sum(dim=1).clamp(min=0),
    }
    if truth is not None:
        classes = answer.shape[1]
        if truth.max() >= classes:
            raise DataError(f"label {truth.max()} is outside the model's {classes} classes (0..{classes - 1})")
        label = torch.from_numpy(truth)[:, None]
        top = answer.topk(min(5, classes), dim=1).indices
        figures["top1"] = answer.argmax(dim=1) == label[:, 0]
        figures["top5"] = (top == label).any(dim=1)
        figures["cross_entropy"] = -answer.gather(1, label)[:, 0]
    return {name: value.double().numpy() for name, value in figures.items()}


def _store(
    into: dict[str, NDArray[np.float64]], where: NDArray[np.intp], figures: dict[str, NDArray[np.float64]]
) -> None:
    for name, values in into.items():
        values[where] = figures[name]


def _device(model: Model) -> torch.device:
    if isinstance(model, torch.nn.Module):
        for tensor in chain(model.parameters(), model.buffers()):
            return tensor.device
    return torch.device("cpu")


@contextlib.contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Eval mode for the time of the measurement, then every submodule's own mode again."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    training = [module for module in modules if getattr(module, "training", False)]  # frozen scripts have no mode
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def _progress(steps: int, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("evaluate"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("evaluate", total=steps)
        yield lambda count: display.advance(task, count)


def decoder_version() -> str:
    """Which library turned files into pixels: decoders differ by a level here and there."""
    turbo = features.version_feature("libjpeg_turbo")
    return f"Pillow {metadata.version('pillow')}, {f'libjpeg-turbo {turbo}' if turbo else 'libjpeg'}"


def package_versions() -> dict[str, str]:
    """Versions of everything whose change could change a figure."""
    versions = {"j4d": __version__, "python": platform.python_version()}
    return versions | {name: metadata.version(name) for name in ("numpy", "pillow", "torch")}


def _record(model: Model, images: ImageSet, protocol: str, seed: int, model_name: str | None) -> dict[str, Any]:
    from j4d.models import fingerprint

    return {
        "model": model_name or str(getattr(model, "name", "")) or type(model).__name__,
        "model_fingerprint": fingerprint(model) if isinstance(model, torch.nn.Module) else "",
        "data": images.name,
        "data_fingerprint": images.fingerprint,
        "image_count": len(images),
        "protocol": protocol,
        "decoder": decoder_version(),
        "seed": seed,
        "versions": package_versions(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
