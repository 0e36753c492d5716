"""Photographs under default JPEG and under a learned codec at equal bytes, with the model's answers.

Which photographs are shown follows a rule that looks at nothing but their number: evenly spaced places of the set. For
each, default JPEG is given the IJG quality whose file is the smallest that is not smaller than the learned one, so
default JPEG never has fewer bytes (unless even quality 100 stays below). The files themselves are kept, byte for byte.
PyTorch is imported when the model is asked, not before.
"""

from __future__ import annotations

import base64
import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.results import Evaluation
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.report import page_text as text
from j4d.report.page_data import is_learned, plain
from j4d.support.files import read_limited

MOST = 12
FILES_BUDGET = 3_300_000  # bytes of JPEG in a page: 4.4 MB as base64, so that the page stays under 5 MB
NAMES_LIMIT = 1 << 24  # bytes of a file of class names
Pixels = NDArray[np.uint8]
Ask = Callable[[Sequence[Pixels]], NDArray[np.float64]]


def evenly_spaced(count: int, most: int = MOST) -> list[int]:
    """Places of at most `most` images of `count`: the middle of each of `most` equal parts of the set."""
    shown = min(count, most)
    return [(2 * i + 1) * count // (2 * shown) for i in range(shown)]


def equal_bytes(sizes: Mapping[int, int], target: int) -> int:
    """Of files with `sizes` by quality the best quality of the smallest file that is not smaller than `target`.

    The largest file of all where every one is smaller.
    """
    enough = [size for size in sizes.values() if size >= target]
    size = min(enough) if enough else max(sizes.values())
    return max(quality for quality, own in sizes.items() if own == size)


def photographs(
    evaluation: Evaluation, images: ImageSet, ask: Ask, names: Sequence[str] = (), *, most: int = MOST
) -> dict[str, Any]:
    """The section's JSON values for the first learned codec of `evaluation`; labels are those of `images`.

    ask: uint8 images (one size) to probabilities (B, K). Every operating point is shown from the smallest rate up
    while all files fit FILES_BUDGET; where not even the smallest fits, fewer photographs are. Raises DataError where
    there is no learned codec, or one photograph alone is too large.
    """
    result = next((codec for codec in evaluation.codecs if is_learned(codec)), None)
    if result is None:
        raise DataError("photographs need a learned codec in the evaluation; it has none")
    codec = LearnedJPEG.from_config(result.config)
    order = np.argsort(evaluation.bpp(result).mean(axis=1), kind="stable").tolist()
    chosen, pairs = _fitting(codec, order, images, min(most, len(images)))
    levels = _levels_that_fit(pairs)
    shown = [_photograph(images, i, pairs[n][:levels], ask, names) for n, i in enumerate(chosen)]
    return {
        "codec": result.name,
        "reference": "default JPEG",
        "rule": _rule(chosen, len(images)),
        "same_set": images.fingerprint == evaluation.record.get("data_fingerprint"),
        "labelled": images.labels is not None,
        "points": [_level(evaluation, result, setting, shown, n) for n, setting in enumerate(order[:levels])],
        "left_out": len(order) - levels,
        "photographs": shown,
    }


@dataclass(frozen=True)
class Pair:
    """A learned file, and default JPEG's of equal bytes with its quality."""

    learned: bytes
    default: bytes
    quality: int

    def __len__(self) -> int:
        return len(self.learned) + len(self.default)


def _fitting(
    codec: LearnedJPEG, order: Sequence[int], images: ImageSet, most: int
) -> tuple[list[int], list[list[Pair]]]:
    """(places, pairs by setting) of as many photographs as fit at the smallest rate."""
    encoded: dict[int, list[Pair]] = {}
    for count in range(most, 0, -1):
        chosen = evenly_spaced(len(images), count)
        taken = 0
        for i in chosen:
            encoded[i] = encoded.get(i) or _pairs(codec, order, images[i])
            taken += len(encoded[i][0])
            if taken > FILES_BUDGET:
                break
        else:
            return chosen, [encoded[i] for i in chosen]
    raise DataError(
        f"{images.name}: one photograph at the smallest rate already takes more than {FILES_BUDGET} bytes, the limit "
        "of a page; leave out --images, or give smaller photographs"
    )


def _levels_that_fit(pairs: Sequence[Sequence[Pair]]) -> int:
    """How many settings, from the smallest rate up, fit with all their files."""
    taken = np.cumsum([sum(len(own[n]) for own in pairs) for n in range(len(pairs[0]))])
    return int((taken <= FILES_BUDGET).sum())


def _pairs(codec: LearnedJPEG, order: Sequence[int], image: Pixels) -> list[Pair]:
    """One photograph at every setting of `order`; default JPEG has the learned codec's sampling."""
    sampling = codec.parameters(order[0]).sampling
    files = {
        quality: encoding.encode(image, EncodingParameters.from_quality(quality, sampling), deterministic=True)
        for quality in range(1, 101)
    }
    sizes = {quality: len(file) for quality, file in files.items()}
    pairs = []
    for setting in order:
        learned = codec.encode(image, setting)
        quality = equal_bytes(sizes, len(learned))
        pairs.append(Pair(learned, files[quality], quality))
    return pairs


def _photograph(images: ImageSet, index: int, pairs: Sequence[Pair], ask: Ask, names: Sequence[str]) -> dict[str, Any]:
    image = images[index]
    answers = ask([image, *(decoding.decode(file) for pair in pairs for file in (pair.default, pair.learned))])
    label = None if images.labels is None else int(images.labels[index])
    truth = label if label is not None else int(answers[0].argmax())
    versions = [
        {
            "quality": pair.quality,
            "default": _file(pair.default) | _answer(answers[1 + 2 * n], truth, names),
            "learned": _file(pair.learned) | _answer(answers[2 + 2 * n], truth, names),
        }
        for n, pair in enumerate(pairs)
    ]
    return {
        "name": images.paths[index].name,
        "number": index + 1,
        "width": image.shape[1],
        "height": image.shape[0],
        "truth": None if label is None else class_name(label, names),
        "clean": _answer(answers[0], label, names),
        "versions": versions,
    }


def _file(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "file": base64.b64encode(data).decode()}


def _answer(probabilities: NDArray[np.float64], truth: int | None, names: Sequence[str]) -> dict[str, Any]:
    top = int(probabilities.argmax())
    return {
        "answer": class_name(top, names),
        "probability": plain(float(probabilities[top])),
        "right": None if truth is None else top == truth,
    }


def _level(
    evaluation: Evaluation, result: CodecResult, setting: int, shown: Sequence[Mapping[str, Any]], n: int
) -> dict[str, Any]:
    """A choice of the operating point, and how often the model was right at it on the photographs shown."""
    right = {side: sum(bool(p["versions"][n][side]["right"]) for p in shown) for side in ("default", "learned")}
    rate = float(evaluation.bpp(result)[setting].mean())
    label = text.setting_label(result.config, result.settings[setting])
    return {"label": label, "bpp": plain(rate), "right": right}


def _rule(chosen: Sequence[int], count: int) -> str:
    if len(chosen) == count:
        return f"All {count} photographs of the set, in the order of their names."
    return (
        f"{len(chosen)} of {count} photographs, evenly spaced through the set in the order of their names: the middle "
        f"one of each {'twelfth' if len(chosen) == MOST else 'part'}. Nobody looked before choosing."
    )


def class_name(index: int, names: Sequence[str]) -> str:
    """The first of a class's names, or its number where none is known."""
    return names[index].split(",")[0].strip() if index < len(names) and names[index].strip() else f"class {index}"


def read_class_names(path: str | os.PathLike[str]) -> list[str]:
    """Class names: a CSV with columns index and name, or one name a line, from class 0. Raises DataError."""
    try:
        data = read_limited(path, NAMES_LIMIT)
        if data is None:
            raise DataError(f"{path}: larger than {NAMES_LIMIT} bytes, the limit of a file of class names")
        lines = data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot read the class names: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: class names are not text in UTF-8: {error}") from None
    table = csv.DictReader(io.StringIO(lines, newline=""))
    if not {"index", "name"} <= set(table.fieldnames or ()):
        return lines.splitlines()
    try:
        named = {int(row["index"]): str(row["name"]) for row in table}
    except (TypeError, ValueError):
        raise DataError(f"{path}: a value in the column index is not a class number 0, 1, 2, ...") from None
    if not named or min(named) < 0 or max(named) >= len(lines):
        raise DataError(f"{path}: class numbers are not 0, 1, 2, ...; there are {sorted(named)[:3]}")
    return [named.get(i, "") for i in range(max(named) + 1)]
