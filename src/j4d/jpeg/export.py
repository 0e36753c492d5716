"""One operating point for other encoders: a cjpeg `-qtables` file, a Pillow snippet, a C array for libjpeg.

All three take their tables in natural order and write zigzag to the file themselves. They round to the
nearest index: sharpness and dead zones are j4d's own quantizer and do not travel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from j4d.errors import ParameterError
from j4d.jpeg.parameters import EncodingParameters

_CJPEG_SAMPLING = {
    "4:4:4": "-sample 1x1",
    "4:2:2": "-sample 2x1",
    "4:2:0": "-sample 2x2",
    "gray": "-grayscale",
}
_ROUNDS = "this encoder rounds to the nearest index; j4d's sharpness, dead zones and trellis are not used"


def _tables(parameters: EncodingParameters) -> dict[str, npt.NDArray[np.int32]]:
    gray = parameters.sampling == "gray"
    luma = {"luma": parameters.luma.steps}
    return luma if gray else {**luma, "chroma": parameters.chroma.steps}


def _rows(table: npt.NDArray[np.int32], indent: str, comma: str) -> str:
    return "\n".join(indent + f"{comma} ".join(f"{step:3d}" for step in row) + comma for row in table.tolist())


def _notes(parameters: EncodingParameters, mark: str) -> str:
    zones = (each.dead_zone for each in parameters.quantizations)
    quantizer = (parameters.sharpness, *zones, parameters.trellis)
    return "" if all(value is None for value in quantizer) else f"{mark} Note: {_ROUNDS}.\n"


def to_cjpeg(parameters: EncodingParameters) -> str:
    """The text of a file for `cjpeg -qtables` (natural order, one table per component kind)."""
    sampling = _CJPEG_SAMPLING[parameters.sampling]
    text = f"# cjpeg -qtables THIS_FILE {sampling} -optimize -outfile OUT.jpg IN.ppm\n"
    text += "# Give no -quality: it would scale these tables.\n" + _notes(parameters, "#")
    for name, table in _tables(parameters).items():
        text += f"# {name}\n{_rows(table, '', '')}\n"
    return text


def to_pillow(parameters: EncodingParameters) -> str:
    """Python source that defines `save_jpeg(image, path)`, for Pillow 8.3 or newer (natural order)."""
    names = list(_tables(parameters))
    text = "# Give no quality= to save(): Pillow would scale these tables by it.\n" + _notes(parameters, "#")
    for name, table in _tables(parameters).items():
        text += f"{name.upper()} = [\n{_rows(table, '    ', ',')}\n]\n"
    mode, subsampling = ("L", "") if names == ["luma"] else ("RGB", f', subsampling="{parameters.sampling}"')
    qtables = ", ".join(name.upper() for name in names)
    save = f'image.convert("{mode}").save(path, "JPEG", qtables=[{qtables}]{subsampling}, optimize=True)'
    return f"{text}\n\ndef save_jpeg(image, path):\n    {save}\n"


def to_c(parameters: EncodingParameters) -> str:
    """C source with one `static const unsigned int j4d_NAME[64]` per table (natural order), for libjpeg."""
    text = f"/* After jpeg_set_defaults and the sampling factors ({parameters.sampling}):\n"
    for number, name in enumerate(_tables(parameters)):
        text += f"     jpeg_add_quant_table(&cinfo, {number}, j4d_{name}, 100, TRUE);\n"
    text += (
        "   and cinfo.optimize_coding = TRUE for the smallest files." + _notes(parameters, "\n  ").rstrip() + " */\n"
    )
    for name, table in _tables(parameters).items():
        text += f"static const unsigned int j4d_{name}[64] = {{\n{_rows(table, '    ', ',')}\n}};\n"
    return text


FORMATS: dict[str, Callable[[EncodingParameters], str]] = {"cjpeg": to_cjpeg, "pillow": to_pillow, "c": to_c}


def export(parameters: EncodingParameters, form: str) -> str:
    """The point as text in one of FORMATS: "cjpeg", "pillow" or "c". Raises ParameterError for another."""
    if form not in FORMATS:
        raise ParameterError(f"export format {form!r} is not one of {', '.join(FORMATS)}")
    return FORMATS[form](parameters)
