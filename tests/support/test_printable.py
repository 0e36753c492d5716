"""Names from elsewhere are shown escaped, whoever prints them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import data_sets
import pytest
import report_pages
from hypothesis import given
from hypothesis import strategies as st
from profiles import default_profile

import j4d
from j4d.cli import run
from j4d.evaluation import bd
from j4d.evaluation.curve import Point
from j4d.jpeg.parameters import EncodingParameters
from j4d.report.page import render_page
from j4d.support.printable import echo, printable, safe_console

TITLE = "\x1b]0;mine\x07"


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert all(ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0 and not 0xD800 <= ord(c) < 0xE000 for c in shown)
    assert printable(shown) == shown, "escaping twice is escaping once"
    assert text.isascii() or shown.encode()


def test_escapes_are_readable_and_ordinary_letters_stay() -> None:
    assert printable(TITLE) == "\\x1b]0;mine\\x07"
    assert printable(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert printable("a\nb\u202ec\u2028") == "a\\nb\\u202ec\\u2028"
    assert printable("Grüße, 写真 \u05d0 🎞") == "Grüße, 写真 \u05d0 🎞"


def test_a_line_is_written_whatever_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, shown in (("ascii", b"caf\\xe9 caf\\xe9\n"), ("utf-8", "café caf\\xe9\n".encode())):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, errors="strict"))
        echo("café " + os.fsdecode(b"caf\xe9"))
        assert raw.getvalue() == shown


def test_a_console_shows_names_escaped_and_keeps_its_own_colours() -> None:
    file = io.StringIO()
    console = safe_console(file=file, force_terminal=True, width=80, highlight=False)
    console.print(f"[bold]{TITLE}[/bold]")
    assert "\x1b[1m" in file.getvalue() and "\x1b]0" not in file.getvalue() and "\\x1b]0;mine" in file.getvalue()


def test_a_profile_whose_name_sets_the_terminals_title_is_shown_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    replace(default_profile(), name=f"{TITLE}[/bold][x]").save("p.json")
    data = json.loads(Path("p.json").read_text())
    assert TITLE in data["name"]
    assert run(["show", "p.json"]) == 0
    out = capsys.readouterr().out
    assert "\\x1b]0;mine" in out and "[/bold][x]" in out and "\x1b" not in out and "\x07" not in out


def test_a_name_that_is_no_text_is_printed_and_the_run_goes_on(tmp_path: Path) -> None:
    names = [b"a.jpg", b"caf\xe9.jpg", b"z\x1b[31m.jpg"]
    try:
        for i, name in enumerate(names):
            (tmp_path / os.fsdecode(name)).write_bytes(data_sets.jpeg(i))
    except OSError:
        pytest.skip("this file system takes no such names")
    sources = [os.fsdecode(name) for name in names]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    for command, options in (
        ("transcode", ["--quality", "40"]),
        ("encode", ["--quality", "40"]),
        ("decode", []),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "j4d", command, *sources, "-o", f"out-{command}", *options],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert b"caf\\xe9" in result.stdout and b"\\x1b[31m" in result.stdout and b"\x1b" not in result.stdout
        assert len(os.listdir(tmp_path / f"out-{command}")) == 3


def test_nobody_prints_but_through_the_function_that_escapes() -> None:
    for path in Path(j4d.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert "typer.echo" not in text and "rich.print" not in text, path
        for line in text.splitlines():
            if line.lstrip().startswith("print("):
                assert path.name == "printable.py" or "json.dumps" in line, f"{path}: {line}"
        if path.name != "printable.py":
            assert " Console(" not in text and "=Console(" not in text, path


def test_a_line_for_machines_stays_json() -> None:
    line = {"name": "a\x7f\x1b\n\u2028" + os.fsdecode(b"\xe9")}
    assert json.loads(printable(json.dumps(line))) == line


@pytest.mark.parametrize("name", [TITLE, os.fsdecode(b"caf\xe9"), "$\\foo$", "$x$", "a\nb", "\u202ea"])
def test_any_name_can_stand_in_a_plot(name: str) -> None:
    from j4d.evaluation import plots

    one = bd.Interval(1.0, 1.0, 1.0)
    codec = {name: [Point(name, "1", one, None, {"kl": one})]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = plots.png(plots.curves_figure(codec, {"kl": 1.0}, name))
        plots.png(plots.tables_figure([(name, EncodingParameters.from_quality(50))]))
    assert plain != plots.png(plots.curves_figure({"x": codec[name]}, {"kl": 1.0}, "x"))


def test_names_in_the_page_are_escaped() -> None:
    page = render_page([report_pages.evaluation(name=f"{TITLE}\u202e")], command=f"j4d report {TITLE}").decode()
    assert "\x1b" not in page and "\u202e" not in page and page.count("\\x1b]0;mine\\x07") >= 2
