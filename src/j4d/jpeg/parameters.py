"""What one file is encoded with: `EncodingParameters`, made of a `Quantization` for luma and chroma and a `Trellis`.

All are frozen, compare and hash by value, and hold read-only arrays in natural order. A wrong value raises
`ParameterError` at construction.
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


def check_price(price: Any, name: str) -> float:
    """Return bits that a squared step is worth as a float, or raise ParameterError outside 0.001..1000."""
    number = finite_number(price, name, ParameterError)
    if not LEAST_TRELLIS <= number <= MOST_TRELLIS:
        raise ParameterError(f"{name} {number:g} is outside {LEAST_TRELLIS:g}..{MOST_TRELLIS:g} bits a squared step")
    return number


@dataclass(frozen=True)
class Trellis:
    """The joint choice of the indices of a block, after each was quantized on its own.

    The trellis takes the AC indices of a block nearer zero, each by one or to zero, so that mu / (1 + (A / a)^2) x (sum
    of w (u - k)^2) + the bits of the block is least. Here u = c / q, A is the norm of the AC coefficients of the block,
    and w are the weights of the `Quantization`; mu w / (1 + (A / a)^2) above 1000 counts as 1000. Each DC index moves
    by at most one, so that dc x (sum of (u - k)^2) + the bits of the differences of DC, in the order of the file, is
    least.

    Attributes:
        mu: Bits that a squared step is worth, 0.001..1000.
        masking: a, the norm at which that halves, at least 1, in the unit of coefficients. None: it never does.
        dc: As mu, for DC indices. None leaves them as they are.

    Raises:
        ParameterError: A value is outside its range.
    """

    mu: float
    masking: float | None = None
    dc: float | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "mu", check_price(self.mu, "trellis"))
        if self.masking is not None:
            masking = finite_number(self.masking, "masking", ParameterError)
            if masking < LEAST_MASKING:
                raise ParameterError(f"masking {masking:g} is below {LEAST_MASKING:g}")
            put(self, "masking", masking)
        if self.dc is not None:
            put(self, "dc", check_price(self.dc, "DC trellis"))


class _ByValue:
    """Comparison, hash and pickling of a frozen data class with arrays, by the values of its fields."""

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in fields(self))  # type: ignore[arg-type]

    def _key(self) -> tuple[Any, ...]:
        return tuple(v.tobytes() if isinstance(v, np.ndarray) else v for v in self._values())

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, _ByValue) and type(other) is type(self) else False

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:  # through the constructor, so that copies are read-only too
        return type(self), self._values()


@dataclass(frozen=True, eq=False)
class Quantization(_ByValue):
    """How the coefficients of luma, or of both chroma components, are quantized.

    Attributes:
        steps: (8, 8) int32, 1..255, natural order.
        dead_zone: (8, 8) float64 in 0..0.5, unit steps. None means no dead zone; all zeros are stored as None.
        weights: (8, 8) float64 in 0.001..1000: how many squared steps one of that frequency counts for in a trellis.
            None means 1 for all; all ones are stored as None. That of DC is not used. With L the loss of a model,
            E[(dL/du)^2] = q^2 E[(dL/dc)^2] over its mean is such a weight: it is in squared steps, so that mu stays
            what it is, and a weight stays right when all steps are scaled.

    Raises:
        ParameterError: A shape, a type or a value is wrong.
    """

    steps: npt.NDArray[np.int32]
    dead_zone: npt.NDArray[np.float64] | None = None
    weights: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "steps", check_table(self.steps, ""))
        put(self, "dead_zone", _by_frequency(self.dead_zone, "dead zone", (0, 0.5), 0, " steps"))
        put(self, "weights", _by_frequency(self.weights, "weights", (LEAST_WEIGHT, MOST_WEIGHT), 1))


@dataclass(frozen=True, eq=False)
class EncodingParameters(_ByValue):
    """One operating point: quantization, sampling, how indices are chosen, and the size of what is stored.

    With u = c / q the quantizer draws index k with P(k|c) proportional to exp(-kappa ((u - k)^2 + 2 d |k|)), d the dead
    zone. Its limit for large kappa is k = sign(u) max(0, floor(|u| + 0.5 - d)). A trellis goes with the limit alone.

    Attributes:
        luma: The `Quantization` of Y. The constructor also takes the steps alone, (8, 8) integers.
        chroma: The `Quantization` of Cb and Cr, likewise.
        sampling: One of SAMPLINGS.
        sharpness: kappa = alpha q^2 of the probabilistic quantizer, scale-free, > 0. None is the deterministic limit,
            the nearest index.
        trellis: The joint choice of indices. None chooses each index alone.
        longest_side: Pixels, 8..65500. A larger picture is scaled down to it before it is encoded (`j4d.jpeg.size`).
            None: no picture is. Rates stay bits per pixel of the picture as it was given.

    Raises:
        ParameterError: A value is wrong, or values contradict each other.
    """

    luma: Quantization
    chroma: Quantization
    sampling: str = "4:2:0"
    sharpness: float | None = None
    trellis: Trellis | None = None
    longest_side: int | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("luma", "chroma"):
            given = getattr(self, name)
            put(self, name, given if isinstance(given, Quantization) else _quantization(name, given))
        check_sampling(self.sampling)
        if self.sharpness is not None:
            put(self, "sharpness", finite_number(self.sharpness, "sharpness", ParameterError))
        if self.trellis is not None and not isinstance(self.trellis, Trellis):
            raise ParameterError(f"trellis: a {type(self.trellis).__name__} is no Trellis, such as Trellis(30)")
        for name in ("luma", "chroma"):
            if self.trellis is None and getattr(self, name).weights is not None:
                raise ParameterError(f"{name} weights without a trellis; give both, or neither")
        put(self, "longest_side", check_longest_side(self.longest_side))
        if self.trellis is not None and self.sharpness is not None:
            raise ParameterError(
                f"sharpness {self.sharpness:g} and trellis {self.trellis.mu:g}: indices are either drawn or chosen; "
                "set one of them to None"
            )

    @classmethod
    def from_quality(cls, quality: int, sampling: str = "4:2:0") -> EncodingParameters:
        """The default JPEG point: Annex K tables scaled to IJG `quality` 1..100, deterministic quantizer."""
        luma, chroma = (Quantization(scale_table(table, quality)) for table in (ANNEX_K_LUMA, ANNEX_K_CHROMA))
        return cls(luma, chroma, sampling)

    @property
    def quantizations(self) -> tuple[Quantization, Quantization]:
        """Those of luma and chroma."""
        return self.luma, self.chroma

    def quantized_by(self, luma: Quantization, chroma: Quantization) -> EncodingParameters:
        """The same with other quantizations."""
        return replace(self, luma=luma, chroma=chroma)

    def with_dead_zones(
        self, luma: npt.NDArray[np.float64] | None, chroma: npt.NDArray[np.float64] | None
    ) -> EncodingParameters:
        """The same with these dead zones, (8, 8) each, or none."""
        return self.quantized_by(replace(self.luma, dead_zone=luma), replace(self.chroma, dead_zone=chroma))

    def without_trellis(self) -> EncodingParameters:
        """The same with each index chosen alone."""
        luma, chroma = (replace(each, weights=None) for each in self.quantizations)
        return replace(self, luma=luma, chroma=chroma, trellis=None)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values that `from_json` turns back into an equal object.

        The trellis, what belongs to it and the longest side are left out where they are None: files of those who do
        not use them see no change.
        """
        first = {
            "luma": self.luma.steps,
            "chroma": self.chroma.steps,
            "sampling": self.sampling,
            "sharpness": self.sharpness,
            "luma_dead_zone": self.luma.dead_zone,
            "chroma_dead_zone": self.chroma.dead_zone,
        }
        trellis = self.trellis
        later = {
            "trellis": trellis and trellis.mu,
            "masking": trellis and trellis.masking,
            "dc_trellis": trellis and trellis.dc,
            "luma_weights": self.luma.weights,
            "chroma_weights": self.chroma.weights,
            "longest_side": self.longest_side,
        }
        values = {**first, **{name: value for name, value in later.items() if value is not None}}
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncodingParameters:
        """The inverse of `to_json`. Unknown or missing keys and wrong values raise ParameterError."""
        if not isinstance(data, Mapping) or not {"luma", "chroma"} <= set(data) <= set(_KEYS):
            got = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise ParameterError(f"encoding parameters: got {got}, expected luma, chroma and of {list(_KEYS[2:])}")
        masking, dc = (data.get(name) for name in ("masking", "dc_trellis"))
        if data.get("trellis") is None:
            for name, value in (("masking", masking), ("DC trellis", dc)):
                if value is not None:
                    raise ParameterError(f"{name} {value} without a trellis; give both, or neither")
            trellis = None
        else:
            trellis = Trellis(data["trellis"], masking, dc)
        luma, chroma = (
            _quantization(name, data[name], data.get(f"{name}_dead_zone"), data.get(f"{name}_weights"))
            for name in ("luma", "chroma")
        )
        sampling = data.get("sampling", "4:2:0")
        return cls(luma, chroma, sampling, data.get("sharpness"), trellis, data.get("longest_side"))


_KEYS = (
    *("luma", "chroma", "sampling", "sharpness", "luma_dead_zone", "chroma_dead_zone", "trellis", "masking"),
    *("dc_trellis", "luma_weights", "chroma_weights", "longest_side"),
)


def _quantization(name: str, *values: Any) -> Quantization:
    """That of "luma" or "chroma", which opens the message of an error."""
    try:
        return Quantization(*values)
    except ParameterError as error:
        raise ParameterError(f"{name} {error}") from None
