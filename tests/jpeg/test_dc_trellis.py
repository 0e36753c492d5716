"""DC indices chosen from block to block: the chain's promise, by exhaustive search and by the formula of its header."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from changes import changed
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pictures import crops
from PIL import Image

from j4d import _core
from j4d.api import transcode
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients, forward_dct, quantize, read_coefficients, write_coefficients
from j4d.jpeg.encoding import encode_many
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.jpeg.transcoding import Transcoder

LONGEST = 16  # bits of a code; a symbol without one counts as much
MCU = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "gray": (1, 1)}  # luma blocks across and down


def cost(chosen: Sequence[int], indices: Sequence[int], beyond: Sequence[int], weight: int, lengths: bytes) -> int:
    """In 2^-36 bits: weight x (u - k)^2, and the bits of the differences' codes and extra bits."""
    errors = [(1024 * (k - c) + b) ** 2 for c, k, b in zip(chosen, indices, beyond, strict=True)]
    sizes = [abs(d).bit_length() for d in np.diff(chosen, prepend=0).tolist()]
    return weight * sum(errors) + (sum((lengths[s] or LONGEST) + s for s in sizes) << 36)


index = st.one_of(st.integers(-3, 3), st.integers(-1024, 1023), st.sampled_from((-1024, 1023)))
chains = st.lists(st.tuples(index, st.integers(-1024, 1024)), min_size=1, max_size=6)
lengths = st.binary(min_size=256, max_size=256).map(lambda b: bytes(x % 17 for x in b))
weights = st.one_of(st.integers(0, 1 << 16), st.integers(1 << 16, 30 << 16), st.integers(0, 1000 << 16))


@given(chains, weights, lengths)
@limits(max_examples=300)
def test_no_chain_costs_less(chain: list[tuple[int, int]], weight: int, lengths: bytes) -> None:
    indices, beyond = map(list, zip(*chain, strict=True))
    chosen = _core.choose_dc_indices(indices, beyond, weight, lengths)
    ways = [[k + move for move in (0, -1, 1) if -1024 <= k + move <= 1023] for k in indices]
    assert all(k in allowed for k, allowed in zip(chosen, ways, strict=True))
    least = min(cost(c, indices, beyond, weight, lengths) for c in itertools.product(*ways))
    assert cost(chosen, indices, beyond, weight, lengths) == least


def test_long_chains_do_not_overflow() -> None:
    ends = [-1024, 1023] * 200_000
    assert _core.choose_dc_indices(ends, [1024] * len(ends), 1000 << 16, bytes(256))[-2:] == [-1023, 1023]


def file_order(rows: int, columns: int, across: int, down: int) -> list[int]:
    """Places in a grid, row by row, in the order of MCUs (T.81 A.2.3)."""
    place = {(y, x): y * columns + x for y in range(rows) for x in range(columns)}
    return sorted(place.values(), key=lambda p: mcu_key(*divmod(p, columns), across, down))


def mcu_key(y: int, x: int, across: int, down: int) -> tuple[int, int, int, int]:
    return y // down, x // across, y % down, x % across


def code_lengths(chains: Sequence[np.ndarray]) -> list[bytes]:
    """Of the optimal code of each component: luma and chroma have their own, or one where the file is smaller."""

    def counts(chain: np.ndarray) -> np.ndarray:
        sizes = [abs(d).bit_length() for d in np.diff(chain, prepend=0).tolist()]
        return np.bincount(sizes, minlength=256).astype(np.uint64)

    def bits(counts: np.ndarray) -> int:
        code = np.frombuffer(_core.code_lengths(counts), np.uint8)
        return int((counts * code).sum()) + 8 * (17 + np.count_nonzero(counts))

    kinds = [sum(map(counts, part)) for part in (chains[:1], chains[1:]) if len(part)]
    if bits(sum(kinds)) <= sum(map(bits, kinds)):
        kinds = [sum(kinds)] * len(kinds)
    return [_core.code_lengths(kinds[i > 0]) for i in range(len(chains))]


def by_formula(
    nearest: Coefficients, coefficients: Sequence[np.ndarray], units: int, parameters: EncodingParameters
) -> list[np.ndarray]:
    """DC indices of each component, row by row; coefficients are integers in 1 / `units`."""
    chains, distances, orders = [], [], []
    for i, (plane, values) in enumerate(zip(nearest.planes, coefficients, strict=True)):
        order = file_order(*plane.shape[:2], *(MCU[nearest.sampling] if i == 0 else (1, 1)))
        u = values[..., 0, 0].ravel()[order].astype(int) * 1024 / (units * int(nearest.tables[i][0, 0]))
        chains.append(plane[..., 0, 0].ravel()[order].astype(int))
        rounded = np.sign(u) * np.floor(np.minimum(np.abs(u), 1024 << 10) + 0.5)
        distances.append(rounded.astype(int) - 1024 * chains[-1])
        orders.append(order)
    weight, result = int(parameters.trellis.dc * 65536), []
    for chain, beyond, order, codes in zip(chains, distances, orders, code_lengths(chains), strict=True):
        out = np.zeros(len(chain), int)
        out[order] = _core.choose_dc_indices(chain.tolist(), beyond.tolist(), weight, codes)
        result.append(out)
    return result


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [57, 200])
def test_pictures_are_chosen_by_the_formula(sampling: str, size: int, photographs: dict[str, np.ndarray]) -> None:
    image = photographs["coffee"][60 : 57 + size, 200 : 230 + size]
    parameters = changed(EncodingParameters.from_quality(30, sampling), trellis=30.0, dc_trellis=5.0)
    nearest, chosen = quantize(image, parameters, effort=0), quantize(image, parameters)
    expected = by_formula(nearest, forward_dct(image, sampling), 8, parameters)
    kept = quantize(image, changed(parameters, dc_trellis=None))
    assert any((a != b).any() for a, b in zip(chosen.planes, kept.planes, strict=True))
    for a, b, c in zip(chosen.planes, expected, kept.planes, strict=True):
        np.testing.assert_array_equal(a[..., 0, 0].ravel(), b)
        np.testing.assert_array_equal(a.reshape(-1, 64)[:, 1:], c.reshape(-1, 64)[:, 1:])  # AC does not depend on it
    assert encoding.encode(image, parameters) == write_coefficients(chosen)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("progressive", [False, True])
def test_files_are_transcoded_by_the_formula(
    sampling: str, progressive: bool, photographs: dict[str, np.ndarray]
) -> None:
    source = encoding.encode(photographs["coffee"][60:117, 200:283], EncodingParameters.from_quality(93, sampling))
    parameters = changed(EncodingParameters.from_quality(30), trellis=30.0, dc_trellis=5.0)
    stored = read_coefficients(source)
    values = [plane.astype(int) * table for plane, table in zip(stored.planes, stored.tables, strict=True)]
    options = {"never_grow": False, "progressive": progressive}
    nearest = read_coefficients(transcode(source, parameters, effort=0, **options))
    chosen = read_coefficients(transcode(source, parameters, **options))
    for a, b in zip(chosen.planes, by_formula(nearest, values, 1, parameters), strict=True):
        np.testing.assert_array_equal(a[..., 0, 0].ravel(), b)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_photographs_get_smaller(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    plain = changed(EncodingParameters.from_quality(15, sampling), trellis=30.0)
    for image in photographs.values():
        sizes = [len(encoding.encode(image, changed(plain, dc_trellis=mu))) for mu in (None, 1000.0, 20.0, 8.0)]
        assert sizes[3] < sizes[2] < sizes[0] and abs(sizes[1] - sizes[0]) < 0.002 * sizes[0]


def test_rgb_files_and_resampled_chroma_are_chosen_too(photographs: dict[str, np.ndarray]) -> None:
    parameters = changed(EncodingParameters.from_quality(20), trellis=30.0, dc_trellis=8.0)
    rgb, file = io.BytesIO(), encoding.encode(photographs["coffee"], EncodingParameters.from_quality(95, "4:4:4"))
    Image.fromarray(photographs["coffee"]).save(rgb, "jpeg", quality=95, keep_rgb=True)
    for source, sampling in ((rgb.getvalue(), "keep"), (file, "parameters")):
        kept, chosen = (
            Transcoder(p, sampling=sampling, never_grow=False).one(source).data
            for p in (changed(parameters, dc_trellis=None), parameters)
        )
        assert len(chosen) < len(kept)
        with Image.open(io.BytesIO(kept)) as a, Image.open(io.BytesIO(chosen)) as b:
            apart = np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean()
        assert 0 < apart < 4


def test_threads_and_restarts_do_not_change_what_is_chosen(photographs: dict[str, np.ndarray]) -> None:
    images = crops(list(photographs.values()), 90, 130, 6)
    parameters = changed(EncodingParameters.from_quality(20), trellis=30.0, masking=300.0, dc_trellis=8.0)
    alone = [encoding.encode(image, parameters) for image in images]
    assert encode_many(images, parameters, threads=8) == alone
    for image, file in zip(images, alone, strict=True):
        restarted = read_coefficients(encoding.encode(image, parameters, restart_interval=3))
        for a, b in zip(restarted.planes, read_coefficients(file).planes, strict=True):
            np.testing.assert_array_equal(a, b)
