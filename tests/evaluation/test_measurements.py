"""Claims about the cache of measurements: keeps, refuses, shares and forgets; and about what its keys tell apart."""

from __future__ import annotations

import sqlite3
import threading

import numpy as np
import pytest
import torch
from measured_toys import IMAGES, Coarse, Net

from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.evaluation.evaluate import evaluate
from j4d.evaluation.identity import codec_identity, digest, image_identity, model_identity
from j4d.evaluation.measurements import FILE_NAME, Measurements, default_folder
from j4d.jpeg.parameters import EncodingParameters
from j4d.readers.vision import VisionModel


def raw(folder):
    return sqlite3.connect(folder / FILE_NAME, isolation_level=None)


def test_values_outlive_the_process_that_put_them(tmp_path):
    value = {"kl": [0.1, 1e-17, 3], "headers": None}
    store = Measurements(tmp_path / "new")
    store.put("key", value)
    store.close()
    assert Measurements(tmp_path / "new").get("key") == value
    assert Measurements(tmp_path / "new").get("other") is None


def test_two_users_at_once_lose_nothing(tmp_path):
    def fill(name):
        store = Measurements(tmp_path)
        for i in range(200):
            store.put(f"{name} {i}", i)

    users = [threading.Thread(target=fill, args=(name,)) for name in "ab"]
    for user in users:
        user.start()
    for user in users:
        user.join()
    store = Measurements(tmp_path)
    assert all(store.get(f"{name} {i}") == i for name in "ab" for i in range(200))


def test_many_users_open_a_new_file_at_once(tmp_path):
    errors = []

    def open_it(folder, start):
        start.wait()
        try:
            Measurements(folder).close()
        except DataError as error:
            errors.append(error)

    for i in range(20):  # without waiting, one in five of these met a locked file
        start = threading.Event()
        users = [threading.Thread(target=open_it, args=(tmp_path / str(i), start)) for _ in range(4)]
        for user in users:
            user.start()
        start.set()
        for user in users:
            user.join()
    assert not errors


def test_the_older_half_goes_when_there_is_too_much(tmp_path):
    store = Measurements(tmp_path)
    for i in range(400):
        store.put(f"{i}", "x" * 1000)
    store.close()
    store = Measurements(tmp_path, limit=200_000)
    assert store.get("0") is None and store.get("399") is not None
    assert Measurements(tmp_path, limit=400_000).get("250") is not None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET value = '{'",
        "UPDATE entries SET value = '[1, 2]'",
        "UPDATE entries SET value = replace(value, '}', ', \"x\": 1}')",
        "UPDATE entries SET value = replace(value, '0', 'NaN')",
        "UPDATE entries SET value = replace(value, '[', '[-1,')",
        "UPDATE entries SET value = zeroblob(100)",
        "UPDATE entries SET value = substr('1' || hex(zeroblob(2000000)), 1, 2000000)",
    ],
)
def test_entries_that_are_not_what_was_put_are_measured_again(damage, tmp_path):
    def measure():
        return evaluate(
            Net(), IMAGES[:2], None, [DefaultJPEG([20, 60])], progress=False, bootstrap=5, store=tmp_path
        ).codecs[0]

    first = measure()
    raw(tmp_path).execute(damage)
    again = measure()
    np.testing.assert_array_equal(first.bytes, again.bytes)
    np.testing.assert_array_equal(first.header_bytes, again.header_bytes)
    np.testing.assert_array_equal(first.metrics["kl"], again.metrics["kl"])


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to look at" * 40)
    with pytest.raises(DataError, match=FILE_NAME):
        Measurements(tmp_path)
    with pytest.raises(DataError, match="no cache can be kept"):
        Measurements(tmp_path / FILE_NAME / "deeper")


def test_the_users_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("J4D_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("J4D_CACHE")
    assert default_folder().name == "j4d"


def test_parts_of_a_key_keep_their_borders():
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("a", None) == digest("a", None) != digest("a", "")


def test_pictures_are_told_apart_by_pixels_and_shape():
    image = IMAGES[0]
    changed = image.copy()
    changed[3, 5, 1] ^= 1
    assert image_identity(image) == image_identity(np.asfortranarray(image))
    assert len({image_identity(i) for i in (image, changed, image.transpose(1, 0, 2), image.reshape(32, 24, 3))}) == 4


def test_codecs_are_told_apart_by_configuration():
    points = [EncodingParameters.from_quality(q) for q in (20, 60)]
    codecs = [DefaultJPEG([20]), DefaultJPEG([20], sampling="4:4:4"), LearnedJPEG(points), LearnedJPEG(points, seed=1)]
    assert len({codec_identity(codec) for codec in codecs}) == 4
    assert codec_identity(DefaultJPEG([20])) == codec_identity(codecs[0])


class Scaled(Net):
    """A plain attribute, no parameter, decides what it answers."""

    def __init__(self, scale=1.0, table=None, **options):
        super().__init__(**options)
        self.scale = scale
        self.table = {"shift": table}
        self.register_buffer("hidden", torch.zeros(2), persistent=False)


class Shifted(Net):
    def forward(self, x):
        return super().forward(x) + 1


class ShiftedFurther(Net):
    def forward(self, x):
        return super().forward(x) + 2


ShiftedFurther.__qualname__ = Shifted.__qualname__


def hidden():
    model = Scaled()
    model.hidden += 1
    return model


def inner(number):
    wrapped = VisionModel(Net())
    wrapped.net.dropout.p = number
    return wrapped


def test_models_are_told_apart_by_weights_attributes_and_code():
    models = [Net(), Net(seed=1), Scaled(), Scaled(2.0), Scaled(table=torch.ones(2)), hidden(), Shifted(),
              ShiftedFurther(), VisionModel(Net()), inner(0.1)]  # fmt: skip
    assert len({model_identity(model) for model in models}) == len(models)


def test_a_models_name_mode_and_object_do_not_count():
    assert model_identity(VisionModel(Net(), name="a")) == model_identity(VisionModel(Net(), name="b"))
    assert model_identity(Net().train()) == model_identity(Net().eval()) == model_identity(Net())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frozen_scripts_are_told_apart_by_the_weights_within(tmp_path):
    scripts = [torch.jit.freeze(torch.jit.trace(Net(seed=s).eval(), torch.zeros(2, 3, 24, 32))) for s in (0, 1)]
    one, two = (model_identity(script) for script in scripts)
    assert one != two
    torch.jit.save(scripts[0], tmp_path / "one.pt")
    torch.jit.save(torch.jit.load(tmp_path / "one.pt"), tmp_path / "other name.pt")
    loaded = [model_identity(torch.jit.load(tmp_path / name)) for name in ("one.pt", "other name.pt")]
    assert loaded[0] == loaded[1]


def test_what_cannot_be_told_apart_has_no_identity():
    assert model_identity(lambda x: x) is None
    assert model_identity(torch.nn.Flatten()) is None
    assert model_identity(Coarse()) is None
