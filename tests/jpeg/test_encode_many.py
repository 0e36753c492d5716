"""`encode_many`: the same files as one by one, in order, whatever the threads and the neighbours."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patterns import picture

import j4d
from j4d.errors import ImageError, ParameterError
from j4d.jpeg import encoding
from j4d.jpeg.encoding import encode_many
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters

BASE = EncodingParameters.from_quality(40)
SAMPLED = EncodingParameters(BASE.luma.steps, BASE.chroma.steps, "4:2:0", 8.0)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=12),
    st.sampled_from(SAMPLINGS),
    st.sampled_from([None, 1, 2, 8]),
    st.integers(0, 2**64 - 1),
)
def test_files_are_those_of_encode_in_order(
    sizes: list[tuple[int, int]], sampling: str, threads: int | None, seed: int
) -> None:
    parameters = EncodingParameters(BASE.luma.steps, BASE.chroma.steps, sampling, 6.0)
    images = [picture(height, width) for height, width in sizes]
    files = encode_many(images, parameters, seed=seed, threads=threads)
    assert files == [encoding.encode(image, parameters, seed=seed) for image in images]


def test_each_image_may_have_its_seed() -> None:
    images = [picture(33, 47)] * 3
    files = encode_many(images, SAMPLED, seed=[5, 6, 5], threads=2)
    assert files == [encoding.encode(images[0], SAMPLED, seed=seed) for seed in (5, 6, 5)]
    assert files[0] != files[1]


def test_settings_are_those_of_encode() -> None:
    image = picture(40, 60)
    for options in ({"progressive": True}, {"jfif": True, "icc": b"profile"}, {"restart_interval": 2}):
        assert encode_many([image], SAMPLED, **options) == [encoding.encode(image, SAMPLED, **options)]
    assert encode_many([image], SAMPLED, deterministic=True) == [encoding.encode(image, BASE)]


def test_a_bad_image_does_not_hurt_the_others() -> None:
    images: list[Any] = [picture(20, 20), np.zeros((4, 4), np.float32), picture(9, 30), "no image", np.zeros((0, 3, 3))]
    results = encode_many(images, BASE, threads=3)
    assert [type(result) for result in results] == [bytes, ImageError, bytes, ImageError, ImageError]
    assert results[0] == encoding.encode(images[0], BASE) and results[2] == encoding.encode(images[2], BASE)
    for image, result in zip(images, results, strict=True):
        if isinstance(result, ImageError):
            with pytest.raises(ImageError) as raised:
                encoding.encode(image, BASE)
            assert str(raised.value) == str(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, r"threads 0 is not an integer 1\.\.1024"),
        ({"threads": True}, "threads True"),
        ({"threads": 1.5}, "threads 1.5"),
        ({"seed": [1, 2]}, "one integer, or 1 of them"),
        ({"seed": [-1]}, "seed -1"),
        ({"seed": "1"}, "one integer, or 1 of them"),
        ({"restart_interval": -1}, "restart interval -1"),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        encode_many([picture(8, 8)], BASE, **arguments)


def test_an_empty_batch_gives_no_files() -> None:
    assert j4d.encode_many([], BASE) == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal to the main thread")
def test_a_keyboard_interrupt_ends_a_batch(request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    images = [np.zeros((2000, 2000, 3), np.uint8)] * 2000
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        encode_many(images, SAMPLED, threads=1)
