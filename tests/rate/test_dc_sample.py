"""DC of whole files, kept: drawn alike by whoever looks, and chosen as in the files it comes from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from changes import changed
from pictures import crops

from j4d.jpeg.coefficients import forward_dct, quantize
from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.rate import dc_sample
from j4d.rate.dc_sample import DCSampler
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.rate.symbols import SYMBOLS, coded, extra_bits, sizes
from j4d.simulation.entropy import dc_differences


def chosen(quality: int, sampling: str = "4:2:0") -> EncodingParameters:
    return changed(EncodingParameters.from_quality(quality, sampling), trellis=30.0, masking=302.0, dc_trellis=6.0)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_of_a_few_pictures_the_share_is_that_of_their_files(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    images = [photographs["coffee"][:201, :233], photographs["chelsea"][:96] // 4]
    parameters = chosen(20, sampling)

    def dc_bits(image: np.ndarray, parameters: EncodingParameters) -> float:
        users = torch.zeros(2, 1, SYMBOLS, dtype=torch.float64)
        for i, plane in enumerate(quantize(image, parameters).planes):
            differences = dc_differences(torch.from_numpy(plane)[None].float(), sampling, i)
            users[min(i, 1), 0] += torch.bincount(sizes(differences), minlength=SYMBOLS)
        return float(coded([*users] if sampling != "gray" else [users[0]])[0] + extra_bits(users).sum())

    left, before = (
        sum(dc_bits(image, p) for image in images) for p in (parameters, changed(parameters, dc_trellis=None))
    )
    share = Spectrum.of(images, sampling).dc_share(parameters)
    assert share == pytest.approx(left / before, rel=1e-9) and 0.7 < share < 0.99


def test_where_dc_indices_stay_all_is_left(photographs: dict[str, np.ndarray]) -> None:
    spectrum = Spectrum.of([photographs["coffee"]], "4:2:0")
    assert spectrum.dc_share(changed(chosen(20), dc_trellis=None)) == 1


def test_whoever_looks_and_in_whatever_order_the_same_files_are_drawn(
    photographs: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dc_sample, "FILES", 3)
    planes = [forward_dct(image, "4:2:0") for image in crops(list(photographs.values()), 64, 80, 8)]

    def drawn(order: list[int]) -> list[bytes]:
        sampler = DCSampler()
        for i in order:
            sampler.add(planes[i])
        return [file[0].tobytes() for file in sampler.sample().files]

    assert drawn([*range(8)]) == drawn([5, 2, 7, 0, 1, 6, 3, 4]) and len(set(drawn([*range(8)]))) == 3
    one, two = DCSampler(), DCSampler()
    for i, plane in enumerate(planes):
        (one if i < 5 else two).add(plane)
    monkeypatch.setattr(dc_sample.ranks, "gathered", lambda own: [*own, two._drawn])
    assert [file[0].tobytes() for file in one.sample().files] == drawn([*range(8)])


def test_an_estimate_knows_what_the_choice_of_dc_takes(photographs: dict[str, np.ndarray]) -> None:
    learned, others = (crops(list(photographs.values()), 192, 192, 16, seed=seed) for seed in (1, 2))
    spectrum = Spectrum.of(learned, "4:2:0")
    model = RateModel.fit(spectrum, learned, [EncodingParameters.from_quality(q) for q in (6, 10, 20, 35)])
    for images in (learned, others):
        spectrum = Spectrum.of(images, "4:2:0")
        for quality in (6, 12):
            parameters = chosen(quality)
            actual, before = (
                sum(8 * len(encode(image, p)) for image in images)
                for p in (parameters, changed(parameters, dc_trellis=None))
            )
            assert model.bpp(spectrum, parameters) * spectrum.pixels == pytest.approx(actual, rel=0.02)
            assert actual < 0.985 * before
