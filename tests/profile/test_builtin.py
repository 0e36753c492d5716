"""Claims about the profiles in the package: they are valid, every quality encodes, a name stands for one of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from profiles import default_profile

import j4d
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import ParameterError, ProfileError
from j4d.profile import builtin, file, lookup, profile

SCHEMA = Path(__file__).parents[2] / "docs" / "profile.schema.json"
QUALITIES = range(101)


@pytest.fixture
def two_samplings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with three profiles: a family of two samplings, and one of another family."""
    (tmp_path / "profiles").mkdir()
    for name, sampling in (("universal-420", "4:2:0"), ("universal-444", "4:4:4"), ("large-vit-444", "4:4:4")):
        default_profile(sampling=sampling).save(tmp_path / "profiles" / f"{name}.json")
    monkeypatch.setattr(builtin.resources, "files", lambda package: tmp_path)
    caches = (builtin.members, profile._builtin)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("name", builtin.members())
def test_files_follow_the_schema_and_tell_their_name_and_sampling(name: str) -> None:
    data = (resources.files("j4d") / "profiles" / f"{name}.json").read_bytes()
    jsonschema.validate(json.loads(data), json.loads(SCHEMA.read_text()))
    profile = j4d.Profile.builtin(name)
    assert profile.name == name and name.endswith("-" + profile.provenance.sampling.replace(":", ""))
    assert file.dump(profile.to_json()) == data
    assert "/" not in profile.provenance.model, "a folder of whoever learned it: use tools/add_profile.py"


def test_the_default_is_there() -> None:
    assert builtin.DEFAULT in builtin.families() and set(builtin.families()) < set(builtin.names())
    assert j4d.Profile.builtin("universal").provenance.sampling == "4:2:0"


def test_a_family_stands_for_its_member_of_the_sampling(two_samplings: None) -> None:
    assert builtin.families() == ("large-vit", "universal")
    assert j4d.Profile.builtin("universal").provenance.sampling == "4:2:0"
    assert j4d.Profile.builtin("universal", "4:4:4").provenance.sampling == "4:4:4"
    assert j4d.Profile.builtin("large-vit").provenance.sampling == "4:4:4"
    assert j4d.Profile.builtin("universal-444", "4:4:4") == j4d.Profile.builtin("universal-444")
    with pytest.raises(ProfileError, match="universal has no sampling gray, only 4:2:0, 4:4:4"):
        j4d.Profile.builtin("universal", "gray")
    with pytest.raises(ProfileError, match="universal-444 is for sampling 4:4:4, not 4:2:0"):
        j4d.Profile.builtin("universal-444", "4:2:0")
    with pytest.raises(ParameterError, match="4:3:0"):
        j4d.Profile.builtin("universal", "4:3:0")


def test_an_unknown_name_is_told_the_known_ones(two_samplings: None) -> None:
    with pytest.raises(ProfileError, match=r"'universe'.*: large-vit, large-vit-444, universal, .*universal-444$"):
        j4d.Profile.builtin("universe")


def test_a_path_wins_where_it_exists_or_looks_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "universal").mkdir()
    assert lookup.find("universal") == j4d.Profile.builtin("universal")  # a folder is no profile
    (tmp_path / "universal").rmdir()
    default_profile().save("universal")
    assert lookup.find("universal") == default_profile()
    for path in ("universal-420.json", "./universal-420", Path("profiles/universal")):
        with pytest.raises(ProfileError, match="cannot read"):
            lookup.find(path)


def test_every_quality_encodes_and_takes_more_bytes_than_the_one_before(photographs: dict[str, np.ndarray]) -> None:
    profile = j4d.Profile.builtin("universal")
    for name in ("chelsea", "rocket"):
        picture = photographs[name]
        files = [j4d.encode(picture, quality=quality) for quality in QUALITIES]
        assert all(j4d.decode(file).shape == picture.shape for file in files[::20])
        sizes = np.array([len(file) for file in files])
        fixed = np.array([len(j4d.encode(picture, profile.at(quality=quality))) for quality in QUALITIES])
        for found in (sizes, fixed):
            growth = found[1:] / found[:-1]
            assert growth.min() > 1.0 and growth.max() < 1.12, (name, growth.argmin(), growth.min(), growth.max())


def test_encode_by_quality_is_the_profile_moved_for_the_picture(photographs: dict[str, np.ndarray]) -> None:
    picture, profile = photographs["coffee"], j4d.Profile.builtin("universal")
    data = j4d.encode(picture, quality=100, seed=3)
    assert data == j4d.encode(picture, profile.adapted(picture, quality=100), seed=3)
    assert data == LearnedJPEG(profile, seed=3).encode(picture, len(profile.points) - 1)
    source = j4d.encode(picture, j4d.EncodingParameters.from_quality(95))
    assert j4d.transcode(source, quality=20) == j4d.transcode(source, profile.adapted(source, quality=20))


@pytest.mark.parametrize("given", [(), (j4d.EncodingParameters.from_quality(50), 40)])
def test_parameters_or_a_quality_but_not_both(given: tuple[object, ...], photographs: dict[str, np.ndarray]) -> None:
    picture = photographs["chelsea"]
    source = j4d.encode(picture, j4d.EncodingParameters.from_quality(50))
    parameters, quality = given or (None, None)
    with pytest.raises(ParameterError, match="either parameters or quality"):
        j4d.encode(picture, parameters, quality=quality)
    with pytest.raises(ParameterError, match="either parameters or quality"):
        j4d.transcode(source, parameters, quality=quality)


def test_wrong_pictures_and_qualities_are_refused_as_with_parameters(photographs: dict[str, np.ndarray]) -> None:
    with pytest.raises(ProfileError, match=r"quality 101 is outside 0\.\.100"):
        j4d.encode(photographs["chelsea"], quality=101)
    with pytest.raises(j4d.ImageError, match=r"\(300, 451\)"):
        j4d.encode(photographs["chelsea"][..., 0], quality=40)
    with pytest.raises(j4d.ImageError, match="a list"):
        j4d.encode([1], quality=40)  # type: ignore[arg-type]
    with pytest.raises(j4d.CodecError):
        j4d.transcode(b"no picture", quality=40)


def test_encoding_by_quality_never_loads_torch() -> None:
    code = (
        "import sys, numpy, j4d; j4d.encode(numpy.zeros((9, 9, 3), numpy.uint8), quality=40); "
        "sys.exit('torch' in sys.modules or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
