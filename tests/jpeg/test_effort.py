"""How much work the choice of indices is worth: effort in the library and on the command line, and along a ladder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changes import changed
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from profiles import parameters as any_parameters
from profiles import provenance

from j4d.api import transcode
from j4d.cli import run
from j4d.errors import ParameterError
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import quantize, write_coefficients
from j4d.jpeg.effort import DEFAULT_TRELLIS, with_effort
from j4d.jpeg.encoding import encode_many
from j4d.jpeg.parameters import EncodingParameters, Trellis
from j4d.jpeg.transcoding import transcode_many
from j4d.profile.ladder import Ladder
from j4d.profile.profile import OperatingPoint, Profile

ZONES = np.full((8, 8), 0.1)
PLAIN = EncodingParameters.from_quality(60)
ZONED = changed(PLAIN, luma_dead_zone=ZONES, chroma_dead_zone=ZONES)
DRAWN = replace(ZONED, sharpness=8.0)
CHOSEN = changed(ZONED, trellis=7.0, masking=100.0)

EXPECTED = [
    (PLAIN, (PLAIN, PLAIN, changed(PLAIN, trellis=DEFAULT_TRELLIS))),
    (ZONED, (PLAIN, ZONED, changed(ZONED, trellis=DEFAULT_TRELLIS))),
    (DRAWN, (PLAIN, DRAWN, changed(ZONED, trellis=DEFAULT_TRELLIS))),
    (CHOSEN, (PLAIN, ZONED, CHOSEN)),
]


@pytest.mark.parametrize(("given", "meant"), EXPECTED)
def test_every_way_to_encode_takes_the_effort(
    given: EncodingParameters, meant: tuple[EncodingParameters, ...], photographs: dict[str, np.ndarray]
) -> None:
    image = photographs["chelsea"][:150, :200]
    source = encoding.encode(image, EncodingParameters.from_quality(95))
    for effort, parameters in [(None, given), *enumerate(meant)]:
        assert with_effort(given, effort) == parameters
        file = encoding.encode(image, parameters)
        assert encoding.encode(image, given, effort=effort) == file
        assert encode_many([image], given, effort=effort) == [file]
        assert write_coefficients(quantize(image, given, effort=effort)) == file
        assert transcode(source, given, effort=effort) == transcode(source, parameters)
        assert transcode_many([source], given, effort=effort) == [transcode(source, parameters)]


@pytest.mark.parametrize("effort", [3, -1, 1.5, "2", True])
def test_another_effort_is_refused(effort: Any, photographs: dict[str, np.ndarray]) -> None:
    with pytest.raises(ParameterError, match=r"effort .* is not one of 0, 1, 2"):
        encoding.encode(photographs["chelsea"], PLAIN, effort=effort)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photographs: dict[str, np.ndarray]) -> Path:
    """A folder with a picture, the same as a large JPEG file, and a profile whose points have a trellis."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photographs["rocket"]).save("rocket.png")
    Path("rocket.jpg").write_bytes(encoding.encode(photographs["rocket"], EncodingParameters.from_quality(95)))
    Profile("chosen", (OperatingPoint(CHOSEN, 1.0),), provenance()).save("chosen.json")
    return tmp_path


@pytest.mark.parametrize("effort", [None, 0, 1, 2])
def test_the_command_line_takes_the_effort(effort: int | None, place: Path, photographs: dict[str, np.ndarray]) -> None:
    options = ["--profile", "chosen.json", "--index", "0", *(["--effort", str(effort)] if effort is not None else [])]
    meant = CHOSEN if effort is None else EXPECTED[3][1][effort]
    assert run(["encode", "rocket.png", "-o", "out.jpg", *options]) == 0
    assert Path("out.jpg").read_bytes() == encoding.encode(photographs["rocket"], meant)
    assert run(["transcode", "rocket.jpg", "-o", "out.jpg", *options]) == 0
    assert Path("out.jpg").read_bytes() == transcode(Path("rocket.jpg").read_bytes(), meant)


@pytest.mark.parametrize("command", [["encode", "rocket.png"], ["transcode", "rocket.jpg"]])
def test_the_command_line_refuses_another_effort(
    command: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "-o", "out.jpg", "--jpeg-quality", "50", "--effort", "3"]) == 2
    assert "--effort" in capsys.readouterr().err and not Path("out.jpg").exists()


# Along a ladder


@given(any_parameters("4:2:0"), any_parameters("4:2:0"), st.floats(0, 1))
def test_between_two_points_a_trellis_is_between_theirs(a: EncodingParameters, b: EncodingParameters, t: float) -> None:
    got = Ladder([0.0, 1.0], [a, b]).at(t)
    prices = sorted(0.0 if p.trellis is None else 1 / p.trellis.mu for p in (a, b))
    price = 0.0 if got.trellis is None else 1 / got.trellis.mu
    assert price <= prices[1] * (1 + 1e-9)
    assert price >= prices[0] * (1 - 1e-9) or (price == 0 and prices[0] <= 1e-3)
    dc = [0.0 if p.trellis is None or p.trellis.dc is None else 1 / p.trellis.dc for p in (a, b, got)]
    assert dc[2] <= max(dc[:2]) * (1 + 1e-9) and (dc[2] >= min(dc[:2]) * (1 - 1e-9) or min(dc[:2]) <= 1e-3)
    if got.trellis is not None and got.trellis.masking is not None:
        assert got.trellis.masking >= 0.999 * min(
            p.trellis.masking for p in (a, b) if p.trellis is not None and p.trellis.masking is not None
        )


def test_a_trellis_sets_in_gently_along_a_ladder() -> None:
    ladder = Ladder([0.0, 1.0], [PLAIN, changed(PLAIN, trellis=20.0, masking=300.0)])
    assert ladder.at(0.0).trellis is None and ladder.at(0.01).trellis is None  # above 1000 it would change nothing
    assert [ladder.at(t).trellis.mu for t in (0.1, 0.5, 1.0)] == pytest.approx([200, 40, 20])
    assert all(ladder.at(t).trellis.masking == pytest.approx(300) for t in (0.1, 0.5, 1.0))
    dc = Ladder([0.0, 1.0], [changed(PLAIN, trellis=20.0), changed(PLAIN, trellis=20.0, dc_trellis=8.0)])
    assert dc.at(0.25).trellis.dc == pytest.approx(32) and dc.at(0.0).trellis.dc is None
    masked = Ladder([0.0, 1.0], [changed(PLAIN, trellis=20.0), changed(PLAIN, trellis=20.0, masking=300.0)])
    assert masked.at(0.25).trellis.masking == pytest.approx(600) and masked.at(0.0).trellis.masking is None


def test_weights_change_evenly_along_a_ladder_in_their_logarithm() -> None:
    chosen = changed(PLAIN, trellis=20.0)
    low, high = (changed(chosen, luma_weights=np.full((8, 8), w)) for w in (0.01, 100.0))
    ladder = Ladder([0.0, 1.0], [low, changed(high, chroma_weights=np.full((8, 8), 16.0))])
    np.testing.assert_allclose(ladder.at(0.25).luma.weights, 0.1)
    np.testing.assert_allclose(ladder.at(0.25).chroma.weights, 2)
    np.testing.assert_array_equal(ladder.at(1.7).luma.weights, high.luma.weights)
    sets_in = Ladder([0.0, 1.0], [PLAIN, high])
    np.testing.assert_allclose(sets_in.at(0.5).luma.weights, 100)
    assert sets_in.at(0.5).trellis.mu == pytest.approx(40) and sets_in.at(0.01).luma.weights is None


def test_a_ladder_ends_with_the_trellis_of_its_end() -> None:
    ladder = Ladder([0.0, 1.0], [PLAIN, CHOSEN])
    assert (ladder.at(1.5).trellis, ladder.at(-0.5).trellis) == (Trellis(7.0, 100.0), None)
