"""Measure codecs with a model: real files, whole-file bytes, the model's answers on the decoded pixels.

One model, in this process. Several models, image sets and processes are the business of `j4d.evaluation.grid`, which
this is the short form of.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from j4d.codecs.cache import EncodeCache
from j4d.codecs.protocol import Codec
from j4d.errors import DataError, ParameterError
from j4d.evaluation.grid import GridModel, evaluate_grid
from j4d.evaluation.measuring import GridCodec
from j4d.evaluation.results import Evaluation
from j4d.images.image_set import ImageSet
from j4d.readers.answers import Model

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
    store: str | os.PathLike[str] | None = None,
    progress: bool = True,
    model_name: str | None = None,
) -> Evaluation:
    """Measure every setting of `codecs` on `images` with `model`; the first codec is the reference.

    model: callable from float (B, 3, H, W) RGB 0..255 at stored size to logits (B, K), doing its own
    resize and normalisation; an nn.Module is run in eval mode on the device of its parameters. images:
    uint8 (H, W, 3). labels: N class indices, by default those of the ImageSet; without any, agreement
    with the model's answer on the uncompressed image takes the place of top-1. protocol: "stored-size"
    or "model-size", recorded only. bootstrap: number of resamples, drawn with `seed`. batch_size: most
    files of one image, at different settings, in one forward pass. cache: files kept in memory, to share
    between calls with several models. store: a folder where measurements are kept, so that a second call
    costs nothing (answers of a callable that is no nn.Module are not kept).

    Per image and setting: whole-file bytes and, of JPEG files, how many of them are headers; top1, top5
    and cross_entropy where there are labels; agreement and kl = KL(uncompressed answer || compressed
    answer) always; losses in nats. Raises DataError (labels that do not fit), ModelError (not logits),
    CodecError (decoded size differs), ParameterError (no codec, a name twice).
    """
    if not codecs:
        raise ParameterError("no codecs to evaluate: pass codecs=[DefaultJPEG(), LearnedJPEG(profile)]")
    if len(images) == 0:
        raise DataError("no images to evaluate on: the image set is empty")
    image_set = images if isinstance(images, ImageSet) else ImageSet.from_arrays(list(images))
    if labels is not None:
        image_set = dataclasses.replace(image_set, labels=_labels(labels, len(image_set)))
    (evaluation,) = evaluate_grid(
        [GridModel.given(model, model_name)],
        [image_set],
        [GridCodec(codec) for codec in codecs],
        protocol=protocol,
        seed=seed,
        bootstrap=bootstrap,
        batch_size=batch_size,
        cache=None if store is None else Path(store),
        encoded=cache,
        progress=progress,
    )
    return evaluation


def _labels(labels: Sequence[int] | NDArray[np.int64], count: int) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"labels of shape {array.shape}, type {array.dtype}: expected {count} integers")
    return array.astype(np.int64)
