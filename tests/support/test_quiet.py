"""Pillow's own warnings, which name no picture, reach nobody who uses the commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from image_files import corner_picture, faulty_exif

from j4d.jpeg.markers import APP1

CUT = "cut in an entry"


@pytest.fixture
def odd_pictures(tmp_path: Path) -> Path:
    """A JPEG file whose Exif is cut, and a TIFF file whose directory is."""
    (tmp_path / "a.jpg").write_bytes(corner_picture(markers=((APP1, faulty_exif()[CUT][0]),)))
    (tmp_path / "c.tif").write_bytes(corner_picture("TIFF")[:-6])
    return tmp_path


def test_pillow_says_nothing_of_odd_pictures(odd_pictures: Path) -> None:
    for arguments in (
        ["decode", "a.jpg", "-o", "a.png"],
        ["encode", "a.jpg", "c.tif", "-o", "out", "--jpeg-quality", "20"],
    ):
        run = subprocess.run(
            [sys.executable, "-m", "j4d", *arguments], cwd=odd_pictures, capture_output=True, text=True, check=False
        )
        lines = run.stderr.splitlines()
        assert all(line.startswith("j4d: ") for line in lines) and "site-packages" not in run.stderr, run.stderr


def test_workers_are_as_quiet_as_the_process_that_starts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    from j4d.evaluation import workers

    monkeypatch.setattr(workers, "Measurer", lambda work: None)
    monkeypatch.setattr(workers, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(workers.signal, "signal", lambda *_: None)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        workers._begin(None, 1)  # type: ignore[arg-type]
        warnings.warn_explicit("odd", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")
        warnings.warn_explicit("ours", UserWarning, "x.py", 1, module="j4d.images")
    assert [str(one.message) for one in seen] == ["ours"]
