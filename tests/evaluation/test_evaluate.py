"""Claims about measuring: bytes are those of the files, figures those of the model, comparisons are paired."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import torch
from measured_toys import IMAGES, LABELS, Coarse, Net
from rich.console import Console

from j4d.codecs.cache import EncodeCache
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import CodecError, DataError, ModelError, ParameterError
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.evaluate import evaluate
from j4d.evaluation.results import Evaluation
from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import EncodingParameters
from j4d.report.terminal import comparison_lines, print_evaluation


def run(codecs=(), *, model=None, images=IMAGES, labels=LABELS, **options):
    options = {"progress": False, "bootstrap": 50, "batch_size": 2, **options}
    return evaluate(model or Net(), images, labels, codecs or [Coarse()], **options)


def log_probabilities(image, model=None):
    with torch.no_grad():
        logits = (model or Net()).eval()(torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float())
    return torch.log_softmax(logits.double(), dim=1)[0]


def test_every_figure_equals_the_one_computed_image_by_image():
    codec = Coarse()
    evaluation = run([codec])
    result = evaluation.codec("coarse")
    for i, image in enumerate(IMAGES):
        clean = log_probabilities(image)
        assert evaluation.pixels[i] == image.shape[0] * image.shape[1]
        assert evaluation.uncompressed["cross_entropy"][i] == pytest.approx(-float(clean[LABELS[i]]), abs=1e-5)
        for p, setting in enumerate(codec.settings):
            data = codec.encode(image, setting)
            answer = log_probabilities(codec.decode(data))
            rank = int((answer > answer[LABELS[i]]).sum())
            expected = {
                "top1": rank == 0,
                "top5": rank < 5,
                "agreement": answer.argmax() == clean.argmax(),
                "cross_entropy": -float(answer[LABELS[i]]),
                "kl": float((clean.exp() * (clean - answer)).sum()),
            }
            assert result.bytes[p, i] == len(data)
            for name, value in expected.items():
                assert result.metrics[name][p, i] == pytest.approx(float(value), abs=1e-5), name


def test_rate_is_the_mean_over_images_of_eight_bytes_per_pixel():
    evaluation = run([Coarse()])
    point = evaluation.points(evaluation.codecs[0])[0]
    rates = [8 * len(Coarse().encode(image, 80)) / (image.shape[0] * image.shape[1]) for image in IMAGES]
    assert point.bpp.value == pytest.approx(np.mean(rates))
    assert point.bpp.low < point.bpp.value < point.bpp.high
    assert point.estimated_bpp == 1 / 80


def test_batch_size_and_grouping_by_size_do_not_change_the_figures():
    one, many = run(batch_size=1), run(batch_size=4)
    np.testing.assert_array_equal(one.codecs[0].bytes, many.codecs[0].bytes)
    for name, values in one.codecs[0].metrics.items():
        np.testing.assert_allclose(values, many.codecs[0].metrics[name], rtol=1e-5, atol=1e-5)


def test_a_lossless_setting_answers_as_the_uncompressed_image_does():
    evaluation = run([Coarse([1])])
    metrics = evaluation.codecs[0].metrics
    for name, values in evaluation.uncompressed.items():
        np.testing.assert_allclose(metrics[name][0], values, atol=1e-6)
    assert metrics["agreement"].all() and not metrics["kl"].any()


def test_without_labels_the_models_own_answers_are_the_truth():
    evaluation = run(labels=None)
    assert evaluation.metrics == ("agreement", "kl")
    assert (evaluation.accuracy, evaluation.loss) == ("agreement", "kl")
    assert evaluation.uncompressed["agreement"].all()


def test_labels_of_an_image_set_are_used():
    image_set = ImageSet.from_arrays(IMAGES, labels=LABELS)
    assert run(images=image_set, labels=None).metrics == run().metrics


def test_the_model_runs_in_eval_mode_and_keeps_its_own_mode():
    model = Net().train()
    model.dropout.eval()
    evaluation = run(model=model)
    np.testing.assert_array_equal(evaluation.uncompressed["kl"], 0)
    assert model.training and not model.dropout.training
    np.testing.assert_array_equal(run(model=Net()).codecs[0].metrics["kl"], evaluation.codecs[0].metrics["kl"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TorchScript is deprecated but in use
def test_a_torchscript_model_measures_the_same():
    frozen = torch.jit.freeze(torch.jit.trace(Net().eval(), torch.zeros(2, 3, 24, 32)))
    ours, theirs = run().codecs[0].metrics["kl"], run(model=frozen).codecs[0].metrics["kl"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_shared_cache_encodes_once_for_several_models():
    calls = []

    class Counting(Coarse):
        def encode(self, image, setting):
            calls.append(setting)
            return super().encode(image, setting)

    cache = EncodeCache()
    first = run([Counting()], model=Net(seed=1), cache=cache)
    second = run([Counting()], model=Net(seed=2), cache=cache)
    assert len(calls) == len(IMAGES) * 4
    np.testing.assert_array_equal(first.codecs[0].bytes, second.codecs[0].bytes)
    assert (first.codecs[0].metrics["kl"] != second.codecs[0].metrics["kl"]).any()


def test_twice_the_bytes_is_plus_hundred_percent_in_every_resample():
    evaluation = run([Coarse(), Coarse(name="twice", copies=2)])
    for comparison in evaluation.compare("coarse", metrics=("cross_entropy", "kl")):
        bd_rate = comparison.bd_rate
        assert (bd_rate.value, bd_rate.low, bd_rate.high) == pytest.approx((100, 100, 100))
    (swapped,) = evaluation.compare("twice", metrics=("kl",))
    assert swapped.bd_rate.value == pytest.approx(-50)
    assert swapped.bd_metric.value > 0, "a smaller loss at equal rate counts as better"


def synthetic(accuracy, images=400):
    """An evaluation of two codecs with given accuracies at 0.25, 0.5, 1, 2 bpp, every figure exact."""
    sizes = np.repeat([[32], [64], [128], [256]], images, axis=1)
    codecs = []
    for name, values in accuracy.items():
        top1 = (np.arange(images) < np.array(values)[:, None] * images).astype(float)
        codecs.append(CodecResult(name, (0, 1, 2, 3), (None,) * 4, sizes, {"top1": top1}))
    clean = {"top1": (np.arange(images) < 0.8 * images).astype(float)}
    return Evaluation(np.full(images, 1024), clean, tuple(codecs), {}, resamples=60)


def test_rate_cuts_are_read_from_the_curves_and_not_reached_is_not_a_number():
    evaluation = synthetic({"old": [0.3, 0.5, 0.7, 0.79], "new": [0.4, 0.7, 0.79, 0.795]})
    (comparison,) = evaluation.comparisons
    tenth, half, one_percent, two_percent = comparison.rate_cuts
    assert [cut.loss for cut in comparison.rate_cuts] == [0.001, 0.005, 0.01, 0.02]
    assert half.bpp == pytest.approx(2.0) and np.isnan(half.change.value), "only one of them reaches it, at its end"
    assert two_percent.bpp < one_percent.bpp and two_percent.reference_bpp < one_percent.reference_bpp
    assert (one_percent.reference_bpp, one_percent.bpp) == pytest.approx((2.0, 1.0))
    assert one_percent.change.value == pytest.approx(-50)
    assert tenth.reference_bpp == tenth.bpp == np.inf and np.isnan(tenth.change.value)
    assert comparison.largest_gain.value == pytest.approx(0.2, abs=0.02)
    assert comparison.gain_bpp == pytest.approx(0.5, rel=0.15)
    text = "\n".join(comparison_lines(evaluation))
    assert "2.000 bpp -> 1.000 bpp, -50.0 %" in text
    assert "not reached -> not reached" in text


def test_json_round_trip_keeps_every_figure_and_interval():
    evaluation = run([Coarse(), DefaultJPEG([20, 60, 90])])
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    again = Evaluation.from_json(json.loads(text))
    assert again.record == evaluation.record
    for ours, theirs in zip(again.codecs, evaluation.codecs, strict=True):
        np.testing.assert_array_equal(ours.bytes, theirs.bytes)
        assert ours.config == theirs.config
        for name, values in theirs.metrics.items():
            np.testing.assert_allclose(ours.metrics[name], values, rtol=1e-5)
    assert [c.bd_rate.value for c in again.comparisons] == pytest.approx(
        [c.bd_rate.value for c in evaluation.comparisons], rel=1e-3, nan_ok=True
    )


def test_csv_has_a_row_per_setting_with_the_points_figures(tmp_path):
    evaluation = run([Coarse()])
    evaluation.save(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "curve.csv").read_text())))
    points = evaluation.points(evaluation.codecs[0])
    assert [row["setting"] for row in rows] == ["80", "40", "16", "1"]
    for row, point in zip(rows, points, strict=True):
        assert float(row["actual_bpp"]) == pytest.approx(point.bpp.value, rel=1e-5)
        assert float(row["kl_high"]) == pytest.approx(point.metrics["kl"].high, rel=1e-5)
    assert rows[3]["estimated_bpp"] == ""


def test_the_record_says_with_what_it_was_measured():
    record = run(model_name="net", protocol="model-size").record
    assert record["model"] == "net" and record["protocol"] == "model-size"
    assert "Pillow" in record["decoder"] and "libjpeg" in record["decoder"]
    assert record["image_count"] == len(IMAGES) and len(record["model_fingerprint"]) == 64


def test_report_writes_json_csv_and_pictures_that_read_back(tmp_path):
    learned = LearnedJPEG([EncodingParameters.from_quality(q) for q in (10, 40)], name="mine")
    evaluation = run([DefaultJPEG([10, 40]), learned])
    written = evaluation.save(tmp_path / "report")
    assert [path.name for path in written] == ["evaluation.json", "curve.csv", "curve.png", "tables.png"]
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == sorted(path.name for path in written)
    again = Evaluation.load(written[0])
    np.testing.assert_array_equal(again.codec("mine").bytes, evaluation.codec("mine").bytes)
    summary = json.loads(written[0].read_text())["summary"]
    assert summary["comparisons"][0]["codec"] == "mine"
    for path in written[2:]:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_terminal_table_says_actual_and_estimated_and_names_every_setting():
    console = Console(file=io.StringIO(), width=200)
    print_evaluation(run([Coarse(), Coarse(name="twice", copies=2)]), console)
    text = console.file.getvalue()
    for word in ("actual", "estimated", "uncompressed", "80", "+100.0 % [+100.0, +100.0]"):
        assert word in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(format="x"), "not an evaluation"),
        (lambda d: d.update(version=2), "version 2"),
        (lambda d: d.pop("pixels"), "pixels"),
        (lambda d: d["codecs"][0].update(bytes=[[1, 2]]), "shape"),
        (lambda d: d["codecs"][0].update(bytes="many"), r"evaluation.json: damaged .* codecs\[0\].bytes is 'many'"),
        (lambda d: d["codecs"][0].update(metrics={}), "has \\[\\], not"),
        (lambda d: d["codecs"][0].update(estimated_bpp=[]), "one estimated_bpp for each setting"),
        (lambda d: d["codecs"][0].update(config=[]), "config: "),
        (lambda d: d.update(uncompressed={}), "no accuracy"),
        (lambda d: d.update(resamples=0), "resamples is 0"),
        (lambda d: d.update(seed=-1), "seed is -1"),
        (lambda d: d["pixels"].__setitem__(0, 0), r"pixels\[0\] is 0"),
        (lambda d: d["pixels"].__setitem__(0, 1e999), r"pixels\[0\] is inf"),
        (lambda d: d["codecs"][0]["bytes"][0].pop(), "damaged"),
        (lambda d: d["uncompressed"].update(kl=[1.0]), "shape"),
    ],
)
def test_damaged_evaluations_are_refused(change, reason, tmp_path):
    document = run().to_json()
    change(document)
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=reason):
        Evaluation.load(path)
    path.write_text(json.dumps(document)[:100])
    with pytest.raises(DataError, match="not JSON"):
        Evaluation.load(path)


class Shrinking(Coarse):
    def decode(self, data):
        return super().decode(data)[1:]


@pytest.mark.parametrize(
    ("error", "reason", "options"),
    [
        (ParameterError, "no codecs", {"codecs": (), "model": Net()}),
        (ParameterError, "two codecs are called 'coarse'", {"codecs": [Coarse(), Coarse()]}),
        (ParameterError, "camera-size", {"codecs": [Coarse()], "protocol": "camera-size"}),
        (ParameterError, "batch_size 0", {"codecs": [Coarse()], "batch_size": 0}),
        (DataError, "expected 6 integers", {"codecs": [Coarse()], "labels": [1, 2]}),
        (DataError, "label 7 is outside the model's 7 classes", {"codecs": [Coarse()], "labels": [7] * 6}),
        (DataError, "no images", {"codecs": [Coarse()], "images": []}),
        (ModelError, "dict", {"codecs": [Coarse()], "model": lambda x: {"logits": x}}),
        (ModelError, "NaN", {"codecs": [Coarse()], "model": lambda x: torch.full((len(x), 7), torch.nan)}),
        (CodecError, "coarse decoded to", {"codecs": [Shrinking()]}),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(error, reason, options):
    arguments = {"model": Net(), "images": IMAGES, "labels": LABELS, "progress": False, **options}
    with pytest.raises(error, match=reason):
        evaluate(**arguments)
