"""Claims about mistakes on the command line that would cost hours: told at once, in one line that names them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from command_line import MODEL, fails, photograph, succeeds
from PIL import Image
from profiles import default_profile

from j4d.learning.learn import Recipe, learn
from j4d.support.files import write_atomic

LEARN = "learn -m model.py:Net -i photos -q --points 2 --steps 2 --batch-size 2 -o"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photographs, a profile and a model."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for i in range(4):
        Image.fromarray(photograph(i)).save(f"photos/{i}.png")
    default_profile().save("profile.json")
    Path("model.py").write_text(MODEL)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (f"{LEARN} n.json --checkpoint photos", "photos is a folder"),
        (f"{LEARN} n.json --checkpoint model.py/c.json", "model.py is a file"),
        (f"{LEARN} n.json --seed -1", "--seed"),
        ("evaluate -m model.py:Net -i photos -o model.py/report -q", "model.py is a file"),
        ("encode photos -o model.py/out --jpeg-quality 50", "model.py is a file"),
        ("encode photos/0.png -o new.png --jpeg-quality 50", "new.png is no place for .jpg files"),
        ("decode photos/0.png -o new.jpg", "new.jpg is no place for .png files"),
        ("export profile.json --index 0 -o model.py/tables.txt", "model.py/tables.txt: Not a directory"),
        ("report profile.json -o page.html", "profile.json: not an evaluation"),
    ],
)
def test_a_result_that_could_not_be_written_is_told_before_it_is_made(arguments, reason, folder, capsys, monkeypatch):
    monkeypatch.setattr("j4d.learning.optimizer.Optimizer.run", lambda *a: pytest.fail("learning began"))
    monkeypatch.setattr("j4d.evaluation.grid.evaluate_grid", lambda *a, **k: pytest.fail("measuring began"))
    assert reason in fails(capsys, folder, *arguments.split())


def test_folders_that_are_missing_are_made(folder, capsys):
    succeeds(capsys, *LEARN.split(), "new/deep/n.json", "--checkpoint", "kept/run.json")
    succeeds(capsys, "export", "new/deep/n.json", "--index", "0", "-o", "tables/n.txt")
    assert Path("new/deep/n.json").is_file() and Path("kept/run.json").is_file() and Path("tables/n.txt").is_file()


def test_a_failed_write_names_the_target_and_leaves_no_trace(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "some temporary file")

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(tmp_path / "a", b"new")
    assert caught.value.filename == str(tmp_path / "a")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_points_that_cannot_be_told_apart_are_said_to_be_left_out(folder, capsys):
    out = succeeds(capsys, *LEARN.split(), "n.json", "--rates", "0.0001,0.0002")
    assert "note: 1 of the points came to the rate of another" in out
    assert len(json.loads(Path("n.json").read_text())["points"]) == 1
    assert "note:" not in succeeds(capsys, *LEARN.split(), "n.json", "--rates", "0.9,1.8")


def test_a_split_is_named_in_one_way_by_all_commands_that_read_photographs(folder, capsys):
    rows = [f"{i}.png,{i},{'learn' if i < 3 else 'test'}" for i in range(4)]
    Path("photos/labels.csv").write_text("\n".join(["file,label,split", *rows]))
    succeeds(capsys, *LEARN.replace("-i photos", "-i photos:learn").split(), "n.json")
    assert json.loads(Path("n.json").read_text())["provenance"]["image_count"] == 3
    measure = "-m model.py:Net -i photos:test -o out --bootstrap 5 --jobs 1 -q --no-cache"
    succeeds(capsys, "evaluate", *measure.split(), "-p", "n.json")
    succeeds(capsys, "report", "out/evaluation.json", *["-m", "model.py:Net", "-i", "photos:test", "-o", "page.html"])


def test_help_tells_the_defaults_of_learning(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    lines = {line.split()[1]: line for line in succeeds(capsys, "learn", "--help").splitlines() if "│    --" in line}
    defaults = {**vars(Recipe()), **learn.__kwdefaults__}
    for name in ("steps", "batch_size", "learning_rate", "start", "forward", "points", "protocol", "sampling", "seed"):
        shown = lines["--" + name.replace("_", "-")].partition("[default:")[2]
        assert str(defaults[name]) in shown.replace("(", " ").replace(")", " ").replace("]", " ").split(), name


def test_a_seed_below_zero_is_refused_by_the_library_too():
    from j4d.errors import ParameterError

    with pytest.raises(ParameterError, match="seed -1"):
        learn(lambda x: x, [photograph()] * 2, seed=-1, progress=False)
