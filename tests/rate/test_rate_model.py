"""The rate model: a few numbers fitted to files say how large other files will be, from marginals or from symbols."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import crops, whole_file_bpp

from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters, Quantization
from j4d.rate import model
from j4d.rate.model import RATES, Rate, RateModel
from j4d.rate.spectrum import Spectrum

QUALITIES = (5, 8, 13, 20, 32, 45, 60, 75, 85, 92)


def annex_k(sampling: str, qualities: tuple[int, ...] = QUALITIES) -> list[EncodingParameters]:
    return [EncodingParameters.from_quality(quality, sampling) for quality in qualities]


def relative_errors(model: RateModel, images: list[np.ndarray], ladder: list[EncodingParameters]) -> np.ndarray:
    spectrum = Spectrum.of(images, ladder[0].sampling)
    return np.array([model.bpp(spectrum, p) / whole_file_bpp(images, p) - 1 for p in ladder])


@pytest.mark.parametrize(
    "law",
    [RateModel(1.0, 1.0, 0.0, 2400.0), RateModel(1.12, 0.83, 1.7, 2800.0), RateModel(0.97, kind="symbols")],
)
def test_a_law_that_files_obey_is_recovered(
    law: RateModel, photographs: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = crops(list(photographs.values()), 96, 128, 6)
    spectrum = Spectrum.of(images, "4:2:0")

    def lawful(image: np.ndarray, parameters: EncodingParameters) -> bytes:
        return bytes(round(law.bpp(spectrum, parameters) * spectrum.pixels / len(images) / 8))

    monkeypatch.setattr(model, "encode", lawful)
    fitted = RateModel.fit(spectrum, images, annex_k("4:2:0"), law.kind)
    for parameters in annex_k("4:2:0", (6, 27, 52, 88)):
        assert fitted.bpp(spectrum, parameters) == pytest.approx(law.bpp(spectrum, parameters), rel=2e-3)
    assert fitted.ac == pytest.approx(law.ac, rel=0.01)


def test_terms_are_what_they_are_called(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["coffee"]
    spectrum, parameters = Spectrum.of([image, image], "4:2:0"), EncodingParameters.from_quality(30)
    pixels, blocks = 2 * image.shape[0] * image.shape[1], 2 * (50 * 75 + 2 * 25 * 38)
    assert RateModel(0, 0, 1, 0).bpp(spectrum, parameters) * pixels == pytest.approx(blocks)
    assert RateModel(0, 0, 0, 1).bpp(spectrum, parameters) * pixels == pytest.approx(2)
    ac, dc = (RateModel(*weights, 0, 0).bpp(spectrum, parameters) for weights in ((1, 0), (0, 1)))
    assert RateModel().bpp(spectrum, parameters) == pytest.approx(ac + dc)
    assert 0 < dc < ac < whole_file_bpp([image], parameters)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_files_it_was_fitted_to_are_predicted(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    images = crops(list(photographs.values()), 200, 256, 8)
    ladder, spectrum = annex_k(sampling), Spectrum.of(images, sampling)
    for kind, most in (("marginal", 0.03), ("symbols", 0.015)):
        model = RateModel.fit(spectrum, images, ladder, kind)
        assert np.abs(relative_errors(model, images, ladder)).max() < most
    assert np.abs(relative_errors(RateModel(), images, ladder)).max() > 0.06, "entropy alone is not the file"
    assert np.abs(relative_errors(RateModel(kind="symbols"), images, ladder)).max() < 0.03, "symbols nearly are"


def test_numbers_that_profiles_keep_from_before_are_of_marginals() -> None:
    kept = {"ac": 0.95, "dc": 0.5, "block": 1.2, "file": 2500.0}
    assert RateModel(**kept) == RateModel(**kept, kind="marginal")


@pytest.mark.parametrize("kind", RATES)
def test_dead_zones_and_sharpness_count(kind: Rate, photographs: dict[str, np.ndarray]) -> None:
    images = crops(list(photographs.values()), 200, 256, 8)
    tables, zone = EncodingParameters.from_quality(30), np.full((8, 8), 0.25)
    zoned = EncodingParameters(
        Quantization(tables.luma.steps, zone), Quantization(tables.chroma.steps, zone), "4:2:0", None
    )
    sampled = EncodingParameters(tables.luma.steps, tables.chroma.steps, "4:2:0", 6.0)
    spectrum, ladder = Spectrum.of(images, "4:2:0"), [zoned, tables, sampled]
    model = RateModel.fit(spectrum, images, ladder, kind)
    assert np.abs(relative_errors(model, images, ladder)).max() < 0.03
    small, middle, large = (model.bpp(spectrum, parameters) for parameters in ladder)
    assert small < 0.9 * middle and large > 1.1 * middle
