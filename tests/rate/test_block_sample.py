"""Blocks kept as they are: drawn evenly, by whoever looks, and through a trellis as the files they come from are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from changes import changed
from pictures import crops

from j4d.jpeg.coefficients import forward_dct, quantize
from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.rate import block_sample
from j4d.rate.block_sample import BlockSample, BlockSampler
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.rate.symbols import ac_symbols, coded, extra_bits

WEIGHTS = np.linspace(0.5, 2, 64).reshape(8, 8)
TRELLISES = (
    {"trellis": 30.0},
    {"trellis": 30.0, "masking": 302.0},
    {"trellis": 20.0, "masking": 100.0, "luma_weights": WEIGHTS, "chroma_weights": WEIGHTS[::-1]},
)


def drawn(sample: BlockSample) -> list[list[np.ndarray]]:
    """Blocks of each component in each group, in an order that tells nothing of the drawing, (n, 64)."""
    return [[np.unique(plane.reshape(-1, 64), axis=0) for plane in planes] for planes in sample.groups]


def sampled(images: list[np.ndarray], sampling: str = "4:2:0", groups: int = 1) -> BlockSample:
    sampler = BlockSampler()
    for image in images:
        sampler.add(forward_dct(image, sampling))
    return sampler.sample(np.array_split(np.arange(len(images)), groups))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("trellis", TRELLISES)
def test_of_a_few_small_pictures_the_share_is_that_of_their_files(
    sampling: str, trellis: dict[str, object], photographs: dict[str, np.ndarray]
) -> None:
    images = [photographs["coffee"], photographs["chelsea"] // 4]  # each with codes of its own
    parameters = changed(EncodingParameters.from_quality(35, sampling), **trellis)

    def ac_bits(image: np.ndarray, parameters: EncodingParameters) -> float:
        luma, *chroma = (torch.from_numpy(ac_symbols(plane))[None] for plane in quantize(image, parameters).planes)
        users = [luma, sum(chroma)] if chroma else [luma]
        return float(coded(users)[0] + sum(extra_bits(c) for c in users))

    left, all_of_them = (sum(ac_bits(i, p) for i in images) for p in (parameters, parameters.without_trellis()))
    share = Spectrum.of(images, sampling).trellis_share(parameters)
    assert share == pytest.approx(left / all_of_them, rel=1e-9) and 0.5 < share < 0.99


def test_without_a_trellis_all_is_left(photographs: dict[str, np.ndarray]) -> None:
    assert Spectrum.of([photographs["coffee"]], "4:2:0").trellis_share(EncodingParameters.from_quality(35)) == 1


def test_blocks_are_drawn_evenly_and_are_those_of_their_files(
    photographs: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_sample, "BLOCKS", 1000)
    images = [photographs["coffee"], photographs["chelsea"][:64], photographs["astronaut"]]
    planes = [forward_dct(image, "4:2:0") for image in images]
    sizes = np.array([[plane.shape[0] * plane.shape[1] for plane in file] for file in planes])
    sample = sampled(images, groups=3)
    found = np.array([[len(plane) for plane in group] for group in sample.groups])
    expected = 1000 * sizes / sizes.sum()
    assert found.sum() == 1000 and (np.abs(found - expected) < 5 * np.sqrt(expected)).all()
    for file, group in zip(planes, drawn(sample), strict=True):
        for plane, blocks in zip(file, group, strict=True):
            assert {b.tobytes() for b in blocks} <= {b.tobytes() for b in plane.reshape(-1, 64)}


def test_whoever_looks_and_in_whatever_order_the_same_blocks_are_drawn(
    photographs: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_sample, "BLOCKS", 500)
    images = crops(list(photographs.values()), 120, 168, 8)
    ranks = [BlockSampler(), BlockSampler()]
    for number, image in enumerate(images):
        ranks[number // 5].add(forward_dct(image, "4:2:0"))
    parts: list[object] = []
    monkeypatch.setattr(block_sample.ranks, "gathered", lambda own: parts.extend(own) or parts)
    ranks[0].sample([])  # tells the other what it has drawn
    found = ranks[1].sample(np.array_split(np.arange(8), 4))
    monkeypatch.setattr(block_sample.ranks, "gathered", list)
    for one, two in zip(drawn(sampled(images, groups=4)), drawn(found), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    backwards = drawn(sampled(images[::-1], groups=4))
    assert all(np.array_equal(a, b) for a, b in zip(drawn(found)[0], backwards[-1], strict=True))


def test_a_masked_trellis_is_estimated_where_it_saves_less(photographs: dict[str, np.ndarray]) -> None:
    """Quiet pictures mask little, and lose few bits: what learning pictures lose is more than 5 percent off."""
    learned = crops(list(photographs.values()), 192, 192, 12)
    quiet = [(image // 3 + 80).astype(np.uint8) for image in crops(list(photographs.values()), 192, 192, 12, seed=3)]
    parameters = changed(EncodingParameters.from_quality(20), trellis=30.0, masking=100.0)
    plain = parameters.without_trellis()
    spectrum = Spectrum.of(learned, "4:2:0")
    model = RateModel.fit(spectrum, learned, [EncodingParameters.from_quality(q) for q in (10, 20, 35, 50, 70)])
    saved = {}
    for name, images in (("learned", learned), ("quiet", quiet)):
        actual, without = (sum(8 * len(encode(image, p)) for image in images) for p in (parameters, plain))
        saved[name] = actual / without
        spectrum = Spectrum.of(images, "4:2:0")
        assert model.bpp(spectrum, parameters) * spectrum.pixels == pytest.approx(actual, rel=0.02), name
    assert saved["quiet"] > 1.05 * saved["learned"], saved
