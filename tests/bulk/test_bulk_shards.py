"""Claims about tar shards: they are read as tarfile reads them, hostile ones are listed, compressed ones are opened."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import data_sets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from j4d.api import transcode
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.faulty import DamagedError, RefusedError
from j4d.bulk.run import Summary
from j4d.bulk.tar_members import BLOCK_SIZE, MOST_HEADERS, members
from j4d.jpeg.parameters import EncodingParameters

QUALITY_30 = EncodingParameters.from_quality(30)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def go(source: Path, target: Path, on_error: str = "copy", **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30, on_error=on_error)  # type: ignore[arg-type]
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


def header(name: bytes, size: int | bytes, kind: bytes = b"0", **fields: bytes) -> bytes:
    """A header block with a true checksum, whatever the fields hold."""
    field = b"%011o\0" % size if isinstance(size, int) else size
    block = bytearray(name.ljust(100, b"\0")[:100] + b"0000644\0" * 3 + field[:12] + b"14524770400\0" + b" " * 8 + kind)
    block += bytes(100) + b"ustar\x0000" + bytes(BLOCK_SIZE - len(block) - 108)
    for at, value in fields.items():
        start = int(at[1:])
        block[start : start + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK_SIZE)


def pax(records: dict[str, bytes], kind: bytes = b"x") -> bytes:
    payload = b""
    for key, value in records.items():
        rest = b" %s=%s\n" % (key.encode(), value)
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        payload += str(length).encode() + rest
    return header(b"pax", len(payload), kind) + padded(payload)


END = bytes(2 * BLOCK_SIZE)
IMAGE = data_sets.jpeg(3)
MEMBER = header(b"a.jpg", len(IMAGE)) + padded(IMAGE)

HOSTILE = {
    "a negative size": header(b"a.jpg", b"\xff" * 10 + b"\xfe\x00") + padded(IMAGE),
    "an endless size": header(b"a.jpg", b"\x80" + b"\xff" * 11) + padded(IMAGE),
    "a size that is no number": header(b"a.jpg", b"12x45678901\0") + padded(IMAGE),
    "a size of members in pax that is no number": pax({"size": b"-5"}) + MEMBER,
    "a size in pax beyond the end": pax({"size": b"99999999999"}) + MEMBER,
    "a size of all members": pax({"size": b"1"}, b"g") + MEMBER,
    "a path of all members": pax({"path": b"x"}, b"g") + MEMBER,
    "a chain of headers": b"".join(pax({"comment": b"%d" % i}, b"g") for i in range(5000)) + MEMBER,
    "a chain of long names": (header(b"n", 5, b"L") + padded(b"abcd\0")) * 3000 + MEMBER,
    "two pax headers": pax({"path": b"b.jpg"}) + pax({"path": b"c.jpg"}) + MEMBER,
    "two names": header(b"n", 6, b"L") + padded(b"b.jpg\0") + pax({"path": b"c.jpg"}) + MEMBER,
    "a path twice": header(b"p", 28, b"x") + padded(b"14 path=b.jpg\n" * 2) + MEMBER,
    "a pax record that is too long": header(b"p", 14, b"x") + padded(b"99 path=b.jpg\n") + MEMBER,
    "a pax record without an end": header(b"p", 14, b"x") + padded(b"14 path=b.jpgX") + MEMBER,
    "a pax record without a length": header(b"p", 9, b"x") + padded(b"path=b.jp") + MEMBER,
    "a pax header of a gigabyte": header(b"p", 1 << 30, b"x") + MEMBER,
    "a sparse file of GNU": header(b"a.jpg", len(IMAGE), b"S") + padded(IMAGE),
    "a sparse file in pax": pax({"GNU.sparse.map": b"abc"}) + MEMBER,
    "a sparse file of all members": pax({"GNU.sparse.major": b"1"}, b"g") + MEMBER,
    "a folder with data": header(b"a/", 512, b"5") + bytes(512) + MEMBER,
    "a wrong checksum": MEMBER[:10] + b"X" + MEMBER[11:],
    "an unknown kind": header(b"a", 3, b"V") + padded(b"abc"),
    "a link": header(b"a", 0, b"2") + MEMBER,
    "a path that leads out": header(b"../a.jpg", len(IMAGE)) + padded(IMAGE),
    "a long name that leads out": header(b"n", 9, b"L") + padded(b"../a.jpg\0") + MEMBER,
    "a prefix that leads out": header(b"a.jpg", len(IMAGE), _345=b"../..") + padded(IMAGE),
    "no name": header(b"", len(IMAGE)) + padded(IMAGE),
    "a name with nothing in pax": pax({"path": b""}) + MEMBER,
    "a header at the end": MEMBER + pax({"comment": b"x"}),
}


@pytest.mark.parametrize("on_error", ["copy", "quarantine"])
def test_hostile_archives_are_listed_in_a_line_and_end_no_run(tmp_path: Path, on_error: str) -> None:
    files = {f"{i:02d}.tar": data + END for i, data in enumerate(HOSTILE.values())}
    source = data_sets.write(tmp_path / "in", {**files, "good.tar": MEMBER + END, "z.jpg": IMAGE})
    for _ in range(2):
        summary = go(source, tmp_path / "out", on_error, threads=1)
        listed = dict(summary.failures)
        assert listed.keys() == files.keys(), "each once, and nothing else"
        for (kind, _), reason in zip(HOSTILE.items(), listed.values(), strict=True):
            assert reason.startswith(("refused: ", "damaged: ")) and "\n" not in reason, kind
    written = data_sets.tree(tmp_path / "out")
    assert written["z.jpg"] == transcode(IMAGE, QUALITY_30)
    for name, data in written.items():
        assert name.startswith(".j4d/") or name in ("good.tar", "z.jpg") or data == files[name], (
            "copied as it was, or not there"
        )


def test_harmless_oddities_are_read_and_kept(tmp_path: Path) -> None:
    late = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"  # a time before 1970, in base 256
    odd = {
        "nan.tar": pax({"mtime": b"NaN", "atime": b"1e999"}) + MEMBER,
        "time.tar": header(b"a.jpg", len(IMAGE), _136=late) + padded(IMAGE),
        "global.tar": pax({"comment": b"0" * 40}, b"g") + MEMBER,
        "charset.tar": pax({"hdrcharset": b"BINARY", "path": b"caf\xe9.jpg"}) + MEMBER,
        "size.tar": pax({"size": b"%d" % len(IMAGE), "comment": b"x"}) + header(b"a.jpg", 0) + padded(IMAGE),
        "base256.tar": header(b"a.jpg", b"\x80" + len(IMAGE).to_bytes(11, "big")) + padded(IMAGE),
        "v7.tar": header(b"a.jpg", len(IMAGE), b"\0", _257=bytes(8)) + padded(IMAGE),
        "dev.tar": header(b"a.jpg", len(IMAGE), _329=b"\xff" * 16) + padded(IMAGE),
        "slash.tar": header(b"d/", 0, b"\0") + MEMBER,
    }
    source = data_sets.write(tmp_path / "in", {name: data + END for name, data in odd.items()})
    summary = go(source, tmp_path / "out", verify=True)
    assert summary.clean and summary.totals["transcoded"] == len(odd)
    for name, data in odd.items():
        out = (tmp_path / "out" / name).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(out)) as archive:
            (member,) = [m for m in archive.getmembers() if m.isreg()]
            assert archive.extractfile(member).read() == transcode(IMAGE, QUALITY_30)  # type: ignore[union-attr]
        assert out[:100] == data[:100]
        if shutil.which("tar") and name != "nan.tar":  # of whose time GNU tar complains, there and in the source
            told = subprocess.run(["tar", "tf", str(tmp_path / "out" / name)], capture_output=True, check=True)
            assert told.stdout.count(b"\n") == 1 + (name == "slash.tar")


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=200), st.binary(max_size=1200), st.booleans()), min_size=1, max_size=5
    ),
    st.sampled_from(sorted(FORMATS)),
)
def test_members_are_what_tarfile_reads(found: list[tuple[str, bytes, bool]], kind: str) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=FORMATS[kind], errors="surrogateescape") as archive:
        for name, data, folder in found:
            member = tarfile.TarInfo(name.replace("\0", "0"))
            member.size, member.mtime = 0 if folder else len(data), 1.5 if kind == "pax" else 1
            member.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE
            try:
                archive.addfile(member, None if folder else io.BytesIO(data))
            except (ValueError, UnicodeEncodeError):
                return  # no name for this format
    whole = file.getvalue()
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        expected = [(m.name, m.isdir(), b"" if m.isdir() else archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
    try:
        read = [(m.name, m.folder, data.read()) for m, data in members(io.BytesIO(whole))]
    except RefusedError:
        return
    assert read == expected
    assert all(m.header(m.size) in whole for m, _ in members(io.BytesIO(whole)))


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(FORMATS)))
def test_any_bytes_end_in_members_or_in_an_error_of_ours(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=FORMATS[kind]) as archive:
        for name in ("a.jpg", "x" * 90 + "/" + "y" * 90, "d"):
            member = tarfile.TarInfo(name)
            member.size = int(rng.integers(0, 2000))
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    damaged = bytearray(file.getvalue()[: int(rng.integers(1, len(file.getvalue())))])
    headers = [at for at in range(0, len(damaged) - 511, 512) if damaged[at + 257 : at + 262] == b"ustar"]
    for at in rng.choice(headers, 2) if headers else []:
        damaged[at + int(rng.integers(0, 512))] = int(rng.integers(0, 256))
        damaged[at + 148 : at + 156] = b" " * 8
        damaged[at + 148 : at + 156] = b"%06o\0 " % sum(damaged[at : at + 512])
    try:
        for _, data in members(io.BytesIO(bytes(damaged))):
            data.read(100)
    except (RefusedError, DamagedError):
        pass


def test_a_chain_is_refused_before_it_is_read(tmp_path: Path) -> None:
    endless = io.BytesIO(pax({"comment": b"x" * 900_000}, b"g") * 40)
    with pytest.raises(RefusedError, match=f"more than {MOST_HEADERS} extended headers"):
        list(members(endless))
    assert endless.tell() <= (MOST_HEADERS + 1) * 1_000_000


def compressed(kind: str, data: bytes) -> bytes:
    if kind in ("tar.gz", "tgz"):
        return gzip.compress(data)
    return pytest.importorskip("zstandard").ZstdCompressor().compress(data)


def opened(kind: str, data: bytes) -> bytes:
    if kind in ("tar.gz", "tgz"):
        return gzip.decompress(data)
    zstandard = pytest.importorskip("zstandard")
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()


@pytest.mark.parametrize("kind", ["tar.gz", "tgz", "tar.zst", "tzst"])
def test_compressed_shards_are_opened_and_written_with_the_same_compression(tmp_path: Path, kind: str) -> None:
    plain = data_sets.shard([*data_sets.samples(6), ("big.bin", bytes(9 << 20))])
    middle = len(plain) // 2
    halves = compressed(kind, plain[:middle]) + compressed(kind, plain[middle:])  # two members of gzip, two frames
    source = data_sets.write(tmp_path / "in", {f"a.{kind}": halves, "a.tar": plain})
    summary = go(source, tmp_path / "out", verify=True)
    assert summary.clean and summary.totals["transcoded"] == 12
    written = data_sets.tree(tmp_path / "out")
    inside = opened(kind, written[f"a.{kind}"])
    with tarfile.open(fileobj=io.BytesIO(inside)) as one, tarfile.open(fileobj=io.BytesIO(written["a.tar"])) as other:
        for a, b in zip(one, other, strict=True):
            assert (a.name, a.size, a.mtime, a.mode) == (b.name, b.size, b.mtime, b.mode)
    again = go(source, tmp_path / "second")
    assert again.clean and data_sets.tree(tmp_path / "second") == written, "the same bytes, whenever they are written"


@pytest.mark.parametrize("kind", ["tar.gz", "tar.zst"])
def test_damaged_compressed_shards_are_listed(tmp_path: Path, kind: str) -> None:
    whole = compressed(kind, data_sets.shard(data_sets.samples(4)))
    files = {
        "cut": whole[:-30],
        "half": whole[: len(whole) // 2],
        "trailing": whole + b"something",
        "flipped": whole[:-20] + bytes(255 - byte for byte in whole[-20:]),
        "not": b"something else",
        "empty": b"",
    }
    source = data_sets.write(tmp_path / "in", {f"{name}.{kind}": data for name, data in files.items()})
    for _ in range(2):
        summary = go(source, tmp_path / "out", "quarantine")
        listed = dict(summary.failures)
        assert listed.keys() == {f"{name}.{kind}" for name in files}
        assert all(reason.startswith("damaged: ") for reason in listed.values())
    aside = list((tmp_path / "out/.j4d/quarantine").iterdir())
    assert sorted(path.read_bytes() for path in aside) == sorted(files.values())
