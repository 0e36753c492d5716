"""Claims about what is found in a source: kinds of files, folders that cannot be read, the order they are named in."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import data_sets
import pytest
from PIL import Image

from j4d.bulk import Settings, local_source, source_of, target_of, transcode_data_set
from j4d.bulk.names import UnreadableError
from j4d.bulk.run import Summary
from j4d.cli import run
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.transcoding import Transcoder

QUALITY_30 = EncodingParameters.from_quality(30)


def go(source: Path, target: Path, on_error: str = "copy", **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30, on_error=on_error)  # type: ignore[arg-type]
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(data_sets.jpeg(5))).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("on_error", ["copy", "quarantine", "fail"])
def test_a_png_called_jpeg_is_a_png_file_not_damage(tmp_path: Path, on_error: str) -> None:
    files = {"n.JPEG": picture("PNG"), "g.jpg": picture("GIF"), "b.jfif": picture("BMP"), "ok.jpg": data_sets.jpeg(1)}
    source = data_sets.write(tmp_path / "in", {**files, "s.tar": data_sets.shard(list(files.items()))})
    summary = go(source, tmp_path / "out", on_error, verify=True)
    assert summary.clean and summary.totals["images"] == 2 and summary.totals["others"] == 6
    assert dict(summary.notes) == {
        "n.JPEG": "a PNG file, copied",
        "g.jpg": "a GIF file, copied",
        "b.jfif": "a BMP file, copied",
    }
    after = data_sets.tree(tmp_path / "out")
    assert {name for name in files if after[name] == files[name]} == {"n.JPEG", "g.jpg", "b.jfif"}
    assert [data for m, data in data_sets.members(tmp_path / "out/s.tar") if m.name != "ok.jpg"] == list(
        files.values()
    )[:3]


@pytest.mark.parametrize("order", [("a.jpg", "s.tar"), ("s.tar", "a.jpg")])
def test_pictures_and_shards_may_be_named_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    monkeypatch.chdir(
        data_sets.write(tmp_path, {"a.jpg": data_sets.jpeg(1), "s.tar": data_sets.shard(data_sets.samples(1))})
    )
    assert run(["transcode", *order, "-o", "out", "--jpeg-quality", "30"]) == 0
    assert run(["transcode", *order, "second", "--jpeg-quality", "30"]) == 0
    assert set(data_sets.tree(Path("out"))) == {"a.jpg", "s.tar"}
    assert data_sets.tree(Path("out")) == data_sets.tree(Path("second"))


@pytest.mark.parametrize("on_error", ["copy", "quarantine"])
def test_an_image_that_takes_too_much_memory_is_listed_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    large = data_sets.jpeg(2)
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1), "b.jpg": large, "c.jpg": data_sets.jpeg(3)})
    one = Transcoder.one

    def scarce(self: Transcoder, data: bytes) -> object:
        if data == large:
            raise MemoryError("std::bad_alloc")
        return one(self, data)

    monkeypatch.setattr(Transcoder, "one", scarce)
    summary = go(source, tmp_path / "out", on_error)
    assert summary.failures == [("b.jpg", "damaged: out of memory")] and summary.totals["transcoded"] == 2
    if on_error == "copy":
        assert (tmp_path / "out/b.jpg").read_bytes() == large
    else:
        assert data_sets.quarantine(tmp_path / "out") == {"b.jpg": large}


def deep(folder: Path, step: str, depth: int, data: bytes | None) -> str:
    """Make a file so many folders down, or remove it with them; its name below the first."""
    here = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(depth):
            if data is not None:
                os.mkdir(step)
            os.chdir(step)
        if data is not None:
            Path("x.jpg").write_bytes(data)
            return f"{step}/" * depth + "x.jpg"
        os.unlink("x.jpg")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir(step)
    finally:
        os.chdir(here)
    return ""


@pytest.mark.skipif(platform.system() != "Linux", reason="paths are shorter elsewhere")
def test_folders_may_be_deeper_than_python_calls_and_those_too_deep_for_a_path_are_listed(tmp_path: Path) -> None:
    source, long = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1)}), "n" * 200
    try:
        name = deep(source, "d", 1100, data_sets.jpeg(2))
        deep(source, long, 22, data_sets.jpeg(3))
        summary = go(source, tmp_path / "out", verify=True)
        assert os.path.getsize(f"{tmp_path}/out/{name}") > 0 and (tmp_path / "out/a.jpg").exists()
        ((failed, reason),) = summary.failures
        assert failed.startswith(f"{long}/{long}/") and "too long" in reason
        assert go(source, tmp_path / "out").units == 0
    finally:
        deep(source, "d", 1100, None)
        deep(source, long, 22, None)
        deep(tmp_path / "out", "d", 1100, None)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user reaches, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder).resolve()


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permissions are POSIX's")
def test_a_folder_that_may_not_be_read_is_listed_and_the_rest_is_done(open_to_all: Path) -> None:
    tmp_path = open_to_all
    files = ["a.jpg", "shut/b.jpg", "closed.jpg", "z/c.jpg"]
    source = data_sets.write(tmp_path / "in", {name: data_sets.jpeg(i) for i, name in enumerate(files)})
    (tmp_path / "out").mkdir()
    drop = ""
    if os.geteuid() == 0:
        drop = "os.setgid(65534); os.setuid(65534); "
        (tmp_path / "out").chmod(0o777)
    (source / "shut").chmod(0)
    (source / "closed.jpg").chmod(0)
    (source / "z/c.jpg").chmod(0o444)
    warm = data_sets.write(tmp_path / "warm", {"a.jpg": data_sets.jpeg(1)})  # what is imported may be root's alone
    script = (
        "import os, sys; from j4d.cli import run; end = ['--jpeg-quality', '30']; sys.stdout = open(os.devnull, 'w'); "
        "run(['transcode', *sys.argv[1:3], '--overwrite', *end]); "
        f"{drop}sys.exit(run(['transcode', *sys.argv[3:], *end]))"
    )
    asked = [str(warm), str(tmp_path / "warm out"), str(source), str(tmp_path / "out")]
    try:
        for _ in range(2):
            done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True, cwd="/")
            assert done.returncode == 3, done.stderr
            assert "shut: refused: the folder cannot be listed: Permission denied" in done.stderr
            assert "closed.jpg: cannot be read: Permission denied" in done.stderr
    finally:
        (source / "shut").chmod(0o755)
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.jpg")) == ["a.jpg", "c.jpg"]
    assert (tmp_path / "out/z/c.jpg").stat().st_mode & 0o777 == 0o444
    (source / "closed.jpg").chmod(0o644)
    done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0 and done.stderr == ""
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 4


def test_a_listing_that_fails_once_is_listed_and_the_next_run_takes_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = data_sets.write(tmp_path / "in", {"a.jpg": data_sets.jpeg(1), "bad/b.jpg": data_sets.jpeg(2)})
    scandir = os.scandir

    def failing(path: str) -> object:
        if str(path).endswith("bad"):
            raise OSError(5, "Input/output error", path)
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr("j4d.bulk.local_source.os.scandir", failing)
        assert go(source, tmp_path / "out").failures == [
            ("bad", "refused: the folder cannot be listed: Input/output error")
        ]
    summary = go(source, tmp_path / "out")
    assert summary.clean and summary.totals["transcoded"] == 2 and summary.totals["gone"] == 0


def test_a_file_whose_bytes_cannot_all_be_read_is_listed_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "a.jpg": data_sets.jpeg(1),
        "b.bin": bytes(9 << 20),
        "c.tar": data_sets.shard(data_sets.samples(40)),
        "d": b"d",
    }
    source = data_sets.write(tmp_path / "in", files)
    bad = {str(source / name) for name in ("b.bin", "c.tar")}
    readinto, fstat = io.FileIO.readinto, {path: os.stat(path).st_ino for path in bad}

    def failing(self: io.FileIO, buffer: bytearray) -> int | None:
        if os.fstat(self.fileno()).st_ino in fstat.values() and self.tell() >= 40000:
            raise OSError(5, "Input/output error")
        return readinto(self, buffer)

    class Raw(local_source._Raw):
        def readinto(self, buffer: Any) -> int:
            try:
                return failing(self, buffer) or 0
            except OSError as error:
                raise UnreadableError(error.errno, error.strerror) from None

    with monkeypatch.context() as patch:
        patch.setattr(local_source, "_Raw", Raw)
        summary = go(source, tmp_path / "out")
        assert {(name, reason) for name, reason in summary.failures} == {
            ("b.bin", "cannot be read: Input/output error"),
            ("c.tar", "cannot be read: Input/output error"),
        }
        assert sorted(data_sets.tree(tmp_path / "out")) == ["a.jpg", "d"]
    assert go(source, tmp_path / "out").clean
    assert (tmp_path / "out/b.bin").read_bytes() == files["b.bin"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file whose first byte cannot be read")
def test_errors_of_reading_are_told_from_those_of_writing() -> None:
    for read in (lambda file: file.read(1), lambda file: file.read(), lambda file: file.readinto(bytearray(9))):
        with (
            io.BufferedReader(local_source._Raw(os.open("/proc/self/mem", os.O_RDONLY))) as file,
            pytest.raises(UnreadableError, match="Input/output error"),
        ):
            read(file)
