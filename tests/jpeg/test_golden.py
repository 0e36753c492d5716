"""Files written by an earlier build, byte for byte: what a seed and a set of parameters give does not change, on one
thread or on eight.

After a change of format that is meant, `python tests/test_codec_golden.py` writes them anew.
"""

from __future__ import annotations

import pytest
from golden_files import FIXTURES, NAMES, SEED, golden, jointly, nearest, picture, sampled

from j4d.jpeg.encoding import encode_many
from j4d.jpeg.parameters import SAMPLINGS


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_as_ever(name: str) -> None:
    assert golden(name) == (FIXTURES / f"{name}.jpg").read_bytes()


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_same_bytes_as_ever_on_any_number_of_threads(sampling: str, threads: int) -> None:
    for kind, make in (("nearest", nearest), ("sampled", sampled), ("jointly", jointly)):
        parameters = make(sampling)
        files = encode_many([picture()] * 20, parameters, seed=SEED, threads=threads)
        assert set(files) == {(FIXTURES / f"{sampling.replace(':', '_')}-{kind}.jpg").read_bytes()}


if __name__ == "__main__":
    for name in NAMES:
        (FIXTURES / f"{name}.jpg").write_bytes(golden(name))
