"""Claims that need the photographs and classifiers of the folder that J4D_DATA names (see CONTRIBUTING.md)."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import whole_file_bpp

import j4d
from j4d.errors import ModelError
from j4d.evaluation.identity import model_identity
from j4d.images.image_set import load_images, read_image
from j4d.jpeg.parameters import EncodingParameters
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.readers.fingerprints import fingerprint
from j4d.readers.loading import load_model

if "J4D_DATA" not in os.environ:
    pytest.skip("J4D_DATA, the folder of real photographs, is not set", allow_module_level=True)
DATA = Path(os.environ["J4D_DATA"])


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """What the originals' list says: file, label and split of each."""
    with open(DATA / "originals" / "labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_originals_have_their_three_splits(rows: list[dict[str, str]]) -> None:
    counts = Counter(row["split"] for row in rows)
    assert set(counts) == {"learn", "val", "test"}
    assert {split: len(load_images(DATA / "originals", split=split)) for split in counts} == counts


def test_files_of_other_photographs_are_predicted(rows: list[dict[str, str]]) -> None:
    """Full-size photographs, whole files over each set of 100, qualities 5 to 92: from symbols within 2 percent, from
    marginals within 3, and at quality 92 within 4. From symbols the built-in ladder is, too, trellises and all."""
    learning, others = (
        [read_image(DATA / "originals" / row["file"]) for row in rows if row["split"] == split][:100]
        for split in ("learn", "test")
    )
    ladder = [EncodingParameters.from_quality(quality, "4:2:0") for quality in (5, 8, 13, 20, 32, 45, 60, 75, 85, 92)]
    spectrum, spectrum_of_others = (Spectrum.of(images, "4:2:0") for images in (learning, others))
    marginal, symbols = (RateModel.fit(spectrum, learning, ladder, kind) for kind in ("marginal", "symbols"))
    built_in = [point.parameters for point in j4d.Profile.builtin("universal").points]
    assert sum(parameters.trellis is not None for parameters in built_in) > 5

    def errors(model: RateModel, parameters: list[EncodingParameters]) -> np.ndarray:
        return np.array([model.bpp(spectrum_of_others, p) / whole_file_bpp(others, p) - 1 for p in parameters])

    symbols_off, marginal_off = errors(symbols, ladder + built_in), errors(marginal, ladder)
    assert np.abs(marginal_off[:-1]).max() < 0.03 and abs(marginal_off[-1]) < 0.04, marginal_off.round(4)
    assert np.abs(symbols_off).max() < 0.02, symbols_off.round(4)


def test_the_demo_model_has_its_known_accuracy() -> None:
    model, images = load_model("demo:efficientnet-lite0"), load_images(DATA / "val")
    assert images.labels is not None
    with torch.no_grad():
        answers = torch.cat(
            [
                model(torch.from_numpy(np.stack([images[i] for i in part])).permute(0, 3, 1, 2).float()).argmax(1)
                for part in np.array_split(np.arange(len(images)), 6)
            ]
        )
    assert (answers.numpy() == images.labels).mean() == pytest.approx(0.919, abs=0.045), "2 standard errors of 150"


def test_the_zoo_loads_by_file() -> None:
    model = load_model(f"{DATA / 'zoo.py'}:load?name=mobilenet_v1_0.5_160")
    assert (model.preprocess.resize, model.preprocess.crop) == (182, 160)
    image = torch.from_numpy(load_images(DATA / "val")[0]).permute(2, 0, 1)[None].float()
    assert model(image).shape == (1, 1000)


def test_a_script_that_is_no_classifier_says_what_it_returns() -> None:
    model = load_model(str(DATA / "readers" / "yolox_nano_416.ts"))
    assert len(fingerprint(model)) == 64 and model_identity(model)
    with pytest.raises(ModelError, match=r"returned torch.float32 of shape \(1, 3549, 85\); expected float logits"):
        model(torch.zeros(1, 3, 416, 416))
