"""Claims about measuring many models, codecs and image sets at once: nothing twice, and the same however it is run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import measured_toys
import numpy as np
import pytest
import torch
from measured_toys import IMAGES, LABELS, Coarse, Net

from j4d.codecs.default import DefaultJPEG
from j4d.errors import DataError, ParameterError
from j4d.evaluation.evaluate import evaluate
from j4d.evaluation.grid import GridModel, evaluate_grid
from j4d.evaluation.measuring import GridCodec
from j4d.images.image_set import ImageSet
from j4d.jpeg.markers import header_bytes
from j4d.readers.preprocessing import Preprocess
from j4d.readers.vision import VisionModel

SET = ImageSet.from_arrays(IMAGES, LABELS)
SPEC = f"{Path(measured_toys.__file__).as_posix()}:Net?seed="
ENCODED, SHOWN = [], []  # what a codec encoded, how many pictures a model saw


class Counting(Coarse):
    """Notes what it encodes, and stops as Ctrl-C does when told to."""

    stop_after = None

    def encode(self, image, setting):
        if self.stop_after is not None and len(ENCODED) >= self.stop_after:
            raise KeyboardInterrupt
        ENCODED.append((image.shape, setting))
        return super().encode(image, setting)


class Watched(Net):
    def forward(self, x):
        SHOWN.append(len(x))
        return super().forward(x)


@pytest.fixture(autouse=True)
def _forget():
    ENCODED.clear()
    SHOWN.clear()
    Counting.stop_after = None


def grid(models, codecs, *, images=SET, **options):
    entries = [codec if isinstance(codec, GridCodec) else GridCodec(codec) for codec in codecs]
    options = {"progress": False, "bootstrap": 20, **options}
    return evaluate_grid([GridModel.given(model) for model in models], [images], entries, **options)


def figures(evaluations):
    """Everything but the date, as it goes into files."""
    documents = [evaluation.to_json() for evaluation in evaluations]
    for document in documents:
        document["record"].pop("date")
    return json.dumps(documents)


def test_a_rerun_encodes_nothing_and_asks_no_model(tmp_path):
    codecs = [Counting(), Counting((64, 8), "other")]
    first = figures(grid([Watched(), Watched(seed=1)], codecs, cache=tmp_path))
    assert len(ENCODED) == len(IMAGES) * 6 and sum(SHOWN) == 2 * len(IMAGES) * 7
    ENCODED.clear()
    SHOWN.clear()
    assert figures(grid([Watched(), Watched(seed=1)], codecs, cache=tmp_path)) == first
    assert not ENCODED and not SHOWN
    assert figures(grid([Watched(), Watched(seed=1)], codecs)) == first, "as without a cache"


def test_files_are_encoded_once_for_all_models():
    one, two = grid([Net(), Net(seed=1)], [Counting()])
    assert len(ENCODED) == len(IMAGES) * 4
    np.testing.assert_array_equal(one.codecs[0].bytes, two.codecs[0].bytes)
    assert figures([two]) == figures(grid([Net(seed=1)], [Coarse()]))


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    Counting.stop_after = 9
    with pytest.raises(KeyboardInterrupt):
        grid([Watched()], [Counting()], cache=tmp_path)
    Counting.stop_after = None
    ENCODED.clear()
    resumed = grid([Watched()], [Counting()], cache=tmp_path)
    assert len(ENCODED) == 4 * (len(IMAGES) - 2), "two pictures were done"
    assert figures(resumed) == figures(grid([Watched()], [Coarse()]))


def test_a_new_codec_model_label_or_picture_is_measured_and_the_rest_is_not(tmp_path):
    grid([Watched()], [Counting()], cache=tmp_path)
    ENCODED.clear()
    SHOWN.clear()
    grid([Watched()], [Counting(), Counting((32,), "new")], cache=tmp_path)
    assert [setting for _, setting in ENCODED] == [32] * len(IMAGES)
    assert sum(SHOWN) == 2 * len(IMAGES), "the new file and, to judge it, the picture itself"
    SHOWN.clear()
    changed = ImageSet.from_arrays(IMAGES, [*LABELS[:-1], LABELS[-1] + 1])
    ENCODED.clear()
    again = grid([Watched()], [Counting()], images=changed, cache=tmp_path)
    assert sum(SHOWN) == 5 and figures(again) == figures(grid([Watched()], [Coarse()], images=changed))
    ENCODED.clear()
    other = [*IMAGES[:-1], IMAGES[-1] // 2]
    grid([Watched()], [Counting()], images=ImageSet.from_arrays(other, LABELS), cache=tmp_path)
    assert len(ENCODED) == 4


@pytest.mark.parametrize(
    "other",
    [
        lambda net: VisionModel(net, Preprocess(resize=12)),
        lambda net: VisionModel(net, Preprocess(resize=16, crop=8)),
        lambda net: VisionModel(net, Preprocess(resize=16, interpolation="bicubic")),
        lambda net: VisionModel(net, Preprocess(resize=16, mean=100.0)),
        lambda net: VisionModel(net, Preprocess(resize=16, std=2.0)),
    ],
)
def test_one_models_cache_serves_no_other_preprocessing(other, tmp_path):
    grid([VisionModel(Net(), Preprocess(resize=16))], [Coarse()], cache=tmp_path)
    cached = grid([other(Net())], [Coarse()], cache=tmp_path)
    assert figures(cached) == figures(grid([other(Net())], [Coarse()]))


def test_answers_of_a_plain_callable_are_not_cached_but_its_files_sizes_are(tmp_path):
    dark, light = (lambda x, b=b: Net().eval()(x * b) for b in (0.5, 1.0))
    first, second = (grid([model], [Coarse()], cache=tmp_path) for model in (dark, light))
    assert figures(first) != figures(second) == figures(grid([light], [Coarse()]))


def test_any_number_of_processes_writes_the_same_file(tmp_path):
    models = [GridModel.from_spec(SPEC + str(seed), name=f"net {seed}") for seed in (0, 1)]
    entries = [GridCodec(Coarse()), GridCodec(DefaultJPEG([20, 60], name="jpeg"), frozenset([1]))]
    sets = [SET, ImageSet.from_arrays(IMAGES[:2], name="few")]
    options = {"progress": False, "bootstrap": 20, "threads": 1}
    one = evaluate_grid(models, sets, entries, jobs=1, **options)
    two = evaluate_grid(models, sets, entries, jobs=2, cache=tmp_path, **options)
    assert figures(one) == figures(two)
    assert [(e.record["model_name"], e.record["data"], len(e.codecs)) for e in two] == [
        ("net 0", "arrays", 1), ("net 1", "arrays", 2), ("net 0", "few", 1), ("net 1", "few", 2),
    ]  # fmt: skip
    assert figures(evaluate_grid(models, sets, entries, jobs=2, cache=tmp_path, **options)) == figures(one)


class Deadly(Coarse):
    """Ends the process that it is handed to."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_dead_worker_is_one_clear_error():
    models = [GridModel.from_spec(SPEC + "0")]
    with pytest.raises(DataError, match="fewer --jobs"):
        evaluate_grid(models, [SET], [GridCodec(Deadly())], jobs=2, progress=False)


def test_header_bytes_are_those_of_the_files_and_none_for_other_formats():
    jpeg = DefaultJPEG([20, 60])
    (evaluation,) = grid([Net()], [jpeg, Coarse()])
    expected = [[header_bytes(jpeg.encode(image, q)) for image in IMAGES] for q in (20, 60)]
    np.testing.assert_array_equal(evaluation.codec("default JPEG").header_bytes, expected)
    assert evaluation.codec("coarse").header_bytes is None
    whole, lean = (evaluation.bpp(evaluation.codecs[0], headers=headers) for headers in (True, False))
    np.testing.assert_allclose((whole - lean) * evaluation.pixels / 8, expected)
    with pytest.raises(DataError, match="coarse"):
        evaluation.bpp(evaluation.codecs[1], headers=False)


def test_twice_the_headers_change_only_the_comparison_of_whole_files():
    class Padded(DefaultJPEG):
        def encode(self, image, setting):
            data = super().encode(image, setting)
            return data[:2] + b"\xff\xfe\x01\xf4" + bytes(498) + data[2:]  # a comment of 500 bytes

    (evaluation,) = grid([Net()], [DefaultJPEG([5, 20, 60, 90]), Padded([5, 20, 60, 90], name="padded")])
    (lean,) = evaluation.compare(metrics=("kl",), headers=False)
    (whole,) = evaluation.compare(metrics=("kl",))
    assert lean.bd_rate.value == pytest.approx(0, abs=1e-9) and not lean.headers
    assert whole.bd_rate.value > 10 and whole.headers


def test_a_large_ladder_is_shown_in_batches_with_the_same_figures():
    steps = tuple(range(120, 20, -10))
    whole, parts = (grid([Watched()], [Coarse(steps)], batch_size=size)[0] for size in (32, 3))
    assert max(SHOWN) == 10 and 3 in SHOWN
    np.testing.assert_allclose(parts.codecs[0].metrics["kl"], whole.codecs[0].metrics["kl"], rtol=1e-5, atol=1e-5)


def test_the_store_of_evaluate_is_the_grids(tmp_path):
    model = Watched()
    first = evaluate(model, IMAGES, LABELS, [Counting()], progress=False, bootstrap=5, store=tmp_path)
    ENCODED.clear()
    SHOWN.clear()
    again = evaluate(model, IMAGES, LABELS, [Counting()], progress=False, bootstrap=5, store=tmp_path)
    assert not ENCODED and not SHOWN and figures([first]) == figures([again])


def test_names_must_differ_on_each_model_not_over_all():
    own = [GridCodec(Coarse(), frozenset([0])), GridCodec(Coarse((16, 1)), frozenset([1]))]
    one, two = grid([Net(), Net(seed=1)], own)
    assert [len(e.codecs[0].settings) for e in (one, two)] == [4, 2]
    with pytest.raises(ParameterError, match="two codecs"):
        grid([Net()], [*own[:1], GridCodec(Coarse())])
    with pytest.raises(ParameterError, match="no codecs"):
        grid([Net(), Net()], own[:1])


def test_few_points_are_warned_of():
    few, enough = (grid([Net()], [Coarse(tuple(range(count, 0, -1)))])[0] for count in (9, 10))
    assert "coarse 9" in few.warnings[0] and enough.warnings == ()


def test_torch_threads_are_put_back():
    before = torch.get_num_threads()
    grid([Net()], [Coarse((16,))], threads=before + 1)
    assert torch.get_num_threads() == before
