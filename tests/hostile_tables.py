"""Parquet files that nobody vouches for, made from a seed: odd names, odd types, lies, bombs, damage.

`table_of(seed)` gives a label and the bytes. Seeds that follow each other go through all of `KINDS`. With `heavy` the
bombs take gigabytes where they are not refused, and the tests that ask for them need the time.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import hostile_jpegs
import hostile_tars
import pyarrow as pa
import pyarrow.parquet as pq
import thrift_compact as thrift

Kind = Callable[[random.Random, bool], bytes]
CODECS = ["NONE", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"]
NAMES = [name.decode("utf-8", "replace") for name in hostile_tars.NAMES]
NAMES += ["", ".", "..", "a.b", "list.element", "bytes", "path", "image", "x" * 300, "é" * 200, "a/b/c", "\U0001f4f7"]


def written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def cell(rng: random.Random) -> bytes | None:
    """A value of a column of pictures."""
    how = rng.random()
    if how < 0.55:
        return rng.choice(hostile_tars.pictures())
    if how < 0.75:
        return hostile_jpegs.strange(rng.randrange(10**6))[1]
    return rng.choice([None, b"", b"text", bytes(50)])


def cells(rng: random.Random, rows: int) -> list[bytes | None]:
    return [cell(rng) for _ in range(rows)]


def others(rng: random.Random, rows: int) -> dict[str, pa.Array]:
    """Columns beside the pictures, which are to come back as they are."""
    numbers = [rng.choice([None, rng.randrange(-(2**31), 2**31)]) for _ in range(rows)]
    days = [rng.choice([None, rng.randrange(-(10**6), 10**6)]) for _ in range(rows)]
    words = [rng.choice([None, "", "word", "é" * 30, "\0", "../x"]) for _ in range(rows)]
    floats = [rng.choice([None, float("nan"), float("-inf"), -0.0, 1.5]) for _ in range(rows)]
    seconds = [rng.choice([None, -14831769600, 0, 4102444800, 253402300799]) for _ in range(rows)]
    million = [None if s is None else s * 10**6 for s in seconds]
    found = {
        "int": pa.array(numbers, pa.int32()),
        "small": pa.array([None if n is None else n % 100 for n in numbers], pa.uint8()),
        "float": pa.array(floats, pa.float64()),
        "half": pa.array(floats, pa.float32()).cast(pa.float16()),
        "bool": pa.array([rng.choice([None, True, False]) for _ in range(rows)]),
        "word": pa.array(words, pa.string()),
        "word view": pa.array(words, pa.string_view()),
        "large word": pa.array(words, pa.large_string()),
        "category": pa.array(words, pa.string()).dictionary_encode(),
        "date": pa.array(days, pa.date32()),
        "time": pa.array([None if d is None else abs(d) for d in days], pa.time64("ns")),
        "second": pa.array(seconds, pa.timestamp("s")),
        "micro": pa.array(million, pa.timestamp("us", "Europe/Zurich")),
        "duration": pa.array(days, pa.duration("ms")),
        "decimal": pa.array(numbers, pa.decimal128(38, 10)) if rows else pa.array([], pa.decimal128(9, 2)),
        "small decimal": pa.array([None if n is None else n % 1000 for n in numbers], pa.decimal128(5, 2)),
        "wide decimal": pa.array(numbers, pa.decimal256(70, 3)),
        "fixed": pa.array([None if n is None else b"%016d" % abs(n) for n in numbers], pa.binary(16)),
        "null": pa.nulls(rows),
        "list": pa.array([None if n is None else [n, None] for n in numbers], pa.list_(pa.int64())),
        "map": pa.array([None if n is None else [("k", n)] for n in numbers], pa.map_(pa.string(), pa.int64())),
        "struct": pa.array([None if n is None else {"a": n, "b": [None]} for n in numbers]),
    }
    return {name: found[name] for name in rng.sample(sorted(found), rng.randint(0, 6))}


def options(rng: random.Random) -> dict[str, Any]:
    """Legal options of the writer, each of which the file shows."""
    found = {
        "compression": rng.choice(CODECS),
        "version": rng.choice(["1.0", "2.4", "2.6"]),
        "data_page_version": rng.choice(["1.0", "2.0"]),
        "use_dictionary": rng.random() < 0.5,
        "row_group_size": rng.choice([1, 2, 1000]),
        "write_statistics": rng.random() < 0.5,
        "store_schema": rng.random() < 0.8,
        "data_page_size": rng.choice([1, 1 << 20]),
        "write_page_index": rng.random() < 0.3,
        "write_page_checksum": rng.random() < 0.3,
    }
    return {name: value for name, value in found.items() if rng.random() < 0.6}


def pictures(rng: random.Random) -> pa.Table:
    """A table as people have them, of few rows."""
    rows = rng.randint(1, 6)
    found = cells(rng, rows)
    names = [rng.choice([None, "a.jpg", "../x.jpg", "b.png", ""]) for _ in found]
    image: Any = [{"bytes": data, "path": name} for data, name in zip(found, names, strict=True)]
    kind: Any = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if rng.random() < 0.4:
        image, kind = found, rng.choice([pa.binary(), pa.large_binary()])
    table = pa.table({"image": pa.array(image, kind), **others(rng, rows)})
    told = rng.choice([None, {b"huggingface": b'{"info": {}}', b"caf\xe9": b"\xff"}, {b"x": b"y" * 100000}])
    return table.replace_schema_metadata(told) if told else table


def sound(rng: random.Random, heavy: bool) -> bytes:
    return written(pictures(rng), **options(rng))


def odd_names(rng: random.Random, heavy: bool) -> bytes:
    rows = rng.randint(1, 3)
    names = [rng.choice(NAMES) for _ in range(rng.randint(1, 4))]
    columns: list[Any] = []
    for name in names:
        found = cells(rng, rows)
        inner = rng.choice(NAMES)
        columns.append(rng.choice([found, [{inner: data, "path": name} for data in found], [[data] for data in found]]))
    kinds = [pa.array(column) for column in columns]
    try:
        return written(pa.Table.from_arrays(kinds, names), **options(rng))
    except (pa.ArrowException, OSError):  # a name that Parquet cannot have
        return written(pa.table({rng.choice(NAMES) or "x": cells(rng, rows)}))


def odd_types(rng: random.Random, heavy: bool) -> bytes:
    """Pictures in every type that can hold them."""
    rows = rng.randint(1, 4)
    found = cells(rng, rows)
    size = rng.randint(1, 40)
    kinds: list[tuple[Any, Any]] = [
        (found, pa.binary_view()),
        (found, pa.large_binary()),
        ([found] * 2, pa.list_(pa.binary(), rows)),
        ([found, None, []], pa.list_view(pa.binary())),
        ([found, [], None], pa.large_list(pa.binary())),
        ([[("k", data) for data in found]], pa.map_(pa.string(), pa.binary())),
        ([[(data or b"", "v") for data in found]], pa.map_(pa.binary(), pa.string())),
        ([(data or b"\xff\xd8\xff")[:size].ljust(size) for data in found], pa.binary(size)),
        ([[[{"bytes": data, "path": "a.jpg"}] for data in found]], None),
        ([{"bytes": data, "path": 5} for data in found], None),
        ([{"path": data, "bytes": data} for data in found], None),
        ([{"bytes": {"bytes": data}, "path": ["a.jpg"]} for data in found], None),
        ([[[[[data]]]] for data in found], None),
    ]
    if rng.random() < 0.2:
        array = pa.array(found).dictionary_encode()
    else:
        values, kind = rng.choice(kinds)
        array = pa.array(values, kind) if kind is not None else pa.array(values)
    table = pa.table({"image": array, "last": pa.array(range(len(array)))})
    try:
        return written(table, **options(rng))
    except (pa.ArrowException, OSError):
        return written(table)


def required(rng: random.Random, heavy: bool) -> bytes:
    """Columns that must not be null, with damaged pictures in them."""
    rows = rng.randint(1, 4)
    found = [data or b"" for data in cells(rng, rows)]
    item = pa.field("bytes", pa.binary(), nullable=rng.random() < 0.3)
    kinds = [
        (found, pa.field("image", pa.binary(), nullable=False)),
        ([{"bytes": data} for data in found], pa.field("image", pa.struct([item]), nullable=rng.random() < 0.5)),
        ([[data] for data in found], pa.field("image", pa.list_(item), nullable=rng.random() < 0.5)),
        ([None if rng.random() < 0.4 else {"bytes": data} for data in found], pa.field("image", pa.struct([item]))),
        ([None if rng.random() < 0.4 else [data] for data in found], pa.field("image", pa.list_(item))),
        (found, pa.field("image", pa.large_binary(), nullable=False)),
    ]
    values, field = rng.choice(kinds)
    return written(pa.Table.from_arrays([pa.array(values, field.type)], schema=pa.schema([field])), **options(rng))


def nulls(rng: random.Random, heavy: bool) -> bytes:
    rows = rng.choice([1, 3, 2000])
    kinds = [pa.null(), pa.binary(), pa.large_binary(), pa.struct([("bytes", pa.binary()), ("path", pa.string())])]
    kinds += [pa.list_(pa.binary()), pa.struct([]), pa.map_(pa.string(), pa.binary()), pa.binary(3)]
    arrays = [pa.nulls(rows, rng.choice(kinds)), pa.array([None, *cells(rng, rows - 1)] if rows < 5 else [None] * rows)]
    try:
        return written(pa.Table.from_arrays(arrays, ["image", "other"]), **options(rng))
    except (pa.ArrowException, OSError):  # Parquet has no struct without fields
        return written(pa.table({"image": pa.nulls(rows)}))


def old_times(rng: random.Random, heavy: bool) -> bytes:
    """INT96, whose range is wider than that of any time that readers know."""
    table = pictures(rng)
    seconds = [rng.choice([None, -14831769600, -62135596800, 0, 253402300799]) for _ in range(table.num_rows)]
    where = rng.choice(["column", "list", "struct"])
    times: Any = pa.array(seconds, pa.timestamp("s"))
    if where != "column":
        times = pa.array([[s] if where == "list" else {"t": s} for s in seconds])
        kind = pa.list_(pa.timestamp("s")) if where == "list" else pa.struct([("t", pa.timestamp("s"))])
        times = times.cast(kind)
    table = table.append_column("when", times)
    return written(table, **{**options(rng), "use_deprecated_int96_timestamps": True, "store_schema": False})


def encodings(rng: random.Random, heavy: bool) -> bytes:
    rows = rng.randint(2, 6)
    table = pa.table(
        {
            "image": pa.array(cells(rng, rows)),
            "path": pa.array([f"a/b/{i}.jpg" for i in range(rows)]),
            "number": pa.array(range(rows), pa.int64()),
            "float": pa.array([0.5] * rows),
        }
    )
    column = {
        "image": rng.choice(["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]),
        "path": rng.choice(["PLAIN", "DELTA_BYTE_ARRAY"]),
        "number": rng.choice(["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"]),
        "float": rng.choice(["PLAIN", "BYTE_STREAM_SPLIT"]),
    }
    return written(table, use_dictionary=False, column_encoding=column, compression=rng.choice(CODECS))


def not_utf8(rng: random.Random, heavy: bool) -> bytes:
    """Strings that are no text, beside pictures and elsewhere."""
    rows = rng.randint(1, 4)
    raw = [rng.choice([b"caf\xe9.jpg", b"\xff", b"\xed\xa0\x80.jpg", b"a.jpg", b"\0.jpg"]) for _ in range(rows)]
    array = pa.array(raw)
    text = pa.StringArray.from_buffers(rows, array.buffers()[1], array.buffers()[2])
    image = pa.StructArray.from_arrays([pa.array(cells(rng, rows)), text], ["bytes", "path"])
    return written(pa.Table.from_arrays([image, text], ["image", "name"]), **options(rng))


def dictionary_bomb(rng: random.Random, heavy: bool) -> bytes:
    """One value in the file, many in memory."""
    size, rows = rng.choice([(4 << 20, 400), (64 << 10, 20000), (16 << 20, 150)] if heavy else [(1 << 20, 2000)])
    picture = hostile_tars.pictures()[0]
    value = rng.choice([bytes(size), picture + bytes(size - len(picture)), picture[:200] + bytes(size - 200)])
    indices = pa.array([0] * rows, pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array([value]))
    codec = rng.choice(["ZSTD", "GZIP"])
    if rng.random() < 0.3:
        lists = pa.ListArray.from_arrays(pa.array([0, rows], pa.int32()), column)
        return written(pa.table({"x": lists}), compression=codec, store_schema=False)
    return written(pa.table({"x": column}), compression=codec, store_schema=False)


def many_of_one(rng: random.Random, heavy: bool) -> bytes:
    """The same picture in many rows, which is no bomb."""
    rows = 20000 if heavy else 60
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([hostile_tars.pictures()[2]]))
    return written(
        pa.table({"x": column}), compression="ZSTD", store_schema=False, row_group_size=rng.choice([7, rows])
    )


def counts_bomb(rng: random.Random, heavy: bool) -> bytes:
    """Rows that take nothing in the file."""
    rows = 20_000_000 if heavy else 200_000
    kind = rng.choice([pa.null(), pa.int64(), pa.binary(), pa.string(), pa.list_(pa.binary())])
    return written(pa.table({"x": pa.nulls(rows, kind)}), compression="ZSTD", row_group_size=rows)


def plain_bomb(rng: random.Random, heavy: bool) -> bytes:
    size = 600 << 20 if heavy else 16 << 20
    value = rng.choice([b"", hostile_tars.pictures()[0]])
    column = pa.array([value + bytes(size)], pa.large_binary())
    return written(pa.table({"x": column}), compression="ZSTD", use_dictionary=False, write_statistics=False)


def empty(rng: random.Random, heavy: bool) -> bytes:
    """No rows, no row groups, no columns."""
    how = rng.randrange(5)
    schema = pa.schema([("image", pa.binary()), ("n", pa.int64())])
    file = io.BytesIO()
    if how == 0:
        with pq.ParquetWriter(file, schema):
            pass
    elif how == 1:
        with pq.ParquetWriter(file, schema) as writer:
            for rows in (0, 2, 0):
                writer.write_table(pa.table({"image": cells(rng, rows), "n": [1] * rows}, schema=schema))
    elif how == 2:
        return written(pa.table({}))
    elif how == 3:
        return written(pa.table({"image": pa.array([], pa.binary())}), **options(rng))
    else:
        return written(pa.table({"n": [1, 2, 3]}))
    return file.getvalue()


def parts(data: bytes) -> tuple[bytes, thrift.Struct]:
    """What stands before the footer, and the footer."""
    size = int.from_bytes(data[-8:-4], "little")
    return data[: -8 - size], thrift.read_struct(data[-8 - size : -8])[0]


def joined(body: bytes, footer: bytes) -> bytes:
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def falsified(rng: random.Random, fields: thrift.Struct) -> None:
    """Put lies into one or two of the values of a struct."""
    kinds = thrift.INTEGERS if rng.random() < 0.8 else (thrift.BINARY,)
    found = [place for place in thrift.places(fields) if place[2] in kinds]
    for container, position, kind, value in rng.sample(found, min(len(found), rng.choice([1, 1, 2]))):
        if kind == thrift.BINARY:
            lies = [b"", value + b"x", value[:-1], b"../" + value, b"\xff" + value, b"x" * 100000, bytes(len(value))]
            thrift.put(container, position, rng.choice(lies))
        else:
            lies = [-1, 0, 1, value - 1, value + 1, value * 2, value * 1000, -value, 2**31 - 1, 2**31, 2**40, 2**63 - 1]
            lie = rng.choice([*lies, rng.randrange(20)])
            thrift.put(container, position, lie if kind == thrift.I64 or abs(lie) < 2**31 else lie % 2**31)


def false_footer(rng: random.Random, heavy: bool) -> bytes:
    body, footer = parts(rng.choice([sound, encodings, odd_types, required, old_times])(rng, False))
    falsified(rng, footer)
    return joined(body, thrift.write_struct(footer))


def false_page(rng: random.Random, heavy: bool) -> bytes:
    """A page header that lies, with all offsets behind it put right by a footer of the same length."""
    data = rng.choice([sound, encodings, odd_types])(rng, False)
    body, footer = parts(data)
    groups = next(value[1] for number, _, value in footer if number == 4)
    starts = []
    for group in groups:
        for chunk in next(value[1] for number, _, value in group if number == 1):
            meta = next((value for number, _, value in chunk if number == 3), [])
            starts += [value for number, _, value in meta if number in (9, 11)]
    if not starts:
        return data
    at = rng.choice(starts)
    header, stop = thrift.read_struct(body, at)
    falsified(rng, header)
    lie = thrift.write_struct(header)
    # Headers are varints, so a lie may be longer: what it takes is cut from the page behind it.
    return joined(
        body[:at] + lie + body[at + len(lie) :] if len(lie) != stop - at else body[:at] + lie + body[stop:],
        thrift.write_struct(footer),
    )


def false_ends(rng: random.Random, heavy: bool) -> bytes:
    data = sound(rng, False)
    size = rng.choice([0, 1, len(data) - 13, len(data) - 12, len(data), 2**31 - 1, 2**32 - 1])
    return rng.choice(
        [
            data[:-8] + size.to_bytes(4, "little") + b"PAR1",
            data + data,
            data + b"trailing",
            data[:-4] + b"PARE",
            data[:-4] + b"PAR2",
            b"XXXX" + data[4:],
            data[4:],
            b"PAR1" + data[-(int.from_bytes(data[-8:-4], "little") + 8) :],
            bytes(1000) + data,
        ]
    )


def no_table(rng: random.Random, heavy: bool) -> bytes:
    return rng.choice(
        [b"", b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", bytes(1000), hostile_tars.pictures()[0], b"a,b\n1,2\n"]
    )


def cut(rng: random.Random, heavy: bool) -> bytes:
    data = sound(rng, False)
    return data[: rng.randrange(len(data))]


def flipped(rng: random.Random, heavy: bool) -> bytes:
    data = bytearray(rng.choice([sound, encodings, odd_types, old_times])(rng, False))
    size = int.from_bytes(data[-8:-4], "little")
    for _ in range(rng.choice([1, 1, 3, 10])):
        at = rng.randrange(len(data) - 8 - size, len(data)) if rng.random() < 0.6 else rng.randrange(len(data))
        data[at] = rng.randrange(256)
    return bytes(data)


def false_arrow_schema(rng: random.Random, heavy: bool) -> bytes:
    """What Arrow keeps of its own schema in the metadata, damaged, or of another table."""
    body, footer = parts(written(pictures(rng)))
    other = parts(written(pa.table({"y": pa.array(["x"]).dictionary_encode(), "image": [1]})))[1]

    def told(fields: thrift.Struct) -> list[thrift.Struct]:
        return next((value[1] for number, _, value in fields if number == 5), [])

    for pair in told(footer):
        if pair[0][2] == b"ARROW:schema":
            value = bytearray(pair[1][2])
            for _ in range(rng.choice([1, 5])):
                value[rng.randrange(len(value))] = rng.choice(b"ABCDwxyz0189+/")
            lies = [bytes(value), b"", b"%%%", bytes(value)[: len(value) // 2], told(other)[0][1][2]]
            pair[1] = (pair[1][0], pair[1][1], rng.choice(lies))
    return joined(body, thrift.write_struct(footer))


KINDS: tuple[Kind, ...] = (
    sound,
    odd_names,
    odd_types,
    required,
    nulls,
    old_times,
    encodings,
    not_utf8,
    dictionary_bomb,
    many_of_one,
    counts_bomb,
    plain_bomb,
    empty,
    false_footer,
    false_page,
    false_ends,
    no_table,
    cut,
    flipped,
    false_arrow_schema,
)


def table_of(seed: int, heavy: bool = False) -> tuple[str, bytes]:
    """The kind's name and the file of this seed."""
    kind = KINDS[seed % len(KINDS)]
    return kind.__name__, kind(random.Random(seed), heavy)
