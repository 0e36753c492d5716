"""JPEG files as cameras, phones and picture editors leave them, made from small pictures, exiftool and a seed.

Exif with thumbnail, GPS, interoperability and maker notes is built here, so are an index of several pictures (MPF) with
what it points to, and what phones append; exiftool writes tags of every group that it can write, IPTC, Photoshop,
dozens of XMP namespaces, an extended XMP of more than 64 kB, ICC, comments, and trailers of other programs.
"""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image, ImageCms

EXIFTOOL = shutil.which("exiftool")
ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
SIZES = {1: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1}
Entry = tuple[int, int, bytes]


class Tiff:
    """A writer of TIFF directories in one byte order ("<" or ">")."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.head = (b"II*\0" if order == "<" else b"MM\0*") + self.pack("I", 8)

    def pack(self, kinds: str, *values: int) -> bytes:
        return struct.pack(self.order + kinds, *values)

    def directory(self, entries: list[Entry], at: int, following: int = 0) -> bytes:
        """A directory that stands at this offset, with the values that do not fit in it behind it."""
        entries = sorted(entries)
        behind, made = b"", self.pack("H", len(entries))
        start = at + 2 + 12 * len(entries) + 4
        for tag, kind, value in entries:
            made += self.pack("HHI", tag, kind, len(value) // SIZES[kind])
            if len(value) <= 4:
                made += value.ljust(4, b"\0")
            else:
                made += self.pack("I", start + len(behind))
                behind += value + bytes(len(value) % 2)
        return made + self.pack("I", following) + behind

    def odd_entries(self, rng: random.Random) -> list[Entry]:
        """Values of all types under the low numbers that makers like."""
        found: list[Entry] = []
        for tag in rng.sample(range(1, 60), rng.randint(5, 20)):
            values = [
                (ASCII, rng.choice([b"Fine\0", b"a longer text, which does not fit\0", "é\0".encode()])),
                (SHORT, self.pack("H", rng.randrange(500))),
                (SHORT, self.pack("10H", *(rng.randrange(100) for _ in range(10)))),
                (LONG, self.pack("I", rng.randrange(2**32))),
                (RATIONAL, self.pack("II", rng.randrange(1000), rng.randrange(1, 1000))),
                (UNDEFINED, rng.randbytes(rng.choice([4, 30, 400]))),
            ]
            kind, value = rng.choice(values)
            found.append((tag, kind, value))
        return found


# Make, model, what stands before the maker's directory, and where its offsets count from: the Exif data, the maker
# note, or a TIFF header of its own.
MAKERS: list[tuple[str, str, bytes, str]] = [
    ("Canon", "Canon EOS R5", b"", "exif"),
    ("NIKON CORPORATION", "NIKON Z 9", b"Nikon\0\x02\x10\0\0", "own"),
    ("OLYMPUS CORPORATION", "E-M1MarkII", b"OLYMPUS\0II\x03\0", "note"),
    ("FUJIFILM", "X-T4", b"FUJIFILM\x0c\0\0\0", "note"),
    ("Panasonic", "DMC-GH5", b"Panasonic\0\0\0", "exif"),
    ("PENTAX", "PENTAX K-1", b"AOC\0II", "exif"),
    ("SONY", "ILCE-7M4", b"SONY DSC \0\0\0", "exif"),
    ("Apple", "iPhone 15 Pro", b"Apple iOS\0\0\1MM", "note"),
    ("samsung", "SM-S918B", b"", "note"),
    ("CASIO COMPUTER CO.,LTD", "EX-Z1000", b"QVC\0\0\0", "exif"),
    ("RICOH", "GR III", b"Ricoh\0\0\0", "exif"),
    ("SIGMA", "SIGMA fp", b"SIGMA\0\0\0\1\0", "exif"),
    ("LEICA CAMERA AG", "LEICA Q2", b"LEICA\0\0\0", "note"),
    ("KONICA MINOLTA", "DYNAX 7D", b"", "exif"),
    ("SANYO Electric Co.,Ltd.", "SANYO DIGITAL CAMERA", b"SANYO\0\1\0", "exif"),
    ("DJI", "FC3582", b"", "exif"),
    ("FLIR Systems AB", "FLIR E60", b"", "exif"),
    ("Google", "Pixel 8", b"HDRP\3", "none"),
    ("HUAWEI", "ELE-L29", b"HUAWEI\0\0", "none"),
    ("EASTMAN KODAK COMPANY", "KODAK DC290", b"KDK INFO" + bytes(60), "none"),
    ("RECONYX", "HC500", b"\x01\xf1\x03\0" + bytes(80), "none"),
    ("unknown maker", "of 1999", b"a text of a maker", "none"),
]


def exif(rng: random.Random, maker: tuple[str, str, bytes, str], thumbnail: bytes) -> bytes:
    """An Exif segment's payload with a maker note, GPS, interoperability and a thumbnail."""
    make, model, prefix, base = maker
    order = {b"II": "<", b"MM": ">"}.get(prefix[4:6] or b"", rng.choice("<>"))
    if make == "Apple":
        order = ">"
    if make in ("OLYMPUS CORPORATION", "FUJIFILM", "samsung"):
        order = "<"
    tiff = Tiff(order)
    at = 8 + len(prefix)
    own = tiff.head if base == "own" else b""
    counted = {"exif": at, "note": len(prefix), "own": 8, "none": 0}[base]
    note = prefix + own + (tiff.directory(tiff.odd_entries(rng), counted) if base != "none" else rng.randbytes(50))
    made = tiff.head + note + bytes(len(note) % 2)
    interop = len(made)
    made += tiff.directory([(1, ASCII, b"R98\0"), (2, UNDEFINED, b"0100")], interop)
    gps = len(made)
    degrees = tiff.pack("6I", rng.randrange(90), 1, rng.randrange(60), 1, rng.randrange(6000), 100)
    made += tiff.directory([(0, 1, b"\2\3\0\0"), (1, ASCII, b"N\0"), (2, RATIONAL, degrees)], gps)
    inner = len(made)
    entries: list[Entry] = [
        (0x9000, UNDEFINED, b"0232"),
        (0x9003, ASCII, b"2024:05:06 07:08:09\0"),
        (0x829A, RATIONAL, tiff.pack("II", 1, 125)),
        (0x9286, UNDEFINED, b"ASCII\0\0\0a comment of the user"),
        (0xA005, LONG, tiff.pack("I", interop)),
    ]
    # The maker note stands where it was put, so its entry is written by hand.
    directory = tiff.directory([*entries, (0x927C, UNDEFINED, b"\0\0\0\0")], inner)
    place = directory.index(tiff.pack("HH", 0x927C, UNDEFINED))
    directory = directory[: place + 4] + tiff.pack("II", len(note), 8) + directory[place + 12 :]
    made += directory
    second = len(made)
    small = [(0x103, SHORT, tiff.pack("H", 6)), (0x202, LONG, tiff.pack("I", len(thumbnail)))]
    length = len(tiff.directory([*small, (0x201, LONG, bytes(4))], second))
    made += tiff.directory([*small, (0x201, LONG, tiff.pack("I", second + length))], second) + thumbnail
    made += bytes(len(made) % 2)
    first = len(made)
    made += tiff.directory(
        [
            (0x10F, ASCII, make.encode() + b"\0"),
            (0x110, ASCII, model.encode() + b"\0"),
            (0x112, SHORT, tiff.pack("H", rng.randint(1, 8))),
            (0x11A, RATIONAL, tiff.pack("II", 72, 1)),
            (0x8769, LONG, tiff.pack("I", inner)),
            (0x8825, LONG, tiff.pack("I", gps)),
        ],
        first,
        second,
    )
    return b"Exif\0\0" + made[:4] + tiff.pack("I", first) + made[8:]


def segment(code: int, payload: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(payload) + 2).to_bytes(2, "big") + payload


ODD_SEGMENTS = [
    (0xE0, b"JFXX\0\x13" + bytes([2, 2]) + bytes(12)),
    (0xE1, b"FLIR\0\1\0\0" + b"FFF\0" + bytes(60)),
    (0xE3, b"META\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    (0xE3, b"_JPSJPS_\0\x08\0\0\0\0\0\0\0\0\0\3abc"),
    (0xE4, b"SCALADO\0" + bytes(20)),
    (0xE5, b"RMETA\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    (0xE6, b"GoPro\0DEVC\0\1\0\x08DVID\0\1\0\4"),
    (0xE8, b"SPIFF\0\1\2\0\3" + bytes(20)),
    (0xE9, b"Media Jukebox\0" + bytes(30)),
    (0xEA, b"UNICODE\0" + "note".encode("utf-16-le")),
    (0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9bq\3c\0\0"),
    (0xEC, b"[picture info]\r\nResolution=1\r\nImageSize=1x1\r\n\x1a"),
    (0xEC, b"Ducky\0\1\0\4\0\0\0\x3c\0\2\0\x0a\0\0\0\4abcd\0\0"),
    (0xED, b"Adobe_CM" + bytes(6)),
    (0xEF, b"Q\0\0\x54GraphicConverter"),
    (0xE7, b"\x1aQualcomm Dual Camera Attributes" + bytes(30)),
    (0xFE, b"a comment"),
    (0xFE, "zweiter Kommentar, ä".encode("latin-1")),
]


@cache
def writable(group: str) -> list[str]:
    """The names of the tags that exiftool can write in a group."""
    assert EXIFTOOL
    told = subprocess.run([EXIFTOOL, "-listw", f"-{group}:All"], capture_output=True, text=True).stdout
    return [
        name
        for name in told.partition(":")[2].split()
        if not name.startswith(("Thumbnail", "Preview", "Strip", "Tile"))
    ]


def _value(rng: random.Random, name: str) -> str:
    if "Date" in name or name.endswith("Time"):
        return "2024:05:06 07:08:09"
    if "Latitude" in name or "Longitude" in name:
        return "12.5"
    return rng.choice(["1", "2", "1.5", "a text", "ü and \u20ac", "x" * 300])


def arguments(rng: random.Random, path: Path, profile: Path) -> list[str]:
    """What exiftool is asked to write."""
    made = ["-m", "-q", "-q", "-overwrite_original", "-n", "-charset", "iptc=UTF8"]
    for group, most in (("EXIF", 40), ("GPS", 10), ("IPTC", 30), ("XMP", 120), ("Photoshop", 5), ("JFIF", 3)):
        names = writable(group)
        made += [
            f"-{group}:{name}={_value(rng, name)}" for name in rng.sample(names, min(len(names), rng.randint(0, most)))
        ]
    if rng.random() < 0.3:
        made += [f"-Ducky:{name}={_value(rng, name)}" for name in writable("Ducky")]
    if rng.random() < 0.4:
        made.append(f"-ICC_Profile<={profile}")
    if rng.random() < 0.2:
        made.append("-XMP-dc:Description=" + "".join(rng.choice("abcdefgh ") for _ in range(150000)))
    if rng.random() < 0.4:
        made.append("-Comment=written by a program")
    return [*made, str(path)]


def trailer(rng: random.Random, picture: Callable[[], bytes], at: int) -> bytes:
    """What phones and programs append. at: the bytes before it."""
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x10mdat" + rng.randbytes(200)
    caption = b"\x1c\2\x78\0\7caption"  # IPTC
    kind = rng.randrange(8)
    if kind == 0:
        return film
    if kind == 1:  # Samsung: blocks, and a directory that counts back from itself
        block = struct.pack("<HHI", 0, 0x0A30, 16) + b"MotionPhoto_Data" + film
        told = struct.pack("<II", 107, 1) + struct.pack("<HHII", 0, 0x0A30, len(block), len(block))
        return block + b"SEFH" + told + struct.pack("<I", len(told) + 4) + b"SEFT"
    if kind == 2:
        return picture()
    if kind == 3:
        return b"\0" * 300
    if kind == 4:  # PhotoMechanic
        fields = b"\x1c\2\xd1\0\4\0\0\0\3" + b"\x1c\2\xdd\0\4\0\0\0\2"
        return fields + len(fields).to_bytes(4, "big") + b"cbipcbbl"
    if kind == 5:  # FotoStation
        return caption + b"\0\1" + (len(caption) + 10).to_bytes(4, "big") + b"\xa1\xb2\xc3\xd4"
    if kind == 6:  # AFCP, whose offsets count from the begin of the file
        nail, start = picture(), at + len(caption)
        start += len(nail)
        directory = (
            b"IPTC" + struct.pack(">II", len(caption), at) + b"Nail" + struct.pack(">II", len(nail), start - len(nail))
        )
        return caption + nail + b"AXS!\1\0\0\2\0\0\0\0" + directory + b"AXS!" + struct.pack(">II", start, 0)
    return rng.randbytes(500)


def with_index(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """The file with an MPF index of further pictures, which are appended; the index stands behind the last segment."""
    tiff = Tiff(rng.choice("<>"))
    at = 2
    while data[at + 1] >= 0xE0:  # behind what stands before the tables
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    kinds = [0x030000, *(rng.choice([0x010001, 0x020002, 0x000000]) for _ in others)]

    def made(places: list[tuple[int, int]]) -> bytes:
        entries = b"".join(
            tiff.pack("IIIHH", kind, size, offset, 0, 0) for kind, (size, offset) in zip(kinds, places, strict=True)
        )
        index = [
            (0xB000, UNDEFINED, b"0100"),
            (0xB001, LONG, tiff.pack("I", len(places))),
            (0xB002, UNDEFINED, entries),
        ]
        directory = tiff.directory(index, 8)
        return segment(0xE2, b"MPF\0" + tiff.head + directory)

    length = len(made([(0, 0)] * (len(others) + 1)))
    size, base = len(data) + length, at + 8
    places, end = [(size, 0)], size
    for other in others:
        places.append((len(other), end - base))
        end += len(other)
    return data[:at] + made(places) + data[at:] + b"".join(others)


def files(folder: Path, seed: int, count: int, pictures: list[Image.Image]) -> dict[str, Path]:
    """This many camera files by name. pictures: small ones, which are taken in turn."""
    assert EXIFTOOL
    folder.mkdir(parents=True, exist_ok=True)
    profile = folder / "profile.icc"
    profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    found, asked = {}, []
    for number in range(seed * count, (seed + 1) * count):
        rng = random.Random(number)
        maker = MAKERS[number % len(MAKERS)]
        path = folder / f"{number:04d}-{maker[0].split()[0]}.jpg".replace("/", "_")
        picture = pictures[number % len(pictures)]
        options = {"quality": 95, "subsampling": rng.choice([0, 1, 2]), "progressive": rng.random() < 0.3}
        data = _jpeg(picture.convert("L") if rng.random() < 0.1 else picture, **options)
        thumbnail = _jpeg(picture.resize((40, 30)), quality=70)
        at = 20 if rng.random() < 0.6 else 2  # some without JFIF
        odd = b"".join(segment(*each) for each in rng.sample(ODD_SEGMENTS, rng.randint(0, 4)))
        path.write_bytes(data[: 2 if at == 2 else 20] + segment(0xE1, exif(rng, maker, thumbnail)) + odd + data[20:])
        found[path.name] = path
        asked += [*arguments(rng, path, profile), "-execute"]
    (folder / "asked").write_text("\n".join(asked), encoding="utf-8")
    subprocess.run([EXIFTOOL, "-@", str(folder / "asked")], capture_output=True, check=False)
    for number, path in enumerate(found.values(), seed * count):
        rng = random.Random(-number - 1)
        data, picture = path.read_bytes(), pictures[number % len(pictures)]

        def another(picture: Image.Image = picture, rng: random.Random = rng) -> bytes:
            return _jpeg(picture.resize((rng.randint(20, 90), rng.randint(20, 90))), quality=80)

        if rng.random() < 0.35 and b"MPF\0" not in data:
            data = with_index(rng, data, [another() for _ in range(rng.randint(1, 3))])
        if rng.random() < 0.4:
            data += trailer(rng, another, len(data))
        path.write_bytes(data)
    return found


def _jpeg(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()
