"""A plain writer and reader of Huffman-coded sequential JPEG files, so that tests need not ask libjpeg about itself.

The writer makes what encoders in common use do not: any sampling factors, any component names, 16-bit steps, wrong
headers. Its Huffman codes have one length per table, so that a code is a symbol's number. The reader is a decoder of
coefficients by the book (T.81 F.2), for one picture of any sampling factors and any order of scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from j4d.jpeg.tables import ZIGZAG

DC_SYMBOLS = list(range(12))  # 4 bits each
AC_SYMBOLS = [0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))]  # 8 bits each


@dataclass
class Component:
    """blocks: (By, Bx, 8, 8) indices that hold picture; table: (8, 8) steps; natural order."""

    name: int
    horizontal: int
    vertical: int
    table: np.ndarray
    blocks: np.ndarray


@dataclass
class Picture:
    height: int
    width: int
    components: list[Component]
    markers: list[tuple[int, bytes]] = field(default_factory=list)

    def grid(self, component: Component) -> tuple[int, int]:
        """Rows and columns of blocks that hold picture."""
        most_h, most_v = (max(getattr(c, axis) for c in self.components) for axis in ("horizontal", "vertical"))
        return (
            -(-self.height * component.vertical // (8 * most_v)),
            -(-self.width * component.horizontal // (8 * most_h)),
        )


def random_picture(
    rng: np.random.Generator,
    height: int,
    width: int,
    factors: Sequence[tuple[int, int]],
    *,
    names: Sequence[int] = (1, 2, 3),
    most: int = 1023,
    largest_step: int = 255,
    share: float = 0.2,
) -> Picture:
    """Random indices up to `most` and steps up to `largest_step`; `share` of the indices are not 0."""
    picture = Picture(height, width, [])
    for name, (horizontal, vertical) in zip(names, factors, strict=False):
        table = np.exp(rng.uniform(0, np.log(largest_step), (8, 8))).round().astype(np.int32)
        picture.components.append(Component(name, horizontal, vertical, table, np.zeros(0)))
    for component in picture.components:
        shape = (*picture.grid(component), 8, 8)
        sizes = np.exp(rng.uniform(0, np.log(most + 1), shape)).astype(np.int16)
        signs = rng.choice(np.array([-1, 1], np.int16), shape)
        component.blocks = np.where(rng.random(shape) < share, signs * sizes, 0).astype(np.int16)
    return picture


def segment(code: int, body: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(body) + 2).to_bytes(2, "big") + body


def write(
    picture: Picture,
    *,
    interleaved: bool = True,
    sof: int = 0xC0,
    precision: int = 8,
    header_size: tuple[int, int] | None = None,
    end: bytes = b"\xff\xd9",
) -> bytes:
    """The file. header_size: (height, width) that the header claims."""
    height, width = header_size or (picture.height, picture.width)
    data = b"\xff\xd8" + b"".join(segment(code, body) for code, body in picture.markers)
    for number, component in enumerate(picture.components):
        steps = component.table.ravel()[ZIGZAG]
        wide = steps.max() > 255
        data += segment(0xDB, bytes([wide << 4 | number]) + steps.astype(">u2" if wide else "u1").tobytes())
    frame = bytes([precision]) + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    frame += bytes([len(picture.components)])
    for number, c in enumerate(picture.components):
        frame += bytes([c.name, c.horizontal << 4 | c.vertical, number])
    data += segment(sof, frame)
    data += segment(0xC4, bytes([0x00, 0, 0, 0, 12, *[0] * 12, *DC_SYMBOLS]))
    data += segment(0xC4, bytes([0x10, *[0] * 7, len(AC_SYMBOLS), *[0] * 8, *AC_SYMBOLS]))
    scans = [picture.components] if interleaved else [[c] for c in picture.components]
    for scan in scans:
        names = b"".join(bytes([c.name, 0x00]) for c in scan)
        data += segment(0xDA, bytes([len(scan)]) + names + bytes([0, 63, 0])) + _scan(picture, scan)
    return data + end


def _order(picture: Picture, scan: list[Component]) -> list[tuple[int, int, int]]:
    """(component, row, column) of every block of a scan in coding order; with padding where interleaved."""
    if len(scan) == 1:
        rows, columns = picture.grid(scan[0])
        return [(0, y, x) for y in range(rows) for x in range(columns)]
    most_h, most_v = (max(getattr(c, axis) for c in picture.components) for axis in ("horizontal", "vertical"))
    return [
        (i, my * c.vertical + j, mx * c.horizontal + k)
        for my in range(-(-picture.height // (8 * most_v)))
        for mx in range(-(-picture.width // (8 * most_h)))
        for i, c in enumerate(scan)
        for j in range(c.vertical)
        for k in range(c.horizontal)
    ]


def _scan(picture: Picture, scan: list[Component]) -> bytes:
    bits: list[str] = []
    last = [0] * len(scan)

    def put(value: int, size: int) -> None:
        if size:
            bits.append(format(value if value >= 0 else value + (1 << size) - 1, f"0{size}b"))

    for i, y, x in _order(picture, scan):
        rows, columns = picture.grid(scan[i])
        padding = y >= rows or x >= columns
        zigzag = scan[i].blocks[y, x].ravel()[ZIGZAG].tolist() if not padding else [last[i]] + [0] * 63
        difference, last[i] = zigzag[0] - last[i], zigzag[0]
        size = abs(difference).bit_length()
        bits.append(format(DC_SYMBOLS.index(size), "04b"))
        put(difference, size)
        run = 0
        for value in zigzag[1:]:
            if value == 0:
                run += 1
                continue
            while run > 15:
                bits.append(format(AC_SYMBOLS.index(0xF0), "08b"))
                run -= 16
            size = abs(value).bit_length()
            bits.append(format(AC_SYMBOLS.index(run << 4 | size), "08b"))
            put(value, size)
            run = 0
        if run:
            bits.append(format(AC_SYMBOLS.index(0x00), "08b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


class _Bits:
    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\xff\x00", b"\xff")
        self.text = format(int.from_bytes(b"\x01" + plain, "big"), "b")[1:]
        self.at = 0

    def take(self, size: int) -> int:
        self.at += size
        assert self.at <= len(self.text), "the scan ends too early"
        return int(self.text[self.at - size : self.at], 2) if size else 0

    def symbol(self, codes: dict[str, int]) -> int:
        for size in range(1, 17):
            found = codes.get(self.text[self.at : self.at + size])
            if found is not None:
                self.at += size
                return found
        raise AssertionError("no such code")

    def signed(self, size: int) -> int:
        value = self.take(size)
        return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


def _codes(body: bytes) -> dict[int, dict[str, int]]:
    """Codes of each table in a DHT segment, by class and number."""
    tables = {}
    while body:
        codes: dict[str, int] = {}
        code, at = 0, 17
        for size in range(1, 17):
            for _ in range(body[size]):
                codes[format(code, f"0{size}b")] = body[at]
                code, at = code + 1, at + 1
            code <<= 1
        tables[body[0]] = codes
        body = body[at:]
    return tables


def read(data: bytes) -> Picture:
    """The picture of a sequential Huffman-coded file without restart markers."""
    picture = Picture(0, 0, [])
    steps: dict[int, np.ndarray] = {}
    numbers: list[int] = []
    codes: dict[int, dict[str, int]] = {}
    at = 2
    while data[at + 1] != 0xD9:
        code, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if code >= 0xE0:
            picture.markers.append((code, body))
        elif code == 0xDB:
            while body:
                table = np.zeros(64, np.int32)
                table[ZIGZAG] = list(body[1:65])
                steps[body[0]] = table.reshape(8, 8)
                body = body[65:]
        elif code == 0xC4:
            codes.update(_codes(body))
        elif code in (0xC0, 0xC1):
            picture.height, picture.width = (int.from_bytes(body[i : i + 2], "big") for i in (1, 3))
            for i in range(6, 6 + 3 * body[5], 3):
                picture.components.append(
                    Component(body[i], body[i + 1] >> 4, body[i + 1] & 15, np.zeros(0), np.zeros(0))
                )
                numbers.append(body[i + 2])
            for component, number in zip(picture.components, numbers, strict=True):
                component.table = steps[number]
                component.blocks = np.zeros((*picture.grid(component), 8, 8), np.int16)
        elif code == 0xDA:
            stop = at
            while data[stop] != 0xFF or data[stop + 1] == 0:
                stop += 1
            by_name = {c.name: c for c in picture.components}
            chosen = [(by_name[body[1 + 2 * i]], body[2 + 2 * i]) for i in range(body[0])]
            _read_scan(picture, chosen, codes, _Bits(data[at:stop]))
            at = stop
    return picture


def _read_scan(
    picture: Picture, chosen: list[tuple[Component, int]], codes: dict[int, dict[str, int]], bits: _Bits
) -> None:
    last = [0] * len(chosen)
    for i, y, x in _order(picture, [c for c, _ in chosen]):
        component, tables = chosen[i]
        block = np.zeros(64, np.int16)
        last[i] += bits.signed(bits.symbol(codes[tables >> 4]))
        block[0] = last[i]
        place = 1
        while place < 64:
            symbol = bits.symbol(codes[0x10 | tables & 15])
            if symbol == 0x00:
                break
            place += symbol >> 4
            if symbol != 0xF0:
                block[ZIGZAG[place]] = bits.signed(symbol & 15)
            place += 1
        rows, columns = picture.grid(component)
        if y < rows and x < columns:
            component.blocks[y, x] = block.reshape(8, 8)
