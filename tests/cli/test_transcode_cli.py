"""Claims about `j4d transcode`: what it writes, what it tells, and how it ends."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from profiles import default_profile

from j4d.api import transcode
from j4d.cli import run
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile.profile import Profile

QUALITY_30 = EncodingParameters.from_quality(30)


def jpeg(seed: int, mode: str = "RGB", **options: object) -> bytes:
    y, x = np.mgrid[:48, :64]
    noise = np.random.default_rng(seed).normal(0, 9, (48, 64, 3))
    pixels = np.clip(np.stack([3 * x, 5 * y, x + y], -1) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", **{"quality": 92, **options})
    return file.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a profile and JPEG files, some of which are not transcoded."""
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        Path(f"{i}.jpg").write_bytes(jpeg(i))
    Path("cmyk.jpeg").write_bytes(jpeg(4, "CMYK"))
    Path("half.jpg").write_bytes(jpeg(5)[:700])
    default_profile().save("profile.json")
    return tmp_path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ends(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> tuple[str, str]:
    assert run(["transcode", *map(str, arguments)]) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return captured.out, captured.err


def test_one_file_to_one_file_is_what_the_library_writes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = Profile.load("profile.json").at(bpp=0.9)
    out, err = ends(capsys, 0, "0.jpg", "-o", "new/small.jpg", "--profile", "profile.json", "--bpp", 0.9, "--seed", 3)
    source, data = Path("0.jpg").read_bytes(), Path("new/small.jpg").read_bytes()
    assert data == transcode(source, parameters, seed=3)
    saved = 100 * (1 - len(data) / len(source))
    assert f"{len(source)} -> {len(data)} bytes  {saved:.1f} % saved  {8 * len(data) / (48 * 64):.3f} bpp" in out
    assert err == ""


def test_several_files_go_to_a_folder_under_their_names_with_a_sum(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = transcode(Path("2.jpg").read_bytes(), EncodingParameters.from_quality(5))
    Path("2.jpg").write_bytes(tiny)
    out, _ = ends(capsys, 0, "0.jpg", "1.jpg", "2.jpg", "-o", "out", "--jpeg-quality", 30, "--threads", 2)
    written = tree(place / "out")
    assert list(written) == ["0.jpg", "1.jpg", "2.jpg"]
    for name, data in written.items():
        assert data == transcode(Path(name).read_bytes(), QUALITY_30)
    before, after = (sum(len(tree(folder)[name]) for name in written) for folder in (place, place / "out"))
    assert f"3 files  {before} -> {after} bytes  {100 * (1 - after / before):.1f} % saved  1 kept as they were" in out
    assert "kept as it was" in out.splitlines()[2]


def test_more_files_than_are_held_at_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for i in range(11):
        names.append(f"many-{i}.jpg")
        Path(names[-1]).write_bytes(jpeg(i))
    ends(capsys, 0, *names, "-o", "out", "--jpeg-quality", 30, "--threads", 1)
    assert {name: transcode(Path(name).read_bytes(), QUALITY_30) for name in names} == tree(place / "out")


def test_standard_input_to_standard_output(place: Path) -> None:
    for options in ([], ["--strip", "--progressive"]):
        result = subprocess.run(
            [sys.executable, "-m", "j4d", "transcode", "-", "-o", "-", "--jpeg-quality", "30", *options],
            input=Path("0.jpg").read_bytes(),
            capture_output=True,
            check=True,
        )
        asked = {"strip": bool(options), "progressive": bool(options)}
        assert result.stdout == transcode(Path("0.jpg").read_bytes(), QUALITY_30, **asked)
        assert b"% saved" in result.stderr


def test_what_there_is_to_know_of_a_file_is_told_behind_its_figures(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = jpeg(1)
    left = whole + bytes(20) + b"AXS!" + bytes(8)
    for name, data in {"odd": whole[:-2], "left": left, "cut": whole[:-60], "trailed": whole + b"film"}.items():
        Path(f"{name}.jpg").write_bytes(data)
    told = {
        "odd": "note: no marker at the end of the picture",
        "left": "left as it is: an AFCP trailer",
        "cut": "damage tolerated: ",
    }
    for name, words in told.items():
        options = ["--tolerate-damage"] * (name == "cut")
        out, _ = ends(capsys, 0, f"{name}.jpg", "-o", f"{name}-small.jpg", "--jpeg-quality", 30, *options)
        assert words in out
    assert Path("left-small.jpg").read_bytes() == left and Path("trailed.jpg").read_bytes().endswith(b"film")
    out, _ = ends(capsys, 0, "trailed.jpg", "-o", "bare.jpg", "--jpeg-quality", 30, "--strip", "--keep-orientation")
    assert "dropped: JFIF header 18 bytes, data after the picture 4 bytes" in out
    for wrong, words in (
        (["--keep-copyright"], "goes with strip"),
        (["--max-memory", "0"], "--max-memory '0' is not a size"),
        (["--max-memory", "3 apples"], "512M or 3G"),
        (["--max-memory", "99999999999T"], "is more than 1125899906842624 bytes"),
        (["--max-memory", "4k"], "more than the limit of 4096"),
    ):
        _, err = ends(capsys, 2, "odd.jpg", "-o", "not.jpg", "--jpeg-quality", 30, *wrong)
        assert words in err and err.count("\n") == 1 and not Path("not.jpg").exists()


def test_a_bad_file_costs_a_line_and_the_exit_code_but_no_other_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("0.jpg", "half.jpg", "cmyk.jpeg", "1.jpg", "-o", "out", "--jpeg-quality", 30)
    out, err = ends(capsys, 2, *arguments)
    assert list(tree(place / "out")) == ["0.jpg", "1.jpg"]
    first, second, last = err.splitlines()
    assert first.startswith("j4d: error: half.jpg: cannot transcode") and "cmyk.jpeg" in second and "CMYK" in second
    assert last == "j4d: error: 2 of 4 files failed" and "2 files" in out
    _, err = ends(capsys, 2, "half.jpg", "-o", "out/half.jpg", "--jpeg-quality", 30)
    assert err.count("\n") == 1 and not Path("out/half.jpg").exists()
    ends(capsys, 0, "half.jpg", "-o", "out/half.jpg", "--jpeg-quality", 30, "--tolerate-damage")
    assert Image.open("out/half.jpg").size == (64, 48)


def test_unsupported_files_are_skipped_or_copied_where_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("0.jpg", "cmyk.jpeg", "--jpeg-quality", 30, "-o")
    out, err = ends(capsys, 0, *arguments, "skipped", "--unsupported", "skip")
    assert list(tree(place / "skipped")) == ["0.jpg"] and "1 skipped" in out and err == ""
    out, _ = ends(capsys, 0, *arguments, "copied", "--unsupported", "copy")
    assert tree(place / "copied")["cmyk.jpeg"] == Path("cmyk.jpeg").read_bytes() and "1 kept" in out
    ends(capsys, 2, "half.jpg", "-o", "none.jpg", "--jpeg-quality", 30, "--unsupported", "copy")
    assert not Path("none.jpg").exists(), "damage is not a kind of file"
    Path("cmyk.jpeg").write_bytes(jpeg(4, "CMYK", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"))
    ends(capsys, 0, *arguments, "stripped", "--unsupported", "copy", "--strip")
    copy = tree(place / "stripped")["cmyk.jpeg"]
    assert b"Exif" not in copy and b"Adobe" in copy
    with Image.open("cmyk.jpeg") as before, Image.open(io.BytesIO(copy)) as after:
        assert np.array_equal(np.asarray(before), np.asarray(after))


def test_sampling_is_kept_taken_from_the_profile_or_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = jpeg(0, subsampling=0)
    Path("full.jpg").write_bytes(source)

    def luma_factor(*options: object) -> int:
        ends(capsys, 0, "full.jpg", "-o", "out.jpg", *options)
        return int(Image.open("out.jpg").layer[0][1])  # type: ignore[attr-defined]

    profile = ("--profile", "profile.json", "--index", 0)
    assert luma_factor(*profile) == luma_factor("--jpeg-quality", 30) == 1
    assert (
        luma_factor(*profile, "--sampling", "profile") == luma_factor("--jpeg-quality", 30, "--sampling", "4:2:0") == 2
    )
    assert luma_factor("--quality", 30) == 1 and luma_factor("--quality", 30, "--sampling", "4:2:0") == 2
    _, err = ends(capsys, 2, "full.jpg", "-o", "out.jpg", *profile, "--sampling", "4:2:0")
    assert "goes with --jpeg-quality" in err
    _, err = ends(capsys, 2, "full.jpg", "-o", "out.jpg", "--jpeg-quality", 30, "--sampling", "profile")
    assert "goes with --profile" in err


def test_a_file_may_grow_where_that_is_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = transcode(Path("0.jpg").read_bytes(), QUALITY_30)
    Path("small.jpg").write_bytes(small)
    ends(capsys, 0, "small.jpg", "-o", "same.jpg", "--jpeg-quality", 95)
    assert Path("same.jpg").read_bytes() == small
    ends(capsys, 0, "small.jpg", "-o", "grown.jpg", "--jpeg-quality", 95, "--may-grow")
    assert Path("grown.jpg").read_bytes() == transcode(small, EncodingParameters.from_quality(95), never_grow=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.jpg", "-o", "x.jpg", "--jpeg-quality", "30"], "nothing.jpg: no such file"),
        ([".", "-o", "x", "--jpeg-quality", "30"], "lies inside the source"),
        (["0.jpg", "--jpeg-quality", "30"], "-o"),
        (["0.jpg", "1.jpg", "-o", "2.jpg", "--jpeg-quality", "30"], "name a folder"),
        (["0.jpg", "1.jpg", "-o", "-", "--jpeg-quality", "30"], "name a folder"),
        (["0.jpg", "-", "-o", "x", "--jpeg-quality", "30"], "standard input has no name"),
        (["0.jpg", "./0.jpg", "-o", "x", "--jpeg-quality", "30"], "would both be written"),
        (["0.jpg", "-o", "0.jpg", "--jpeg-quality", "30"], "one of the files read"),
        (["0.jpg", "1.jpg", "-o", ".", "--jpeg-quality", "30"], "one of the files read"),
        (["0.jpg", "-o", "x.jpg"], "--quality 0..100"),
        (["0.jpg", "-o", "x.jpg", "--profile", "univrsal", "--quality", "40"], "univrsal"),
        (["0.jpg", "-o", "x.jpg", "--quality", "40", "--sampling", "4:2:2"], "no sampling 4:2:2"),
        (["0.jpg", "-o", "x.jpg", "--jpeg-quality", "30", "--seed", "-1"], "seed -1"),
        (["0.jpg", "-o", "x.jpg", "--profile", "profile.json"], "--bpp"),
        (["0.jpg", "-o", "x.jpg", "--jpeg-quality", "30", "--max-pixels", "3071"], "64 x 48 pixels, more than"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = tree(place)
    _, err = ends(capsys, 2, *arguments)
    assert message in err and err.startswith("j4d: error: ") and err.count("\n") == 1
    assert tree(place) == before
