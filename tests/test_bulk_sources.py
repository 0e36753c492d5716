"""Claims about what is found in a source: kinds of files, folders that cannot be read, the order they are named in."""

from __future__ import annotations

import io
from pathlib import Path

import data_sets
import pytest
from PIL import Image

from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.run import Summary
from j4d.cli import run
from j4d.parameters import EncodingParameters
from j4d.transcode import Transcoder

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
