"""Tar archives that nobody vouches for, made from a seed: what a broken writer, a bad disk or an attacker may leave.

`tar_of(seed)` gives a label and the bytes. Seeds that follow each other go through all of `KINDS`; most archives hold
sound members before and behind what is wrong, so that a reader that stops early, or goes on too far, is seen.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from functools import cache

import data_sets
import hostile_jpegs

BLOCK = 512
OCTAL_TIME = b"14524770400\0"
Kind = Callable[[random.Random], bytes]


@cache
def pictures() -> tuple[bytes, ...]:
    """Small sound JPEG files."""
    return tuple(data_sets.jpeg(seed, mode) for seed, mode in enumerate(("RGB", "RGB", "L")))


def header(
    name: bytes = b"a.jpg",
    size: int | bytes = 0,
    *,
    kind: bytes = b"0",
    mode: bytes = b"0000644\0",
    uid: bytes = b"0001750\0",
    gid: bytes = b"0001750\0",
    mtime: bytes = OCTAL_TIME,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    user: bytes = b"",
    group: bytes = b"",
    devices: bytes = b"0000000\x000000000\0",
    prefix: bytes = b"",
    tail: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """A header block of these raw fields, each cut or filled up with zeros. size: a number, or the raw field."""
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    parts = [(name, 100), (mode, 8), (uid, 8), (gid, 8), (field, 12), (mtime, 12), (b" " * 8, 8), (kind, 1)]
    parts += [(link, 100), (magic, 8), (user, 32), (group, 32), (devices, 16), (prefix, 155), (tail, 12)]
    block = b"".join(value[:width].ljust(width, b"\0") for value, width in parts)
    told = b"%06o\0 " % sum(block) if checksum is None else checksum[:8].ljust(8, b"\0")
    return block[:148] + told + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(name: bytes, data: bytes, **fields: bytes) -> bytes:
    return header(name, len(data), **fields) + padded(data)  # type: ignore[arg-type]


def record(key: bytes, value: bytes) -> bytes:
    """A PAX record with its true length."""
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    return member(b"PaxHeaders/x", records, kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return member(b"././@LongLink", name + b"\0", kind=kind)


def base_256(number: int, width: int) -> bytes:
    """The GNU way to write what octal digits cannot hold."""
    return (number & ((1 << (8 * width)) - 1) | 1 << (8 * width - 1)).to_bytes(width, "big")


def some(rng: random.Random, count: int = 2) -> bytes:
    """Sound members, of which one is a picture."""
    number = rng.randrange(10**6)
    made = [member(b"set/%06d.jpg" % number, rng.choice(pictures())), member(b"set/%06d.cls" % number, b"7")]
    return b"".join(made[:count])


def end(data: bytes) -> bytes:
    """The archive with its end, as long as tar's records are."""
    whole = data + bytes(2 * BLOCK)
    return whole + bytes(-len(whole) % 10240)


def around(rng: random.Random, odd: bytes) -> bytes:
    """An archive with this among sound members, or at its begin."""
    return end((some(rng) if rng.random() < 0.7 else b"") + odd + some(rng))


SIZES = [b"-0000000001\0", b"-1", b"77777777777\0", b"777777777777", b"99999999999\0", b"", b" ", b"0x10", b"1e3"]
SIZES += [b"      1234\0 ", b"0000000\x001234", b"+0000001234\0", b"00000001_34\0", "٣".encode()]
SIZES += [base_256(n, 12) for n in (-1, -512, -1024, -(2**40), 2**40, 2**62, 2**63 - 1, 2**63, 2**64, 2**90)]
TIMES = [b"nan", b"inf", b"-inf", b"1e400", b"1e30", b"-1e18", b"abc", b"", b"1.5.5", b"-5", b"0x10", b"1_000"]
TIMES += [b"9" * 400, b"1" + b"0" * 5000, b"1700000000.123456789123"]
NAMES = [
    b"../x.jpg",
    b"a/../../x.jpg",
    b"/etc/x.jpg",
    b"//x.jpg",
    b"C:\\x.jpg",
    b"c:/x.jpg",
    b"..",
    b".",
    b"",
    b"/",
    b"\\",
]
NAMES += [
    b"..\\x.jpg",
    b"\\\\host\\x.jpg",
    b"./a.jpg",
    b"a//b.jpg",
    b"a/./b.jpg",
    b"a.jpg/",
    b"a.jpg ",
    b" ",
    b"a\nb.jpg",
]
NAMES += [
    b".j4d/manifest.sqlite",
    b".j4d/lock",
    b".J4D/tmp/x.jpg",
    b".j4d",
    b"./.j4d/quarantine/x.jpg",
    b"set/.j4d/x.jpg",
]
NAMES += [
    b"caf\xe9.jpg",
    b"\xff\xfe.jpg",
    b"\xed\xa0\x80.jpg",
    b"\x1b]0;x\x07.jpg",
    "\u202egpj.x.jpg".encode(),
    b"-rf.jpg",
]
NAMES += [
    b"x" * 96 + b".jpg",
    b"x" * 100,
    b"d/" * 48 + b".jpg",
    b"con.jpg",
    b"nul",
    b"a:b.jpg",
    b"~/x.jpg",
    b"$HOME.jpg",
]


def odd_size(rng: random.Random) -> bytes:
    picture = rng.choice(pictures())
    return around(rng, header(b"odd.jpg", rng.choice(SIZES)) + padded(picture))


def false_size(rng: random.Random) -> bytes:
    """A size that is a number, but another than the data's."""
    picture = rng.choice(pictures())
    size = max(0, len(picture) + rng.choice([-1, 1, -512, 512, 511, 1024, -len(picture), 10**6, 2**32, 8**11 - 1]))
    return around(rng, header(b"odd.jpg", size) + padded(picture))


def odd_number(rng: random.Random) -> bytes:
    field = rng.choice(["mode", "uid", "gid", "mtime", "devices"])
    value = rng.choice(SIZES)
    if value[:1] in (b"\x80", b"\xff"):
        value = base_256(rng.choice([-1, -5, 2**31, 2**40, 2**54]), 12 if field == "mtime" else 8)
    return around(rng, member(b"odd.jpg", rng.choice(pictures()), **{field: value}))


def odd_name(rng: random.Random) -> bytes:
    name = rng.choice(NAMES)
    data = rng.choice([*pictures(), b"text", b"", hostile_jpegs.strange(rng.randrange(1000))[1]])
    how = rng.randrange(4)
    if how == 0:
        return around(rng, long_name(name) + member(name[:100], data))
    if how == 1:
        return around(rng, pax(record(b"path", name)) + member(b"short.jpg", data))
    if how == 2:
        folder, _, last = name.rpartition(b"/")
        return around(rng, member(last, data, prefix=folder))
    return around(rng, member(name, data))


def very_long_name(rng: random.Random) -> bytes:
    length = rng.choice([101, 255, 256, 1000, 4096, 70000])
    name = rng.choice([b"x" * length, b"d/" * (length // 2), "é".encode() * (length // 2)]) + b".jpg"
    data = rng.choice([pictures()[0], pictures()[1][:300], b""])
    chosen = long_name(name) if rng.random() < 0.5 else pax(record(b"path", name))
    return around(rng, chosen + member(name[:100], data))


def odd_type(rng: random.Random) -> bytes:
    kind = bytes([rng.randrange(256)]) if rng.random() < 0.5 else rng.choice([b"1", b"2", b"3", b"4", b"5", b"6", b"7"])
    link = rng.choice([b"", b"/etc/passwd", b"../../x", b"set/a.jpg", b"odd.jpg", b"x" * 100])
    data = rng.choice([b"", pictures()[0]])
    return around(rng, member(rng.choice([b"odd.jpg", b"odd/", b"odd"]), data, kind=kind, link=link))


def folder_and_file(rng: random.Random) -> bytes:
    """A name that is a file here and a folder there, and equal names; damaged pictures, which quarantine would take."""
    cut = [picture[: rng.randrange(4, 600)] for picture in pictures()]
    names = rng.choice(
        [[b"a.jpg", b"a.jpg/b.jpg"], [b"a.jpg/b.jpg", b"a.jpg"], [b"a.jpg", b"a.jpg"], [b"a.jpg", b"A.jpg", b"a.jpg"]]
    )
    made = b"".join(member(name, rng.choice([*cut, pictures()[0]])) for name in names)
    return around(rng, (header(b"a.jpg/", kind=b"5") if rng.random() < 0.3 else b"") + made)


def sparse(rng: random.Random) -> bytes:
    picture = pictures()[0]
    how = rng.randrange(5)
    if how == 0:  # old GNU: pairs of offset and length in the header, maybe going on in further blocks
        pairs = b"".join(b"%011o\0" % rng.choice([0, 1, 512, 8**10, 8**11 - 1]) for _ in range(8))
        more, real = rng.choice([b"\0", b"\1"]), rng.choice([b"%011o\0" % 9999, *SIZES])
        block = header(b"sparse.jpg", len(picture), kind=b"S", magic=b"ustar  \0")
        block = block[:386] + pairs + more + real[:12].ljust(12, b"\0") + bytes(17)
        block = block[:148] + b" " * 8 + block[156:]
        block = block[:148] + b"%06o\0 " % sum(block) + block[156:]
        further = (bytes(504) + b"\1" + bytes(7)) * rng.choice([0, 1, 50])
        return around(rng, block + further + padded(picture))
    number = rng.choice([b"-1", b"0", b"4", b"99999999999999999999", b"x", b""])
    pieces = rng.choice([b"0,4", b"0,4,", b"-1,5", b"0", b"a,b", b"0," + b"9" * 30, b",".join([b"0,1"] * 5000)])
    if how == 1:
        records = record(b"GNU.sparse.size", number) + record(b"GNU.sparse.numblocks", number)
        records += record(b"GNU.sparse.offset", number) + record(b"GNU.sparse.numbytes", number)
    elif how == 2:
        records = record(b"GNU.sparse.map", pieces) + record(b"GNU.sparse.size", number)
    elif how == 3:
        records = record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0")
        records += record(b"GNU.sparse.realsize", number) + record(b"GNU.sparse.name", rng.choice(NAMES))
        picture = rng.choice([b"1\n0\n4\n", b"99999999\n", b"-1\n", b"x\n", b"2\n0\n"]).ljust(512, b"\0") + picture
    else:
        records = record(b"GNU.sparse.name", rng.choice(NAMES)) + record(b"GNU.sparse.realsize", number)
    return around(rng, pax(records) + member(b"sparse.jpg", picture))


def pax_values(rng: random.Random) -> bytes:
    key = rng.choice(
        [b"mtime", b"atime", b"ctime", b"size", b"uid", b"gid", b"uname", b"linkpath", b"path", b"comment"]
    )
    values = {b"path": NAMES, b"linkpath": NAMES, b"size": [s.strip(b"\0 ") for s in SIZES] + [b"3", b"1e3", b"9" * 30]}
    value = rng.choice(values.get(key, TIMES))
    return around(rng, pax(record(key, value)) + member(b"odd.jpg", rng.choice(pictures())))


def pax_odd_keys(rng: random.Random) -> bytes:
    records = rng.choice(
        [
            record(b"SCHILY.xattr.user.x", b"\xff\xfe\0\n=") + record(b"LIBARCHIVE.xattr.user.y", b"AAAA"),
            record(b"hdrcharset", b"BINARY") + record(b"path", b"caf\xe9.jpg"),
            record(b"hdrcharset", b"UTF-16") + record(b"path", b"a\0.jpg"),
            record(b"", b"no key"),
            record(b"path", b"a.jpg") + record(b"path", b"b.jpg"),
            record(b"caf\xe9", b"\xe9"),
            record(b"k" * 5000, b"v"),
            record(b"comment", b"v" * 100000),
            b"".join(record(b"key.%d" % i, b"v") for i in range(3000)),
        ]
    )
    return around(rng, pax(records) + member(b"odd.jpg", rng.choice(pictures())))


def pax_damaged(rng: random.Random) -> bytes:
    records = rng.choice(
        [
            b"0 path=a.jpg\n",
            b"1 path=a.jpg\n",
            b"-16 path=a.jpg\n",
            b"999 path=a.jpg\n",
            b"99999999999999999999 path=a.jpg\n",
            b"16path=a.jpg\n",
            b"14 path a.jpg\n",
            b"15 path=a.jpg\0",
            b"16 path=a.jpg",
            b"5 =\n5 =\n",
            b"\n\n\n",
            b"\0\0\0\0",
            b"+16 path=a.jpg\n",
            bytes(rng.randrange(256) for _ in range(60)),
        ]
    )
    kind = rng.choice([b"x", b"x", b"g", b"X"])
    block = pax(records, kind)
    if rng.random() < 0.3:
        block = header(b"PaxHeaders/x", rng.choice(SIZES), kind=kind) + padded(records)
    return around(rng, block + member(b"odd.jpg", rng.choice(pictures())))


def chain(rng: random.Random) -> bytes:
    """Extended headers without end: each may follow another."""
    link = rng.choice(
        [
            long_name(b"a.jpg"),
            long_name(b"a", b"K"),
            pax(record(b"comment", b"x")),
            pax(record(b"comment", b"x"), b"g"),
            header(b"x", kind=b"x"),
            header(b"x", kind=b"L"),
            pax(record(b"comment", b"x")) + long_name(b"a.jpg"),
        ]
    )
    count = rng.choice([2, 3, 300, 700])
    last = rng.choice([member(b"a.jpg", pictures()[0]), b""])
    return around(rng, link * count + last)


def global_header(rng: random.Random) -> bytes:
    key = rng.choice(
        [b"comment", b"mtime", b"size", b"path", b"uid", b"GNU.sparse.size", b"GNU.sparse.major", b"linkpath"]
    )
    value = rng.choice([b"0", b"5", b"-1", b"nan", b"../x", b"caf\xe9", b"1"])
    made = pax(record(key, value), b"g")
    where = rng.randrange(4)
    if where == 0:
        return end(made + some(rng) + some(rng))
    if where == 1:
        return end(some(rng) + made + some(rng))
    if where == 2:
        return end(made + some(rng) + pax(record(key, b"7"), b"g") + some(rng))
    return end(some(rng) + made)


def bad_checksum(rng: random.Random) -> bytes:
    told = rng.choice([b"000000\0 ", b"", b"       ", b"zzzzzz\0 ", b"777777\0 ", b"-00001\0 "])
    odd = header(b"odd.jpg", 0, checksum=told) + (padded(pictures()[0]) if rng.random() < 0.5 else b"")
    return rng.choice([around(rng, odd), end(some(rng) + odd), end(odd)])


def signed_checksum(rng: random.Random) -> bytes:
    """As old writers had it, with signed bytes: legal."""
    block = header("é".encode() + b".jpg", len(pictures()[0]))
    blank = block[:148] + b" " * 8 + block[156:]
    total = sum(byte - 256 if byte > 127 else byte for byte in blank)
    return around(rng, block[:148] + b"%06o\0 " % total + block[156:] + padded(pictures()[0]))


def other_dialects(rng: random.Random) -> bytes:
    magic = rng.choice([b"", b"ustar  \0", b"USTAR\x0000", b"ustar\x0099", b"xxxxxxxx", b"ustar\0\0\0"])
    tail = rng.choice([b"", b"\0" * 8 + b"tar\0", b"\xff" * 12])
    made = [member(name, pictures()[0], magic=magic, tail=tail) for name in (b"a.jpg", b"b.jpg")]
    made.append(header(b"v7/", magic=magic, kind=b"\0"))
    return end(b"".join(made))


def odd_end(rng: random.Random) -> bytes:
    whole = some(rng) + some(rng)
    return rng.choice(
        [
            whole,
            whole + bytes(BLOCK),
            whole + bytes(100),
            whole + bytes(3 * BLOCK) + some(rng) + bytes(1024),
            whole + bytes(BLOCK) + some(rng) + bytes(1024),
            whole + bytes(200 * BLOCK),
            end(whole) + b"\0\0\0x",
            end(whole)[:-1],
            end(whole) + bytes(rng.randrange(256) for _ in range(700)),
            end(whole) + end(some(rng)),
            end(whole) + gzip.compress(end(some(rng))),
            end(whole)[: -rng.randrange(10240)],
        ]
    )


def no_archive(rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"",
            bytes(BLOCK),
            bytes(1024),
            bytes(10240),
            bytes(700),
            b"x",
            b"not an archive\n" * 100,
            bytes(rng.randrange(256) for _ in range(2048)),
            gzip.compress(end(some(rng))),
            pictures()[0],
            b"\x89PNG\r\n\x1a\n" + bytes(1000),
            header(b"a.jpg", 0)[:300],
            b"PK\x03\x04" + bytes(600),
            b"BZh9" + bytes(600),
            pax(record(b"comment", b"alone")),
            long_name(b"alone"),
        ]
    )


def sound(rng: random.Random) -> bytes:
    """Legal archives in a legal dialect that few writers use."""
    picture = rng.choice(pictures())
    made = rng.choice(
        [
            member(b"a.jpg", picture, kind=b"\0"),
            member(b"a.jpg", picture, kind=b"7"),
            header(b"a.jpg", base_256(len(picture), 12)) + padded(picture),
            header(b"a.jpg", b"%12o" % len(picture)) + padded(picture),
            pax(record(b"size", b"%d" % len(picture))) + header(b"a.jpg", 0) + padded(picture),
            pax(record(b"path", "é/ü.jpg".encode()) + record(b"mtime", b"1700000000.25")) + member(b"a.jpg", picture),
            header(b"folder/", kind=b"5", mode=b"0000755\0") + member(b"folder/a.jpg", picture),
            header(b"folder", 512, kind=b"5") + member(b"folder/a.jpg", picture),
            member(b"a.jpg", picture, prefix=b"p" * 155),
            long_name(b"n" * 300 + b".jpg") + member(b"n" * 100, picture, magic=b"ustar  \0"),
            member(b"a.jpg", picture, mtime=base_256(-5, 12), uid=base_256(2**31, 8)),
        ]
    )
    return end(some(rng) + made + some(rng))


def strange_pictures(rng: random.Random) -> bytes:
    made = [member(b"p/%d.jpg" % i, hostile_jpegs.strange(rng.randrange(10**6))[1]) for i in range(rng.randint(1, 5))]
    made.append(member(b"p/none", hostile_jpegs.strange(rng.randrange(10**6))[1]))
    return end(b"".join(made) + some(rng))


def cut(rng: random.Random) -> bytes:
    whole = rng.choice([odd_name, sound, very_long_name, chain])(rng)
    return whole[: rng.randrange(len(whole))]


def flipped(rng: random.Random) -> bytes:
    """Some bytes changed, anywhere or in headers alone, whose checksums are put right or not."""
    whole = bytearray(rng.choice([sound, global_header, pax_odd_keys, strange_pictures])(rng))
    for _ in range(rng.choice([1, 1, 3, 20])):
        blocks = [at for at in range(0, len(whole) - 511, 512) if whole[at + 257 : at + 262] == b"ustar"]
        if blocks and rng.random() < 0.7:
            at = rng.choice(blocks)
            whole[at + rng.randrange(BLOCK)] = rng.randrange(256)
            if rng.random() < 0.8:
                whole[at + 148 : at + 156] = b" " * 8
                whole[at + 148 : at + 156] = b"%06o\0 " % sum(whole[at : at + BLOCK])
        else:
            whole[rng.randrange(len(whole))] = rng.randrange(256)
    return bytes(whole)


def shuffled(rng: random.Random) -> bytes:
    """Blocks dropped, doubled, or in another order."""
    whole = rng.choice([sound, strange_pictures, odd_name])(rng)
    blocks = [whole[at : at + BLOCK] for at in range(0, len(whole), BLOCK)]
    for _ in range(rng.choice([1, 2, 5])):
        at = rng.randrange(len(blocks))
        how = rng.randrange(4)
        if how == 0:
            del blocks[at]
        elif how == 1:
            blocks.insert(at, blocks[at])
        elif how == 2:
            other = rng.randrange(len(blocks))
            blocks[at], blocks[other] = blocks[other], blocks[at]
        else:
            blocks.insert(at, bytes(BLOCK))
    return b"".join(blocks)


KINDS: tuple[Kind, ...] = (
    odd_size,
    false_size,
    odd_number,
    odd_name,
    very_long_name,
    odd_type,
    folder_and_file,
    sparse,
    pax_values,
    pax_odd_keys,
    pax_damaged,
    chain,
    global_header,
    bad_checksum,
    signed_checksum,
    other_dialects,
    odd_end,
    no_archive,
    sound,
    strange_pictures,
    cut,
    flipped,
    shuffled,
)


def tar_of(seed: int) -> tuple[str, bytes]:
    """The kind's name and the archive of this seed."""
    kind = KINDS[seed % len(KINDS)]
    return kind.__name__, kind(random.Random(seed))
