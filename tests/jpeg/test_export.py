"""What is exported, run by the encoder it is meant for, gives a file with exactly our tables and sampling."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from changes import made
from hypothesis import given, settings
from jpeg_file import components_in_file, tables_in_file
from PIL import Image
from profiles import parameters

from j4d.errors import ParameterError
from j4d.jpeg.export import FORMATS, export
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters

FACTORS = {"4:4:4": "1x1", "4:2:2": "2x1", "4:2:0": "2x2", "gray": "1x1"}
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


def random_parameters(sampling: str, **more: object) -> EncodingParameters:
    luma, chroma = np.random.default_rng(1).integers(1, 256, (2, 8, 8))
    return made(luma, chroma, sampling=sampling, **more)


def assert_file_uses(data: bytes, value: EncodingParameters) -> None:
    tables, components = tables_in_file(data), components_in_file(data)
    assert np.array_equal(tables[0], value.luma.steps)
    assert components[0] == (FACTORS[value.sampling], 0)
    if value.sampling == "gray":
        assert len(components) == 1
    else:
        assert np.array_equal(tables[1], value.chroma.steps) and components[1:] == [("1x1", 1), ("1x1", 1)]


@given(parameters())
@settings(max_examples=40)
def test_pillow_snippet_writes_our_tables(value: EncodingParameters) -> None:
    names: dict[str, object] = {}
    exec(export(value, "pillow"), names)
    file = io.BytesIO()
    names["save_jpeg"](Image.fromarray(PIXELS), file)  # type: ignore[operator]
    assert_file_uses(file.getvalue(), value)


@pytest.mark.skipif(shutil.which("cjpeg") is None, reason="cjpeg is not installed (libjpeg-turbo-progs)")
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_cjpeg_file_writes_our_tables(tmp_path: Path, sampling: str) -> None:
    value = random_parameters(sampling, sharpness=8.0)
    Image.fromarray(PIXELS).save(tmp_path / "in.ppm")
    (tmp_path / "q.txt").write_text(text := export(value, "cjpeg"))
    command = text.splitlines()[0].removeprefix("# ").replace("THIS_FILE", "q.txt")  # as the file itself says
    command = command.replace("IN.ppm", "in.ppm").replace("OUT.jpg", "out.jpg")
    subprocess.run(command.split(), cwd=tmp_path, check=True, timeout=60)
    assert_file_uses((tmp_path / "out.jpg").read_bytes(), value)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc)")
@pytest.mark.parametrize("sampling", ["4:2:0", "gray"])
def test_c_arrays_compile_and_hold_our_tables(tmp_path: Path, sampling: str) -> None:
    value = random_parameters(sampling, sharpness=8.0)
    names = ["luma"] if sampling == "gray" else ["luma", "chroma"]
    body = "".join(f'for (int i = 0; i < 64; i++) printf("%u ", j4d_{name}[i]);' for name in names)
    program = f"#include <stdio.h>\n{export(value, 'c')}\nint main(void) {{ {body} return 0; }}\n"
    (tmp_path / "t.c").write_text(program)
    subprocess.run(["cc", "-Wall", "-Werror", "-o", "t", "t.c"], cwd=tmp_path, check=True, timeout=60)
    output = subprocess.run([tmp_path / "t"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert [int(n) for n in output.split()] == [int(s) for name in names for s in getattr(value, name).steps.ravel()]


@pytest.mark.parametrize("form", FORMATS)
def test_a_quantizer_that_does_not_travel_is_said(form: str) -> None:
    assert "nearest index" not in export(random_parameters("4:4:4"), form)
    assert "nearest index" in export(random_parameters("4:4:4", sharpness=8.0), form)
    assert "nearest index" in export(random_parameters("gray", luma_dead_zone=np.full((8, 8), 0.1)), form)


def test_c_source_names_every_table_in_its_instructions() -> None:
    calls = re.findall(
        r"jpeg_add_quant_table\(&cinfo, (\d), j4d_(\w+), 100, TRUE\)", export(random_parameters("4:4:4"), "c")
    )
    assert calls == [("0", "luma"), ("1", "chroma")]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ParameterError, match="export format 'yaml' is not one of cjpeg, pillow, c"):
        export(EncodingParameters.from_quality(50), "yaml")
