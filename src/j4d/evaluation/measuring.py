"""One picture measured: written by every codec at every setting, decoded once, and shown to every model.

The unit is a codec's whole ladder on one picture. Its files are the batch that a model sees, so figures depend neither
on the other pictures nor on how many processes share the work, and what is cached is a function of its key. PyTorch is
imported when the first model is asked, not before: a run that finds everything in the cache needs none.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from j4d.codecs.cache import EncodeCache
from j4d.codecs.protocol import Codec
from j4d.errors import CodecError
from j4d.evaluation.identity import codec_identity, digest, image_identity
from j4d.evaluation.measurements import Measurements
from j4d.images.image_set import ImageSet
from j4d.jpeg.markers import header_bytes
from j4d.jpeg.size import stored_size
from j4d.readers.answers import Model, evaluating, log_probabilities, metrics_of
from j4d.support.versions import package_versions

Image = NDArray[np.uint8]
Figures = dict[str, list[float]]  # metric to one figure for each setting

BATCH_PIXELS = 1 << 24  # of one batch, whatever its size: 200 MB as floats
UNSCALED_PIXELS = 1 << 20  # of one batch for a network that sees pictures unscaled: its activations grow with them


@dataclass(frozen=True)
class GridReader:
    """A model to measure. `load` gives it; identity: its content hash, None where its answers cannot be cached.

    batch_pixels: most pixels of one batch of pictures, unless one picture alone has more.
    """

    name: str
    load: Callable[[], Model]
    identity: str | None = None
    batch_pixels: int = BATCH_PIXELS


@dataclass(frozen=True)
class GridCodec:
    """A codec, and the positions of the models that it is measured on; None: on all."""

    codec: Codec
    models: frozenset[int] | None = None

    def on(self, model: int) -> bool:
        return self.models is None or model in self.models


@dataclass(frozen=True)
class Work:
    """What is measured: every entry on every picture with every model. A worker process gets all of it, pickled."""

    subjects: tuple[GridReader, ...]
    image_sets: tuple[ImageSet, ...]
    entries: tuple[GridCodec, ...]
    batch_size: int = 32
    cache: Path | None = None

    @cached_property
    def tasks(self) -> list[tuple[int, int]]:
        """(image set, image), the largest images first and those of one size together.

        Activations of a network that sees images unscaled then fit into the memory that those before have freed.
        """
        sized = [
            (*_by_size(*images.size(i)), which, i)
            for which, images in enumerate(self.image_sets)
            for i in range(len(images))
        ]
        return [(which, i) for *_, which, i in sorted(sized)]


def _by_size(height: int, width: int) -> tuple[int, int]:
    return -height * width, height


@dataclass
class Files:
    """Sizes in bytes of a codec's files of one picture, one for each setting, and how much of each is headers."""

    sizes: list[int]
    headers: list[int] | None


@dataclass
class ImageFigures:
    """One picture. clean: by model, on the picture as it is. files: by entry. figures: by (entry, model)."""

    pixels: int
    clean: list[Figures] = field(default_factory=list)
    files: list[Files] = field(default_factory=list)
    figures: dict[tuple[int, int], Figures] = field(default_factory=dict)


class _AbsentError(Exception):
    """Something is not in the cache."""


class Measurer:
    """Measures the pictures of some work; use as a context manager. Only in one process and thread.

    encoded: files kept in memory by the caller, in place of encoding them.
    """

    def __init__(self, work: Work, encoded: EncodeCache | None = None) -> None:
        self.work, self.encoded = work, encoded
        self.store = None if work.cache is None else Measurements(work.cache)
        self.models: dict[int, Model] = {}
        self.open = contextlib.ExitStack()
        self.codec_keys = [codec_identity(entry.codec) for entry in work.entries] if self.store else []
        self.torch_version = sorted(package_versions("torch").items())

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()
        if self.store is not None:
            self.store.close()

    def recall(self, which: int, index: int) -> ImageFigures | None:
        """The picture's figures if the cache holds all of them."""
        try:
            return self._measure(which, index, recalling=True) if self.store is not None else None
        except _AbsentError:
            return None

    def measure(self, which: int, index: int) -> ImageFigures:
        """The picture's figures, from the cache where they are there. Raises J4DError."""
        return self._measure(which, index, recalling=False)

    def _measure(self, which: int, index: int, recalling: bool) -> ImageFigures:
        images = self.work.image_sets[which]
        image = images[index]
        label = None if images.labels is None else int(images.labels[index])
        image_measurer = ImageMeasurer(self, image, label, recalling)
        found = ImageFigures(image.shape[0] * image.shape[1])
        found.clean = [image_measurer.clean_figures(model) for model in range(len(self.work.subjects))]
        for number, entry in enumerate(self.work.entries):
            on = [model for model in range(len(self.work.subjects)) if entry.on(model)]
            files, figures = image_measurer.ladder(number, on)
            found.files.append(files)
            found.figures.update({(number, model): figures[model] for model in on})
        return found

    def model(self, number: int) -> Model:
        """The model, loaded when first asked for and in eval mode until the end."""
        if number not in self.models:
            self.models[number] = self.work.subjects[number].load()
            self.open.enter_context(evaluating(self.models[number]))
        return self.models[number]


class ImageMeasurer:
    """Measures one picture; holds what its codecs share."""

    def __init__(self, measurer: Measurer, image: Image, label: int | None, recalling: bool) -> None:
        self.measurer, self.image, self.label, self.recalling = measurer, image, label, recalling
        self.store = measurer.store
        self.identity = image_identity(image) if self.store is not None else ""
        self.metrics = ("agreement", "kl") if label is None else ("agreement", "kl", "top1", "top5", "cross_entropy")
        self._clean: dict[int, torch.Tensor] = {}

    def clean_figures(self, model: int) -> Figures:
        """The model on the picture before any compression."""
        from_cache = self._recall(self._answer_key("uncompressed", model), 1)
        if from_cache is not None:
            return from_cache
        clean = self._clean_answer(model)
        figures = metrics_of(clean, clean, self.label)
        self._keep(self._answer_key("uncompressed", model), figures)
        return figures

    def ladder(self, number: int, models: Sequence[int]) -> tuple[Files, dict[int, Figures]]:
        """The codec's files of this picture, and each model's figures on what they decode to."""
        entry = self.measurer.work.entries[number]
        count = len(entry.codec.settings)
        file_key = self._file_key(number)
        files = None if file_key is None or self.store is None else _files(self.store.get(file_key), count)
        keys = {model: self._answer_key(file_key or "", model) for model in models}
        figures = {model: self._recall(keys[model], count) for model in models}
        missing = [model for model in models if figures[model] is None]
        if files is None or missing:
            if self.recalling:
                raise _AbsentError
            data = [self._encode(entry.codec, setting) for setting in entry.codec.settings]
            files = Files([len(file) for file in data], _headers(data))
            if self.store is not None and file_key is not None:
                self.store.put(file_key, {"sizes": files.sizes, "headers": files.headers})
            for model, measured in self._answers(entry.codec, data, missing).items():
                figures[model] = measured
                self._keep(keys[model], measured)
        return files, {model: found for model, found in figures.items() if found is not None}

    def _encode(self, codec: Codec, setting: Any) -> bytes:
        cache = self.measurer.encoded
        return codec.encode(self.image, setting) if cache is None else cache.encode(codec, self.image, setting)

    def _answers(self, codec: Codec, files: Sequence[bytes], models: Sequence[int]) -> dict[int, Figures]:
        figures: dict[int, Figures] = {model: {name: [] for name in self.metrics} for model in models}
        for batch in self._batches(files, models) if models else ():
            decoded = [self._decode(codec, file) for file in batch]
            for model in models:
                answer = log_probabilities(self.measurer.model(model), decoded)
                for name, values in metrics_of(answer, self._clean_answer(model), self.label).items():
                    figures[model][name] += values
        return figures

    def _batches(self, files: Sequence[bytes], models: Sequence[int]) -> Iterator[Sequence[bytes]]:
        pixels = self.image.shape[0] * self.image.shape[1]
        most = min(self.measurer.work.subjects[model].batch_pixels for model in models)
        size = max(1, min(self.measurer.work.batch_size, most // pixels))
        return (files[start : start + size] for start in range(0, len(files), size))

    def _decode(self, codec: Codec, file: bytes) -> Image:
        decoded = codec.decode(file)
        height, width, channels = self.image.shape
        shape = (*stored_size(height, width, getattr(codec, "longest_side", None)), channels)
        if decoded.shape != shape or decoded.dtype != np.uint8:
            raise CodecError(f"{codec.name} decoded to {decoded.dtype} {decoded.shape}, encoded was uint8 {shape}")
        return decoded

    def _clean_answer(self, model: int) -> torch.Tensor:
        if model not in self._clean:
            if self.recalling:
                raise _AbsentError
            self._clean[model] = log_probabilities(self.measurer.model(model), [self.image])
        return self._clean[model]

    def _file_key(self, number: int) -> str | None:
        if self.store is None:
            return None
        return digest("files", self.measurer.codec_keys[number], self.identity)

    def _answer_key(self, files: str, model: int) -> str | None:
        identity = self.measurer.work.subjects[model].identity
        if self.store is None or identity is None:
            return None
        version = self.measurer.torch_version
        return digest("answers", files, self.identity, identity, self.label, version)

    def _recall(self, key: str | None, count: int) -> Figures | None:
        return None if key is None or self.store is None else _figures(self.store.get(key), self.metrics, count)

    def _keep(self, key: str | None, figures: Figures) -> None:
        if key is not None and self.store is not None:
            self.store.put(key, figures)


def _headers(files: Sequence[bytes]) -> list[int] | None:
    """Bytes of markers and segments, None where a file is no JPEG."""
    if not all(file[:2] == b"\xff\xd8" and file[-2:] == b"\xff\xd9" for file in files):
        return None
    try:
        return [header_bytes(file) for file in files]
    except (IndexError, ValueError):  # begins and ends like one, but is none
        return None


def _files(value: Any, count: int) -> Files | None:
    """What the cache holds of `count` files, None where it is not that."""
    if not isinstance(value, Mapping):
        return None
    sizes: Any = value.get("sizes")
    headers: Any = value.get("headers")
    if not _numbers(sizes, count, whole=True) or not (headers is None or _numbers(headers, count, whole=True)):
        return None
    return Files(sizes, headers)


def _figures(value: Any, names: Sequence[str], count: int) -> Figures | None:
    """What the cache holds of a ladder's figures, None where it is not that."""
    if not isinstance(value, Mapping) or set(value) != set(names):
        return None
    return dict(value) if all(_numbers(value[name], count) for name in names) else None


def _numbers(values: Any, count: int, whole: bool = False) -> bool:
    kinds = (int,) if whole else (int, float)
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) in kinds and math.isfinite(value) and value >= 0 for value in values)
    )
