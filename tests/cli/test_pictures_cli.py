"""Claims about `j4d encode` and `j4d decode` of folders and odd pictures, and about where results go."""

from __future__ import annotations

import io
import os
from pathlib import Path

import data_sets
import numpy as np
import pytest
from image_files import assert_turned, corner_picture, saved, transparent, wide_profile
from PIL import Image

from j4d.cli import run
from j4d.images.image_set import load_images
from j4d.jpeg import exif
from j4d.jpeg.markers import APP1


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ends(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> tuple[str, str]:
    assert run([*map(str, arguments)]) == code, capsys.readouterr()
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err and "internal" not in captured.err
    return captured.out, captured.err


def names(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_bad_file_ends_nothing_but_itself(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"a.jpg": data_sets.jpeg(1), "b_cut.jpg": data_sets.jpeg(2)[:300], "c.jpg": data_sets.jpeg(3)}
    data_sets.write(place / "in", {**files, "d.jfif": data_sets.jpeg(4), "._a.jpg": b"\0\5\26\7", ".x/e.jpg": b""})
    out, err = ends(capsys, 2, "encode", "in", "-o", "out", "--quality", 40)
    assert names("out") == ["a.jpg", "c.jpg", "d.jpg"] and "3 files" in out
    assert err.splitlines()[0].startswith("j4d: error: in/b_cut.jpg: cannot be")
    assert err.splitlines()[1:] == ["j4d: error: 1 of 4 files failed"]
    out, err = ends(capsys, 2, "decode", "in", "-o", "pixels")
    assert names("pixels") == ["a.png", "c.png", "d.png"] and "b_cut.jpg" in err and err.count("\n") == 2


def test_of_a_folder_decode_takes_jpeg_files_only(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    png = saved(Image.new("RGB", (8, 8)))
    data_sets.write(place / "in", {"a.jpg": data_sets.jpeg(1), "b.png": png, "c.jpe": data_sets.jpeg(2)})
    ends(capsys, 0, "decode", "in", "-o", "out")
    assert names("out") == ["a.png", "c.png"]
    _, err = ends(capsys, 2, "decode", "in/b.png", "in/a.jpg", "-o", "both")
    assert names("both") == ["a.png"] and "in/b.png" in err
    data_sets.write(place / "none", {"b.png": png})
    assert "no JPEG files in this folder" in ends(capsys, 2, "decode", "none", "-o", "x")[1]


def test_a_folder_that_cannot_be_read_is_listed_and_the_rest_is_done(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data_sets.write(place / "in", {"a.jpg": data_sets.jpeg(1), "closed/b.jpg": data_sets.jpeg(2)})
    scan = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    _, err = ends(capsys, 2, "encode", "in", "-o", "out", "--quality", 40)
    assert names("out") == ["a.jpg"] and "in/closed: Permission denied" in err
    _, err = ends(capsys, 2, "evaluate", "-m", "demo:efficientnet-lite0", "-i", "in", "-o", "report")
    assert "closed: Permission denied" in err and not Path("report").exists()


@pytest.mark.parametrize(
    ("command", "options"), [("encode", ["--quality", 40]), ("decode", []), ("transcode", ["--quality", 40])]
)
def test_a_name_that_ends_in_a_slash_is_a_folder(
    place: Path, capsys: pytest.CaptureFixture[str], command: str, options: list[object]
) -> None:
    data_sets.write(place, {"a.jpg": data_sets.jpeg(1), "in/b.jpg": data_sets.jpeg(2)})
    suffix = ".png" if command == "decode" else ".jpg"
    ends(capsys, 0, command, "a.jpg", "-o", "new/", *options)
    assert names("new") == [f"a{suffix}"]
    ends(capsys, 0, command, "in/b.jpg", "a.jpg", "-o", "x.jpg/", *options)
    assert names("x.jpg") == [f"a{suffix}", f"b{suffix}"]


def test_the_profile_is_embedded_or_the_colours_are_converted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    icc = wide_profile()
    Path("p.png").write_bytes(saved(Image.new("RGB", (16, 16), (200, 40, 40)), icc_profile=icc))
    ends(capsys, 0, "encode", "p.png", "-o", "kept.jpg", "--quality", 90)
    with Image.open("kept.jpg") as kept:
        assert kept.info["icc_profile"] == icc
    ends(capsys, 0, "encode", "p.png", "-o", "srgb.jpg", "--quality", 90, "--to-srgb")
    with Image.open("srgb.jpg") as converted:
        red, green, _ = np.asarray(converted)[8, 8].astype(int)
        assert "icc_profile" not in converted.info and green > red + 40
    ends(capsys, 0, "decode", "kept.jpg", "-o", "back.png")
    with Image.open("back.png") as back:
        assert back.info["icc_profile"] == icc


def test_transparency_is_white_or_the_background(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.png").write_bytes(transparent("RGBA"))
    for options, colour in (([], (255, 255, 255)), (["--background", "#0000ff"], (0, 0, 255))):
        ends(capsys, 0, "encode", "t.png", "-o", "t.jpg", "--jpeg-quality", 100, "--sampling", "4:4:4", *options)
        with Image.open("t.jpg") as seen:
            assert np.abs(np.asarray(seen)[:, 0].astype(int) - colour).max() < 40
    assert (
        "--background 'mauvish'"
        in ends(capsys, 2, "encode", "t.png", "-o", "u.jpg", "--quality", 40, "--background", "mauvish")[1]
    )
    assert not Path("u.jpg").exists()


def test_what_one_should_know_of_a_picture_is_told_with_its_name(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = np.linspace(0, 4000, 256).astype(np.uint16).reshape(16, 16)
    Path("dark.png").write_bytes(saved(Image.fromarray(samples)))
    _, err = ends(capsys, 0, "encode", "dark.png", "-o", "d.jpg", "--quality", 40)
    assert err.startswith("j4d: note: dark.png: its 16-bit samples end at 4000 of 65535") and err.count("\n") == 1


def test_decoded_pictures_are_upright(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = corner_picture(markers=((APP1, exif.block({exif.ORIENTATION: 6})),))
    Path("a.jpg").write_bytes(data)
    ends(capsys, 0, "decode", "a.jpg", "-o", "a.png")
    with Image.open("a.png") as image:
        assert_turned(np.asarray(image), 6)
        assert not image.getexif()
    with Image.open(io.BytesIO(data)) as stored:
        assert stored.size == (24, 16)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_folder_with_a_pipe_in_it_keeps_nobody_waiting(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_sets.write(place / "in", {"a.jpg": data_sets.jpeg(1)})
    os.mkfifo("in/b.jpg")
    os.symlink("nowhere", "in/c.jpg")
    _, err = ends(capsys, 2, "encode", "in", "-o", "out", "--quality", 40)
    assert names("out") == ["a.jpg"] and "in/c.jpg: cannot be opened: No such file" in err and "b.jpg" not in err
    os.remove("in/c.jpg")
    assert [path.name for path in load_images("in").paths] == ["a.jpg"]
