"""Claims about j4d in pipelines: map functions over samples and rows, standard streams, and the examples."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import data_sets
import numpy as np
import pytest
import torch
from command_line import MODEL
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import j4d
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.cli import run
from j4d.errors import DataError
from j4d.evaluation.accuracy import wilson
from j4d.images.image_set import read_image
from j4d.jpeg.parameters import EncodingParameters
from j4d.readers.loading import load_model
from j4d.transforms import RecodeRow, RecodeSample

QUALITY_30 = EncodingParameters.from_quality(30)
DRAWN = Settings(parameters=EncodingParameters(QUALITY_30.luma.steps, QUALITY_30.chroma.steps, "4:2:0", 2.0), seed=3)


def bulk(source: Path, settings: Settings) -> Path:
    """The data set that `j4d transcode` makes of it."""
    target = source.with_name(source.name + "-small")
    transcode_data_set(source_of([str(source)]), target_of(str(target)), settings, threads=1, overwrite=True)
    return target


def grouped(path: Path, url: str | None) -> list[dict[str, Any]]:
    """The samples of a shard as WebDataset makes them."""
    found: dict[str, dict[str, Any]] = {}
    for member, data in data_sets.members(path):
        folder, _, name = member.name.rpartition("/")
        stem, _, field = name.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        sample = found.setdefault(key, {"__key__": key, **({"__url__": url} if url else {})})
        sample[field.lower()] = data
    return list(found.values())


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    files = {f"{part}/a-{i:03d}.tar": data_sets.samples(3, 10 * i) for i, part in enumerate(("x", "y"))}
    odd = [("o/0.left.jpeg", data_sets.jpeg(7)), ("o/0.raw", data_sets.jpeg(8)), ("bad.jpg", data_sets.jpeg(9)[:300])]
    return data_sets.write(
        tmp_path / "set", {name: data_sets.shard(given + odd) for name, given in files.items()} | {"readme": b"text"}
    )


@pytest.mark.parametrize("on_error", ["copy", "quarantine"])
def test_samples_get_the_bytes_that_transcoding_the_shards_writes(shards: Path, on_error: Any) -> None:
    settings = Settings(parameters=DRAWN.parameters, seed=3, on_error=on_error)
    small = bulk(shards, settings)
    recode = RecodeSample(settings, root=str(shards))
    for name in ("x/a-000.tar", "y/a-001.tar"):
        url = str(shards / name)
        before = grouped(shards / name, url)
        after = [recode(sample) for sample in before]
        expected = grouped(small / name, url)
        assert [sample for sample in after if len(sample) > 2] == expected
        assert all(a["jpg"] != b["jpg"] for a, b in zip(after[:3], before[:3], strict=True))
        assert after[0]["json"] is before[0]["json"], "what is no image is the same object"
    assert ("jpg" in after[-1]) == (on_error == "copy") and after[-1]["__key__"] == "bad"


def test_the_root_is_what_the_shard_s_name_begins_after(shards: Path) -> None:
    url = str(shards / "x/a-000.tar")
    (sample, *_) = grouped(shards / "x/a-000.tar", url)
    (alone, *_) = grouped(bulk(shards / "x", DRAWN) / "a-000.tar", url)
    assert RecodeSample(DRAWN)(sample) == alone == RecodeSample(DRAWN, root=f"{shards}/x/")(sample)
    assert RecodeSample(DRAWN, root=str(shards))(sample)["jpg"] != alone["jpg"], "another key, another draw"
    with pytest.raises(DataError, match="not below the root"):
        RecodeSample(DRAWN, root=str(shards / "y"))(sample)
    with pytest.raises(DataError, match="no __key__"):
        RecodeSample(DRAWN)({"jpg": b""})


def test_samples_without_a_shard_are_files_of_a_folder(tmp_path: Path) -> None:
    source = data_sets.write(tmp_path / "set", {"a/0.jpg": data_sets.jpeg(0), "a/0.txt": b"text"})
    sample = {"__key__": "a/0", "jpg": data_sets.jpeg(0), "txt": b"text", "score": 0.5}
    small = bulk(source, DRAWN)
    assert RecodeSample(DRAWN)(sample) == {**sample, "jpg": (small / "a/0.jpg").read_bytes()}


def test_webdataset_maps_it(shards: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    urls = [str(shards / name) for name in ("x/a-000.tar", "y/a-001.tar")]
    after = list(webdataset.WebDataset(urls, shardshuffle=False).map(RecodeSample(DRAWN, root=str(shards))))
    small = bulk(shards, DRAWN)
    expected = [sample for name in ("x/a-000.tar", "y/a-001.tar") for sample in grouped(small / name, None)]
    told = ("__url__", "__local_path__")
    assert [{key: value for key, value in sample.items() if key not in told} for sample in after] == expected


def rows() -> list[dict[str, Any]]:
    names = [f"{i}.jpg" for i in range(4)] + ["x.png", "cut.jpg"]
    values = [*map(data_sets.jpeg, range(4)), b"\x89PNG", data_sets.jpeg(5)[:200]]
    images: list[Any] = [{"bytes": data, "path": name} for data, name in zip(values, names, strict=True)]
    images += [None, {"bytes": None, "path": "elsewhere.jpg"}]
    return [{"image": image, "label": i} for i, image in enumerate(images)]


@pytest.mark.parametrize("on_error", ["copy", "quarantine"])
def test_rows_get_the_bytes_that_transcoding_the_table_writes(tmp_path: Path, on_error: Any) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    settings = Settings(parameters=DRAWN.parameters, seed=3, on_error=on_error)
    (tmp_path / "set").mkdir()
    parquet.write_table(pa.Table.from_pylist(rows()), tmp_path / "set/d.parquet", row_group_size=3)
    expected = parquet.read_table(bulk(tmp_path / "set", settings) / "d.parquet").to_pylist()
    recode = RecodeRow(settings, file="d.parquet")
    assert [{**row, **recode(row, i)} for i, row in enumerate(rows())] == expected
    assert expected[0] != rows()[0]
    batch = {"image": [row["image"] for row in rows()], "label": []}
    assert recode(batch, range(8)) == {"image": [row["image"] for row in expected]}
    bare = RecodeRow(settings, file="b.parquet", column="data")
    parquet.write_table(pa.table({"data": [data_sets.jpeg(0)]}), tmp_path / "set/b.parquet")
    (tmp_path / "set/d.parquet").unlink()
    (again,) = parquet.read_table(bulk(tmp_path / "set", settings) / "b.parquet").to_pylist()
    assert bare({"data": data_sets.jpeg(0)}, 0) == again


def maps_datasets() -> None:
    """Claims that `datasets` is imported for."""
    import datasets

    features = datasets.Features(image=datasets.Image(decode=False), label=datasets.Value("int64"))
    made = datasets.Dataset.from_list(rows()[:4], features=features)
    recode = RecodeRow(DRAWN, file="d.parquet")
    after = made.map(recode, with_indices=True, num_proc=2)
    assert after.features == made.features
    assert list(after) == [{**row, **recode(row, i)} for i, row in enumerate(rows()[:4])]
    with pytest.raises(DataError, match="decode=False"):
        recode({"image": after.cast_column("image", datasets.Image())[0]["image"]}, 0)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="datasets is not installed")
def test_datasets_maps_it_in_several_processes() -> None:
    """In a process of its own: importing datasets changes how Rich prints, which other tests look at."""
    folders = [str(Path(__file__).parents[level]) for level in (0, 1)]
    program = f"import sys; sys.path[:0] = {folders!r}; import test_pipelines as t"
    subprocess.run([sys.executable, "-c", f"{program}; t.maps_datasets()"], check=True, capture_output=True)


def test_what_rows_do_not_hold_is_told() -> None:
    with pytest.raises(DataError, match="no column 'image' in this row; there are picture, label"):
        RecodeRow(DRAWN)({"picture": b"", "label": 1}, 0)


def test_map_functions_are_pickled_before_and_after_their_first_call() -> None:
    sample = {"__key__": "a", "jpg": data_sets.jpeg(0)}
    recode = RecodeSample(DRAWN)
    before = pickle.loads(pickle.dumps(recode))(sample)
    assert recode(sample) == before == pickle.loads(pickle.dumps(recode))(sample)


def png(seed: int = 0, exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(data_sets.jpeg(seed))) as image:
        image.save(file, "PNG", **({"exif": exif} if exif else {}))
    return file.getvalue()


def piped(*arguments: object, data: bytes | None = b"", **options: Any) -> tuple[int, bytes, str]:
    """A run of the program: exit code, standard output, standard error."""
    given = {"input": data} if data is not None else {}
    done = subprocess.run([sys.executable, "-m", "j4d", *map(str, arguments)], capture_output=True, **given, **options)
    return done.returncode, done.stdout, done.stderr.decode()


def test_encode_takes_a_picture_from_standard_input_and_gives_its_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    code, data, err = piped("encode", "-", "--quality", 40, data=png(3, exif))
    upright = np.rot90(np.array(Image.open(io.BytesIO(png(3)))), -1)
    assert (code, data) == (0, j4d.encode(upright, quality=40))
    assert err.startswith(f"-  {len(data)} bytes"), "what is told goes to standard error"
    code, out, err = piped("encode", "-", "--quality", 40, "-o", "new/a.jpg", data=png(3, exif), cwd=tmp_path)
    assert (code, err) == (0, "") and out.startswith(b"new/a.jpg  ") and (tmp_path / "new/a.jpg").read_bytes() == data
    (tmp_path / "a.png").write_bytes(png(3, exif))
    code, again, err = piped("encode", "a.png", "--quality", 40, "-o", "-", cwd=tmp_path)
    assert (code, again) == (0, data) and sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "new"]


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        (["encode", "-"], b"", "standard input: empty"),
        (["encode", "-"], b"no picture", "standard input: not an image"),
        (["encode", "-"], png()[:90], "standard input: cannot be"),
        (["encode", "-", "x.png"], png(), "standard input is one picture"),
        (["encode", "x.png", "x.png", "-o", "-"], png(), "standard output is one picture"),
        (["encode", ".", "-o", "-"], png(), "standard output is one picture"),
        (["encode", "none.png", "-o", "-"], png(), "none.png: no such file"),
        (["encode", "-", "-o", "."], png(), "standard input has no name"),
        (["encode", "-", "-o", "x"], png(), "standard input has no name"),
        (["encode", "-", "-o", "x.png/a.jpg"], png(), "x.png is a file"),
        (["transcode", "-", "-o", "-"], b"", "standard input: empty"),
        (["transcode", "-", "-o", "-"], data_sets.jpeg(0)[:200], "standard input: cannot transcode"),
    ],
)
def test_mistakes_with_standard_streams_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], data: bytes, message: str, capfdbinary: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.png").write_bytes(png())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert run([*arguments, "--quality", "40"]) == 2
    out, err = capfdbinary.readouterr()
    assert out == b"" and message in err.decode() and err.count(b"\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("command", [["encode", "-"], ["transcode", "-", "-o", "-"]])
def test_no_file_is_written_to_a_terminal(command: list[str]) -> None:
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "j4d", *command, "--quality", "40"],
            input=data_sets.jpeg(0),
            stdout=theirs,
            stderr=subprocess.PIPE,
        )
        assert done.returncode == 2 and b"not written to a terminal" in done.stderr
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 1)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(os.name == "nt", reason="there is no preexec_fn")
def test_a_closed_standard_input_is_told() -> None:
    code, out, err = piped("encode", "-", "--quality", 40, data=None, preexec_fn=lambda: os.close(0))
    assert (code, out) == (2, b"") and err == "j4d: error: standard input: closed, nothing can be read\n"


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 16 images, all but 4 labelled, one of them turned by Exif, and one damaged; and a model beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL.replace(".flatten(1) @", ".div(4).sin().flatten(1) @"))  # a touchy one
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {f"a/{i}.jpg": data_sets.jpeg(i, **({"exif": exif} if i == 2 else {})) for i in range(16)}
    files["bad.jpg"] = data_sets.jpeg(1)[:300]
    source = data_sets.write(tmp_path / "in", files)
    answers = answers_of(source)
    rows = [f"{name},{answer if i % 3 else (answer + 1) % 5}\n" for i, (name, answer) in enumerate(answers.items())]
    (source / "labels.csv").write_text("file,label\n" + "".join(rows[:12]) + "bad.jpg,1\n")
    return source


def answers_of(folder: Path) -> dict[str, int]:
    """The model's class of every image that can be read, by name."""
    model, found = load_model("model.py:Net"), {}
    for path in sorted(folder.glob("a/*.jpg")):
        pixels = torch.from_numpy(read_image(path)).permute(2, 0, 1)[None].float()
        found[path.relative_to(folder).as_posix()] = int(model(pixels).argmax())
    return found


def forecast(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    common = ["in", "out", "--jpeg-quality", "1", "--dry-run", "--json", "-m", "model.py:Net"]
    assert run(["transcode", *common, *arguments]) == 0, capsys.readouterr().err
    assert not Path("out").exists()
    return dict(json.loads(capsys.readouterr().out)["accuracy"])


def test_a_dry_run_tells_a_model_s_accuracy_on_what_would_be_written(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = forecast(capsys)
    small = bulk(labelled, Settings(parameters=EncodingParameters.from_quality(1)))
    before, after = answers_of(labelled), answers_of(small)
    lines = [line.split(",") for line in (labelled / "labels.csv").read_text().splitlines()[1:13]]
    agreed = sum(before[name] == after[name] for name in before)
    right = [sum(found[name] == int(label) for name, label in lines) for found in (before, after)]
    assert 0 < agreed < 16 and right[0] == 8 != right[1], "the model's answers change"
    assert told["images"] == 16 and told["labelled"] == 12
    assert told["agreement"][0] == agreed / 16
    assert [told["before"][0], told["after"][0]] == pytest.approx([n / 12 for n in right], abs=1e-6)
    assert told["change"][0] == pytest.approx((right[1] - right[0]) / 12, abs=1e-6)
    for value, low, high in (told[name] for name in ("agreement", "before", "after", "change")):
        assert -1 <= low < value < high <= 1
    (labelled / "labels.csv").unlink()
    told = forecast(capsys, "--strip")
    turned = bulk(labelled, Settings(parameters=EncodingParameters.from_quality(1), strip=True))
    agreed = sum(before[name] == answer for name, answer in answers_of(turned).items())
    assert told["agreement"][0] == agreed / 16 and told["labelled"] == 0 and told["before"] is None


def test_a_dry_run_in_words_and_its_mistakes(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["transcode", "in", "out", "--jpeg-quality", "95"]
    assert run([*common, "--dry-run", "-m", "model.py:Net"]) == 0
    number = r"\d+\.\d % \[\d+\.\d, \d+\.\d\]"
    change = number.replace(r"\d+", r"[+-]\d+")
    answers = f"model.py:Net: same answer on {number} of 16 images; "
    top1 = f"top-1 {number} -> {number}, change {change}, on 12 labelled"
    assert re.fullmatch(answers + top1, capsys.readouterr().out.splitlines()[-1])
    mistakes = {
        ("-m", "model.py:Net"): "--model goes with --dry-run",
        ("--dry-run", "-m", "model.py:Nothing"): "no 'Nothing'",
        ("--dry-run", "-m", "model.py:ReturnsDict"): "expected float logits",
    }
    for arguments, message in mistakes.items():
        assert run([*common, *arguments]) == 2 and message in capsys.readouterr().err
    assert run(["transcode", "in/a/1.jpg", "-o", "out.jpg", "--quality", "9", "--dry-run"]) == 2
    assert "these are single files" in capsys.readouterr().err and not Path("out.jpg").exists()
    for text, message in {"file,label\na/1.jpg,5\n": "label 5 is outside", "a,b\n": "no column 'file'"}.items():
        (labelled / "labels.csv").write_text(text)
        assert run([*common, "--dry-run", "-m", "model.py:Net"]) == 2 and message in capsys.readouterr().err
    assert not Path("out").exists()


@given(total=st.integers(1, 500), data=st.data())
def test_wilson_s_interval_holds_the_shares_that_the_score_test_would_not_reject(
    total: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, total))
    found = wilson(count, total)
    assert 0 <= found.low <= count / total == found.value <= found.high <= 1
    for share, inner in ((found.low, count > 0), (found.high, count < total)):
        if inner:  # an end of the interval is where the score is the normal distribution's 97.5 % quantile
            score = abs(count - total * share) / (total * share * (1 - share)) ** 0.5
            assert score == pytest.approx(1.959964, abs=1e-4)


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight pictures in a folder, a shard of the same, and what examples write goes beside them."""
    data_sets.write(tmp_path, {f"photos/{i}.png": png(i) for i in range(8)})
    data_sets.write(tmp_path, {"a-000.tar": data_sets.shard(data_sets.samples(4))})
    return tmp_path


def example(name: str, *arguments: str, cwd: Path) -> str:
    run_by = ["sh"] if name.endswith(".sh") else [sys.executable]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [*run_by, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tried_below() -> None:
    source = Path(__file__).read_text()
    assert all(f'example("{path.name}"' in source for path in EXAMPLES.iterdir() if path.is_file())


def test_the_pillow_example(photos: Path) -> None:
    with Image.open(photos / "photos/1.png") as image:
        size = len(j4d.encode(np.array(image), quality=40))
    told = example("with_pillow.py", "photos/1.png", cwd=photos)
    assert told.startswith(f"JPEG {image.width} x {image.height}: {size} bytes")


def test_the_loader_example_repeats_itself(photos: Path) -> None:
    told = [example("train_loader.py", "photos", cwd=photos) for _ in range(2)]
    assert told[0] == told[1] and told[0].count("(4, 3, 224, 224)") == 2


def test_the_webdataset_example_writes_the_images_of_transcode(photos: Path) -> None:
    pytest.importorskip("webdataset")
    assert example("webdataset_map.py", "a-{000..000}.tar", "small.tar", cwd=photos) == "4 samples\n"
    assert run(["transcode", str(photos / "a-000.tar"), "-o", str(photos / "out"), "--quality", "40"]) == 0
    expected, written = grouped(photos / "out/a-000.tar", None), grouped(photos / "small.tar", None)
    assert written == expected != grouped(photos / "a-000.tar", None)


@pytest.mark.skipif(os.name == "nt", reason="there is no sh")
def test_the_shell_example(photos: Path) -> None:
    if not (Path(sys.executable).parent / "j4d").exists():
        pytest.skip("the j4d program is not beside Python")
    example("pipe.sh", "a-000.tar", "set/0002.jpg", "photos/3.png", "out", cwd=photos)
    assert (photos / "out/member.jpg").read_bytes() == j4d.transcode(data_sets.jpeg(2), quality=40)
    with Image.open(photos / "photos/3.png") as image:
        assert (photos / "out/photo.jpg").read_bytes() == j4d.encode(np.array(image), quality=40)
