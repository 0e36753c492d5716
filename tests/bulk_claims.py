"""What has to hold of a run of `transcode_data_set`, whatever is in its source, checked without the code under test.

`attack` puts files into a folder with other people's files around it, runs, runs again, and gives what is wrong: a list
of findings, each with the claim that does not hold. Outputs are read with the standard library's `tarfile`, GNU tar
where there is one, PyArrow and Pillow; the manifest with SQLite.
"""

from __future__ import annotations

import faulthandler
import io
import itertools
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import data_sets
import hostile_compressed
import xxhash
from PIL import Image as Picture

from j4d.bulk import Settings, Summary, source_of, target_of, transcode_data_set
from j4d.bulk.content import HEAD, is_image
from j4d.bulk.results import Status
from j4d.errors import J4DError
from j4d.jpeg.parameters import EncodingParameters

RANKS = (
    "outside",
    "lost",
    "endless",
    "crash",
    "internal",
    "memory",
    "stuck",
    "unreadable",
    "changed",
    "count",
    "again",
)
Rank = Literal[
    "outside", "lost", "endless", "crash", "internal", "memory", "stuck", "unreadable", "changed", "count", "again"
]
PARAMETERS = EncodingParameters.from_quality(30)
GROWTH = 1 << 30  # bytes of memory that a run may take beyond what the process had
TAR = shutil.which("tar")


@dataclass(frozen=True)
class Finding:
    """rank: the kind of claim that does not hold, the worst ones first in RANKS. what: which file, its label."""

    rank: Rank
    what: str
    detail: str


@dataclass(frozen=True)
class How:
    """The settings of a run that matter here."""

    on_error: Literal["copy", "quarantine"] = "copy"
    verify: bool = False
    threads: int = 1

    def __str__(self) -> str:
        return f"{self.on_error}, {'verify, ' if self.verify else ''}{self.threads} threads"


HOWS = [How(*found) for found in itertools.product(("copy", "quarantine"), (False, True), (1, 4))]


@dataclass(frozen=True)
class File:
    """A hostile file. label: its kind and seed."""

    label: str
    data: bytes


def attack(folder: Path, files: dict[str, File], how: How) -> list[Finding]:
    """Run over these files, twice, and check every claim. Where a run raises, each file is tried alone, too."""
    found, raised = _attacked(folder / "all", files, how)
    if raised and len(files) > 1:
        alone = []
        for number, (name, file) in enumerate(files.items()):
            alone += _attacked(folder / f"{number}", {name: file}, how)[0]
        return alone or found
    return found


def _attacked(folder: Path, files: dict[str, File], how: How) -> tuple[list[Finding], bool]:
    source, target = folder / "source", folder / "work/deep/er/out"
    data_sets.write(folder, {name: b"precious" for name in ("x", "home/x.jpg", "work/x.jpg", "work/deep/x", "a.jpg")})
    data_sets.write(source, {name: file.data for name, file in files.items()})
    target.mkdir(parents=True)
    what = ", ".join(f"{name} ({file.label})" for name, file in list(files.items())[: 1 if len(files) == 1 else 0])
    what = what or f"{len(files)} files"
    before = outside(folder, target)
    here = Path.cwd()
    os.chdir(folder / "work")
    try:
        summary, wrong = _run(source, target, how, what)
        found = [wrong] if wrong else []
        found += [Finding("outside", what, f"{name} changed") for name in differences(before, outside(folder, target))]
        if summary is None:
            again, wrong = _run(source, target, how, what)
            return found, True
        found += Checker(source, target, files, how, summary).findings()
        first, rows = data_sets.everything(target), rows_of(target)
        again, wrong = _run(source, target, how, f"again: {what}")
        found += [wrong] if wrong else []
        if again is not None:
            found += _second(files, summary, again, first, data_sets.everything(target), rows, rows_of(target))
        found += [Finding("outside", what, f"{name} changed") for name in differences(before, outside(folder, target))]
        return found, bool(wrong)
    finally:
        os.chdir(here)
        shutil.rmtree(folder, ignore_errors=True)


def _run(source: Path, target: Path, how: How, what: str) -> tuple[Summary | None, Finding | None]:
    settings = Settings(parameters=PARAMETERS, on_error=how.on_error)
    try:
        start = peak(reset=True)
        summary = transcode_data_set(
            source_of([str(source)]), target_of(str(target)), settings, threads=how.threads, verify=how.verify
        )
        took = peak() - start
    except (J4DError, OSError) as error:
        return None, Finding("stuck", what, f"{type(error).__name__}: {error!s:.300}")
    except MemoryError as error:
        return None, Finding("memory", what, f"MemoryError {error!s:.100} {where(error)}")
    except Exception as error:
        return None, Finding("internal", what, f"{type(error).__name__}: {error!s:.200} {where(error)}")
    if took > GROWTH:
        return summary, Finding("memory", what, f"{took >> 20} MB")
    return summary, None


def where(error: BaseException) -> str:
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[:-4:-1])


def peak(reset: bool = False) -> int:
    """Bytes of the most memory that this process has had, since the last reset where Linux allows that; else 0."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM"))


def outside(folder: Path, target: Path) -> dict[str, tuple[object, ...]]:
    """All that is in a folder but not in the target."""
    inside = str(target.relative_to(folder))
    found = data_sets.everything(folder)
    return {name: state for name, state in found.items() if name != inside and not name.startswith(f"{inside}/")}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def rows_of(target: Path) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """The manifest's sources by name, and its images in order."""
    with sqlite3.connect(target / ".j4d/manifest.sqlite") as db:
        db.row_factory = sqlite3.Row
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        sources = {row["name"]: dict(row) for row in db.execute("SELECT * FROM sources")}
        names = {row["id"]: row["name"] for row in sources.values()}
        images = [dict(row) for row in db.execute("SELECT * FROM images ORDER BY source, position")]
    db.close()
    for image in images:
        image["of"] = names.get(image.pop("source"), "")
    for row in sources.values():
        row.pop("plan")
    return sources, images


def _second(
    files: dict[str, File],
    summary: Summary,
    again: Summary,
    first: dict[str, Any],
    second: dict[str, Any],
    rows: Any,
    after: Any,
) -> Iterator[Finding]:
    def bytes_of(state: dict[str, Any]) -> dict[str, Any]:
        return {name: value[-1] for name, value in state.items() if not name.startswith((".j4d/manifest", ".j4d/lock"))}

    def label(name: str) -> str:
        return f"{name} ({files[name].label})" if name in files else name

    for name in differences(bytes_of(first), bytes_of(second)):
        yield Finding("changed", label(name), "a second run changes it")
    for name in files:
        if first.get(name, (0,) * 4)[0] != second.get(name, (0,) * 4)[0]:
            yield Finding("again", label(name), "a second run writes it again")
    if again.units:
        undone = [label(name) for name, row in after[0].items() if not row["done"]]
        yield Finding("again", ", ".join(undone) or "?", f"a second run does {again.units} units again")
    if summary.totals != again.totals:
        names = {name: (summary.totals[name], again.totals[name]) for name in differences(summary.totals, again.totals)}
        yield Finding("count", "totals", f"other totals after a second run: {names}")
    if rows != after:
        names = differences(rows[0], after[0])
        yield Finding("count", ", ".join(map(label, names)) or "images", "other rows after a second run")


class Checker:
    """One run's target against its source."""

    def __init__(self, source: Path, target: Path, files: dict[str, File], how: How, summary: Summary) -> None:
        self.source, self.target, self.files, self.how, self.summary = source, target, files, how, summary
        self.sources, self.images = rows_of(target)
        self.found: list[Finding] = []
        self.name = ""

    def say(self, rank: Rank, detail: str) -> None:
        label = self.files[self.name].label if self.name in self.files else "-"
        self.found.append(Finding(rank, f"{self.name} ({label})", detail))

    def findings(self) -> list[Finding]:
        self._totals()
        self._private()
        for name, file in self.files.items():
            self.name = name
            images = [image for image in self.images if image["of"] == name]
            try:
                self._source(name, file.data, images)
            except MemoryError:
                self.say("memory", "out of memory while the output is checked")
            except Exception as error:
                self.say("unreadable", f"{type(error).__name__}: {error!s:.200} {where(error)}")
        return self.found

    def _source(self, name: str, data: bytes, images: list[dict[str, Any]]) -> None:
        row = self.sources.get(name)
        if row is None:
            self.say("lost", "not in the manifest")
            return
        path = self.target / name
        listed = {key for key, _ in self.summary.failures}
        for image in images:
            if image["error"] and image["key"] not in listed:
                self.say("lost", f"image {image['key']!r} failed and is not listed")
            if image["aside"] and not image["error"]:
                self.say("count", f"image {image['key']!r} is in quarantine without an error")
        if row["problem"]:
            self._failed(name, row, data, images, listed)
            return
        if not path.is_file() and not (row["written"] is None and images):
            self.say("lost", "neither in the target nor listed")
        elif self.how.verify and path.is_file() and not row["verified"]:
            self.say("count", "written, not verified, and no word of it")
        if not row["done"]:
            self.say("again", "not done, and no word of it")
        if path.is_file() and row["written"] != path.stat().st_size:
            self.say("count", f"written: {row['written']}, there are {path.stat().st_size}")
        output = path.read_bytes() if path.is_file() else None
        if name.endswith(".tar"):
            Shard(self, data, output or b"", images, row).check()
        elif name.endswith(hostile_compressed.SUFFIXES):
            inside, outcome = (hostile_compressed.unpacked(name, each or b"") for each in (data, output))
            if inside is None or outcome is None:
                self.say(
                    "unreadable",
                    f"compression is whole in the source: {inside is not None}, in the output: {outcome is not None}",
                )
                return
            Shard(self, inside, outcome, images, row).check()
        elif name.endswith(".parquet"):
            Table(self, data, output or b"", images, row).check()
        elif is_image(name, data[:HEAD], len(data)):
            if len(images) != 1:
                self.say("count", f"{len(images)} rows for one image")
                return
            self.image(images[0], data, output)
        elif data != output:
            self.say("lost", "a file that is no image differs")

    def _failed(
        self, name: str, row: dict[str, Any], data: bytes, images: list[dict[str, Any]], listed: set[str]
    ) -> None:
        """A source that is not what its name says: as it was, in quarantine, or refused and left where it is."""
        path, problem = self.target / name, row["problem"]
        if name not in listed:
            self.say("lost", f"not listed: {problem:.200}")
        if images and not problem.startswith("stale"):
            self.say("count", f"{len(images)} images of a source with a problem: {problem:.100}")
        if "\n" in problem:
            self.say("count", f"more than one line: {problem!r:.200}")
        if problem.startswith("refused: "):
            if path.exists() or row["written"] is not None:
                self.say("changed", "refused, and yet written")
        elif problem.startswith("left as it is: "):
            if not path.exists() or path.read_bytes() != data:
                self.say("lost", f"not as it was: {problem:.200}")
        elif not problem.startswith("damaged: "):
            self.say("changed" if problem.startswith("not verified") else "count", f"problem: {problem:.300}")
        elif self.how.on_error == "copy":
            if not path.is_file() or path.read_bytes() != data:
                self.say("lost", f"not as it was: {problem:.100}")
            if row["written"] != len(data):
                self.say("count", f"written: {row['written']}, {len(data)} bytes")
        else:
            if path.exists():
                self.say("count", "in quarantine, and yet in the target")
            if self.aside(row["aside"]) != data:
                self.say("lost", f"not in quarantine as it was: {problem:.100}")

    def aside(self, name: str) -> bytes | None:
        path = self.target / ".j4d/quarantine" / (name or "none")
        return path.read_bytes() if path.is_file() else None

    def image(self, row: dict[str, Any], data: bytes, output: bytes | None) -> None:
        """One image, its row, and what is in its place."""
        key, status = row["key"], row["status"]
        if row["digest"] != xxhash.xxh3_128_digest(data) or row["bytes_in"] != len(data):
            self.say("count", f"{key!r}: the row is not of these bytes")
        if row["aside"]:
            if self.aside(row["aside"]) != data:
                self.say("lost", f"{key!r}: not in quarantine as it was")
            if output:
                self.say("changed", f"{key!r}: in quarantine, and yet in the target")
            return
        if output is None:
            self.say("lost", f"{key!r}: {status}, and not in the target")
            return
        if row["bytes_out"] != len(output):
            self.say("count", f"{key!r}: {row['bytes_out']} bytes told, {len(output)} there")
        if bool(row["error"]) != (status in ("damaged", "unsupported")):
            self.say("count", f"{key!r}: {status} with error {row['error']!r:.60}")
        if status not in ("transcoded", "tolerated"):
            if output != data:
                self.say("lost", f"{key!r}: {status}, and not as it was")
            return
        size = decoded(data)
        if size is not None and decoded(output) != size:
            self.say("lost", f"{key!r}: was {size}, is {decoded(output)}")

    def _totals(self) -> None:
        sources = self.sources.values()
        done = [row for row in sources if row["done"]]
        images = [image for image in self.images if self.sources[image["of"]]["done"]]
        there = [image for image in images if image["bytes_out"] > 0]
        expected = {
            "sources": len(self.sources),
            "sources_done": len(done),
            "bytes_in": sum(row["size"] for row in sources),
            "bytes_written": sum(row["written"] or 0 for row in done),
            "others": sum(row["others"] for row in done),
            "other_bytes": sum(row["other_bytes"] for row in done),
            "problems": sum(bool(row["problem"]) for row in sources),
            "images": len(images),
            "image_bytes_in": sum(image["bytes_in"] for image in there),
            "image_bytes_out": sum(image["bytes_out"] for image in images),
            "gone": 0,
            **{status: sum(image["status"] == status for image in images) for status in get_args(Status)},
        }
        for name, value in expected.items():
            if self.summary.totals.get(name) != value:
                self.say("count", f"totals[{name!r}] is {self.summary.totals.get(name)}, the rows say {value}")
        on_disk = sum(p.stat().st_size for p in self.target.rglob("*") if p.is_file() and ".j4d" not in p.parts)
        if on_disk != expected["bytes_written"]:
            self.say("count", f"bytes_written {expected['bytes_written']}, on the disk {on_disk}")
        wrong = [row for row in sources if row["problem"]] + [image for image in self.images if image["error"]]
        if self.summary.clean != (not wrong):
            self.say("count", f"clean is {self.summary.clean}, {len(wrong)} rows say otherwise")
        if len(self.summary.failures) != len(wrong):
            self.say("count", f"{len(self.summary.failures)} failures, {len(wrong)} rows")

    def _private(self) -> None:
        allowed = {"lock", "manifest.sqlite", "manifest.sqlite-wal", "manifest.sqlite-shm", "quarantine"}
        for path in (self.target / ".j4d").iterdir():
            if path.name not in allowed:
                self.say("outside", f".j4d/{path.name} is there")
        told = Counter(row["aside"] for row in (*self.sources.values(), *self.images) if row["aside"])
        folder = self.target / ".j4d/quarantine"
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if there != set(told):
            self.say("count", f"in quarantine, not told: {there - set(told)}; told, not there: {set(told) - there}")
        for path in self.target.rglob("*"):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                self.say("outside", f"{path.name} is a link or a device")


def decoded(data: bytes) -> tuple[tuple[int, int], str] | None:
    """Size and mode, where Pillow decodes all of it."""
    try:
        with Picture.open(io.BytesIO(data)) as picture:
            if picture.size[0] * picture.size[1] > 1 << 22:
                return None
            picture.load()
            return picture.size, picture.mode
    except Exception:
        return None


class Shard:
    """An archive that was written anew against its source."""

    def __init__(
        self, checker: Checker, data: bytes, output: bytes, images: list[dict[str, Any]], row: dict[str, Any]
    ) -> None:
        self.checker, self.data, self.output, self.images, self.row = checker, data, output, images, row

    def check(self) -> None:
        say = self.checker.say
        try:
            outputs = members(self.output)
        except Exception as error:
            say("unreadable", f"the output: {type(error).__name__}: {error}")
            return
        images, left, others = iter(self.images), list(outputs), 0
        for info, data in members(self.data):
            told = _header(info)
            if info.isreg() and is_image(info.name, data[:HEAD], len(data)):
                row = next(images, None)
                if row is None or row["key"] != f"{self.checker.name}/{info.name}":
                    say("lost", f"{info.name!r}: its row is {row and row['key']!r}")
                    return
                output = None
                if not row["aside"] and left:
                    after, output = left.pop(0)
                    if _header(after) != told:
                        say("changed", f"{told} became {_header(after)}")
                self.checker.image(row, data, output)
                continue
            others += info.isreg()
            if not left:
                say("lost", f"{info.name!r} is not in the output")
                return
            after, output = left.pop(0)
            if _header(after) != told:
                say("changed", f"{told} became {_header(after)}")
            if output != data:
                say("lost", f"{info.name!r} differs")
        if left or next(images, None) is not None:
            say("count", f"{len(left)} members more than in the source, or rows")
        if others != self.row["others"]:
            say("count", f"{others} other members, {self.row['others']} told")
        if TAR:
            listed, ended = gnu_tar(self.data)
            if ended:
                _, well = gnu_tar(self.output)
                if not well:
                    say("unreadable", "GNU tar reads the source, not the output")
                elif not any(image["aside"] for image in self.images) and gnu_tar(self.output)[0] != listed:
                    say("changed", "GNU tar lists other members than in the source")


def members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return [(info, (archive.extractfile(info) or io.BytesIO()).read() if info.isreg() else b"") for info in archive]


def _header(info: tarfile.TarInfo) -> dict[str, Any]:
    names = ("name", "mode", "uid", "gid", "uname", "gname", "type", "linkname")
    own = {key: value for key, value in info.pax_headers.items() if key not in ("size", "path", "linkpath", "mtime")}
    return {**{name: getattr(info, name) for name in names}, "mtime": repr(info.mtime), "pax": own}


def gnu_tar(data: bytes) -> tuple[list[bytes], bool]:
    """Names of the members, and whether all went well."""
    assert TAR
    asked = [TAR, "--list", "--file=-", "--quoting-style=escape"]
    done = subprocess.run(asked, input=data, capture_output=True, env={"LC_ALL": "C"}, timeout=60)
    return done.stdout.splitlines(), done.returncode == 0


class Table:
    """A Parquet file that was written anew against its source."""

    def __init__(
        self, checker: Checker, data: bytes, output: bytes, images: list[dict[str, Any]], row: dict[str, Any]
    ) -> None:
        self.checker, self.data, self.output, self.images, self.row = checker, data, output, images, row

    def check(self) -> None:
        import pyarrow.parquet as pq

        say = self.checker.say
        if self.data == self.output and not self.images:
            self._is_told(self._pairs(pq, self.data, self.data))
            return
        before = pq.ParquetFile(io.BytesIO(self.data), coerce_int96_timestamp_unit="us")
        try:
            after = pq.ParquetFile(io.BytesIO(self.output), coerce_int96_timestamp_unit="us")
        except Exception as error:
            say("unreadable", f"the output: {type(error).__name__}: {error}")
            return
        if not before.schema_arrow.equals(after.schema_arrow) or metadata(before) != metadata(after):
            say("changed", f"another schema: {before.schema_arrow} {after.schema_arrow}"[:400].replace("\n", ";"))
        was, now = columns(before), columns(after)
        if was != now:
            say("changed", f"other columns: {[pair for pair in zip(was, now, strict=False) if pair[0] != pair[1]][:2]}")
        groups = [file.metadata.num_row_groups for file in (before, after)]
        if groups[0] != groups[1] or before.metadata.num_rows != after.metadata.num_rows:
            say("changed", f"{groups} row groups, {before.metadata.num_rows} and {after.metadata.num_rows} rows")
        self._rows(self._pairs(pq, self.data, self.output))

    def _pairs(self, pq: Any, before: bytes, after: bytes) -> list[tuple[str, bytes | None, bytes | None]]:
        """(column, value, value) of every binary value; says what else differs."""
        files = [pq.ParquetFile(io.BytesIO(data), coerce_int96_timestamp_unit="us") for data in (before, after)]
        found: list[tuple[str, bytes | None, bytes | None]] = []
        for group in range(min(file.metadata.num_row_groups for file in files)):
            one, other = (file.read_row_group(group, use_threads=False) for file in files)
            for name, a, b in zip(one.column_names, one.columns, other.columns, strict=False):
                found += compared(name, a.combine_chunks(), b.combine_chunks(), self._differs)
        return found

    def _differs(self, column: str, why: str) -> None:
        self.checker.say("changed", f"column {column!r:.80}: {why:.200}")

    def _rows(self, pairs: list[tuple[str, bytes | None, bytes | None]]) -> None:
        say = self.checker.say
        rows: dict[bytes, list[dict[str, Any]]] = {}
        for image in self.images:
            rows.setdefault(image["digest"], []).append(image)
        for column, before, after in pairs:
            found = rows.get(xxhash.xxh3_128_digest(before), []) if before is not None else []
            row = found.pop(0) if found else None
            if row is None:
                if before != after:
                    say("lost", f"column {column!r:.80}: a value without a row differs")
                continue
            if row["aside"] and after is not None:
                found.append(row)
                continue
            self.checker.image(row, before or b"", after)
        for rest in rows.values():
            for row in rest:
                say("count", f"a row without a value, {row['key']!r:.100}")
        self._is_told([pair for pair in pairs if pair[1] == pair[2]])

    def _is_told(self, pairs: list[tuple[str, bytes | None, bytes | None]]) -> None:
        """Pictures that have no row must be in a column that a note names."""
        digests = {image["digest"] for image in self.images}
        told = " ".join([self.row["note"], self.row["problem"], *(text for _, text in self.checker.summary.notes)])
        for column, value, _ in pairs:
            if value and value[:3] == b"\xff\xd8\xff" and xxhash.xxh3_128_digest(value) not in digests and not told:
                self.checker.say("count", f"column {column!r:.80}: pictures that are not found, and no word of them")
                return


def metadata(file: Any) -> dict[bytes, bytes]:
    """What the writer's user put there; the schema that Arrow adds is compared as a schema."""
    return {key: value for key, value in (file.metadata.metadata or {}).items() if key != b"ARROW:schema"}


def columns(file: Any) -> list[tuple[object, ...]]:
    """What the file itself says of its columns."""
    found = [file.schema.column(i) for i in range(len(file.schema))]
    return [
        (c.path, c.physical_type, str(c.logical_type), c.length, c.max_definition_level, c.max_repetition_level)
        for c in found
    ]


def compared(
    path: str, one: Any, other: Any, differs: Callable[[str, str], None]
) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    """Pairs of all binary values of two arrays; calls `differs` where anything else does."""
    import pyarrow as pa

    if one.type != other.type or len(one) != len(other):
        differs(path, f"{len(one)} {one.type} became {len(other)} {other.type}")
        return
    kind, is_a = one.type, pa.types
    if isinstance(kind, pa.ExtensionType):
        yield from compared(path, one.storage, other.storage, differs)
    elif is_a.is_dictionary(kind):
        yield from compared(path, one.dictionary_decode(), other.dictionary_decode(), differs)
    elif (
        is_a.is_binary(kind)
        or is_a.is_large_binary(kind)
        or is_a.is_binary_view(kind)
        or is_a.is_fixed_size_binary(kind)
    ):
        yield from ((path, a, b) for a, b in zip(one.to_pylist(), other.to_pylist(), strict=True))
    elif not one.is_null().equals(other.is_null()):
        differs(path, "other values are null")
    elif is_a.is_struct(kind):
        for field, a, b in zip(kind, one.flatten(), other.flatten(), strict=True):
            yield from compared(f"{path}.{field.name}", a, b, differs)
    elif is_a.is_nested(kind):
        if is_a.is_map(kind):
            one, other = (each.cast(pa.list_(kind.key_type and each.values.type)) for each in (one, other))
        if not one.value_lengths().equals(other.value_lengths()):
            differs(path, "lists of other lengths")
        else:
            yield from compared(path, one.flatten(), other.flatten(), differs)
    elif is_a.is_floating(kind):
        whole = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width]
        if not one.view(whole).equals(other.view(whole)):
            differs(path, "other values")
    elif not one.equals(other):
        differs(path, "other values")


def batch(kind: str, number: int, heavy: bool = False) -> dict[str, File]:
    """As many hostile files as there are kinds of them, by name. kind: tars, compressed, tables or jpegs."""
    if kind == "compressed":
        count = 2 * len(hostile_compressed.KINDS)
        made = {seed: hostile_compressed.compressed_of(seed) for seed in range(number * count, (number + 1) * count)}
        return {f"{seed:06d}.{suffix}": File(f"{label} {seed}", data) for seed, (label, suffix, data) in made.items()}
    if kind == "tars":
        import hostile_tars

        count, of, suffix = len(hostile_tars.KINDS), hostile_tars.tar_of, "tar"
    elif kind == "tables":
        import hostile_tables

        count, of, suffix = len(hostile_tables.KINDS), partial(hostile_tables.table_of, heavy=heavy), "parquet"
    else:
        import hostile_jpegs

        count, of, suffix = 4 * len(hostile_jpegs.KINDS), hostile_jpegs.strange, "jpg"
    seeds = range(number * count, (number + 1) * count)
    return {f"{seed:06d}.{suffix}": File(*(f"{label} {seed}", data)) for seed in seeds for label, data in [of(seed)]}


def in_worker(kind: str, numbers: list[int], only: str, heavy: bool, memory: int, seconds: int) -> None:
    """These batches, or one file of them: a line of JSON for each when it ends.

    memory: bytes of address space. A batch that takes more than `seconds` ends the process, and says where it was.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for number in numbers:
        faulthandler.dump_traceback_later(seconds, exit=True)
        with tempfile.TemporaryDirectory() as folder:
            if kind == "manifests":
                from hostile_manifests import attack_manifest

                found = attack_manifest(Path(folder), number)
            else:
                files = batch(kind, number, heavy)
                chosen = {name: files[name] for name in files if only in ("", name)}
                found = attack(Path(folder), chosen, HOWS[number % len(HOWS)])
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps([asdict(finding) for finding in found]), flush=True)


def attacked(
    kind: str, numbers: Sequence[int], *, only: str = "", heavy: bool = False, memory: int = 6 << 30, seconds: int = 120
) -> Iterator[tuple[int, list[Finding]]]:
    """Each batch with what was found, run in processes of their own, so that one that dies or never ends is seen."""
    left = list(numbers)
    while left:
        asked = {"kind": kind, "numbers": left, "only": only, "heavy": heavy, "memory": memory, "seconds": seconds}
        command = [sys.executable, __file__, json.dumps(asked)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None and worker.stderr is not None
            for line in worker.stdout:
                yield left.pop(0), [Finding(**finding) for finding in json.loads(line)]
            errors = worker.stderr.read()
        if not left:
            return
        number = left.pop(0)
        found = []
        if not only and kind != "manifests":
            for name in batch(kind, number, heavy):
                options: dict[str, Any] = {"heavy": heavy, "memory": memory, "seconds": seconds}
                found += [each for _, some in attacked(kind, [number], only=name, **options) for each in some]
        if not [finding for finding in found if finding.rank in ("endless", "crash")]:
            rank: Rank = "endless" if "Timeout" in errors else "crash"
            found.append(Finding(rank, f"{kind}, batch {number} {only}", errors[-1500:].strip()))
        yield number, found


if __name__ == "__main__":
    in_worker(**json.loads(sys.argv[1]))
