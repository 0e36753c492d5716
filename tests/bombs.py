"""Parquet files of a few hundred bytes that take gigabytes where they are read before they are weighed.

Each function gives the file's bytes; `size` is about what its rows take in memory. `python tests/bombs.py FOLDER`
transcodes `FOLDER/in` to `FOLDER/out` and prints how many bytes of memory that took.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

VALUE = 1 << 20  # bytes


def written(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        file,
        compression="ZSTD",
        store_schema=False,
        write_statistics=False,
        dictionary_pagesize_limit=1 << 30,
        data_page_size=1 << 30,
    )
    return file.getvalue()


def repeated(count: int, value: bytes | str, kind: Any) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value], kind))


def one_list(values: Any) -> Any:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def of_bytes(size: int) -> bytes:
    return written(x=repeated(size // VALUE, bytes(VALUE), pa.binary()))


def in_a_list(size: int) -> bytes:
    return written(x=one_list(repeated(size // VALUE, bytes(VALUE), pa.binary())))


def of_fixed_size(size: int) -> bytes:
    return written(x=repeated(size // VALUE, bytes(VALUE), pa.binary(VALUE)))


def of_text(size: int) -> bytes:
    return written(x=repeated(size // VALUE, "a" * VALUE, pa.string()))


def in_a_map(size: int) -> bytes:
    count = size // VALUE
    keys = pa.array(range(count), pa.int32())
    values = repeated(count, bytes(VALUE), pa.binary())
    return written(x=pa.MapArray.from_arrays(pa.array([0, count], pa.int32()), keys, values))


def of_a_map_keys(size: int) -> bytes:
    count = size // VALUE
    values = pa.array(range(count), pa.int32())
    keys = repeated(count, bytes(VALUE), pa.binary())
    return written(x=pa.MapArray.from_arrays(pa.array([0, count], pa.int32()), keys, values))


def of_nulls_in_a_row(size: int) -> bytes:
    """One row with a list of nulls, of which a page tells with a few bytes."""
    return written(x=one_list(pa.nulls(size // 16, pa.int8())))


def of_columns(size: int) -> bytes:
    """A value in each of some columns, none of which is too large alone."""
    value = pa.array([bytes(200 << 20)], pa.large_binary())
    file = io.BytesIO()
    columns = {f"c{i}": value for i in range(max(1, size // (200 << 20)))}
    pq.write_table(pa.table(columns), file, compression="ZSTD", use_dictionary=False, write_statistics=False)
    return file.getvalue()


def of_one_value(size: int) -> bytes:
    file = io.BytesIO()
    column = pa.array([b"\xff\xd8\xff" + bytes(size)], pa.large_binary())
    pq.write_table(pa.table({"x": column}), file, compression="ZSTD", use_dictionary=False, write_statistics=False)
    return file.getvalue()


BOMBS: dict[str, Callable[[int], bytes]] = {
    bomb.__name__: bomb
    for bomb in (
        of_bytes,
        in_a_list,
        of_fixed_size,
        of_text,
        in_a_map,
        of_a_map_keys,
        of_nulls_in_a_row,
        of_columns,
        of_one_value,
    )
}


def transcoded(folder: Path) -> int:
    """Bytes of memory that transcoding the folder's `in` to its `out` takes at most, beyond what the process had."""
    from bulk_claims import PARAMETERS, peak

    from j4d.bulk import Settings, source_of, target_of, transcode_data_set

    start = peak(reset=True)
    transcode_data_set(
        source_of([str(folder / "in")]), target_of(str(folder / "out")), Settings(parameters=PARAMETERS), threads=1
    )
    return peak() - start


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    print(transcoded(Path(sys.argv[1])))
