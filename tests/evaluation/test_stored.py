"""Claims about what is kept of evaluations, and about the tables, files and page that are made of it."""

from __future__ import annotations

import csv
import io
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.results import Evaluation
from j4d.evaluation.stored import StoredResult, read_result
from j4d.jpeg.parameters import EncodingParameters
from j4d.report.markdown import OURS, bd_rate_table, best_rival_comparison, cross_table, standing_table
from j4d.report.summaries import folder_names, save_all, summary_csv, summary_markdown

IMAGES = 60
LADDER = LearnedJPEG([EncodingParameters.from_quality(q) for q in range(5, 55, 5)])
PAGE = Path(__file__).parents[2] / "bench/results.py"


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    """Drawing takes longer than all else; tests of plots are elsewhere."""
    monkeypatch.setattr("j4d.evaluation.plots.png", lambda figure: b"a picture")


def evaluation(saved, *, model="A", protocol="stored-size", roles=None, points=10, not_jpeg=(), seed=0):
    """Codecs that need 1 - saved of the default's bytes for the same answers, on noisy pictures."""
    rng = np.random.default_rng(seed)
    rates = np.geomspace(400, 6400, points)[:, None] * rng.uniform(0.7, 1.4, IMAGES)
    kl = np.linspace(2, 0.1, points)[:, None] * rng.uniform(0.5, 1.5, IMAGES)
    right = (rng.uniform(size=IMAGES) < np.linspace(0.2, 0.9, points)[:, None]).astype(float)
    metrics = {"agreement": right, "kl": kl}
    codecs = [
        CodecResult(
            name,
            tuple(range(points)),
            (None,) * points,
            (rates * (1 - share)).astype(np.int64),
            metrics,
            LADDER.get_config() if name.startswith("profile") else {"id": name},
            None if name in not_jpeg else np.full((points, IMAGES), 100),
        )
        for name, share in {"default JPEG": 0.0, **saved}.items()
    ]
    record = {
        "model": f"zoo.py:load?name={model}", "model_fingerprint": model, "data": "test", "protocol": protocol,
        "decoder": "Pillow 13", "sampling": "4:2:0", "roles": roles or {},
    }  # fmt: skip
    clean = {"agreement": np.ones(IMAGES), "kl": np.zeros(IMAGES)}
    return Evaluation(np.full(IMAGES, 50_000), clean, tuple(codecs), record, resamples=50)


def profile_of(model):
    return {"role": "profile", "learned_on": model, "model_fingerprint": model}


ROLES = {"profile A": profile_of("A"), "profile B": profile_of("B"), "rival": {"role": "rival"}}
SAVED = {"profile A": 0.2, "profile B": 0.1, "rival": 0.15, "webp": 0.4}


@pytest.fixture(scope="module")
def two():
    """Profiles of A and B on both models, a rival, and a format that is not JPEG."""
    on_b = {**SAVED, "profile A": 0.05, "profile B": 0.12}
    return [
        evaluation(saved, model=model, roles=ROLES, not_jpeg=("webp",)) for model, saved in (("A", SAVED), ("B", on_b))
    ]


def rows(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_a_stored_result_reads_back_as_it_was_and_is_small(two):
    result = StoredResult.of(two[0])
    again = StoredResult.from_json(json.loads(result.dumps()))
    assert again.to_json() == result.to_json()
    assert again.codecs[1].points[3].bpp.value == pytest.approx(result.codecs[1].points[3].bpp.value, rel=1e-4)
    assert len(result.dumps()) < 8000 * len(result.codecs)


def test_codecs_measured_later_stand_beside_the_others_as_in_one_run(two):
    first = {"profile A": 0.2, "rival": 0.15}
    earlier = StoredResult.of(evaluation(first, roles=ROLES))
    read_back = StoredResult.from_json(json.loads(earlier.dumps()))
    later = StoredResult.of(evaluation({"profile B": 0.1, "rival": 0.15, "webp": 0.4}, roles=ROLES, not_jpeg=("webp",)))
    joined = read_back.with_codecs_of(later)
    whole = StoredResult.of(evaluation({**first, "profile B": 0.1, "webp": 0.4}, roles=ROLES, not_jpeg=("webp",)))
    assert [codec.name for codec in joined.codecs] == [codec.name for codec in whole.codecs]
    for name in ("profile A", "profile B", "webp"):
        found, expected = (r.against_reference(name, "kl").bd_rate for r in (joined, whole))
        assert [found.value, found.low, found.high] == pytest.approx(
            [expected.value, expected.low, expected.high], rel=1e-3
        )


@pytest.mark.parametrize("change", [{"model": "B"}, {"protocol": "model-size"}, {"points": 9}, {"seed": 1}])
def test_codecs_measured_on_another_footing_are_refused(change):
    earlier, later = (StoredResult.of(evaluation({"rival": 0.1}, **more)) for more in ({}, change))
    with pytest.raises(DataError, match="measure it anew"):
        earlier.with_codecs_of(later)


def test_a_stored_result_names_no_folder_of_the_machine_that_measured():
    made = evaluation({})
    made.record["model"] = "/home/someone/zoo.py:load?name=A"
    assert StoredResult.of(made).record["model"] == "zoo.py:load?name=A"
    made.record["model"] = "hf:microsoft/resnet-18"
    assert StoredResult.of(made).record["model"] == "hf:microsoft/resnet-18"


def test_an_evaluation_file_reads_as_its_stored_result(two, tmp_path):
    two[0].save(tmp_path)
    result = read_result(tmp_path / "evaluation.json")
    (expected,) = two[0].compare(codecs=("rival",), metrics=("kl",))
    assert result.against_reference("rival", "kl").bd_rate.value == pytest.approx(expected.bd_rate.value, rel=1e-3)
    lean = result.against_reference("rival", "kl", headers=False)
    assert lean.bd_rate.value < expected.bd_rate.value, "headers are the same for both, so without them more is saved"
    assert result.against_reference("webp", "kl", headers=False) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(format="x"), "not a stored result"),
        (lambda d: d.update(version=2), "version 2"),
        (lambda d: d.pop("codecs"), "codecs"),
        (lambda d: d["comparisons"][0].update(bd_rate=3), "damaged"),
        (lambda d: d["codecs"][0]["points"][0].update(bpp=[1, 2, 3, 4, 5]), "damaged"),
        (lambda d: d.update(record=[]) or d.update(uncompressed=[]), "damaged"),
    ],
)
def test_damaged_results_are_refused_by_name(change, reason, two, tmp_path):
    document = StoredResult.of(two[0]).to_json()
    change(document)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=reason) as caught:
        read_result(path)
    assert "broken.json" in str(caught.value)
    path.write_text(json.dumps(document)[:50])
    with pytest.raises(DataError, match="not JSON"):
        read_result(path)


def test_the_table_has_a_row_a_codec_a_column_a_model_and_the_best_jpeg_in_bold(two):
    head, _, ours, rival, webp = rows(bd_rate_table([StoredResult.of(e) for e in two], "kl"))
    assert head == ["codec", "A", "B"]
    assert [ours[0], rival[0], webp[0]] == [OURS, "rival", "webp (not JPEG)"]
    assert ours[1].startswith("**-20.0 [") and ours[2].startswith("-12.0 [")
    assert rival[1].startswith("-15.0 [") and rival[2].startswith("**-15.0 [")
    assert webp[1].startswith("-40.0 [")


def test_a_profile_that_does_not_adapt_has_a_row_beside_itself_and_no_say_in_the_rest():
    unadapted = {**profile_of("A"), "role": "unadapted"}
    saved = {"profile A": 0.1, "profile A, not adapted": 0.2, "rival": 0.15}
    roles = {**ROLES, "profile A, not adapted": unadapted}
    results = [StoredResult.of(evaluation(saved, model=model, roles=roles)) for model in "AB"]
    table = rows(bd_rate_table(results, "kl"))
    assert [line[0] for line in table[2:]] == [OURS, f"{OURS}, not adapted", "rival"]
    assert table[2][1].startswith("-10.0") and table[3][1].startswith("**-20.0") and table[3][2] == ""
    assert best_rival_comparison(results[0], "kl").codec == "profile A"
    assert [line[0] for line in rows(cross_table(results))[2:]] == ["profile A"]


def test_ours_is_held_against_the_best_rival_directly(two):
    first, second = (StoredResult.of(e) for e in two)
    duel = best_rival_comparison(first, "kl")
    assert (duel.codec, duel.reference) == ("profile A", "rival")
    assert duel.bd_rate.value == pytest.approx(100 * (0.8 / 0.85 - 1), abs=0.1)
    lines = {(line[0], line[1]): line[-1] for line in rows(standing_table([first, second]))}
    assert lines["A", "KL"] == "first, clear" and lines["B", "KL"] == "not first, clear"


def test_what_differs_by_chance_is_within_the_noise():
    rng = np.random.default_rng(1)
    made = evaluation({"profile A": 0.0, "rival": 0.0}, roles=ROLES)
    for codec in made.codecs[1:]:
        codec.metrics["kl"][:] *= rng.uniform(0.2, 1.8, codec.metrics["kl"].shape)
        codec.metrics["agreement"][:] = rng.permuted(codec.metrics["agreement"], axis=1)
    lines = rows(standing_table([StoredResult.of(made)]))[2:]
    assert lines and all(line[-1].endswith("within the noise") for line in lines)


def test_the_matrix_of_profiles_and_models_marks_each_profiles_own(two):
    head, _, a, b = rows(cross_table([StoredResult.of(e) for e in two]))
    assert head == ["profile", "learned on", "A", "B"]
    assert a[:2] == ["profile A", "A"] and a[2].startswith("**-20.0") and a[3].startswith("-5.0")
    assert b[2].startswith("-10.0") and b[3].startswith("**-12.0")
    alone = evaluation({"profile A": 0.2}, roles=ROLES)
    assert cross_table([StoredResult.of(alone)]) == ""


def test_a_profile_of_unknown_origin_is_taken_to_be_the_models_own():
    (ours,) = (c for c in StoredResult.of(evaluation({"profile": 0.2})).codecs if c.role == "profile")
    assert ours.own and ours.learned_on == ""
    foreign = StoredResult.of(evaluation({"profile B": 0.2}, roles=ROLES))
    assert not foreign.codecs[1].own and foreign.duels == ()


def test_protocols_have_sections_of_their_own_with_their_circumstances(two):
    other = evaluation(SAVED, protocol="model-size", roles=ROLES)
    text = summary_markdown([StoredResult.of(e) for e in (other, *two)])
    stored, model = text.split("## Model-size protocol")
    assert stored.startswith("## Stored-size protocol")
    for part in (stored, model):
        for word in ("60 of test", "Pillow 13", "4:2:0", "headers", "rate at 0.5 % loss"):
            assert word in part, word
    assert "learned on" in stored


def test_the_csv_has_every_comparison(two):
    results = [StoredResult.of(e) for e in two]
    lines = list(csv.DictReader(io.StringIO(summary_csv(results))))
    found = [
        line for line in lines
        if (line["model"], line["codec"], line["metric"], line["reference"]) == ("B", "rival", "kl", "default JPEG")
    ]  # fmt: skip
    assert [line["headers"] for line in found] == ["counted", "left out"]
    assert float(found[0]["bd_rate"]) == pytest.approx(-15, abs=0.1)
    assert {line["reference"] for line in lines} == {"default JPEG", "rival"}


def test_several_evaluations_have_folders_and_one_has_none(two, tmp_path):
    written, _ = save_all(two, tmp_path / "both")
    assert {path.parent.name for path in written} == {"A-test-stored-size", "B-test-stored-size", "both"}
    assert all(path.is_file() for path in written)
    written, _ = save_all(two[:1], tmp_path / "one")
    assert {path.parent for path in written} == {tmp_path / "one"}


def test_folder_names_differ_and_stay_inside():
    results = [StoredResult.of(evaluation({}, model=name)) for name in ("../a b", "A", "A", "A")]
    names = folder_names(results)
    assert len(set(names)) == 4 and not any("/" in name or name.startswith(".") for name in names)


def test_codecs_of_several_later_runs_are_added_by_one_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder, name in (("first", "rival"), ("second", "flat"), ("third", "webp")):
        save_all([evaluation({name: 0.1})], folder)
    for arguments in (["first", "--store", "kept"], ["second", "third", "--store", "kept", "--add"]):
        monkeypatch.setattr(sys, "argv", ["results.py", *arguments])
        runpy.run_path(str(PAGE), run_name="__main__")
    (stored,) = Path("kept").glob("*.json")
    assert [codec.name for codec in read_result(stored).codecs[1:]] == ["rival", "flat", "webp"]


def test_the_page_is_made_by_its_one_command(two, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_all(two, "report")
    for arguments in (["report", "--store", "docs/results"], ["docs/results", "-o", "docs/results.md"]):
        monkeypatch.setattr(sys, "argv", ["results.py", *arguments])
        if "-o" in arguments:
            Path("docs/results/notes.md").write_text("## What did not work\n\nThis.\n")
        runpy.run_path(str(PAGE), run_name="__main__")
    page = Path("docs/results.md").read_text()
    assert "python bench/results.py docs/results -o docs/results.md" in page
    assert bd_rate_table([StoredResult.of(e) for e in two], "kl") in page
    assert page.rstrip().endswith("This.")
    for name in ("A-test-stored-size", "B-test-stored-size"):
        assert f"](results/{name}.png)" in page
        assert Path(f"docs/results/{name}.png").read_bytes() == b"a picture"
    monkeypatch.setattr(sys, "argv", ["results.py", str(tmp_path / "docs/results/notes.md"), "-o", "other.md"])
    with pytest.raises(SystemExit, match=r"notes\.md"):
        runpy.run_path(str(PAGE), run_name="__main__")
    assert not Path("other.md").exists()
