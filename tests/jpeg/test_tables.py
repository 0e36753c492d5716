"""The tables are the standard's, and quality scaling is libjpeg's, as Pillow's bundled libjpeg writes it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from jpeg_file import tables_in_file
from PIL import Image

from j4d.errors import ParameterError
from j4d.jpeg.tables import ANNEX_K_CHROMA, ANNEX_K_LUMA, ZIGZAG, check_table, scale_table


@pytest.mark.parametrize("quality", range(1, 101))
def test_scaled_tables_equal_libjpegs_at_every_quality(quality: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    theirs = tables_in_file(file.getvalue())
    assert np.array_equal(scale_table(ANNEX_K_LUMA, quality), theirs[0])
    assert np.array_equal(scale_table(ANNEX_K_CHROMA, quality), theirs[1])


def test_zigzag_walks_the_diagonals() -> None:
    assert sorted(ZIGZAG.tolist()) == list(range(64))
    rows, columns = np.divmod(ZIGZAG, 8)
    assert (np.diff(rows + columns) >= 0).all(), "diagonal by diagonal"
    assert (np.abs(np.diff(rows)) <= 1).all() and (np.abs(np.diff(columns)) <= 1).all(), "to a neighbour each time"
    assert ZIGZAG[:4].tolist() == [0, 1, 8, 16], "first to the right, then down"


@pytest.mark.parametrize("table", [ANNEX_K_LUMA, ANNEX_K_CHROMA, ZIGZAG, scale_table(ANNEX_K_LUMA, 30)])
def test_tables_cannot_be_written_to(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        table[:1] = 1


def test_check_table_copies() -> None:
    mine = np.ones((8, 8), np.uint8)
    checked = check_table(mine, "luma")
    mine[0, 0] = 9
    assert checked[0, 0] == 1 and checked.dtype == np.int32


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([1] * 17, r"luma table: shape \(17,\), expected \(8, 8\)"),
        ([[1] * 8] * 7 + [[1] * 7], "luma table: rows differ in length"),
        (np.ones((8, 8)), "luma table: type float64, expected integers"),
        (np.ones((8, 8), bool), "luma table: type bool"),
        ([["1"] * 8] * 8, "luma table: type <U1"),
        (np.where(np.arange(64).reshape(8, 8) == 19, 0, 1), "step 0 at row 2, column 3 is outside 1..255"),
        (np.full((8, 8), 256), "step 256 at row 0, column 0 is outside 1..255"),
        (np.full((8, 8), 2**32 + 1), "step 4294967297 at row 0"),
        (np.full((8, 8), -1), "step -1"),
        (None, r"shape \(\)"),
    ],
)
def test_a_wrong_table_is_refused_with_place_and_value(table: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_table(table, "luma")


@pytest.mark.parametrize("quality", [0, 101, -5, 50.0, "50", True, None])
def test_a_wrong_quality_is_refused(quality: object) -> None:
    with pytest.raises(ParameterError, match=r"is not an integer 1..100"):
        scale_table(ANNEX_K_LUMA, quality)  # type: ignore[arg-type]
