"""What one file is encoded with: `EncodingParameters`, one operating point's tables and quantizer.

Frozen, compares and hashes by value, holds read-only arrays in natural order, and is valid once constructed; a wrong
value raises `ParameterError` at construction. Ladders of them are `j4d.profile`'s business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import ParameterError, ProfileError
from j4d.jpeg.tables import ANNEX_K_CHROMA, ANNEX_K_LUMA, check_table, scale_table

SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "gray")
LEAST_TRELLIS, MOST_TRELLIS = 0.001, 1000.0  # bits per squared step: all indices are 0, none changes
LEAST_MASKING = 1.0
LEAST_WEIGHT, MOST_WEIGHT = 0.001, 1000.0
LEAST_SIDE, MAX_SIDE = 8, 65500  # pixels: a block; libjpeg's JPEG_MAX_DIMENSION, the format's own limit is 65535
_LATER = (
    "trellis",
    "masking",
    "dc_trellis",
    "luma_weights",
    "chroma_weights",
    "longest_side",
)  # fields that profiles have not had from the start


def check_sampling(sampling: Any) -> str:
    """Return `sampling` if it is one of SAMPLINGS, else raise ParameterError."""
    if not isinstance(sampling, str) or sampling not in SAMPLINGS:
        raise ParameterError(f"sampling {sampling!r} is not one of {', '.join(SAMPLINGS)}")
    return sampling


def check_longest_side(longest_side: Any) -> int | None:
    """Return `longest_side` if it is None or a whole number of pixels 8..65500, else raise ParameterError."""
    if longest_side is None:
        return None
    whole = isinstance(longest_side, (int, np.integer)) and not isinstance(longest_side, bool)
    if not whole or not LEAST_SIDE <= longest_side <= MAX_SIDE:
        raise ParameterError(f"longest side {longest_side!r} is not a whole number {LEAST_SIDE}..{MAX_SIDE} of pixels")
    return int(longest_side)


def _by_frequency(
    values: Any, name: str, limits: tuple[float, float], neutral: float, unit: str = ""
) -> npt.NDArray[np.float64] | None:
    """Return a read-only (8, 8) float64 copy, or None for None and where all are `neutral`, which is the same."""
    if values is None:
        return None
    low, high = limits
    try:
        given = np.asarray(values)
    except ValueError:
        raise ParameterError(f"{name}: rows differ in length; expected shape (8, 8)") from None
    if given.shape != (8, 8) or given.dtype.kind not in "fiu":
        raise ParameterError(
            f"{name}: shape {given.shape} of {given.dtype}, expected (8, 8) numbers in {low:g}..{high:g}"
        )
    array = given.astype(np.float64) + 0.0  # + 0.0 turns -0.0 into 0.0
    wrong = np.argwhere(~((array >= low) & (array <= high)))
    if len(wrong):
        row, column = (int(i) for i in wrong[0])
        raise ParameterError(
            f"{name}: {array[row, column]} at row {row}, column {column} is outside {low:g}..{high:g}{unit}"
        )
    if (array == neutral).all():
        return None
    array.setflags(write=False)
    return array


def finite_number(value: Any, name: str, error: type[ParameterError | ProfileError], *, zero: bool = False) -> float:
    """Return `value` as a float if it is a finite number above 0 (or 0 where `zero` allows it)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise error(f"{name} {value!r} is not a number")
    if not (value > 0 or (zero and value == 0)) or not value < math.inf:
        raise error(f"{name} {value} is not a finite number {'>=' if zero else '>'} 0")
    try:
        return float(value)
    except OverflowError:
        raise error(f"{name} is an integer too large for a float") from None


def check_price(price: Any, name: str) -> float | None:
    """Return bits that a squared step is worth as they are kept, or raise ParameterError."""
    if price is None:
        return None
    number = finite_number(price, name, ParameterError)
    if not LEAST_TRELLIS <= number <= MOST_TRELLIS:
        raise ParameterError(f"{name} {number:g} is outside {LEAST_TRELLIS:g}..{MOST_TRELLIS:g} bits a squared step")
    return number


def check_trellis(trellis: Any, masking: Any) -> tuple[float | None, float | None]:
    """Return both as they are kept, or raise ParameterError."""
    trellis = check_price(trellis, "trellis")
    if masking is not None:
        masking = finite_number(masking, "masking", ParameterError)
        if trellis is None:
            raise ParameterError(f"masking {masking:g} without a trellis; give both, or neither")
        if masking < LEAST_MASKING:
            raise ParameterError(f"masking {masking:g} is below {LEAST_MASKING:g}")
    return trellis, masking


def check_trellises(trellises: Any) -> None:
    """Raise ParameterError unless these are trellises and maskings, with or without a power of sensitivity weights."""
    for given in trellises:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3) or given[0] is None:
            raise ParameterError(
                f"trellises: {given!r} is no trellis and masking, such as (19.0, None), and maybe a power of weights, "
                "such as (19.0, None, 0.5)"
            )
        check_trellis(*given[:2])
        power = finite_number(given[2] if len(given) == 3 else 0, "power of weights", ParameterError, zero=True)
        if power > 1:
            raise ParameterError(f"power of weights {power:g} is outside 0..1")


@dataclass(frozen=True, eq=False)
class EncodingParameters:
    """One operating point: tables, sampling, how indices are chosen, and the size of what is stored.

    luma, chroma: (8, 8) int32 steps 1..255, natural order. sharpness: kappa = alpha q^2 of the
    probabilistic quantizer, scale-free, > 0; None is the deterministic limit (nearest index).
    luma_dead_zone, chroma_dead_zone: (8, 8) float64 in 0..0.5, unit steps; None means no dead zone, and all
    zeros are stored as None.

    trellis: mu, bits that a squared step is worth, 0.001..1000; None chooses no indices jointly. masking:
    a, at least 1, in the unit of coefficients; None for none. dc_trellis: the same as mu for DC indices, which None
    leaves as they are; it goes with a trellis only. luma_weights, chroma_weights: (8, 8) float64 w,
    0.001..1000, how many squared steps one of that frequency counts for; None means 1 for all, and all ones are
    stored as None. DC's is not used. With L a model's loss, E[(dL/du)^2] = q^2 E[(dL/dc)^2] over its mean is such a
    weight: it is in squared steps so that mu stays what it is, and a weight stays right when all steps are scaled.

    longest_side: pixels, 8..65500; a larger picture is scaled down to it before it is encoded (`j4d.jpeg.size`). None:
    no picture is. Rates stay bits per pixel of the picture as it was given.

    With u = c / q the quantizer draws index k with P(k|c) proportional to exp(-kappa ((u - k)^2 + 2 d
    |k|)), d the dead zone; its limit for large kappa is k = sign(u) max(0, floor(|u| + 0.5 - d)). A trellis
    then takes the AC indices of each block nearer zero, each by one or to zero, so that mu / (1 + (A / a)^2) x (sum of
    w (u - k)^2) + the bits of the block are least, A the norm of the block's AC coefficients; mu w / (1 + (A / a)^2)
    above 1000 counts as 1000. With dc_trellis each DC index moves by at most one, so that dc_trellis x (sum of (u -
    k)^2) + the bits of the differences of a component's, in the order of the file, are least. A trellis goes with the
    limit alone: sharpness is None. Raises ParameterError.
    """

    luma: npt.NDArray[np.int32]
    chroma: npt.NDArray[np.int32]
    sampling: str = "4:2:0"
    sharpness: float | None = None
    luma_dead_zone: npt.NDArray[np.float64] | None = None
    chroma_dead_zone: npt.NDArray[np.float64] | None = None
    trellis: float | None = None
    masking: float | None = None
    dc_trellis: float | None = None
    luma_weights: npt.NDArray[np.float64] | None = None
    chroma_weights: npt.NDArray[np.float64] | None = None
    longest_side: int | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "luma", check_table(self.luma, "luma"))
        put(self, "chroma", check_table(self.chroma, "chroma"))
        check_sampling(self.sampling)
        if self.sharpness is not None:
            put(self, "sharpness", finite_number(self.sharpness, "sharpness", ParameterError))
        for name in ("luma", "chroma"):
            zone, weights = getattr(self, f"{name}_dead_zone"), getattr(self, f"{name}_weights")
            put(self, f"{name}_dead_zone", _by_frequency(zone, f"{name} dead zone", (0, 0.5), 0, " steps"))
            weights = _by_frequency(weights, f"{name} weights", (LEAST_WEIGHT, MOST_WEIGHT), 1)
            put(self, f"{name}_weights", weights)
            if weights is not None and self.trellis is None:
                raise ParameterError(f"{name} weights without a trellis; give both, or neither")
        trellis, masking = check_trellis(self.trellis, self.masking)
        put(self, "trellis", trellis)
        put(self, "masking", masking)
        put(self, "dc_trellis", check_price(self.dc_trellis, "DC trellis"))
        if self.dc_trellis is not None and trellis is None:
            raise ParameterError(f"DC trellis {self.dc_trellis:g} without a trellis; give both, or neither")
        put(self, "longest_side", check_longest_side(self.longest_side))
        if trellis is not None and self.sharpness is not None:
            raise ParameterError(
                f"sharpness {self.sharpness:g} and trellis {trellis:g}: indices are either drawn or chosen; "
                "set one of them to None"
            )

    @classmethod
    def from_quality(cls, quality: int, sampling: str = "4:2:0") -> EncodingParameters:
        """The default JPEG point: Annex K tables scaled to IJG `quality` 1..100, deterministic quantizer."""
        luma, chroma = (scale_table(table, quality) for table in (ANNEX_K_LUMA, ANNEX_K_CHROMA))
        return cls(luma, chroma, sampling)

    def without_trellis(self) -> EncodingParameters:
        """The same with each index chosen alone."""
        return replace(self, trellis=None, masking=None, dc_trellis=None, luma_weights=None, chroma_weights=None)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values that `from_json` turns back into an equal object.

        The trellis, what belongs to it and the longest side are left out where they are None: who does not use them
        sees no change.
        """
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        kept = ((name, value) for name, value in values if value is not None or name not in _LATER)
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in kept}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncodingParameters:
        """The inverse of `to_json`. Unknown or missing keys and wrong values raise ParameterError."""
        names = [f.name for f in fields(cls)]
        if not isinstance(data, Mapping) or not {"luma", "chroma"} <= set(data) <= set(names):
            got = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise ParameterError(f"encoding parameters: got {got}, expected luma, chroma and of {names[2:]}")
        return cls(**data)

    def _key(self) -> tuple[Any, ...]:
        values = (getattr(self, f.name) for f in fields(self))
        return tuple(v.tobytes() if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, EncodingParameters) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:  # through the constructor, so that copies are read-only too
        return type(self), tuple(getattr(self, f.name) for f in fields(self))
