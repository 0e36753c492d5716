"""Quantization tables: the two of the JPEG standard, libjpeg's quality scaling, the zigzag order and
validation.

Every table here and in the rest of the package is in natural (row-major) order, shape (8, 8): row =
vertical frequency, column = horizontal frequency. Zigzag exists only at the file edge (the native core).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import ParameterError

MAX_STEP = 255  # a baseline DQT segment stores 8-bit steps


def _read_only(values: list[int], *shape: int) -> npt.NDArray[np.int32]:
    array = np.array(values, dtype=np.int32).reshape(shape)
    array.setflags(write=False)
    return array


# ITU-T T.81 (1992), Annex K, Table K.1 and Table K.2.
# fmt: off
ANNEX_K_LUMA = _read_only([
    16,  11,  10,  16,  24,  40,  51,  61,
    12,  12,  14,  19,  26,  58,  60,  55,
    14,  13,  16,  24,  40,  57,  69,  56,
    14,  17,  22,  29,  51,  87,  80,  62,
    18,  22,  37,  56,  68, 109, 103,  77,
    24,  35,  55,  64,  81, 104, 113,  92,
    49,  64,  78,  87, 103, 121, 120, 101,
    72,  92,  95,  98, 112, 100, 103,  99,
], 8, 8)
ANNEX_K_CHROMA = _read_only([
    17,  18,  24,  47,  99,  99,  99,  99,
    18,  21,  26,  66,  99,  99,  99,  99,
    24,  26,  56,  99,  99,  99,  99,  99,
    47,  66,  99,  99,  99,  99,  99,  99,
    99,  99,  99,  99,  99,  99,  99,  99,
    99,  99,  99,  99,  99,  99,  99,  99,
    99,  99,  99,  99,  99,  99,  99,  99,
    99,  99,  99,  99,  99,  99,  99,  99,
], 8, 8)
# ITU-T T.81, Figure A.6: ZIGZAG[i] is the natural index (8 * row + column) of the i-th entry in zigzag order.
ZIGZAG = _read_only([
     0,  1,  8, 16,  9,  2,  3, 10,
    17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34,
    27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36,
    29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46,
    53, 60, 61, 54, 47, 55, 62, 63,
], 64)
# fmt: on


def check_table(table: Any, name: str) -> npt.NDArray[np.int32]:
    """Return `table` as a read-only (8, 8) int32 copy in natural order.

    `name` ("luma", "chroma") opens the message. Raises ParameterError where the shape is not (8, 8), the
    type is not an integer type, or a step is outside 1..255; the message has the position and the value.
    """
    where = f"{name} table".lstrip()
    try:
        array = np.asarray(table)
    except ValueError:
        raise ParameterError(f"{where}: rows differ in length; a table is 8 rows of 8 steps") from None
    if array.shape != (8, 8):
        raise ParameterError(f"{where}: shape {array.shape}, expected (8, 8) in natural (row-major) order")
    if not np.issubdtype(array.dtype, np.integer):
        raise ParameterError(f"{where}: type {array.dtype}, expected integers; round the steps first")
    wrong = np.argwhere((array < 1) | (array > MAX_STEP))
    if len(wrong):
        row, column = (int(i) for i in wrong[0])
        raise ParameterError(
            f"{where}: step {array[row, column]} at row {row}, column {column} is outside "
            f"1..{MAX_STEP}; a baseline JPEG file stores 8-bit steps"
        )
    copy = array.astype(np.int32)
    copy.setflags(write=False)
    return copy


def scale_table(table: Any, quality: int) -> npt.NDArray[np.int32]:
    """Scale an (8, 8) table to IJG `quality` 1..100 exactly as libjpeg does: read-only int32, steps 1..255.

    The formula is libjpeg's `jpeg_quality_scaling` followed by `jpeg_add_quant_table` with `force_baseline`
    (jcparam.c), integer arithmetic throughout. Quality 50 leaves the table as it is. Raises ParameterError.
    """
    if isinstance(quality, bool) or not isinstance(quality, (int, np.integer)) or not 1 <= quality <= 100:
        raise ParameterError(f"quality {quality!r} is not an integer 1..100")
    quality = int(quality)
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = check_table(table, "base").astype(np.int64)
    scaled: npt.NDArray[np.int32] = np.clip((base * percent + 50) // 100, 1, MAX_STEP).astype(np.int32)
    scaled.setflags(write=False)
    return scaled
