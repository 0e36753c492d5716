"""SimulatedJPEG: hard, it is libjpeg-turbo to the last bit; soft, its gradients are those of its own values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import batch, crops, random_parameters
from torch.func import functional_call

from j4d import SimulatedJPEG
from j4d.errors import ImageError, ParameterError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import quantize, write_coefficients
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters, Quantization
from j4d.simulation.quantizer import FORWARDS, nearest
from j4d.simulation.transform import pixels_to_coefficients


@torch.no_grad()
def assert_equals_the_codec(image: np.ndarray, parameters: EncodingParameters) -> None:
    """Every index, and every pixel of the decoded file."""
    jpeg = SimulatedJPEG(parameters)
    written = quantize(image, parameters, deterministic=True)
    planes = pixels_to_coefficients(batch(image), parameters.sampling)
    for component, (plane, indices) in enumerate(zip(planes, written.planes, strict=True)):
        table = min(component, 1)
        assert np.array_equal(nearest(plane[0], jpeg.steps[table], jpeg.dead_zones[table]), indices)
    decoded = decoding.decode(write_coefficients(written))
    assert np.array_equal(jpeg(batch(image))[0], batch(decoded))


@pytest.fixture
def some_crops(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 53, 75, 8)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_hard_is_libjpeg_turbo_at_every_quality(sampling: str, some_crops: list[np.ndarray]) -> None:
    for quality in range(1, 101):
        assert_equals_the_codec(some_crops[quality % 8], EncodingParameters.from_quality(quality, sampling))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("dead_zones", [False, True])
def test_hard_is_the_codec_with_any_tables_and_dead_zones(
    sampling: str, dead_zones: bool, some_crops: list[np.ndarray], rng: np.random.Generator
) -> None:
    for i in range(24):
        assert_equals_the_codec(some_crops[i % 8], random_parameters(rng, sampling, dead_zones=dead_zones))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_hard_is_libjpeg_turbo_on_whole_photographs(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    for image, quality in zip(photographs.values(), (12, 50, 77, 93), strict=True):
        assert_equals_the_codec(image, EncodingParameters.from_quality(quality, sampling))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_hard_is_libjpeg_turbo_on_more_photographs(sampling: str, more_photographs: dict[str, np.ndarray]) -> None:
    for number, image in enumerate(more_photographs.values()):
        assert_equals_the_codec(image, EncodingParameters.from_quality(3 + 4 * number, sampling))


@settings(max_examples=40)
@given(st.sampled_from(SAMPLINGS), st.sampled_from(FORWARDS), st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
def test_pixels_keep_their_shape_and_range(sampling: str, forward: Any, count: int, height: int, width: int) -> None:
    pixels = torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(height)) * 255
    jpeg = SimulatedJPEG(EncodingParameters.from_quality(30, sampling), forward=forward)
    decoded, bpp = jpeg(pixels)
    assert decoded.shape == pixels.shape and decoded.dtype == torch.float32
    assert decoded.min() >= 0 and decoded.max() <= 255
    assert bpp.shape == () and 0 <= bpp < 64 * 12
    bpp.backward()
    assert torch.isfinite(jpeg.log_steps.grad).all()


@pytest.mark.parametrize("sampling", ["4:2:0", "4:4:4", "gray"])
def test_gradcheck_of_the_whole_soft_loss(sampling: str, rng: np.random.Generator) -> None:
    """Pixels and rate together, with respect to steps, dead zones and sharpness."""
    pixels = batch(*rng.integers(60, 200, (2, 9, 17, 3), dtype=np.uint8)).double()
    weights = torch.from_numpy(rng.normal(size=pixels.shape))
    start = random_parameters(rng, sampling, dead_zones=True)
    learnt = {"learn_dead_zone": True, "learn_sharpness": True}
    jpeg = SimulatedJPEG(start, forward="soft", gradient="exact", sharpness=3.3, **learnt).double()
    log_steps = torch.from_numpy(rng.uniform(math.log(2), math.log(250), (2, 8, 8)))
    zones = torch.from_numpy(rng.uniform(0.01, 0.49, (2, 63)))  # those of DC are constants

    def loss(log_steps: torch.Tensor, zones: torch.Tensor, log_sharpness: torch.Tensor) -> torch.Tensor:
        dead_zone = torch.cat((torch.zeros(2, 1, dtype=zones.dtype), zones), 1).view(2, 8, 8)
        tensors = {"log_steps": log_steps, "dead_zone": dead_zone, "log_sharpness": log_sharpness}
        decoded, bpp = functional_call(jpeg, tensors, (pixels,))
        return (decoded * weights).mean() + bpp

    inputs = (log_steps, zones, torch.tensor(math.log(3.3), dtype=torch.float64))
    assert torch.autograd.gradcheck(loss, [x.requires_grad_() for x in inputs], eps=1e-6, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("forward", ["hard", "sampled"])
def test_every_forward_has_the_soft_gradient(forward: Any, rng: np.random.Generator) -> None:
    """On pictures that are clamped nowhere."""
    pixels = batch(rng.integers(90, 166, (40, 40, 3), dtype=np.uint8))
    weights = torch.from_numpy(rng.normal(size=pixels.shape)).float()
    gradients = []
    for mode in (forward, "soft"):
        options = {"gradient": "exact", "sharpness": 4.0, "learn_dead_zone": True}
        jpeg = SimulatedJPEG(EncodingParameters.from_quality(60), forward=mode, **options)
        planes = pixels_to_coefficients(pixels, "4:2:0")
        (jpeg.decoded(planes, 40, 40) * weights).sum().backward()
        gradients.append((jpeg.log_steps.grad, jpeg.dead_zone.grad))
    for a, b in zip(*gradients, strict=True):
        assert b.abs().max() > 1
        torch.testing.assert_close(a, b)


@torch.no_grad()
def test_soft_pixels_become_the_hard_ones_as_sharpness_grows(photographs: dict[str, np.ndarray]) -> None:
    parameters = EncodingParameters.from_quality(40)
    planes = pixels_to_coefficients(batch(photographs["chelsea"][100:228, 100:228]), "4:2:0")
    hard = SimulatedJPEG(parameters).decoded(planes, 128, 128)
    errors = [
        float((SimulatedJPEG(parameters, forward="soft", sharpness=kappa).decoded(planes, 128, 128) - hard).std())
        for kappa in (1.0, 2.5, 5.0, 10.0, 20.0, 80.0)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 5 and errors[-1] < errors[0] / 5, "what remains is the decoder's rounding and a few near-ties"


def test_steps_at_either_end_of_their_range_still_learn(photographs: dict[str, np.ndarray]) -> None:
    pixels = batch(photographs["coffee"][:64, :64])
    for step in (1, 255):
        table = np.full((8, 8), step)
        jpeg = SimulatedJPEG(EncodingParameters(table, table, "4:4:4"), forward="soft", sharpness=2.0)
        (jpeg(pixels)[0] - pixels).square().mean().backward()
        assert (jpeg.log_steps.grad[:, 0, 0] != 0).all()
        assert (jpeg.steps == step).all()


def test_the_dead_zone_of_dc_is_kept_but_not_learned(photographs: dict[str, np.ndarray]) -> None:
    zones = np.full((8, 8), 0.25)
    tables = EncodingParameters.from_quality(30)
    parameters = EncodingParameters(
        Quantization(tables.luma.steps, zones), Quantization(tables.chroma.steps, zones), "4:2:0", None
    )
    jpeg = SimulatedJPEG(parameters, learn_dead_zone=True, sharpness=3.0)
    decoded, bpp = jpeg(batch(photographs["coffee"][:64, :64]))
    (decoded.square().mean() + bpp).backward()
    assert (jpeg.dead_zone.grad[:, 0, 0] == 0).all() and (jpeg.dead_zone.grad[:, 0, 1] != 0).all()
    assert jpeg.encoding_parameters() == parameters


@pytest.mark.parametrize("forward", ["soft", "hard"])
def test_autocast_changes_nothing(forward: Any, photographs: dict[str, np.ndarray]) -> None:
    pixels = batch(photographs["rocket"][:70, :90])
    results = []
    for enabled in (False, True):
        jpeg = SimulatedJPEG(EncodingParameters.from_quality(50), forward=forward)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            decoded, bpp = jpeg(pixels)
            loss = decoded.square().mean() + bpp
        loss.backward()
        results.append((decoded, bpp, jpeg.log_steps.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_half_precision_pixels_are_simulated_in_single(photographs: dict[str, np.ndarray]) -> None:
    pixels = batch(photographs["rocket"][:70, :90])
    jpeg = SimulatedJPEG(EncodingParameters.from_quality(50))
    assert torch.equal(jpeg(pixels.half())[0], jpeg(pixels)[0])


@pytest.mark.parametrize("forward", ["soft", "hard"])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0", "gray"])
def test_double_precision_agrees_with_single(
    forward: Any, sampling: str, photographs: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    pixels = batch(photographs["rocket"][:70, :90])
    results = []
    for dtype in (torch.float32, torch.float64):
        parameters = random_parameters(np.random.default_rng(3), sampling, dead_zones=True)
        jpeg = SimulatedJPEG(parameters, forward=forward, sharpness=6.0, learn_dead_zone=True).to(dtype)
        decoded, bpp = jpeg(pixels.to(dtype))
        (decoded.square().mean() + bpp).backward()
        assert decoded.dtype == dtype
        results.append([x.detach().double() for x in (decoded, bpp, jpeg.log_steps.grad, jpeg.dead_zone.grad)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))
    if forward == "hard":
        assert torch.equal(results[0][0], results[1][0])


@pytest.mark.parametrize(("forward", "sampling"), [("soft", "gray"), ("hard", "4:2:0")])
def test_it_compiles_into_one_graph_that_gives_the_same(
    forward: Any, sampling: str, photographs: dict[str, np.ndarray]
) -> None:
    pixels = batch(photographs["rocket"][:45, :60])
    parameters = EncodingParameters.from_quality(50, sampling)
    results = []
    for compiled in (False, True):
        torch.compiler.reset()
        jpeg = SimulatedJPEG(parameters, forward=forward, learn_dead_zone=True)
        run = torch.compile(jpeg, backend="aot_eager", fullgraph=True) if compiled else jpeg
        decoded, bpp = run(pixels)
        (decoded.square().mean() + bpp).backward()
        results.append((decoded, bpp, jpeg.log_steps.grad, jpeg.dead_zone.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_sampled_pixels_come_from_the_generator(photographs: dict[str, np.ndarray]) -> None:
    pixels = batch(photographs["rocket"][:70, :90])
    first, again, other = (
        SimulatedJPEG(
            EncodingParameters.from_quality(50),
            forward="sampled",
            sharpness=3.0,
            generator=torch.Generator().manual_seed(seed),
        )(pixels)[0]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_parameters_come_back_as_they_went_in(sampling: str) -> None:
    every = np.arange(1, 256)
    for luma in (every[:64], every[64:128], every[128:192], every[-64:]):
        tables = EncodingParameters(luma.reshape(8, 8), luma[::-1].reshape(8, 8), sampling)
        assert SimulatedJPEG(tables).encoding_parameters() == tables
    for seed in range(20):
        parameters = random_parameters(np.random.default_rng(seed), sampling, dead_zones=True)
        assert SimulatedJPEG(parameters).encoding_parameters() == parameters


def test_only_a_sampled_simulator_leaves_a_sharpness_in_the_file(photographs: dict[str, np.ndarray]) -> None:
    tables = EncodingParameters.from_quality(50)
    assert SimulatedJPEG(tables, sharpness=6.5).encoding_parameters().sharpness is None
    sampled = SimulatedJPEG(tables, forward="sampled", sharpness=6.5).encoding_parameters()
    assert sampled.sharpness == pytest.approx(6.5, abs=1e-4)
    again = SimulatedJPEG(sampled, forward="sampled")
    assert float(again.sharpness.detach()) == pytest.approx(6.5, abs=1e-3)
    image = photographs["coffee"][:64, :64]
    assert encoding.encode(image, sampled, seed=1) != encoding.encode(image, sampled, seed=2)


def test_parameters_in_the_middle_of_learning_become_a_legal_file(rng: np.random.Generator) -> None:
    jpeg = SimulatedJPEG(EncodingParameters.from_quality(50), learn_dead_zone=True)
    with torch.no_grad():
        jpeg.log_steps.copy_(torch.from_numpy(rng.uniform(-1, 7, (2, 8, 8))))
        jpeg.dead_zone.copy_(torch.from_numpy(rng.uniform(-0.5, 1, (2, 8, 8))))
    parameters = jpeg.encoding_parameters()
    steps = jpeg.log_steps.detach().double().exp().clamp(1, 255).numpy()
    assert (
        np.abs(parameters.luma.steps - steps[0]).max() <= 0.51
        and np.abs(parameters.chroma.steps - steps[1]).max() <= 0.51
    )
    zones = jpeg.dead_zone.detach().double().clamp(0, 0.5).numpy()
    assert np.abs(parameters.luma.dead_zone - zones[0]).max() <= 1e-3


@pytest.mark.parametrize(
    "pixels",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 1, 8, 8),
        torch.zeros(1, 8, 8, 3),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 3, 0, 8),
        torch.zeros(0, 3, 8, 8),
    ],
)
def test_what_is_not_a_batch_of_rgb_pictures_is_refused(pixels: torch.Tensor) -> None:
    with pytest.raises(ImageError, match=r"expected float \(B, 3, H, W\)"):
        SimulatedJPEG(EncodingParameters.from_quality(50))(pixels)


@pytest.mark.parametrize(
    "options", [{"sharpness": 0.0}, {"sharpness": 0.5}, {"sharpness": 1e3}, {"forward": "Hard"}, {"gradient": "soft"}]
)
def test_parameters_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"^(sharpness|forward|gradient) "):
        SimulatedJPEG(EncodingParameters.from_quality(50), **options)


def test_a_hard_dc_is_that_of_the_hard_forward_and_the_rest_is_soft(rng: np.random.Generator) -> None:
    pixels = batch(rng.integers(90, 166, (40, 40, 3), dtype=np.uint8))
    planes = pixels_to_coefficients(pixels, "4:4:4")
    weights = torch.from_numpy(rng.normal(size=pixels.shape)).float()
    gradients = {}
    for name, options in {"mixed": {"hard_dc": True}, "soft": {}, "hard": {"forward": "hard"}}.items():
        jpeg = SimulatedJPEG(
            EncodingParameters.from_quality(30, "4:4:4"), **{"forward": "soft", "sharpness": 5.0, **options}
        )
        # a linear function of the pixels, so that its gradient does not depend on where it is taken
        (jpeg.decoded(planes, 40, 40) * weights).sum().backward()
        gradients[name] = jpeg.log_steps.grad
    dc = torch.zeros(2, 8, 8, dtype=torch.bool)
    dc[:, 0, 0] = True
    torch.testing.assert_close(gradients["mixed"][dc], gradients["hard"][dc], rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(gradients["mixed"][~dc], gradients["soft"][~dc], rtol=1e-4, atol=1e-2)
    assert not torch.allclose(gradients["soft"][dc], gradients["hard"][dc], rtol=0.05)
