"""Claims about files that are written: whole or not at all, with the permissions they should have."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import data_sets
import pytest

from j4d.cli import run
from j4d.support.files import write_atomic

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and pipes are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_a_new_file_has_the_permissions_asked_for_and_one_that_is_there_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "new/a"
    before = os.umask(0o022)
    try:
        write_atomic(path, b"1")
        assert mode(path) == 0o644
        path.chmod(0o640)
        write_atomic(path, b"2", 0o600)
        assert mode(path) == 0o640 and path.read_bytes() == b"2"
        write_atomic(tmp_path / "b", b"3", 0o600)
        (tmp_path / "link").symlink_to("b")
        write_atomic(tmp_path / "link", b"4")
    finally:
        os.umask(before)
    assert mode(tmp_path / "b") == 0o600 and (tmp_path / "b").read_bytes() == b"4" and (tmp_path / "link").is_symlink()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "link", "new"]


@posix
@pytest.mark.parametrize("command", ["transcode", "encode", "decode"])
def test_what_is_made_of_a_private_picture_is_private(tmp_path: Path, command: str) -> None:
    data_sets.write(tmp_path, {"a.jpg": data_sets.jpeg(1)})
    (tmp_path / "a.jpg").chmod(0o600)
    quality = [] if command == "decode" else ["--jpeg-quality", "30"]
    out = tmp_path / ("out.png" if command == "decode" else "out.jpg")
    assert run([command, str(tmp_path / "a.jpg"), "-o", str(out), *quality]) == 0
    assert mode(out) == 0o600


@posix
def test_a_pipe_and_a_device_are_written_to_not_replaced(tmp_path: Path) -> None:
    data = data_sets.jpeg(1)
    source = tmp_path / "a.jpg"
    source.write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    assert run(["transcode", str(source), "-o", str(tmp_path / "pipe"), "--jpeg-quality", "30"]) == 0
    reader.join()
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert run(["transcode", str(source), "-o", str(tmp_path / "o.jpg"), "--jpeg-quality", "30"]) == 0
    assert read == [(tmp_path / "o.jpg").read_bytes()]
    for target in (tmp_path / "null", Path(os.devnull)):
        assert run(["transcode", str(source), "-o", str(target), "--jpeg-quality", "30"]) == 0
        assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    write_atomic(tmp_path / "null", bytes(1 << 20))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "null", "o.jpg", "pipe"]


def test_a_folder_is_no_place_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        write_atomic(tmp_path, b"x")
