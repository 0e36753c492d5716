"""Claims about the command line: what it writes, and one clear line with exit code 2 for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, photograph, place, succeeds, tree, without_preparation
from PIL import Image
from profiles import default_profile

import j4d
from j4d.cli import run
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile import builtin
from j4d.profile.profile import Profile

__all__ = ["place"]  # a fixture


def test_version(capsys):
    assert succeeds(capsys, "--version") == f"j4d {j4d.__version__}\n"


@pytest.mark.parametrize(
    "command", ["", "learn", "encode", "decode", "transcode", "evaluate", "profiles", "show", "export", "demo"]
)
def test_help_teaches_by_example(command, capsys):
    text = succeeds(capsys, *command.split(), "--help")
    assert f"j4d {command}".strip() in text.replace("Usage: j4d", "")


def test_no_command_prints_the_help(capsys):
    assert "encode" in succeeds(capsys)


def test_encode_writes_what_the_library_writes(place, capsys):
    parameters = Profile.load("profile.json").at(bpp=0.9)
    out = succeeds(capsys, "encode", "photos/1.png", "-o", "one.jpg", "--profile", "profile.json", "--bpp", 0.9)
    data = (place / "one.jpg").read_bytes()
    assert data == encoding.encode(photograph(1), parameters)
    assert f"{len(data)} bytes" in out and f"{8 * len(data) / (48 * 64):.3f} bpp" in out


def test_a_first_command_needs_neither_profile_nor_place(place, capsys):
    out = succeeds(capsys, "encode", "photos/1.png", "photos/2.png", "--quality", 40)
    assert out.startswith(str(Path("photos/1.jpg")))
    for i in (1, 2):
        assert (place / f"photos/{i}.jpg").read_bytes() == j4d.encode(photograph(i), quality=40)


def test_without_a_place_no_file_is_overwritten(place, capsys):
    (place / "photos/1.jpg").write_bytes(b"mine")
    assert "photos/1.jpg exists" in fails(capsys, place, "encode", "photos/0.png", "photos/1.png", "--quality", 40)
    assert "exists" in fails(capsys, place, "encode", "photos/1.jpg", "--quality", 40)
    assert (place / "photos/1.jpg").read_bytes() == b"mine"
    fails(capsys, place, "encode", "photos/0.png", "photos/0.png", "--quality", 40)


def test_profiles_lists_what_comes_with_j4d(place, capsys):
    lines = succeeds(capsys, "profiles").splitlines()
    assert [line.split()[0] for line in lines] == [*builtin.families(), *builtin.members()]
    for name, line in zip(builtin.members(), lines[-len(builtin.members()) :], strict=True):
        profile = Profile.builtin(name)
        assert profile.provenance.sampling in line and f"{len(profile.points)} points" in line


def test_a_name_serves_wherever_a_profile_does(place, capsys):
    Profile.builtin("universal").save("copy.json")
    for name in ("universal", "universal-420", "copy.json"):
        succeeds(capsys, "encode", "photos/1.png", "-o", f"{name}.jpg", "-p", name, "--quality", 30)
        assert (place / f"{name}.jpg").read_bytes() == j4d.encode(photograph(1), quality=30)
    assert succeeds(capsys, "show", "universal") == succeeds(capsys, "show", "copy.json")
    places = ("--quality", 30, "-f", "c")
    assert succeeds(capsys, "export", "universal", *places) == succeeds(capsys, "export", "copy.json", *places)
    succeeds(
        capsys, "evaluate", "-m", "model.py:Net", "-i", "photos", "-p", "universal", "-o", "report",
        "--default-jpeg", "10,50", "--bootstrap", 5, "--jobs", 1, "-q",
    )  # fmt: skip
    assert [codec["name"] for codec in json.loads((place / "report/evaluation.json").read_text())["codecs"]] == [
        "default JPEG",
        "universal-420",
    ]
    succeeds(capsys, "report", "report/evaluation.json", "-p", "universal", "-o", "page.html")
    for wrong in ("encode photos/0.png -o a.jpg --quality 3 -p nobody", "show nobody", "export nobody --index 0"):
        assert ", ".join(builtin.names()) in fails(capsys, place, *wrong.split())


def test_encode_a_folder_with_default_jpeg_keeps_names(place, capsys):
    (place / "photos" / "deep").mkdir()
    Image.fromarray(photograph(9)).save("photos/deep/0.webp", lossless=True)
    succeeds(capsys, "encode", "photos", "-o", "out", "--jpeg-quality", 30, "--sampling", "4:4:4")
    assert tree(place / "out") == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "deep", "deep/0.jpg"]
    expected = encoding.encode(photograph(9), EncodingParameters.from_quality(30, "4:4:4"))
    assert (place / "out/deep/0.jpg").read_bytes() == expected


def test_decode_gives_the_evaluations_pixels(place, capsys):
    succeeds(capsys, "encode", "photos/0.png", "-o", "a.jpg", "--profile", "profile.json", "--quality", 50)
    succeeds(capsys, "decode", "a.jpg", "-o", "a.png")
    with Image.open("a.png") as decoded:
        np.testing.assert_array_equal(np.asarray(decoded), decoding.decode((place / "a.jpg").read_bytes()))


def test_show_prints_rates_steps_and_provenance(place, capsys):
    text = succeeds(capsys, "show", "profile.json")
    profile = Profile.load("profile.json")
    for word in ("estimated", "zoo:net", "stored-size", str(profile.points[0].parameters.luma.steps[3, 4])):
        assert word in text
    one = succeeds(capsys, "show", "profile.json", "--index", 1)
    assert str(profile.points[1].parameters.chroma.steps[0, 3]) in one


def test_export_prints_or_writes_the_points_tables(place, capsys):
    text = succeeds(capsys, "export", "profile.json", "--index", 0)
    succeeds(capsys, "export", "profile.json", "--index", 0, "--format", "cjpeg", "-o", "tables.txt")
    assert (place / "tables.txt").read_text() == text
    assert "static const" in succeeds(capsys, "export", "profile.json", "--quality", 20, "-f", "c")


LEARN = ["learn", "--model", "model.py:Net", "--images", "photos", "--points", 2, "--steps", 2, "--batch-size", 2,
         "--quiet"]  # fmt: skip


def test_learn_writes_a_profile_that_says_where_it_comes_from(place, capsys):
    text = succeeds(capsys, *LEARN, "-o", "new.json", "--name", "mine", "--protocol", "model-size", "--seed", 7)
    profile = Profile.load("new.json")
    assert profile.name == "mine" and len(profile.points) == 2
    provenance = profile.provenance
    assert (provenance.model, provenance.protocol) == ("model.py:Net", "model-size")
    assert (provenance.image_count, provenance.seed, provenance.sampling) == (4, 7, "4:2:0")
    assert f"{profile.points[1].estimated_bpp:.3f}" in text and "new.json" in text


def test_learn_gives_the_same_points_for_the_same_seed(place, capsys):
    for name in ("a.json", "b.json"):
        succeeds(capsys, *LEARN, "-o", name)
    assert Profile.load("a.json").points == Profile.load("b.json").points


def test_learn_interrupted_writes_the_points_that_are_done(place, capsys, monkeypatch):
    from j4d.learning import optimizer

    once = optimizer.Optimizer.run

    def interrupted_at_the_second_point(self, jpeg, index, *arguments):
        if index == 1:
            raise KeyboardInterrupt
        return once(self, jpeg, index, *arguments)

    monkeypatch.setattr(optimizer.Optimizer, "run", interrupted_at_the_second_point)
    assert run([str(argument) for argument in [*LEARN, "-o", "new.json"]]) == 130
    assert without_preparation(capsys.readouterr().err) == "j4d: interrupted\n"
    assert len(Profile.load("new.json").points) == 1


def test_evaluate_writes_the_report_and_prints_the_curve(place, capsys):
    text = succeeds(
        capsys, "evaluate", "--model", "model.py:Net", "--images", "photos", "--profile", "profile.json",
        "--default-jpeg", "10,50,90", "-o", "report", "--bootstrap", 20, "--quiet",
    )  # fmt: skip
    assert tree(place / "report") == [
        "curve.csv", "curve.png", "evaluation.json", "summary.csv", "summary.json", "summary.md", "tables.png",
    ]  # fmt: skip
    record = json.loads((place / "report/evaluation.json").read_text())["record"]
    assert record["protocol"] == "stored-size" and record["model"] == "model.py:Net"
    assert "actual" in text and "BD-rate" in text


def test_profiles_of_one_name_are_told_apart_by_their_files(place, capsys):
    default_profile((20, 70)).save("other.json")
    succeeds(
        capsys, "evaluate", "-m", "model.py:Net", "-i", "photos", "-p", "profile.json", "-p", "other.json",
        "--default-jpeg", "10,80", "-o", "report", "--bootstrap", 5, "--quiet",
    )  # fmt: skip
    codecs = json.loads((place / "report/evaluation.json").read_text())["codecs"]
    names = [codec["name"] for codec in codecs]
    assert names == ["default JPEG", "default (profile.json)", "default (other.json)"]


def test_labels_and_split_reach_the_measurement(place, capsys):
    (place / "photos/labels.csv").write_text("file,label,split\n0.png,1,a\n1.png,2,b\n2.png,3,b\n3.png,0,b\n")
    base = ["evaluate", "--model", "model.py:Net", "--images", "photos", "--default-jpeg", "20,60",
            "--bootstrap", 5, "--quiet"]  # fmt: skip
    succeeds(capsys, *base, "--split", "b", "-o", "with")
    with_labels = json.loads((place / "with/evaluation.json").read_text())
    assert len(with_labels["pixels"]) == 3 and "top1" in with_labels["uncompressed"]
    succeeds(capsys, *base, "--no-labels", "--limit", 2, "-o", "without")
    without = json.loads((place / "without/evaluation.json").read_text())
    assert len(without["pixels"]) == 2 and "top1" not in without["uncompressed"]


def edit_profile(change):
    def edit(place):
        document = json.loads((place / "profile.json").read_text())
        change(document)
        (place / "profile.json").write_text(json.dumps(document))

    return edit


def zero_step(document):
    document["points"][0]["parameters"]["luma"][2][5] = 0


def seventeen_entries(document):
    document["points"][0]["parameters"]["luma"] = [list(range(1, 18))]


def newer_version(document):
    document["version"] = 2


def truncate(place):
    text = (place / "profile.json").read_text()
    (place / "profile.json").write_text(text[: len(text) // 2])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (edit_profile(zero_step), "0"),
        (edit_profile(seventeen_entries), "luma"),
        (edit_profile(newer_version), "version 2"),
        (truncate, "JSON"),
        (lambda place: (place / "profile.json").unlink(), "profile.json"),
    ],
)
def test_a_damaged_profile_is_refused_by_every_command_that_reads_one(damage, reason, place, capsys):
    damage(place)
    evaluate = ["--model", "model.py:Net", "--images", "photos", "--profile", "profile.json", "-o", "report"]
    for arguments in (
        ["encode", "photos/0.png", "-o", "a.jpg", "--profile", "profile.json", "--quality", "50"],
        ["show", "profile.json"],
        ["export", "profile.json", "--index", "0", "-o", "tables.txt"],
        ["evaluate", *evaluate],
    ):
        assert reason in fails(capsys, place, *arguments)


def write_wide(path):
    Image.fromarray(np.zeros((1, 70000, 3), np.uint8)).save(path)


def write_float(path):
    Image.fromarray(np.zeros((8, 8), np.float32)).save(path)


def write_truncated(path):
    path.write_bytes(encoding.encode(photograph(), EncodingParameters.from_quality(50))[:300])


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("wide.png", write_wide, "65500"),
        ("float.tif", write_float, "8 bits"),
        ("empty.ppm", lambda path: path.write_bytes(b"P6\n0 5\n255\n"), "empty.ppm"),
        ("short.jpg", write_truncated, "short.jpg"),
        ("text.jpg", lambda path: path.write_text("not a picture"), "not an image"),
        ("nothing.png", lambda path: path.write_bytes(b""), "nothing.png"),
    ],
)
def test_pictures_that_cannot_be_encoded_are_named(name, write, reason, place, capsys):
    write(place / name)
    message = fails(capsys, place, "encode", name, "-o", "a.jpg", "--jpeg-quality", 50)
    assert name in message and reason in message


def test_damaged_jpeg_files_are_not_decoded(place, capsys):
    write_truncated(place / "short.jpg")
    (place / "text.jpg").write_text("not a picture")
    for name in ("short.jpg", "text.jpg", "missing.jpg"):
        assert name in fails(capsys, place, "decode", name, "-o", "a.png")


@pytest.mark.parametrize("command", ["learn", "evaluate"])
@pytest.mark.parametrize(
    ("model", "images", "reason"),
    [
        ("model.py:ReturnsDict", "photos", "dict"),
        ("model.py:Missing", "photos", "Missing"),
        ("model.py:torch.pi", "photos", "float"),
        ("no.such.package:net", "photos", "no.such.package"),
        ("missing.pt2", "photos", "missing.pt2"),
        ("model.py:Net", "empty", "no images"),
        ("model.py:Net", "text", "not an image"),
        ("model.py:Net", "nowhere", "nowhere"),
    ],
)
def test_models_and_folders_that_do_not_serve_are_refused(command, model, images, reason, place, capsys):
    (place / "empty").mkdir()
    (place / "text").mkdir()
    (place / "text/note.jpg").write_text("not a picture")
    out = {"learn": "new.json", "evaluate": "report"}[command]
    assert reason in fails(capsys, place, command, "--model", model, "--images", images, "-o", out, "--quiet")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("encode photos/0.png -o a.jpg", "universal-420 with one of --quality 0..100"),
        ("encode photos/0.png -o a.jpg --profile univrsal --quality 40", "univrsal"),
        ("encode photos/0.png -o a.jpg --quality 40 --sampling gray", "no sampling gray"),
        ("encode photos/0.png -o a.jpg -p universal-420 --quality 40 --sampling 4:2:0", "has its own"),
        ("encode photos --quality 40", "name another one"),
        ("encode missing.png --quality 40", "missing.png"),
        ("encode photos/0.png -o a.jpg --profile profile.json --jpeg-quality 50", "got both"),
        ("encode photos/0.png -o a.jpg --profile profile.json", "--index 0..3"),
        ("encode photos/0.png -o a.jpg --profile profile.json --bpp 1 --quality 3", "--bpp and --quality"),
        ("encode photos/0.png -o a.jpg --profile profile.json --bpp 99", "0.25..2"),
        ("encode photos/0.png -o a.jpg --profile profile.json --index 4", "index 4"),
        ("encode photos/0.png -o a.jpg --profile profile.json --quality 101", "101"),
        ("encode photos/0.png -o a.jpg --profile profile.json --quality 5 --sampling gray", "--sampling"),
        ("encode photos/0.png -o a.jpg --jpeg-quality 50 --bpp 1", "--bpp needs a profile"),
        ("encode photos/0.png -o a.jpg --jpeg-quality 0", "1..100"),
        ("encode photos/0.png -o a.jpg --jpeg-quality fine", "--jpeg-quality"),
        ("encode photos/0.png -o a.jpg --jpeg-quality 50 --seed -1", "seed -1"),
        ("encode missing.png -o a.jpg --jpeg-quality 50", "missing.png"),
        ("encode photos -o a.jpg --jpeg-quality 50", "4 images"),
        ("encode photos/0.png -o profile.json --jpeg-quality 50", "profile.json is a file"),
        ("encode photos/0.png photos/0.png -o out --jpeg-quality 50", "both be written"),
        ("evaluate --model model.py:Net --images photos -o report --default-jpeg ten", "ten"),
        ("evaluate --model model.py:Net --images photos -o report --mean 1,x", "--mean"),
        ("evaluate --model model.py:Net --images photos -o profile.json", "is a file"),
        ("evaluate --model model.py:Net --images photos -o report --split test", "split"),
        ("learn --model model.py:Net --images photos -o photos", "is a folder"),
        ("learn --model model.py:Net --images photos -o profile.json/x.json", "is a file"),
        ("learn --model model.py:Net --images photos -o n.json --lambdas 1,two", "--lambdas"),
        ("learn --model model.py:Net --images photos -o n.json --rates 1,-2 -q", "-2"),
        ("show missing.json", "missing.json"),
        ("export profile.json --index 0 --format tiff", "tiff"),
        ("improve photos", "improve"),
    ],
)
def test_wrong_requests_say_what_to_do(arguments, reason, place, capsys):
    assert reason in fails(capsys, place, *arguments.split())


def test_a_jpeg_is_never_written_over_the_picture_it_was_made_from(place, capsys):
    Image.fromarray(photograph()).save("photos/4.jpg")
    before = (place / "photos/4.jpg").read_bytes()
    message = fails(capsys, place, "encode", "photos/4.jpg", "-o", "photos", "--jpeg-quality", 50)
    assert "one of the files read" in message
    assert (place / "photos/4.jpg").read_bytes() == before


def test_an_existing_file_survives_a_failed_encode(place, capsys):
    (place / "a.jpg").write_bytes(b"old")
    write_wide(place / "wide.png")
    fails(capsys, place, "encode", "wide.png", "-o", "a.jpg", "--jpeg-quality", 50)
    assert (place / "a.jpg").read_bytes() == b"old"


def test_a_bug_ends_in_one_line_and_debug_shows_where(place, capsys, monkeypatch):
    monkeypatch.setattr(encoding, "encode", lambda *a, **k: 1 // 0)
    arguments = ["encode", "photos/0.png", "-o", "a.jpg", "--jpeg-quality", "50"]
    assert run(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("j4d: internal error: ZeroDivisionError") and error.count("\n") == 1
    monkeypatch.setenv("J4D_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(arguments)


def test_ctrl_c_is_one_line_and_130(place, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(encoding, "encode", interrupt)
    assert run(["encode", "photos/0.png", "-o", "a.jpg", "--jpeg-quality", "50"]) == 130
    assert capsys.readouterr().err == "j4d: interrupted\n"
    assert not (place / "a.jpg").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "encode --help",
        "encode photos/0.png -o a.jpg --profile profile.json --bpp 0.5",
        "encode photos/0.png --quality 40",
        "transcode a.jpg -o b.jpg --quality 40",
        "decode a.jpg -o a.png",
        "profiles",
        "show universal",
        "show profile.json",
        "export profile.json --index 1 -f pillow",
    ],
)
def test_working_on_files_never_loads_torch(arguments, place):
    (place / "a.jpg").write_bytes(encoding.encode(photograph(), EncodingParameters.from_quality(50)))
    code = (
        "import sys; from j4d.cli import run; code = run(sys.argv[1:]); "
        "sys.exit(code or [m for m in ('torch', 'matplotlib', 'scipy') if m in sys.modules] or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_python_dash_m_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "j4d", "--version"], capture_output=True, text=True)
    assert done.stdout == f"j4d {j4d.__version__}\n"
