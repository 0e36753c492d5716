"""The rows of a Parquet file, some at a time, with the values in binary columns replaced.

A file says little of what it takes in memory: a page of a few bytes may hold one value of megabytes that a thousand
rows refer to. So dictionaries are read as dictionaries, what rows will take is counted before they are made, and only
some of them are made at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, BinaryIO

from j4d.bulk.faulty import DamagedError, RefusedError
from j4d.errors import DataError, J4DError

AT_ONCE = 64 << 20  # bytes of rows that are in memory beside the result; one row may be larger
LARGEST_RESULT = 1 << 30  # bytes of a row group as it is written, before it is compressed
LARGEST_ROW = 256 << 20  # bytes, on average over a row group
MOST_ROWS = 4096  # at once

Binary = bytes | None
# Takes a column's dotted path, its values, those of a string field `path` beside them in a struct, and whether the
# column may hold nulls; gives the values to be written.
Values = Callable[[str, list[Binary], list[str | None] | None, bool], list[Binary]]


def arrow() -> tuple[ModuleType, ModuleType]:
    """PyArrow and its Parquet module; DataError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError("Parquet files need PyArrow: pip install 'j4d[bulk]'") from None
    return pyarrow, pyarrow.parquet


@contextmanager
def told(what: str) -> Iterator[None]:
    """Whatever PyArrow raises from a damaged file, which is many things, as DamagedError in one line."""
    try:
        yield
    except J4DError:
        raise
    except MemoryError:
        raise DamagedError(f"{what}: it takes more memory than there is") from None
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DamagedError(f"{what}: {reason:.300}") from None


def opened(file: BinaryIO) -> Any:
    """The open Parquet file. Raises DamagedError."""
    _, pq = arrow()
    with told("no whole Parquet file"):
        found = pq.ParquetFile(file)
        found.schema_arrow  # noqa: B018  # names that are no text are told here
        groups = [found.metadata.row_group(i).num_rows for i in range(found.metadata.num_row_groups)]
        if sum(groups) != found.metadata.num_rows:
            raise DamagedError(
                f"no whole Parquet file: {found.metadata.num_rows} rows, {sum(groups)} in its row groups"
            )
        return found


def chunks_of(parquet: Any, source: BinaryIO, group: int) -> list[Any]:
    """What the footer tells of a row group's columns. source: the file of `parquet`.

    PyArrow ends the process where the footer contradicts itself and is asked for a column; where it reads, it raises.
    So a row is read first, as dictionaries where PyArrow can, since it may be large. Raises DamagedError, RefusedError
    for rows that are too large.
    """
    _, pq = arrow()
    with told(f"row group {group} cannot be read"):
        found = parquet.metadata.row_group(group)
        if found.total_byte_size > LARGEST_ROW * max(1, found.num_rows):
            raise RefusedError(
                f"{found.num_rows} rows take {found.total_byte_size} bytes, more than {LARGEST_ROW} each"
            )
        leaves = [parquet.schema.column(i) for i in range(len(parquet.schema))]
        coded = pq.ParquetFile(
            source,
            metadata=parquet.metadata,
            read_dictionary=[leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"],
        )
        for leaf in leaves:  # one after the other, since each may be large
            try:
                next(coded.iter_batches(1, row_groups=[group], columns=[leaf.path], use_threads=False), None)
            except Exception as error:  # PyArrow has no type of its own for this
                if "Not yet implemented" not in str(error):
                    raise
                next(parquet.iter_batches(1, row_groups=[group], columns=[leaf.path], use_threads=False), None)
        return [found.column(i) for i in range(found.num_columns)]


class Rows:
    """The rows of one row group, in order. source: the file that `parquet` was opened on."""

    def __init__(self, parquet: Any, source: BinaryIO, group: int) -> None:
        _, pq = arrow()
        self._schema = parquet.schema_arrow
        self._what = f"row group {group} cannot be read"
        with told(self._what):
            chunks = parquet.metadata.row_group(group)
            columns = chunks_of(parquet, source, group)
            self._left = chunks.num_rows
            views = {field.name for field in self._schema if _has_views(field.type)}  # no dictionary becomes one
            coded = [
                c.path_in_schema
                for c in columns
                if c.physical_type == "BYTE_ARRAY" and c.has_dictionary_page
                if c.path_in_schema.partition(".")[0] not in views
            ]
            reader = pq.ParquetFile(source, metadata=parquet.metadata, read_dictionary=coded)
            each = max(1, chunks.total_byte_size // max(1, chunks.num_rows), _least_bytes(self._schema))
            self.at_once = min(MOST_ROWS, max(1, AT_ONCE // each))
            self._batches = reader.iter_batches(self.at_once, row_groups=[group], use_threads=False)
        self._batch: Any = None
        self._taken = 0

    def some(self) -> Any:
        """The next rows, as many as there may be in memory, as a table; None behind the last one."""
        if not self._has_more():
            return None
        left = self._batch.num_rows - self._taken
        return self._table(left if sum(map(decoded_bytes, self._batch.columns)) <= AT_ONCE else 1)

    def take(self, count: int) -> Any:
        """The next `count` rows, of those that one `some` of the same rows gave; fewer where there are not so many."""
        pa, _ = arrow()
        found = []
        while count and self._has_more():
            part = self._table(min(count, self._batch.num_rows - self._taken))
            count -= part.num_rows
            found.append(part)
        return pa.concat_tables(found) if found else self._schema.empty_table()

    def _has_more(self) -> bool:
        while self._batch is None or self._taken == self._batch.num_rows:
            with told(self._what):
                self._batch, self._taken = next(self._batches, None), 0
                if self._batch is not None:
                    self._batch.validate()
            if self._batch is None:
                if self._left:
                    raise DamagedError(f"{self._what}: {self._left} rows fewer than it should have")
                return False
            self._left -= self._batch.num_rows
            with told(self._what):
                size = sum(map(decoded_bytes, self._batch.columns))
            if size > LARGEST_RESULT:
                raise RefusedError(
                    f"{self._batch.num_rows} rows take {size} bytes in memory, more than {LARGEST_RESULT}; "
                    "write smaller ones"
                )
        return True

    def _table(self, count: int) -> Any:
        pa, _ = arrow()
        with told(self._what):
            whole = count == self._batch.num_rows
            which = None if whole else pa.array(range(self._taken, self._taken + count))
            columns = [c if which is None else _taken(c, which, self._taken, count) for c in self._batch.columns]
            self._taken += count
            fields = zip(columns, self._schema, strict=True)
            return pa.Table.from_arrays([_plain(c, field.type) for c, field in fields], schema=self._schema)


def decoded_bytes(array: Any) -> int:
    """Bytes that an array takes once its dictionaries are written out."""
    pa, _ = arrow()
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind) and (_is_bytes(kind.value_type) or _is_text(kind.value_type)):
        if len(array.dictionary) == 0:
            return 4 * len(array)
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0) + 4 * len(array)
    if pa.types.is_struct(kind):
        return sum(decoded_bytes(array.field(i)) for i in range(kind.num_fields))
    if _is_list(kind) or pa.types.is_fixed_size_list(kind):
        return 8 * len(array) + decoded_bytes(array.values)
    if pa.types.is_map(kind):
        return 8 * len(array) + decoded_bytes(array.keys) + decoded_bytes(array.items)
    return int(array.get_total_buffer_size()) if kind.num_fields else int(array.nbytes)


def _least_bytes(schema: Any) -> int:
    """What a row takes at least in columns of values of a fixed size."""
    pa, _ = arrow()
    return sum(field.type.byte_width for field in schema if pa.types.is_fixed_size_binary(field.type))


def _taken(column: Any, which: Any, start: int, count: int) -> Any:
    """Some values of a column. PyArrow takes none from columns of some types."""
    pa, _ = arrow()
    if _has_views(column.type):  # or only the views are taken, and all that they may look at stays
        return pa.array(column.slice(start, count).to_pylist(), type=column.type)
    return column.take(which)


def rebuilt(table: Any, values: Values) -> Any:
    """The table with every list of binary values replaced by what `values` makes of it."""
    pa, _ = arrow()
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        chunks = [_rebuilt(chunk, field.name, None, field.nullable, values) for chunk in column.chunks]
        columns.append(pa.chunked_array(chunks, type=field.type))
    return pa.Table.from_arrays(columns, schema=table.schema)


def left_alone(schema: Any) -> list[str]:
    """Dotted paths of columns with binary values that `rebuilt` does not replace."""
    return list(itertools.chain.from_iterable(_left_alone(field.type, field.name) for field in schema))


def _left_alone(kind: Any, path: str) -> Iterator[str]:
    pa, _ = arrow()
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _left_alone(kind[i].type, f"{path}.{kind[i].name}")
    elif _is_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _left_alone(kind.value_type, path)
    elif pa.types.is_map(kind):
        yield from _left_alone(kind.item_type, path)
    elif pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        yield path
    elif isinstance(kind, pa.BaseExtensionType):
        yield from [path] if _holds_bytes(kind.storage_type) else []


def _holds_bytes(kind: Any) -> bool:
    return _is_bytes(kind) or any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))


def _rebuilt(array: Any, path: str, names: list[str | None] | None, nullable: bool, values: Values) -> Any:
    pa, _ = arrow()
    kind = array.type
    if _is_bytes(kind):
        found = values(path, array.to_pylist(), names, nullable)
        return pa.array(found if nullable else [b"" if value is None else value for value in found], type=kind)
    if pa.types.is_dictionary(kind) and _is_bytes(kind.value_type):
        found = values(path, array.to_pylist(), names, nullable)
        return pa.array(found, type=kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_struct(kind) and kind.num_fields:
        index = kind.get_field_index("path")
        beside = index >= 0 and (pa.types.is_string(kind[index].type) or pa.types.is_large_string(kind[index].type))
        paths = _texts(array.field(index)) if beside else None
        children = [
            _rebuilt(array.field(i), f"{path}.{kind[i].name}", paths, kind[i].nullable, values)
            for i in range(kind.num_fields)
        ]
        with told("a column cannot be written"):
            return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if _is_list(kind):
        inner = _rebuilt(array.values, path, None, kind.value_field.nullable, values)
        if _is_view(kind):
            return type(array).from_arrays(array.offsets, array.sizes, inner, type=kind, mask=array.is_null())
        return type(array).from_arrays(array.offsets, inner, type=kind, mask=array.is_null())
    if pa.types.is_fixed_size_list(kind):
        inner = _rebuilt(array.values, path, None, kind.value_field.nullable, values)
        return pa.FixedSizeListArray.from_arrays(inner, type=kind, mask=array.is_null())
    if pa.types.is_map(kind):
        items = _rebuilt(array.items, path, None, kind.item_field.nullable, values)
        return pa.MapArray.from_arrays(array.offsets, array.keys, items, type=kind, mask=array.is_null())
    return array


def _texts(array: Any) -> list[str | None]:
    """Strings, which in a file from elsewhere need not be UTF-8."""
    pa, _ = arrow()
    return [
        None if raw is None else raw.decode("utf-8", "replace") for raw in array.cast(pa.large_binary()).to_pylist()
    ]


def _plain(array: Any, kind: Any) -> Any:
    """The array as the type that the schema has, dictionaries that only the reading made written out."""
    return array if array.type == kind else array.cast(kind)


def _is_bytes(kind: Any) -> bool:
    pa, _ = arrow()
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_text(kind: Any) -> bool:
    pa, _ = arrow()
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: Any) -> bool:
    pa, _ = arrow()
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or _is_view(kind))


def _has_views(kind: Any) -> bool:
    pa, _ = arrow()
    if pa.types.is_binary_view(kind) or pa.types.is_string_view(kind) or _is_view(kind):
        return True
    return any(_has_views(kind.field(i).type) for i in range(kind.num_fields))


def _is_view(kind: Any) -> bool:
    pa, _ = arrow()
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))
