"""Labels of images, from a CSV file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

from j4d.errors import DataError
from j4d.support.files import read_limited

LABEL_FILE_LIMIT = 2**28  # bytes


def _read_labels(path: Path, names: list[str], split: str | None) -> dict[str, int]:
    """Label by image name, of the rows in `split`. Raises DataError unless rows and `names` match one to one."""
    try:
        data = read_limited(path, LABEL_FILE_LIMIT)
    except OSError as error:
        raise DataError(f"{path}: cannot read the label file: {error.strerror}") from None
    rows = label_rows(data, str(path), ("split",) if split else ())
    listed = Counter(row["file"] for row in rows)
    known = set(names)
    for name, count in listed.items():
        if name not in known:
            raise DataError(f"{path}: {name!r} is not an image in the folder")
        if count > 1:
            raise DataError(f"{path}: {name!r} is listed {count} times")
    if bare := [name for name in names if name not in listed]:
        raise DataError(f"{path}: {len(bare)} images have no label, the first is {bare[0]!r}; add rows for them")
    chosen = [row for row in rows if split is None or row["split"] == split]
    if not chosen:
        found = ", ".join(sorted({str(row["split"]) for row in rows}))
        raise DataError(f"{path}: no row has split {split!r}; there are: {found}")
    return {row["file"]: label_of(path, row["file"], row["label"]) for row in chosen}


def label_rows(data: bytes | None, path: str, also: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The rows of a label file: columns file, label and those in `also`. Raises DataError.

    data: its bytes, None where there are more than LABEL_FILE_LIMIT. path: what errors call it.
    """
    if data is None or len(data) > LABEL_FILE_LIMIT:
        raise DataError(f"{path}: larger than {LABEL_FILE_LIMIT} bytes, the limit of a label file")
    try:
        table = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        rows = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV text file in UTF-8: {error}") from None
    columns = table.fieldnames or []
    missing = [column for column in ("file", "label", *also) if column not in columns]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}; the first line is {','.join(columns)!r}")
    return rows


def label_of(path: str | Path, name: str, text: Any) -> int:
    """The class number of a row's label. Raises DataError."""
    if not isinstance(text, str) or not text.strip().isdecimal() or len(text) > 18:
        raise DataError(f"{path}: label {text!r} of {name!r} is not a class number 0, 1, 2, ...")
    return int(text)
