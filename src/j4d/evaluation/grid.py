"""Any models x codecs x image sets in one run: each file is written and decoded once, and shown to all models."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import features
from torch import nn

from j4d.codecs.cache import EncodeCache
from j4d.errors import DataError, ParameterError
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.identity import model_identity
from j4d.evaluation.measuring import BATCH_PIXELS, UNSCALED_PIXELS, GridCodec, GridReader, ImageFigures, Work
from j4d.evaluation.metrics import METRICS
from j4d.evaluation.results import Evaluation
from j4d.evaluation.workers import Task, measure_all
from j4d.images.image_set import ImageSet
from j4d.profile.provenance import PROTOCOLS
from j4d.readers.answers import Model
from j4d.readers.fingerprints import fingerprint
from j4d.readers.loading import SpecLoader
from j4d.support.printable import echo, safe_console
from j4d.support.specifications import split_name
from j4d.support.versions import software_versions


@dataclass(frozen=True)
class GridModel:
    """A model of a grid. subject: how the workers get it; record: what an evaluation says about it."""

    subject: GridReader
    record: Mapping[str, str]

    @classmethod
    def given(cls, model: Model, name: str | None = None) -> GridModel:
        """A callable in this process, which no other process can load."""
        label = name or str(getattr(model, "name", "")) or type(model).__name__
        weights = fingerprint(model) if isinstance(model, nn.Module) else ""
        subject = GridReader(label, lambda: model, model_identity(model))
        return cls(subject, {"model": label, "model_fingerprint": weights, **_prepared(model)})

    @classmethod
    def from_spec(cls, spec: str, *, name: str | None = None, **options: Any) -> GridModel:
        """What `load_model(spec, **options)` gives, in any process; the name may stand in the spec, as NAME=SPEC."""
        given, spec = split_name(spec)
        name = name or given
        loader = SpecLoader(spec, options, name)
        model = loader()
        unscaled = model.preprocess.output_size is None
        pixels = UNSCALED_PIXELS if unscaled else BATCH_PIXELS
        subject = GridReader(name or spec, loader, model_identity(model), pixels)
        called = {"model_name": name} if name else {}
        return cls(subject, {"model": spec, **called, "model_fingerprint": fingerprint(model), **_prepared(model)})


def _prepared(model: object) -> dict[str, str]:
    """What is recorded of a model's preprocessing, where it is known."""
    preprocess = getattr(model, "preprocess", None)
    return {} if preprocess is None else {"preprocessing": str(preprocess)}


def evaluate_grid(
    models: Sequence[GridModel],
    image_sets: Sequence[ImageSet],
    entries: Sequence[GridCodec],
    *,
    protocol: str = "stored-size",
    seed: int = 0,
    bootstrap: int = 1000,
    batch_size: int = 32,
    jobs: int = 1,
    threads: int | None = None,
    cache: Path | None = None,
    encoded: EncodeCache | None = None,
    progress: bool = True,
    roles: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Evaluation]:
    """An evaluation for each image set and model, in that order: the first set's models first.

    entries: codecs, each on all models or on some; the first of them that a model has is its reference. Codecs of one
    model have different names. jobs: processes, each with `threads` PyTorch threads (None: as it is); figures do not
    depend on jobs. cache: a folder where measurements are kept (`j4d.evaluation.measurements`). roles: what is to be
    recorded of codecs, by name. Raises J4DError as `evaluate` does.
    """
    _check(models, image_sets, entries, protocol, {"batch_size": batch_size, "bootstrap": bootstrap, "jobs": jobs})
    subjects = tuple(model.subject for model in models)
    work = Work(subjects, tuple(image_sets), tuple(entries), batch_size, cache)
    with _progress(len(work.tasks), progress) as advance:
        measured = measure_all(work, jobs=jobs, threads=threads, advance=advance, encoded=encoded)
    evaluations = []
    for which, images in enumerate(image_sets):
        for number, model in enumerate(models):
            record = {**model.record, **_record(images, protocol, seed)}
            present = [entry.codec for entry in entries if entry.on(number)]
            record["sampling"] = present[0].get_config().get("sampling", "")
            if roles:
                record["roles"] = {codec.name: dict(roles[codec.name]) for codec in present if codec.name in roles}
            evaluations.append(_evaluation(work, measured, which, number, record, bootstrap, seed))
    return evaluations


def _check(
    models: Sequence[GridModel],
    image_sets: Sequence[ImageSet],
    entries: Sequence[GridCodec],
    protocol: str,
    counts: Mapping[str, int],
) -> None:
    for number in range(len(models)):
        names = [entry.codec.name for entry in entries if entry.on(number)]
        if not names:
            raise ParameterError("no codecs to evaluate: pass codecs=[DefaultJPEG(), LearnedJPEG(profile)]")
        for name in names:
            if names.count(name) > 1:
                raise ParameterError(f"two codecs are called {name!r}; give one another name=")
    if protocol not in PROTOCOLS:
        raise ParameterError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    for name, value in counts.items():
        if value < 1:
            raise ParameterError(f"{name} {value} is below 1")
    for images in image_sets:
        if len(images) == 0:
            raise DataError("no images to evaluate on: the image set is empty")
        if images.labels is not None and images.labels.min() < 0:
            raise DataError(f"label {images.labels.min()} is negative")


def _evaluation(
    work: Work,
    measured: Mapping[Task, ImageFigures],
    which: int,
    model: int,
    record: Mapping[str, Any],
    bootstrap: int,
    seed: int,
) -> Evaluation:
    found = [measured[which, i] for i in range(len(work.image_sets[which]))]
    names = [name for name in METRICS if name in found[0].clean[model]]
    codecs = []
    for number, entry in enumerate(work.entries):
        if not entry.on(model):
            continue
        codec, files = entry.codec, [one.files[number] for one in found]
        headers = [file.headers for file in files if file.headers is not None]
        codecs.append(
            CodecResult(
                name=codec.name,
                settings=codec.settings,
                estimated_bpp=tuple(codec.estimated_bpp(setting) for setting in codec.settings),
                bytes=np.array([file.sizes for file in files], dtype=np.int64).T,
                metrics={name: np.array([one.figures[number, model][name] for one in found]).T for name in names},
                config=codec.get_config(),
                header_bytes=np.array(headers, dtype=np.int64).T if len(headers) == len(files) else None,
            )
        )
    return Evaluation(
        pixels=np.array([one.pixels for one in found], dtype=np.int64),
        uncompressed={name: np.array([one.clean[model][name][0] for one in found]) for name in names},
        codecs=tuple(codecs),
        record=record,
        resamples=bootstrap,
        seed=seed,
    )


def decoder_version() -> str:
    """Which library turned files into pixels: decoders differ by a level here and there."""
    turbo = features.version_feature("libjpeg_turbo")
    return f"Pillow {metadata.version('pillow')}, {f'libjpeg-turbo {turbo}' if turbo else 'libjpeg'}"


def _record(images: ImageSet, protocol: str, seed: int) -> dict[str, Any]:
    return {
        "data": images.name,
        "data_fingerprint": images.fingerprint,
        "image_count": len(images),
        "protocol": protocol,
        "decoder": decoder_version(),
        "rates": "whole files; header_bytes of them are markers and segments",
        "seed": seed,
        "versions": software_versions(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


LOG_SECONDS = 30.0


@contextlib.contextmanager
def _progress(steps: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Pictures done and time left: a bar on a terminal, now and then a line in a log."""
    if not shown:
        yield lambda count: None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("evaluate"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        with Progress(*columns, console=safe_console(stderr=True), transient=True) as display:
            task = display.add_task("evaluate", total=steps)
            yield lambda count: display.advance(task, count)
    else:
        yield _Log(steps).advance


class _Log:
    """A line every half minute."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0
        self.began = self.said = time.monotonic()

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.said >= LOG_SECONDS:
            self.said = now
            left = (now - self.began) * (self.steps - self.done) / self.done
            echo(f"evaluate: {self.done} of {self.steps} pictures, {left / 60:.1f} minutes left", err=True)
