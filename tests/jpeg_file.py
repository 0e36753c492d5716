"""What tests read from a JPEG file without any decoder: its tables, sampling factors and codes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from j4d.jpeg.tables import ZIGZAG


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of every segment before the first scan."""
    position = 2
    while data[position + 1] != 0xDA:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], data[position + 4 : position + 2 + length]
        position += 2 + length


def tables_in_file(data: bytes) -> dict[int, np.ndarray]:
    """Quantization tables by number, (8, 8) in natural order, straight from the DQT segments."""
    tables = {}
    for marker, body in segments(data):
        for start in range(0, len(body) if marker == 0xDB else 0, 65):
            assert body[start] >> 4 == 0, "8-bit steps"
            natural = np.zeros(64, np.int32)
            natural[ZIGZAG] = list(body[start + 1 : start + 65])
            tables[body[start] & 15] = natural.reshape(8, 8)
    return tables


def components_in_file(data: bytes) -> list[tuple[str, int]]:
    """Sampling factors ("2x2") and table number of each component, from the frame header."""
    body = next(body for marker, body in segments(data) if marker in (0xC0, 0xC1, 0xC2))
    return [(f"{body[i + 1] >> 4}x{body[i + 1] & 15}", body[i + 2]) for i in range(6, 6 + 3 * body[5], 3)]


def huffman_tables(data: bytes) -> dict[int, dict[int, list[int]]]:
    """By class and slot (0x00, 0x01 for DC, 0x10, 0x11 for AC): the symbols of each code length 1..16."""
    tables = {}
    for marker, body in segments(data):
        at = 0
        while marker == 0xC4 and at < len(body):
            key, counts, at = body[at], body[at + 1 : at + 17], at + 17
            tables[key] = {}
            for length, count in enumerate(counts, start=1):
                tables[key][length] = list(body[at : at + count])
                at += count
    return tables


def scan_components(data: bytes) -> list[tuple[int, int]]:
    """Number and codes (0x11: DC code 1, AC code 1) of each component of the first scan."""
    next_scan = 2
    while data[next_scan + 1] != 0xDA:
        next_scan += 2 + int.from_bytes(data[next_scan + 2 : next_scan + 4], "big")
    at = next_scan + 5
    return [(data[at + 2 * i], data[at + 2 * i + 1]) for i in range(data[next_scan + 4])]
