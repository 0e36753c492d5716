"""Claims about how built-in profiles are made and described: under their name, with figures of that very profile."""

from __future__ import annotations

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import crops
from profiles import default_profile, provenance
from toys import Frequencies

import j4d
from j4d.codecs.default import DefaultJPEG
from j4d.errors import DataError, ModelError, ProfileError
from j4d.evaluation.contenders import Contenders
from j4d.evaluation.grid import GridModel, evaluate_grid
from j4d.evaluation.stored import StoredResult
from j4d.images.image_set import ImageSet
from j4d.profile.adaptation import Adaptation
from j4d.profile.choice import Choice
from j4d.readers.fingerprints import joint_fingerprint

ROOT = Path(__file__).parents[2]


def script(path: str, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The names of a script, which finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(ROOT / "bench")
    return SimpleNamespace(**runpy.run_path(str(ROOT / path)))


def test_a_profile_is_added_under_its_name_without_folders_and_unreachable_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tool = script("tools/add_profile.py", monkeypatch)
    source = provenance(model="/home/me/zoo.py:load?name=a + demo:b")
    moved = Adaptation(2, 0.5, 300.0, 0.4, 0.6, (0.1, 0.2, 0.3, 0.4))
    judge = Choice("/home/me/zoo.py:load?name=a + demo:b", "0" * 64, (4.0, 3.0, 2.0, 1.0))
    profile = replace(default_profile(), provenance=source, adaptation=moved, choices=(judge,))
    made = tool.renamed(profile, "universal-420")
    assert made.choices[0].judge == made.provenance.model
    assert made.name == "universal-420" and made.provenance.model == "zoo.py:load?name=a + demo:b"
    shorter = tool.shortened(made, 1)
    assert shorter.points == profile.points[1:] and shorter.provenance.settings["points_left_out"] == 1
    assert shorter.adaptation == Adaptation(1, 0.5, 300.0, 0.4, 0.6, (0.2, 0.3, 0.4))
    assert shorter.choices[0].lambdas == (3.0, 2.0, 1.0)
    for name in ("universal-444", "universal"):
        with pytest.raises(ProfileError, match="FAMILY-420"):
            tool.renamed(profile, name)


def picture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 20, (40, 56, 3))
    return np.clip(np.linspace(20, 230, 56)[None, :, None] + noise, 0, 255).astype(np.uint8)


def mean_colour(pixels):
    return pixels.mean((2, 3)) / 20


@pytest.fixture(scope="module")
def measured() -> StoredResult:
    """A profile, measured as `j4d evaluate` does."""
    contenders = Contenders()
    contenders.add_default(DefaultJPEG((10, 50, 90)))
    contenders.add_profile(named(), "universal-420")
    images = ImageSet.from_arrays([picture(i) for i in range(3)], name="pictures")
    model = GridModel.given(mean_colour, "Colours")
    given = {"bootstrap": 5, "progress": False, "roles": contenders.roles}
    (evaluation,) = evaluate_grid([model], [images], contenders.entries, **given)
    return StoredResult.from_json(json.loads(StoredResult.of(evaluation).dumps()))


def named() -> j4d.Profile:
    return replace(default_profile(), name="universal-420", provenance=provenance(model="Colours + zoo:other"))


def test_a_card_has_figures_of_this_very_profile(measured: StoredResult, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = script("bench/profile_cards.py", monkeypatch)
    profile, other = named(), replace(named(), points=default_profile((11, 30)).points)
    loss = measured.against_reference("universal-420", measured.loss)
    text = "\n".join(cards.card(profile, [measured, measured], []))
    assert text.count("| Colours | seen |") == 1 and cards.cell(loss.bd_rate) in text
    assert "Colours, zoo:other" in text and "pictures, 3 pictures, stored-size" in text
    for wrong in (other, replace(profile, name="universal-444")):
        assert "| Colours |" not in "\n".join(cards.card(wrong, [measured], []))
    assert "not clear of zero" in text  # Annex K's tables against Annex K's tables


def test_a_rival_that_is_ahead_is_named(measured: StoredResult, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = script("bench/profile_cards.py", monkeypatch)
    ours = measured.codecs[1]
    found = measured.against_reference(ours.name, "kl")
    better = replace(found, codec="jpegli", bd_rate=replace(found.bd_rate, value=found.bd_rate.value - 1))
    rival = replace(ours, name="jpegli", role="rival", own=False)
    result = replace(
        measured, codecs=(*measured.codecs, rival), comparisons=(*measured.comparisons, replace(better, metric="kl"))
    )
    lines = list(cards.losses([(result, ours)]))
    assert any("jpegli does better at equal KL" in line for line in lines)
    assert not any("jpegli" in line for line in cards.losses([(measured, ours)]))


def test_quality_tables_are_of_this_profile_and_the_page_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quality, cards = (script(f"bench/{name}.py", monkeypatch) for name in ("quality", "profile_cards"))
    profile = j4d.Profile.builtin("universal-420")
    at = quality.measure(profile, [picture(0), picture(1)], 32)
    sizes = [len(j4d.encode(quality.scaled_to(picture(i), 32), quality=40)) for i in range(2)]
    assert at.bpp(40) == 8 * sum(sizes) / (2 * 32 * 45) and at.sizes.shape == (101, 2)
    near = int(at.ijg(60))
    assert at.jpeg.sum(1)[near - 1] <= at.sizes[60].sum() < at.jpeg.sum(1)[near]
    data = json.loads(json.dumps(quality.figures(profile, "two", 2, [at])))
    assert quality.markdown(data) in "\n".join(cards.card(profile, [], [data]))
    assert "| 40 |" not in "\n".join(cards.card(named(), [], [data]))
    Path("figures").mkdir()
    Path("figures/q.json").write_text(json.dumps(data))
    Path("page.md").write_text(f"Before.\n{cards.BEGIN}\nold\n{cards.END}\nAfter.\n")
    monkeypatch.setattr(sys, "argv", ["profile_cards.py", "figures", "-o", "page.md"])
    runpy.run_path(str(ROOT / "bench/profile_cards.py"), run_name="__main__")
    text = Path("page.md").read_text()
    assert text.startswith("Before.\n") and text.endswith("\nAfter.\n") and "old" not in text and "| 40 |" in text
    with pytest.raises(DataError, match="marks"):
        cards.page("nothing", [])


def test_changed_pictures_are_what_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = script("bench/transfer.py", monkeypatch)
    large = np.random.default_rng(0).integers(0, 256, (300, 450, 3), dtype=np.uint8)
    images = ImageSet.from_arrays([large, picture(0)], [3, 4], "two")
    small = transfer.changed(images, "shorter side 224")
    assert small[0].shape == (224, 336, 3) and len(small) == 1 and small.labels.tolist() == [3]
    assert small.name == "two, shorter side 224" and transfer.changed(images, "as stored").name == "two"
    gray = transfer.changed(images, "gray")
    assert np.ptp(gray[0], axis=2).max() == 0 and gray.labels.tolist() == [3, 4]
    assert np.abs(transfer.changed(images, "after JPEG 75")[1].astype(int) - picture(0)).mean() > 0.5


def test_a_profile_is_renewed_with_a_point_below_its_first(
    monkeypatch: pytest.MonkeyPatch, photographs: dict[str, np.ndarray]
) -> None:
    tool = script("tools/renew_profile.py", monkeypatch)
    model, other = Frequencies([(0, 0), (0, 1), (1, 0)]), Frequencies([(0, 0)])
    images = ImageSet.from_arrays(crops(list(photographs.values()), 96, 96, 20))
    source = provenance(model="low", model_fingerprint=joint_fingerprint([model]))
    old = replace(default_profile((8, 20, 40, 80)), provenance=source)
    made = tool.renewed(old, {"low": model}, {"dc": other}, images, 0.7 * old.points[0].estimated_bpp)
    assert len(made.points) == 5 and made.points[-1] == old.points[-1], "the last point stays as it is"
    assert made.points[0].parameters.trellis is not None
    assert np.all(made.points[0].parameters.luma.steps >= made.points[1].parameters.luma.steps)

    def size(parameters: j4d.EncodingParameters) -> int:
        return sum(len(j4d.encode(image, parameters)) for image in images)

    sizes = [size(point.parameters) for point in made.points]
    assert sizes[0] == pytest.approx(0.7 * size(old.points[0].parameters), rel=0.05)
    assert sizes[1:] == pytest.approx([size(point.parameters) for point in old.points], rel=0.02)
    assert {choice.judge for choice in made.choices} == {"low", "dc"}
    with pytest.raises(ModelError, match="was learned for low, not for dc"):
        tool.renewed(old, {"dc": other}, {}, images, None)
