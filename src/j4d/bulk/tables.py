"""Sources that are Parquet files, those of Hugging Face `datasets` among them: the images in binary columns recoded.

An image is a binary value, on its own or inside structs, lists and maps (`struct<bytes, path>` is how `datasets` keeps
one), that begins as a JPEG file does, or whose neighbour `path` is called one. Every other value, the types, the rows'
order, the row groups, the schema's metadata and the compression stay; a file that would not come back with the types
that it has is left as it is.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from j4d.bulk.content import HEAD, is_image
from j4d.bulk.faulty import RefusedError, UnchangedError
from j4d.bulk.pipeline import ImagePool, Part
from j4d.bulk.quarantine import put_image
from j4d.bulk.results import Done, Entry, Image
from j4d.bulk.storage import Source, Target, mode_of
from j4d.bulk.table_rows import (
    AT_ONCE,
    LARGEST_RESULT,
    Binary,
    Rows,
    Values,
    arrow,
    chunks_of,
    left_alone,
    opened,
    rebuilt,
    told,
)
from j4d.images.kinds import JPEG_SUFFIXES

SUFFIXES = (".parquet", ".pq")
_OF_WRITERS = re.compile(r"(, )?(is_from_converted_type|force_set_converted_type)=\w+")  # how they write, not what
_ENCODINGS = ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT")


def convert(entry: Entry, source: Source, target: Target, recoding: ImagePool) -> Done:
    """Write the file with its images recoded. Raises RefusedError, DamagedError, UnchangedError, OSError."""
    _, pq = arrow()
    images: list[Image] = []
    others = [0, 0]

    def recoded(place: Callable[[str, int], int]) -> Values:
        def values(column: str, found: list[Binary], paths: list[str | None] | None, nullable: bool) -> list[Binary]:
            result: list[Binary] = []
            parts = value_parts(f"{entry.name}/{column}", place(column, len(found)), found, paths)
            for part, done in recoding.in_order(parts):
                if done is None:
                    result.append(part.tag)
                    if part.tag is not None:
                        others[0], others[1] = others[0] + 1, others[1] + len(part.tag)
                    continue
                image, data = done.image, done.data
                if data is None:
                    assert isinstance(part.data, bytes)
                    if nullable:
                        image = put_image(target.create, entry.name, len(images), image, part.data, ".jpg")
                    else:  # the column takes no null in its place
                        image, data = image._replace(bytes_out=len(part.data)), part.data
                images.append(image)
                result.append(data)
            return result

        return values

    with source.open(entry.name) as file:
        parquet = opened(file)
        options = _options(parquet, file)
        must_come_back(parquet, options)
        with target.create(entry.name, mode_of(file)) as out:
            row = 0
            with pq.ParquetWriter(out, parquet.schema_arrow, **options) as writer:
                for group in range(parquet.metadata.num_row_groups):
                    table = _converted(Rows(parquet, file, group), recoded(places(row)), parquet.schema_arrow)
                    with told(f"row group {group} cannot be written"):
                        writer.write_table(table, row_group_size=max(1, table.num_rows))
                    row += table.num_rows
            size = out.tell()
        alone = left_alone(parquet.schema_arrow)
    note = f"binary values of column {', '.join(alone[:3])} are left as they are" if alone else ""
    return Done(entry, size, tuple(images), others[0], others[1], note=note)


def _converted(rows: Rows, values: Values, schema: Any) -> Any:
    """A row group as it is written. Raises RefusedError where it would take too much memory."""
    pa, _ = arrow()
    done, size = [], 0
    while (some := rows.some()) is not None:
        done.append(rebuilt(some, values))
        size += done[-1].nbytes
        if size > LARGEST_RESULT:
            raise RefusedError(f"a row group takes more than {LARGEST_RESULT} bytes in memory; write smaller ones")
    with told("a row group cannot be written"):
        table = pa.concat_tables(done) if done else schema.empty_table()
        return table.combine_chunks() if size <= AT_ONCE else table


def places(row: int) -> Callable[[str, int], int]:
    """Numbers of values in a row group that begins with `row`: of `count` more in a column, the first one's."""
    counts: Counter[str] = Counter()

    def place(column: str, count: int) -> int:
        first = row + counts[column]
        counts[column] += count
        return first

    return place


def value_parts(key: str, start: int, found: list[Binary], paths: list[str | None] | None) -> Iterator[Part[Binary]]:
    for i, data in enumerate(found):
        name = (paths[i] if paths else None) or ""
        suffix = next((suffix for suffix in JPEG_SUFFIXES if name.lower().endswith(suffix)), "")
        image = data is not None and is_image(suffix, data[:HEAD], len(data))
        yield Part(data, f"{key}/{start + i}", data or b"", image)


def must_come_back(parquet: Any, options: dict[str, Any]) -> None:
    """UnchangedError where a file written with this schema would have other types, found with a file without rows."""
    _, pq = arrow()
    if lost := next((c.name for c in _leaves(parquet) if c.physical_type == "INT96"), None):
        raise UnchangedError(f"column {lost!r:.100} holds INT96 timestamps, whose range would not stay")
    with told("its schema cannot be written"):
        file = io.BytesIO()
        pq.write_table(parquet.schema_arrow.empty_table(), file, **options)
        written = pq.ParquetFile(file)
        if not written.schema_arrow.equals(parquet.schema_arrow, check_metadata=True):
            raise UnchangedError("its schema or metadata would not come back the same")
        if _metadata(written) != _metadata(parquet):
            raise UnchangedError("its metadata, which its schema contradicts, would not come back the same")
        for was, now in zip(physical(parquet), physical(written), strict=False):
            if was != now:
                raise UnchangedError(f"a column would change its type, from {was:.120} to {now:.120}")


def physical(parquet: Any) -> list[str]:
    """The lines of a file's own schema, types and repetition in each; the name of the whole is left out."""
    text = str(parquet.schema).partition("\n")[2].partition("\n")[2]
    return [_OF_WRITERS.sub("", line) for line in text.split("\n")]


def _metadata(parquet: Any) -> dict[bytes, bytes]:
    """What the file says beside its schema."""
    found = parquet.metadata.metadata or {}
    return {key: value for key, value in found.items() if key != b"ARROW:schema"}


def _leaves(parquet: Any) -> list[Any]:
    return [parquet.schema.column(i) for i in range(len(parquet.schema))]


def _options(parquet: Any, source: BinaryIO) -> dict[str, Any]:
    """The writer's options that make the new file like the old one."""
    with told("no whole Parquet file"):
        metadata = parquet.metadata
        options: dict[str, Any] = {"version": metadata.format_version if metadata.format_version != "2.0" else "2.6"}
        leaves = _leaves(parquet)
        paths = [leaf.path for leaf in leaves]
        options["use_compliant_nested_type"] = not any(re.search(r"\.list\.(?!element\b)", path) for path in paths)
        integers = ("INT32", "INT64")
        if any(c.logical_type.type == "DECIMAL" and c.physical_type in integers for c in leaves):
            options["store_decimal_as_integer"] = True
        if metadata.num_row_groups and metadata.num_columns:
            group = metadata.row_group(0)
            chunks = chunks_of(parquet, source, 0)
            options["compression"] = {c.path_in_schema: _codec(c.compression) for c in chunks}
            options["use_dictionary"] = [c.path_in_schema for c in chunks if c.has_dictionary_page]
            options["write_page_index"] = any(c.has_offset_index for c in chunks)
            plain = [c for c in chunks if not c.has_dictionary_page]
            encoded = {c.path_in_schema: e for c in plain for e in c.encodings if e in _ENCODINGS}
            if encoded:
                options["column_encoding"] = encoded
            if group.sorting_columns:
                options["sorting_columns"] = group.sorting_columns
    return options


def _codec(name: str) -> str:
    return {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}.get(name, name)
