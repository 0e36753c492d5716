"""The symbols that files hold, expected: against counts of real indices, where they are independent and where not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import crops

from j4d.jpeg import encoding
from j4d.jpeg.coefficients import quantize, read_coefficients, write_coefficients
from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.jpeg.tables import ZIGZAG
from j4d.rate.activity import CLASSES, block_classes
from j4d.rate.spectrum import Spectrum
from j4d.rate.symbols import (
    AC_SIZES,
    DC_SIZES,
    END_OF_BLOCK,
    SYMBOLS,
    ZERO_RUN,
    ac_symbols,
    block_symbols,
    code_lengths,
    coded,
    difference_size_pmf,
    extra_bits,
    fixed_header_bytes,
    size_pmf,
    sizes,
)
from j4d.simulation.entropy import dc_differences

SEEDS = st.integers(0, 2**32 - 1)


def symbols_of(blocks: np.ndarray) -> np.ndarray:
    """Counts (SYMBOLS,) of the AC symbols of indices (N, 64) in zigzag order, as T.81 F.1.2.2 codes them."""
    counts = np.zeros(SYMBOLS)
    for block in blocks.astype(int):
        run = 0
        for index in block[1:].tolist():
            if index == 0:
                run += 1
                continue
            counts[ZERO_RUN] += run // 16
            counts[run % 16 << 4 | abs(index).bit_length()] += 1
            run = 0
        counts[END_OF_BLOCK] += run > 0
    return counts


def pmf_of(blocks: np.ndarray) -> torch.Tensor:
    """Frequencies of each size over indices (N, 64) in zigzag order, (1, 63, AC_SIZES)."""
    found = sizes(torch.from_numpy(blocks[:, 1:].astype(np.float64)))
    return torch.nn.functional.one_hot(found, AC_SIZES).double().mean(0)[None]


def on_photographs(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 93, 110, 8)


# Symbols of a block


@given(st.integers(-2047, 2047))
def test_a_size_is_the_bits_of_the_magnitude(index: int) -> None:
    assert sizes(torch.tensor(float(index))).item() == abs(index).bit_length()


@settings(max_examples=40)
@given(SEEDS, st.floats(0, 1))
def test_the_symbols_of_one_block_are_those_of_that_block(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    block = rng.integers(-1023, 1024, (1, 64)) * (rng.random((1, 64)) < density)
    np.testing.assert_allclose(block_symbols(pmf_of(block))[0], symbols_of(block), atol=1e-9)


@settings(max_examples=40)
@given(SEEDS, st.integers(0, 5), st.floats(0, 1))
def test_symbols_of_indices_are_counted_as_they_are_coded(seed: int, count: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(-1023, 1024, (count, 64)) * (rng.random((count, 64)) < density**4)
    natural = np.zeros((count, 64), np.int16)
    natural[:, ZIGZAG] = blocks
    assert np.array_equal(ac_symbols(natural.reshape(count, 8, 8)), symbols_of(blocks))


def test_of_independent_indices_the_expectation_is_the_mean() -> None:
    rng = np.random.default_rng(3)
    scale = 2 * np.exp(-np.arange(64) / 20)
    blocks = np.rint(rng.laplace(0, scale, (10_000, 64)))
    found, expected = symbols_of(blocks), 10_000 * block_symbols(pmf_of(blocks))[0].numpy()
    noise = 5 * np.sqrt(np.maximum(found, expected)) + 5
    assert (np.abs(found - expected) < noise).all() and found[ZERO_RUN] > 100
    assert expected.sum() == pytest.approx(found.sum(), rel=2e-3)
    assert float(extra_bits(torch.from_numpy(expected))) == pytest.approx(
        sum(abs(int(k)).bit_length() for k in blocks[:, 1:].ravel()), rel=1e-9
    )


@settings(max_examples=20)
@given(SEEDS)
def test_every_index_that_is_not_zero_has_one_symbol(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pmf = torch.from_numpy(rng.dirichlet(rng.uniform(0.05, 2, AC_SIZES), (3, 63)))
    symbols = block_symbols(pmf).view(3, 16, 16)
    torch.testing.assert_close(symbols[:, :, 1:AC_SIZES].sum(1), pmf[..., 1:].sum(1))
    assert (symbols >= 0).all() and (symbols[:, 1:15, 0] == 0).all() and (symbols[:, :, AC_SIZES:] == 0).all()
    torch.testing.assert_close(symbols[:, 0, 0], pmf[:, -1, 0])


def test_gradcheck_of_block_symbols() -> None:
    pmf = torch.from_numpy(np.random.default_rng(5).dirichlet([3.0, *[0.3] * 10], (2, 63))).requires_grad_()
    weights = torch.linspace(1, 16, SYMBOLS).double()
    assert torch.autograd.gradcheck(lambda p: block_symbols(p) @ weights, [pmf], eps=1e-7, atol=1e-4)


# Sizes of what is quantized


@settings(max_examples=30)
@given(SEEDS, st.booleans())
def test_at_great_sharpness_sizes_are_those_of_the_nearest_indices(seed: int, with_zone: bool) -> None:
    rng = np.random.default_rng(seed)
    step = torch.from_numpy(np.exp(rng.uniform(0, 5.5, (8, 8))))
    zone = torch.from_numpy(rng.uniform(0, 0.45, (8, 8))) if with_zone else None
    frequency = torch.from_numpy(rng.integers(1, 64, 300))
    u = torch.from_numpy(np.rint(rng.laplace(0, 20, 300)) + rng.uniform(-0.4, 0.4, 300))  # away from ties
    shift = 0 if zone is None else zone.view(64)[frequency] * u.sign()
    pmf = size_pmf((u + shift) * step.view(64)[frequency], frequency, step, 80.0, zone)
    expected = torch.nn.functional.one_hot(sizes(u.round()), AC_SIZES).double()
    sure = (u.abs() > 0.5) | (zone is None)
    torch.testing.assert_close(pmf[sure], expected[sure], atol=1e-5, rtol=0)
    torch.testing.assert_close(pmf.sum(1), torch.ones(300).double())


@pytest.mark.parametrize("kappa", [1.5, 6.0, 20.0])
@pytest.mark.parametrize("with_zone", [False, True])
def test_gradcheck_of_size_pmf(kappa: float, with_zone: bool) -> None:
    rng = np.random.default_rng(7)
    step, zone = (torch.from_numpy(x) for x in (np.exp(rng.uniform(0, 4, (8, 8))), rng.uniform(0, 0.4, (8, 8))))
    frequency = torch.from_numpy(rng.integers(1, 64, 60))
    samples = torch.from_numpy(rng.standard_t(2, 60).clip(-12, 12)) * step.view(64)[frequency]
    inputs = [step, torch.tensor(kappa).double(), *([zone] if with_zone else [])]

    def pmf(step: torch.Tensor, kappa: torch.Tensor, *zone: torch.Tensor) -> torch.Tensor:
        return size_pmf(samples, frequency, step, kappa, *zone)

    assert torch.autograd.gradcheck(pmf, [x.requires_grad_() for x in inputs], eps=1e-6, atol=1e-5, rtol=1e-4)


def test_gradcheck_of_difference_size_pmf() -> None:
    differences = torch.from_numpy(np.random.default_rng(4).laplace(0, 40, 60))
    step = torch.tensor(7.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: difference_size_pmf(differences, s), [step], atol=1e-5)
    assert difference_size_pmf(torch.tensor([0.0, 2047.0]), torch.tensor(1.0)).shape == (2, DC_SIZES)


# Codes and headers


def test_bits_of_codes_and_tables_are_those_of_the_file(photographs: dict[str, np.ndarray]) -> None:
    """Real counts, and so real lengths and headers: all of the file but stuffing and the last byte's padding."""
    image = photographs["coffee"]
    for sampling in SAMPLINGS:
        parameters = EncodingParameters.from_quality(40, sampling)
        written = quantize(image, parameters, deterministic=True)
        users: list[list[torch.Tensor]] = [[], []]  # DC, AC; of luma, of chroma
        for table, planes in enumerate((written.planes[:1], written.planes[1:])):
            if not planes:
                continue
            dc, ac = np.zeros(SYMBOLS), np.zeros(SYMBOLS)
            for plane in planes:
                blocks = plane.reshape(-1, 64)[:, ZIGZAG]
                ac += symbols_of(blocks)
                levels = torch.from_numpy(plane[None].astype(np.float32))
                found = dc_differences(levels, sampling, table)
                dc += np.bincount(sizes(found).numpy(), minlength=SYMBOLS)
                ac[END_OF_BLOCK] += len(found) - len(blocks)
            users[0].append(torch.from_numpy(dc)[None])
            users[1].append(torch.from_numpy(ac)[None])
        bits = 8 * fixed_header_bytes(len(written.planes), min(2, len(written.planes)))
        for kind in users:
            codes, tables = coded(kind)
            # a table holds a byte for each symbol that occurs; that of symbols expected once is left to chance
            rare = sum(float(torch.exp(-c)[c > 0].sum()) for c in ([sum(kind)] if len(kind) == 1 else kind))
            bits += float(codes + tables) + sum(float(extra_bits(c)) for c in kind)
            bits += 8 * rare
        size = len(write_coefficients(written))
        assert bits / 8 == pytest.approx(size, rel=4e-3), sampling


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("same", [False, True])
def test_fixed_header_bytes_are_those_of_files(sampling: str, same: bool) -> None:
    """A gray square: a DC symbol and an end of block, for luma and for chroma, in shared tables; one byte of scan."""
    flat = np.full((8, 8, 3), 128, np.uint8)
    luma = np.full((8, 8), 10, np.int32)
    data = encode(flat, EncodingParameters(luma, luma + (not same), sampling))
    components = len(read_coefficients(data).planes)
    tables = 1 if same or components == 1 else 2
    blocks = {"gray": 1, "4:4:4": 3, "4:2:2": 4, "4:2:0": 6}[sampling]
    scan = -(-2 * blocks // 8)  # a bit for each DC and each end of block
    assert len(data) == fixed_header_bytes(components, tables) + 2 * (17 + 1) + scan


def test_code_lengths_are_optimal_and_rare_symbols_have_the_longest() -> None:
    counts = torch.zeros(2, SYMBOLS).double()
    counts[0, :4] = torch.tensor([0.5, 0.25, 0.124, 0.125]).double() * 1000
    counts[0, 7] = 0.01
    counts[1, 5] = 0.02  # all too rare: the likeliest has a code none the less
    lengths = code_lengths(counts)
    assert lengths[0, :4].tolist() == [1, 2, 4, 3] and lengths[0, 7] == 16
    assert lengths[1, 0] == 1 or lengths[1, 5] == 1


def test_luma_and_chroma_share_a_code_where_that_is_smaller() -> None:
    few = torch.zeros(1, SYMBOLS).double()
    few[0, :3] = torch.tensor([8, 4, 4]).double()
    other = few.roll(3, 1) * 100
    for users, shared in (([few, few.clone()], True), ([few * 100, other], False)):
        codes, tables = coded(users)
        alone = [coded([u]) for u in users]
        apart = sum(float(c + t) for c, t in alone)
        assert (float(codes + tables) < apart - 100) == shared
        assert float(codes + tables) <= apart + 1e-9


# The spectrum


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_files_of_photographs_are_as_large_as_estimated(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    """Without any number fitted: within 3 percent, headers and all, where marginal entropies err by 6 and more."""
    images = on_photographs(photographs)
    spectrum = Spectrum.of(images, sampling)
    for quality in (8, 30, 75):
        parameters = EncodingParameters.from_quality(quality, sampling)
        steps = [torch.tensor(t).float() for t in (parameters.luma.steps, parameters.chroma.steps)]
        bits = spectrum.symbol_bits(steps, 80.0)
        actual = sum(8 * len(encode(image, parameters)) for image in images)
        assert float(bits.ac + bits.dc + bits.header) == pytest.approx(actual, rel=0.03), quality


def test_gradients_of_the_whole_are_those_of_differences(photographs: dict[str, np.ndarray]) -> None:
    spectrum = Spectrum.of(on_photographs(photographs), "4:2:0")
    parameters = EncodingParameters.from_quality(40)
    log_steps = (
        torch.from_numpy(np.log(np.stack([parameters.luma.steps, parameters.chroma.steps]))).double().requires_grad_()
    )
    zone = torch.full((8, 8), 0.1).double().requires_grad_()
    kappa = torch.tensor(6.0).double().requires_grad_()

    def total(log_steps: torch.Tensor, zone: torch.Tensor, kappa: torch.Tensor) -> torch.Tensor:
        bits = spectrum.symbol_bits(list(log_steps.exp()), kappa, (zone, zone))
        return bits.ac + bits.dc + bits.header

    gradients = torch.autograd.grad(total(log_steps, zone, kappa), (log_steps, zone, kappa))
    rng = np.random.default_rng(1)
    for number, (inputs, gradient) in enumerate(zip((log_steps, zone, kappa), gradients, strict=True)):
        direction = torch.from_numpy(np.asarray(rng.normal(size=tuple(inputs.shape)))).double()
        ends = []
        for sign in (1, -1):
            moved = [x.detach().clone() for x in (log_steps, zone, kappa)]
            moved[number] += sign * 1e-5 * direction
            ends.append(float(total(*moved)))
        expected = (ends[0] - ends[1]) / 2e-5
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=0.01, abs=1.0)


def test_coarser_steps_and_wider_dead_zones_take_fewer_bits(photographs: dict[str, np.ndarray]) -> None:
    spectrum = Spectrum.of(on_photographs(photographs), "4:2:0")

    def total(step: float, zone: float) -> float:
        zones = torch.full((8, 8), zone)
        bits = spectrum.symbol_bits([torch.full((8, 8), step)] * 2, 20.0, (zones, zones))
        return float(bits.ac + bits.dc + bits.header)

    by_step = [total(step, 0.0) for step in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 255.0)]
    by_zone = [total(16.0, zone) for zone in (0.0, 0.1, 0.2, 0.3, 0.4)]
    for course in (by_step, by_zone):
        assert all(a > b for a, b in pairwise(course)), course


def test_files_of_their_like_are_coded_together(photographs: dict[str, np.ndarray]) -> None:
    """A busy and a flat picture have codes of their own: together they take what they take apart."""
    images = [photographs["coffee"][:128, :128], np.full((128, 128, 3), 90, np.uint8)]
    step = [torch.full((8, 8), 12.0), torch.full((8, 8), 20.0)]
    both, *apart = (Spectrum.of(x, "4:2:0").symbol_bits(step, 80.0) for x in (images, images[:1], images[1:]))
    assert float(both.ac) == pytest.approx(sum(float(b.ac) for b in apart), rel=0.03)
    assert float(both.header) == pytest.approx(sum(float(b.header) for b in apart), rel=0.03)


@settings(max_examples=20)
@given(SEEDS)
def test_classes_are_in_range_and_know_nothing_of_dc_and_signs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.uniform(-3, 7, (50, 1)))
    blocks = torch.from_numpy((rng.laplace(0, scale, (50, 64)) * 8).round().clip(-8192, 8191) / 8).float()
    classes = block_classes(blocks)
    assert int(classes.min()) >= 0 and int(classes.max()) < CLASSES
    changed = blocks * torch.from_numpy(rng.choice([-1, 1], (50, 64))).float()
    changed[:, 0] = 7
    assert torch.equal(block_classes(changed), classes)


def test_a_single_pixel_has_a_rate(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["coffee"][:1, :1]
    parameters = EncodingParameters.from_quality(50)
    steps = [torch.tensor(t).float() for t in (parameters.luma.steps, parameters.chroma.steps)]
    bits = Spectrum.of([image], "4:2:0").symbol_bits(steps, 80.0)
    assert float(bits.ac + bits.dc + bits.header) == pytest.approx(
        8 * len(encoding.encode(image, parameters)), rel=0.05
    )
