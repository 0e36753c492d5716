"""Hostile tar archives behind gzip and Zstandard, made from a seed, and what is wrong with the compression itself.

`compressed_of(seed)` gives a label, the file name's suffix and the bytes. `unpacked` reads such a file without the code
under test: None where it is no whole one.
"""

from __future__ import annotations

import gzip
import io
import itertools
import random
import zlib
from collections.abc import Callable
from functools import partial

import hostile_tars

SUFFIXES = (".tar.gz", ".tgz", ".tar.zst", ".tzst")
LARGEST = 64 << 20  # bytes that are unpacked
ZSTANDARD_MAGIC = b"\x28\xb5\x2f\xfd"
Pack = Callable[[bytes], bytes]
Kind = Callable[[random.Random, bytes, Pack], bytes]


def pack(suffix: str, data: bytes, level: int = 3) -> bytes:
    if suffix.endswith("gz"):
        return gzip.compress(data, level, mtime=0)
    import zstandard

    return zstandard.ZstdCompressor(level).compress(data)


def unpacked(name: str, data: bytes) -> bytes | None:
    """What is inside; None where the file is damaged, cut or of another kind."""
    try:
        if name.endswith("gz"):
            return gzip.GzipFile(fileobj=io.BytesIO(data)).read(LARGEST)
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
        return reader.read(LARGEST)
    except Exception:
        return None


def whole(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    return pack(tar)


def sound(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    return pack(hostile_tars.sound(rng))


def pieces(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    """Several members of gzip, or frames, that end anywhere; some of them empty."""
    tar = hostile_tars.sound(rng)
    cuts = sorted(rng.randrange(len(tar) + 1) for _ in range(rng.choice([1, 2, 20])))
    ends = [0, *cuts, len(tar)]
    return b"".join(pack(tar[start:stop]) for start, stop in itertools.pairwise(ends))


def cut(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    data = pack(hostile_tars.sound(rng))
    return data[: len(data) - rng.choice([1, 4, 8, rng.randrange(1, len(data) + 1)])]


def flipped(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    data = bytearray(pack(hostile_tars.sound(rng)))
    for _ in range(rng.choice([1, 1, 5])):
        data[rng.randrange(rng.choice([20, len(data)]))] = rng.randrange(256)
    return bytes(data)


def behind(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    """Something behind the end, packed or not."""
    data = pack(hostile_tars.sound(rng))
    tails = [b"\0" * 100, b"garbage", b"\x1f\x8b", b"\x1f\x8b\x08", ZSTANDARD_MAGIC, bytes(7), pack(bytes(9999))]
    tails += [pack(b"x"), pack(hostile_tars.sound(rng)), pack(b""), gzip.compress(b"")]
    return data + rng.choice(tails)


def before(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    data = pack(hostile_tars.sound(rng))
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    false = b"\x5f\x2a\x4d\x18" + rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\x80"]) + b"x"
    return rng.choice([skippable, false, b"\0", b"\xef\xbb\xbf", pack(b"")]) + data


def another(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    """No compression, another one, or twice."""
    tar = hostile_tars.sound(rng)
    made = [tar, zlib.compress(tar), pack(pack(tar)), gzip.compress(tar), b"", b"BZh9" + bytes(50), b"\xfd7zXZ\0"]
    return rng.choice(made)


def odd_gzip(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    """Header fields that nobody writes, and false sums."""
    tar = hostile_tars.sound(rng)
    body = gzip.compress(tar, mtime=0)[10:]
    flags = rng.randrange(256)
    extra = rng.choice([b"\2\0ab", b"\xff\xffab"]) if flags & 4 else b""
    name = rng.choice([b"../../x.tar\0", b"x" * 70000 + b"\0", b"no end"]) if flags & 8 else b""
    head = b"\x1f\x8b" + bytes([rng.choice([8, 8, 0, 9]), flags]) + rng.randbytes(6)
    end = rng.choice([body[-8:], body[-8:], bytes(8), body[-8:-4] + b"\xff\xff\xff\xff"])
    return head + extra + name + (b"a comment\0" if flags & 16 else b"") + body[:-8] + end


def odd_zstandard(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    """Frames that want a window of gigabytes or a dictionary, say a false size, or have reserved bits set."""
    head = rng.choice(
        [
            b"\x00\xf8",  # a window of 2^41 bytes
            b"\x00\xa8",  # and of 2^31
            b"\x03\x58\1\2\3\4",  # with a dictionary
            b"\xe0" + b"\xff" * 8,  # a size of 2^64 - 1
            b"\x60\0\0",  # a size of 256
            b"\x08\x58",
            b"\x20\0",  # a size of 0
        ]
    )
    tar = hostile_tars.sound(rng)[: (1 << 17) - 1]
    raw = (len(tar) << 3 | 1).to_bytes(3, "little") + tar
    run = ((1 << 17) << 3 | 2).to_bytes(3, "little") + b"\0"
    last = rng.choice([raw, run * 9 + raw, run + (1 | 6).to_bytes(3, "little"), b""])
    return ZSTANDARD_MAGIC + head + last


def zeros(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    """Much more inside than outside, behind the end or in a member."""
    size = rng.choice([1 << 20, 40 << 20])
    picture = hostile_tars.pictures()[0]
    member = rng.choice([b"a.bin", b"a.jpg"])
    made = [
        hostile_tars.member(b"a.jpg", picture) + bytes(size),
        hostile_tars.member(member, bytes(size)) + bytes(1024),
        hostile_tars.member(member, picture + bytes(size)) + bytes(1024),
        hostile_tars.header(member, 8**11 - 1) + bytes(size),
        hostile_tars.header(b"x", size, kind=b"x") + bytes(size + 1024),
    ]
    return pack(rng.choice(made))


def nothing(rng: random.Random, tar: bytes, pack: Pack) -> bytes:
    return rng.choice([b"", b"\x1f", b"\x1f\x8b\x08\0", ZSTANDARD_MAGIC, pack(b""), pack(b"text"), bytes(600)])


KINDS: tuple[Kind, ...] = (
    whole,
    sound,
    pieces,
    cut,
    flipped,
    behind,
    before,
    another,
    odd_gzip,
    odd_zstandard,
    zeros,
    nothing,
    whole,
)


def compressed_of(seed: int) -> tuple[str, str, bytes]:
    """The kind's name, the suffix and the bytes of this seed."""
    rng = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    suffix = rng.choice(["tar.gz", "tgz", "tar.zst", "tzst"])
    label, tar = hostile_tars.tar_of(rng.randrange(10**6))
    name = f"{kind.__name__} of {label}" if kind is whole else kind.__name__
    return name, suffix, kind(rng, tar, partial(pack, suffix))
