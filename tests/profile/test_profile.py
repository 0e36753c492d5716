"""A profile survives its file unchanged, is interpolated sanely, and no file can do harm or confuse."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from profiles import default_profile, profiles, provenance

from j4d.errors import ParameterError, ProfileError
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile import file
from j4d.profile.profile import OperatingPoint, Profile

SCHEMA = Path(__file__).parents[2] / "docs" / "profile.schema.json"
DEFAULT = default_profile()
share = st.floats(0, 100)


@given(profiles())
def test_file_bytes_round_trip_is_the_identity(profile: Profile) -> None:
    again = Profile.from_json(file.parse(file.dump(profile.to_json())))
    assert again == profile and hash(again) == hash(profile)


@given(profiles())
def test_files_follow_the_published_schema(profile: Profile) -> None:
    jsonschema.validate(json.loads(file.dump(profile.to_json())), json.loads(SCHEMA.read_text()))


def test_save_then_load(tmp_path: Path) -> None:
    DEFAULT.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json") == DEFAULT == Profile.load(str(tmp_path / "p.json"))
    assert os.listdir(tmp_path) == ["p.json"]


def test_profiles_pickle() -> None:
    again = pickle.loads(pickle.dumps(DEFAULT))
    assert again == DEFAULT and hash(again) == hash(DEFAULT)


def test_published_schema_is_the_generated_one() -> None:
    assert SCHEMA.read_text() == file.schema(), "run python -m j4d.profile.file docs/profile.schema.json"


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    DEFAULT.save(tmp_path / "p.json")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ProfileError, match=r"p\.json: cannot write: No space left on device"):
        default_profile((10,)).save(tmp_path / "p.json")
    assert os.listdir(tmp_path) == ["p.json"] and Profile.load(tmp_path / "p.json") == DEFAULT


def test_a_place_that_does_not_serve_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProfileError, match=r"file/p\.json: cannot write: Not a directory"):
        DEFAULT.save(tmp_path / "file" / "p.json")
    with pytest.raises(ProfileError, match=r"no/p\.json: cannot read: No such file"):
        Profile.load(tmp_path / "no" / "p.json")
    with pytest.raises(ProfileError, match="cannot read: Is a directory"):
        Profile.load(tmp_path)


def test_save_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    DEFAULT.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink() and Profile.load(tmp_path / "real.json") == DEFAULT


def _luma(data: Any) -> Any:
    return data["points"][0]["parameters"]["luma"]


ADAPTATION = {"reference": 0, "bpp": 1.0, "side": 375.0, "by_bpp": 0.5, "by_side": 0.5, "offsets": [0.0] * 4}
Change = Callable[[dict[str, Any]], object]
WRONG: dict[str, tuple[Change, str]] = {
    "zero step": (
        lambda d: _luma(d)[0].__setitem__(3, 0),
        r"points\[0\].*luma\[0\]\[3\] is 0: .* equal to 1",
    ),
    "step 256": (lambda d: _luma(d)[1].__setitem__(0, 256), r"luma\[1\]\[0\] is 256: .* equal to 255"),
    "fractional step": (lambda d: _luma(d)[1].__setitem__(0, 1.5), r"luma\[1\]\[0\] is 1.5: .* integer"),
    "17 entries": (
        lambda d: d["points"][0]["parameters"].update(luma=[1] * 17),
        "luma: .* at most 8 .* not 17",
    ),
    "7 rows": (lambda d: _luma(d).pop(), "luma: .* at least 8 .* not 7"),
    "newer": (lambda d: d.update(version=2), "made by a newer j4d: version 2, this one reads 1; upgrade j4d"),
    "newer, other keys": (lambda d: (d.update(version=3), d.pop("points")), "made by a newer j4d: version 3"),
    "version 0": (lambda d: d.update(version=0), "version 0 is not one that j4d reads"),
    "version text": (lambda d: d.update(version="1"), "version '1' is not one"),
    "version true": (lambda d: d.update(version=True), "version True is not one"),
    "no version": (lambda d: d.pop("version"), "version None is not one"),
    "other format": (lambda d: d.update(format="gif"), 'not a j4d profile: "format" is not "j4d-profile"'),
    "unknown key": (lambda d: d["points"][1].update(speed=1), r"points\[1\]\.speed is not a key"),
    "missing key": (lambda d: d["provenance"].pop("seed"), r"provenance\.seed is missing"),
    "two faults": (lambda d: (d.pop("name"), d.update(x=1)), r"name is missing \(and 1 more\)"),
    "no points": (lambda d: d["points"].clear(), "points: .* at least 1"),
    "wrong order": (lambda d: d["points"].reverse(), r"points\[1\]: estimated_bpp 1.25 is not above .* 2.0"),
    "equal rates": (lambda d: d["points"][1].update(estimated_bpp=0.25), "is not above"),
    "rate 0": (lambda d: d["points"][0].update(estimated_bpp=0), "estimated_bpp is 0: .* greater than 0"),
    "rate NaN": (lambda d: d["points"][0].update(estimated_bpp=float("nan")), "not valid JSON"),
    "rate text": (lambda d: d["points"][0].update(estimated_bpp="1"), "estimated_bpp is '1': .* number"),
    "rate bool": (lambda d: d["points"][0].update(estimated_bpp=True), "estimated_bpp is True: .* number"),
    "dead zone": (
        lambda d: d["points"][0]["parameters"].update(luma_dead_zone=[[0.6] * 8] * 8),
        r"luma_dead_zone\[0\]\[0\] is 0.6: .* equal to 0.5",
    ),
    "sampling": (lambda d: d["points"][0]["parameters"].update(sampling="4:1:1"), "sampling is '4:1:1'"),
    "two samplings": (lambda d: d["points"][0]["parameters"].update(sampling="gray"), "gray differs from"),
    "adaptation of another ladder": (
        lambda d: d.update(adaptation=ADAPTATION | {"offsets": [0.0]}),
        "1 offsets for 4 points",
    ),
    "adaptation out of reach": (
        lambda d: d.update(adaptation=ADAPTATION | {"by_bpp": 3}),
        r"adaptation\.by_bpp is 3: .* equal to 2",
    ),
    "settings NaN": (lambda d: d["provenance"]["settings"].update(x=[float("inf")]), "not valid JSON"),
    "key with a newline": (lambda d: d.update({"a\nb": 1}), r"'a\\nb' is not a key"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_gives_one_clear_line(tmp_path: Path, change: Change, message: str) -> None:
    data = json.loads(file.dump(DEFAULT.to_json()))
    change(data)
    (tmp_path / "p.json").write_text(json.dumps(data))
    with pytest.raises(ProfileError, match=message) as caught:
        Profile.load(tmp_path / "p.json")
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'p.json'}: ") and "\n" not in line and len(line) < 400


@given(st.integers(0, len(file.dump(DEFAULT.to_json()).rstrip()) - 1))
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(ProfileError, match="not valid JSON"):
        Profile.from_json(file.parse(file.dump(DEFAULT.to_json())[:length]))


@given(st.binary() | st.text().map(str.encode))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ProfileError):
        Profile.from_json(file.parse(data))


@given(st.integers(0, len(file.dump(DEFAULT.to_json())) - 1), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_never_raise_anything_else(position: int, patch: bytes) -> None:
    data = bytearray(file.dump(DEFAULT.to_json()))
    data[position : position + len(patch)] = patch
    try:
        Profile.from_json(file.parse(bytes(data)))
    except ProfileError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["[" * 10**6, '{"format":' * 10**5, "1" * 10**5, "1e999", '"\\ud800"', "null"])
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(ProfileError):
        Profile.from_json(file.parse(text.encode()))


def test_an_infinity_spelt_as_a_number_is_refused() -> None:
    data = file.dump(DEFAULT.to_json()).replace(b'"steps": 100', b'"steps": 1e999')
    with pytest.raises(ProfileError, match="inf cannot be kept in JSON"):
        Profile.from_json(file.parse(data))


def test_a_too_large_file_is_not_parsed(tmp_path: Path) -> None:
    with open(tmp_path / "big.json", "wb") as big:
        big.truncate(file.SIZE_LIMIT + 1)
    with pytest.raises(ProfileError, match=r"big\.json: larger than 16777216 bytes"):
        Profile.load(tmp_path / "big.json")


def test_a_profile_too_large_to_load_is_not_saved(tmp_path: Path) -> None:
    big = Profile("x" * (file.SIZE_LIMIT + 1), DEFAULT.points, DEFAULT.provenance)
    with pytest.raises(ProfileError, match="more than the limit"):
        big.save(tmp_path / "p.json")
    assert os.listdir(tmp_path) == []


@given(profiles(), st.data())
def test_every_point_is_found_by_index_and_by_its_rate(profile: Profile, data: st.DataObject) -> None:
    index = data.draw(st.integers(-len(profile.points), len(profile.points) - 1))
    point = profile.points[index]
    assert profile.at(index=index) == point.parameters == profile.at(bpp=point.estimated_bpp)


@given(profiles())
def test_quality_0_and_100_are_the_ends(profile: Profile) -> None:
    assert profile.at(quality=0) == profile.points[0].parameters
    assert profile.at(quality=100) == profile.points[-1].parameters


@given(profiles(), share, share)
def test_estimated_rate_is_monotone_in_quality(profile: Profile, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert profile.estimated_bpp_at(low) <= profile.estimated_bpp_at(high)


@given(share)
def test_quality_is_uniform_in_log_rate(quality: float) -> None:
    log_rate = np.log(DEFAULT.estimated_bpp_at(quality))
    ends = np.log([DEFAULT.points[0].estimated_bpp, DEFAULT.points[-1].estimated_bpp])
    assert log_rate == pytest.approx(ends[0] + quality / 100 * (ends[1] - ends[0]))
    assert DEFAULT.at(quality=quality) == DEFAULT.at(bpp=DEFAULT.estimated_bpp_at(quality))


@given(profiles(), share)
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
def test_interpolated_values_lie_between_their_neighbours(profile: Profile, quality: float) -> None:
    rate = profile.estimated_bpp_at(quality)
    low = max((p for p in profile.points if p.estimated_bpp <= rate), key=lambda p: p.estimated_bpp).parameters
    high = min((p for p in profile.points if p.estimated_bpp >= rate), key=lambda p: p.estimated_bpp).parameters
    got = profile.at(quality=quality)

    def number(value: Any) -> Any:
        return np.zeros((8, 8)) if value is None else value

    for component, name in product(("luma", "chroma"), ("steps", "dead_zone")):
        a, b, c = (number(getattr(getattr(p, component), name)) for p in (low, high, got))
        assert (c >= np.minimum(a, b) - 1e-12).all() and (c <= np.maximum(a, b) + 1e-12).all()
    if got.sharpness is not None:
        assert low.sharpness is not None and high.sharpness is not None
        between = sorted((low.sharpness, high.sharpness))
        assert between[0] * (1 - 1e-9) <= got.sharpness <= between[1] * (1 + 1e-9)
    assert got.sampling == profile.provenance.sampling


def test_half_way_is_the_geometric_mean() -> None:
    low, high = (
        EncodingParameters(np.full((8, 8), s), np.full((8, 8), s), sharpness=k) for s, k in ((4, 5), (100, 20))
    )
    profile = Profile("two", (OperatingPoint(low, 0.1), OperatingPoint(high, 0.4)), provenance())
    middle = profile.at(bpp=0.2)
    assert (middle.luma.steps == 20).all() and middle.sharpness == pytest.approx(10)
    assert profile.estimated_bpp_at(50) == pytest.approx(0.2) and profile.at(quality=50) == middle


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({}, "exactly one of"),
        ({"index": 0, "bpp": 1}, "exactly one of"),
        ({"index": 4}, r"index 4 is outside the ladder of 4 points \(-4..3\)"),
        ({"index": -5}, "index -5 is outside"),
        ({"index": 0.5}, "index 0.5 is not an integer"),
        ({"bpp": 0.1}, "bpp 0.1 is outside this profile's estimated 0.25..2 bpp"),
        ({"bpp": 2.1}, "bpp 2.1 is outside"),
        ({"bpp": float("nan")}, "bpp nan"),
        ({"bpp": "1"}, "bpp '1' is not a number"),
        ({"quality": 100.5}, "quality 100.5 is outside 0..100"),
        ({"quality": -1}, "quality -1"),
        ({"quality": float("nan")}, "quality nan"),
    ],
)
def test_a_place_outside_the_ladder_is_refused(place: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        DEFAULT.at(**place)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "small"}, "protocol: 'small' is not one of stored-size, model-size"),
        ({"image_count": -1}, "image_count: -1 is below 0"),
        ({"image_count": "600"}, "image_count: '600' is not int"),
        ({"seed": True}, "seed: True is not int"),
        ({"model": None}, "model: None is not str"),
        ({"versions": {"j4d": 1}}, "a version is not text"),
        ({"settings": {"loss": float("nan")}}, r"settings\.loss: nan cannot be kept in JSON"),
        ({"settings": {"net": object()}}, r"settings\.net: object is not a JSON value"),
        ({"settings": {1: 1}}, "settings: expected a dict with text keys"),
        ({"model": "\ud800"}, "not valid Unicode"),
    ],
)
def test_wrong_provenance_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        provenance(**change)


def test_wrong_points_are_refused() -> None:
    default = EncodingParameters.from_quality(50)
    with pytest.raises(ProfileError, match="estimated_bpp -1"):
        OperatingPoint(default, -1)
    with pytest.raises(ProfileError, match="dict is not EncodingParameters"):
        OperatingPoint({}, 1)  # type: ignore[arg-type]
    with pytest.raises(ProfileError, match=r"measured 'top1': '0.5' is not a number"):
        OperatingPoint(default, 1, measured={"top1": "0.5"})  # type: ignore[dict-item]
    with pytest.raises(ProfileError, match="at least one operating point"):
        Profile("empty", (), provenance())
    with pytest.raises(ParameterError):
        EncodingParameters.from_quality(0)


def test_what_a_profile_holds_cannot_be_changed() -> None:
    figures = {"actual_bpp": 0.5}
    point = OperatingPoint(EncodingParameters.from_quality(50), 0.5, measured=figures)
    figures["actual_bpp"] = 9.0
    assert point.measured["actual_bpp"] == 0.5
    for mapping in (point.measured, DEFAULT.provenance.settings, DEFAULT.provenance.versions):
        with pytest.raises(TypeError, match="frozen"):
            mapping["x"] = 1  # type: ignore[index]
    assert provenance(settings={"b": np.float32(0.5)}).settings == {"b": 0.5}
