"""Thrift's compact protocol, as much of it as Parquet footers and page headers need, so that tests can falsify them.

A struct is a list of (field id, type, value); a list or set is (element type, values). Types are Thrift's numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = (I16, I32, I64)
Struct = list[tuple[int, int, Any]]


def read_struct(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins at `at`, and where it ends."""
    found: Struct = []
    number = 0
    while (head := data[at]) != 0:
        at += 1
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _zigzag(data, at)
        value, at = _value(data, at, kind)
        found.append((number, kind, value))
    return found, at + 1


def write_struct(fields: Struct) -> bytes:
    made = b""
    last = 0
    for number, kind, value in fields:
        step = number - last
        made += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _varint(_to_zigzag(number))
        made += b"" if kind in (TRUE, FALSE) else _written(kind, value)
        last = number
    return made + b"\0"


def places(fields: Struct) -> Iterator[tuple[Any, int, int, Any]]:
    """(container, position, type, value) of every value that is no struct or list, to be replaced by `put`."""
    for i, (_, kind, value) in enumerate(fields):
        if kind == STRUCT:
            yield from places(value)
        elif kind in (LIST, SET):
            for j, element in enumerate(value[1]):
                if value[0] == STRUCT:
                    yield from places(element)
                else:
                    yield value[1], j, value[0], element
        else:
            yield fields, i, kind, value


def put(container: Any, position: int, value: Any) -> None:
    old = container[position]
    container[position] = (old[0], old[1], value) if isinstance(old, tuple) else value


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind == BYTE:
        return data[at], at + 1
    if kind in INTEGERS:
        return _zigzag(data, at)
    if kind == DOUBLE:
        return struct.unpack_from("<d", data, at)[0], at + 8
    if kind == BINARY:
        size, at = _unsigned(data, at)
        return data[at : at + size], at + size
    if kind in (LIST, SET):
        count, inner = data[at] >> 4, data[at] & 15
        at += 1
        if count == 15:
            count, at = _unsigned(data, at)
        values = []
        for _ in range(count):
            if inner in (TRUE, FALSE):
                value, at = data[at], at + 1
            else:
                value, at = _value(data, at, inner)
            values.append(value)
        return (inner, values), at
    if kind == STRUCT:
        return read_struct(data, at)
    raise ValueError(f"type {kind}")


def _written(kind: int, value: Any) -> bytes:
    if kind in (TRUE, FALSE, BYTE):
        return bytes([value & 255])
    if kind in INTEGERS:
        return _varint(_to_zigzag(value))
    if kind == DOUBLE:
        return struct.pack("<d", value)
    if kind == BINARY:
        return _varint(len(value)) + value
    if kind == STRUCT:
        return write_struct(value)
    inner, values = value
    head = bytes([len(values) << 4 | inner]) if len(values) < 15 else bytes([0xF0 | inner]) + _varint(len(values))
    return head + b"".join(_written(inner, each) for each in values)


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def _to_zigzag(value: int) -> int:
    return (value << 1) ^ (value >> 63) if -(2**63) <= value < 2**63 else value << 1


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])
