"""Claims about the photographs on the report page: which, at which bytes, with which answers."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import evaluation, profile, smooth

from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.report import page_photographs
from j4d.report.page_photographs import class_name, equal_bytes, evenly_spaced, photographs, read_class_names


@given(st.integers(1, 2000), st.integers(1, 12))
def test_photographs_are_evenly_spaced_places_of_the_set(count, most):
    places = evenly_spaced(count, most)
    assert len(places) == min(count, most) == len(set(places))
    assert places[0] >= 0 and places[-1] < count
    gaps = np.diff([places[0] - count / len(places), *places])
    assert gaps.max() - gaps.min() <= 1.0001
    assert abs(places[0] - (count - 1 - places[-1])) <= 1


@given(st.dictionaries(st.integers(1, 100), st.integers(1, 50), min_size=1), st.integers(1, 60))
def test_the_default_file_is_the_nearest_that_is_not_smaller(sizes, target):
    size = sizes[equal_bytes(sizes, target)]
    enough = [other for other in sizes.values() if other >= target]
    assert size == (min(enough) if enough else max(sizes.values()))
    assert equal_bytes(sizes, target) == max(quality for quality, own in sizes.items() if own == size)


def ask(images):
    """Ten classes by brightness, with a probability that tells images apart."""
    p = np.full((len(images), 10), 0.01)
    for row, image in zip(p, images, strict=True):
        row[int(image.mean()) // 26] = image.std() / 128
    return p


def shown_photographs(count=5, labels=True, **options):
    arrays = [smooth(i) for i in range(count)]
    images = ImageSet.from_arrays(arrays, [int(a.mean()) // 26 for a in arrays] if labels else None)
    return arrays, photographs(evaluation(), images, ask, [f"name {i}, other" for i in range(10)], **options)


def test_photographs_are_the_real_files_and_the_models_real_answers():
    arrays, shown = shown_photographs()
    ladder = LearnedJPEG(profile())
    assert len(shown["photographs"]) == 5 and len(shown["points"]) == 4
    for image, photograph in zip(arrays, shown["photographs"], strict=True):
        points = [EncodingParameters.from_quality(quality) for quality in range(1, 101)]
        sizes = [len(encoding.encode(image, point, deterministic=True)) for point in points]
        for setting, version in enumerate(photograph["versions"]):
            learned, default = (base64.b64decode(version[side]["file"]) for side in ("learned", "default"))
            assert learned == ladder.encode(image, setting)
            point = EncodingParameters.from_quality(version["quality"], "4:2:0")
            assert default == encoding.encode(image, point, deterministic=True)
            assert len(default) >= len(learned) == version["learned"]["bytes"]
            assert len(default) == min(size for size in sizes if size >= len(learned))
            for side, file in ("learned", learned), ("default", default):
                answer = ask([decoding.decode(file)])[0]
                assert version[side]["probability"] == pytest.approx(answer.max(), rel=1e-5)
                assert version[side]["answer"] == f"name {answer.argmax()}"
                assert version[side]["right"] == (answer.argmax() == int(image.mean()) // 26)
    for n, level in enumerate(shown["points"]):
        for side in ("learned", "default"):
            assert level["right"][side] == sum(p["versions"][n][side]["right"] for p in shown["photographs"])


def test_without_labels_right_means_the_uncompressed_answer():
    arrays, shown = shown_photographs(labels=False)
    assert not shown["labelled"]
    for image, photograph in zip(arrays, shown["photographs"], strict=True):
        assert photograph["truth"] is None and photograph["clean"]["right"] is None
        version = photograph["versions"][-1]["learned"]
        decoded = decoding.decode(base64.b64decode(version["file"]))
        assert version["right"] == (ask([decoded])[0].argmax() == ask([image])[0].argmax())


def test_a_page_of_photographs_keeps_its_budget_by_leaving_out_large_rates_then_photographs(monkeypatch):
    _, everything = shown_photographs()
    sides = ("learned", "default")
    cost = [
        sum(photograph["versions"][n][side]["bytes"] for photograph in everything["photographs"] for side in sides)
        for n in range(4)
    ]
    monkeypatch.setattr(page_photographs, "FILES_BUDGET", cost[0] + cost[1])
    _, fewer = shown_photographs()
    assert (len(fewer["points"]), fewer["left_out"], len(fewer["photographs"])) == (2, 2, 5)
    monkeypatch.setattr(page_photographs, "FILES_BUDGET", cost[0] - 1)
    _, fewest = shown_photographs()
    assert len(fewest["photographs"]) < 5 and len(fewest["points"]) == 1
    monkeypatch.setattr(page_photographs, "FILES_BUDGET", 10)
    with pytest.raises(DataError, match="leave out --images"):
        shown_photographs()


def test_class_names_from_csv_or_lines(tmp_path):
    (tmp_path / "a.csv").write_text('index,wnid,name\n1,n2,"goldfish, Carassius"\n0,n1,tench\n')
    (tmp_path / "b.txt").write_text("tench\ngoldfish\n")
    for name in ("a.csv", "b.txt"):
        names = read_class_names(tmp_path / name)
        assert [class_name(i, names) for i in range(3)] == ["tench", "goldfish", "class 2"]
    (tmp_path / "c.csv").write_text("index,name\n-1,tench\n")
    with pytest.raises(DataError, match="class numbers"):
        read_class_names(tmp_path / "c.csv")
    with pytest.raises(DataError, match="cannot read the class names"):
        read_class_names(tmp_path / "none.csv")


# The command line.
