"""Sources that are Parquet files, those of Hugging Face `datasets` among them: the images in binary columns recoded.

An image is a binary value, on its own or inside structs and lists (`struct<bytes, path>` is how `datasets` keeps one),
that begins as a JPEG file does, or whose neighbour `path` is called one. Every other value, the types, the rows' order,
the row groups, the schema's metadata and the compression stay. One row group is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, BinaryIO

from j4d.bulk.content import HEAD, JPEG_SUFFIXES, is_image
from j4d.bulk.pipeline import Lane, Part
from j4d.bulk.place import Source, Target, mode_of
from j4d.bulk.quarantine import put_image
from j4d.bulk.results import Done, Entry, Image
from j4d.bulk.shards import DamagedError, RefusedError
from j4d.errors import DataError

SUFFIXES = (".parquet", ".pq")
LARGEST_ROW_GROUP = 8 << 30  # bytes, not compressed

Values = Callable[[str, list[bytes | None], list[str | None] | None], list[bytes | None]]


def arrow() -> tuple[ModuleType, ModuleType]:
    """PyArrow and its Parquet module; DataError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError("Parquet files need PyArrow: pip install 'j4d[bulk]'") from None
    return pyarrow, pyarrow.parquet


def convert(entry: Entry, source: Source, target: Target, lane: Lane) -> Done:
    """Write the file with its images recoded. Raises RefusedError, DamagedError, OSError."""
    _, pq = arrow()
    images: list[Image] = []
    others = [0, 0]

    def recoded(start: int) -> Values:
        def values(column: str, found: list[bytes | None], paths: list[str | None] | None) -> list[bytes | None]:
            result: list[bytes | None] = []
            parts = value_parts(f"{entry.name}/{column}", start, found, paths)
            for part, done in lane.in_order(parts):
                if done is None:
                    result.append(part.tag)
                    if part.tag is not None:
                        others[0], others[1] = others[0] + 1, others[1] + len(part.tag)
                    continue
                image = done.image
                if done.data is None:
                    assert isinstance(part.data, bytes)
                    image = put_image(target.create, entry.name, len(images), image, part.data, ".jpg")
                images.append(image)
                result.append(done.data)
            return result

        return values

    with source.open(entry.name) as file:
        parquet = opened(file)
        with target.create(entry.name, mode_of(file)) as out:
            row = 0
            with pq.ParquetWriter(out, parquet.schema_arrow, **_options(parquet)) as writer:
                for group in range(parquet.metadata.num_row_groups):
                    table = read_group(parquet, group)
                    writer.write_table(rebuilt(table, recoded(row)), row_group_size=max(1, table.num_rows))
                    row += table.num_rows
            size = out.tell()
    return Done(entry, size, tuple(images), others[0], others[1])


def opened(file: BinaryIO) -> Any:
    """The open Parquet file. Raises DamagedError."""
    pa, pq = arrow()
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"no whole Parquet file: {error}") from None


def read_group(parquet: Any, group: int) -> Any:
    """One row group as a table. Raises DamagedError, RefusedError where it is too large."""
    pa, _ = arrow()
    size = parquet.metadata.row_group(group).total_byte_size
    if size > LARGEST_ROW_GROUP:
        raise RefusedError(f"row group {group} has {size} bytes, more than {LARGEST_ROW_GROUP}; write smaller ones")
    try:
        return parquet.read_row_group(group, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"row group {group} cannot be read: {error}") from None


def rebuilt(table: Any, values: Values) -> Any:
    """The table with every list of binary values replaced by what `values` makes of it.

    values: takes the column's dotted path, the values, and those of a string field `path` beside them in a struct.
    """
    pa, _ = arrow()
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        chunks = [_rebuilt(chunk, field.name, None, values) for chunk in column.chunks]
        columns.append(pa.chunked_array(chunks, type=field.type))
    return pa.Table.from_arrays(columns, schema=table.schema)


def _rebuilt(array: Any, path: str, names: list[str | None] | None, values: Values) -> Any:
    pa, _ = arrow()
    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array(values(path, array.to_pylist(), names), type=kind)
    if pa.types.is_struct(kind) and kind.num_fields:
        index = kind.get_field_index("path")
        beside = index >= 0 and (pa.types.is_string(kind[index].type) or pa.types.is_large_string(kind[index].type))
        paths = array.field(index).to_pylist() if beside else None
        children = [_rebuilt(array.field(i), f"{path}.{kind[i].name}", paths, values) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _rebuilt(array.values, path, None, values)
        return type(array).from_arrays(array.offsets, inner, type=kind, mask=array.is_null())
    return array


def value_parts(
    key: str, start: int, found: list[bytes | None], paths: list[str | None] | None
) -> Iterator[Part[bytes | None]]:
    for i, data in enumerate(found):
        name = (paths[i] if paths else None) or ""
        suffix = next((suffix for suffix in JPEG_SUFFIXES if name.lower().endswith(suffix)), "")
        image = data is not None and is_image(suffix, data[:HEAD], len(data))
        yield Part(data, f"{key}/{start + i}", data or b"", image)


def _options(parquet: Any) -> dict[str, Any]:
    """The writer's options that make the new file like the old one."""
    metadata = parquet.metadata
    options: dict[str, Any] = {"version": metadata.format_version if metadata.format_version != "2.0" else "2.6"}
    if metadata.num_row_groups and metadata.num_columns:
        group = metadata.row_group(0)
        chunks = [group.column(i) for i in range(metadata.num_columns)]
        options["compression"] = {c.path_in_schema: _codec(c.compression) for c in chunks}
        options["use_dictionary"] = [c.path_in_schema for c in chunks if c.has_dictionary_page]
        options["write_page_index"] = any(c.has_offset_index for c in chunks)
        if group.sorting_columns:
            options["sorting_columns"] = group.sorting_columns
    return options


def _codec(name: str) -> str:
    return {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}.get(name, name)
