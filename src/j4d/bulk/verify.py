"""Is an output what was asked for? It is read back from the target, decoded, and compared with its source.

Of an image: it decodes, its size, colours and metadata are the source's, and all of its bytes, so all of its indices,
are what transcoding the source once more gives. Of everything else: the bytes, the names, the order, the headers of tar
members, the schema and row groups of tables.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from j4d.bulk import shards, table_rows, tables
from j4d.bulk.content import BLOCK, HEAD, is_image
from j4d.bulk.job import Job, kind_of
from j4d.bulk.pipeline import ImagePool
from j4d.bulk.results import Done, Entry
from j4d.bulk.settings import Settings
from j4d.errors import DataError, J4DError
from j4d.jpeg.decoding import PILLOW_ERRORS, decode
from j4d.jpeg.markers import APP14, XMP_HEAD, header_segments, is_kept


class WrongError(DataError):
    """An output is not what was asked for."""


def verify_output(done: Done, job: Job, recoding: ImagePool) -> Done:
    """`done` with what verifying its output told: a source whose output is wrong is open again."""
    if done.written is None or done.problem:
        return dataclasses.replace(done, verified=done.finished)
    checks = {"file": _file, "shard": _shard, "table": _table}
    try:
        with job.source.open(done.entry.name) as source, job.target.open(done.entry.name) as target:
            checks[kind_of(done.entry.name)](done.entry, source, target, job.settings, recoding)
    except J4DError as error:
        return dataclasses.replace(done, problem=f"not verified: {error}", finished=False)
    return dataclasses.replace(done, verified=True)


def verify_earlier(entry: Entry, job: Job, recoding: ImagePool) -> Done:
    """Verify what an earlier run has written."""
    return verify_output(Done(entry, entry.size), job, recoding)


def verify_image(key: str, source: bytes, output: bytes | None, settings: Settings, expected: bytes | None) -> None:
    """Raises WrongError unless `output` is what the image becomes. expected: what transcoding it again gave."""
    if output != expected:
        raise WrongError(f"{key}: its indices are not what transcoding the source gives")
    if output is None or output == source:
        return
    try:
        pixels = decode(output)
        with JpegImageFile(io.BytesIO(output)) as after:
            told = _differences(source, output, after, settings)
            if after.size != (pixels.shape[1], pixels.shape[0]):
                raise WrongError(
                    f"{key}: decodes to {pixels.shape[1]} x {pixels.shape[0]} pixels, its header says otherwise"
                )
    except WrongError:
        raise
    except (J4DError, *PILLOW_ERRORS) as error:
        if _decodes(source):  # no decoder takes fractional sampling, there or here
            raise WrongError(f"{key}: does not decode: {error}") from None
        return
    for was, now, what in told:
        if was != now:
            raise WrongError(f"{key}: {what} was {was!s:.60}, is {now!s:.60}")


def _decodes(data: bytes) -> bool:
    try:
        decode(data)
    except J4DError:
        return False
    return True


def _differences(source: bytes, output: bytes, after: JpegImageFile, settings: Settings) -> list[tuple[Any, Any, str]]:
    """(of the source, of the output, what) for what must be the same."""
    told: list[tuple[Any, Any, str]] = []
    if not settings.strip:
        told.append((_beside(source), _beside(output), "what stands beside the picture"))
    try:
        with JpegImageFile(io.BytesIO(source)) as before:
            told.append((before.size, after.size, "size"))
            if settings.sampling == "keep":
                told.append((before.mode, after.mode, "mode"))
    except PILLOW_ERRORS:
        pass  # Pillow does not read every file that is sound, such as one with bytes before its first segment
    return told


def _same_values(one: Any, other: Any) -> bool:
    """Whether two tables of a type hold the same; NaN is the same as NaN, which PyArrow does not find."""
    for a, b in zip(one.columns, other.columns, strict=True):
        if not a.equals(b) and not (_has_floats(a.type) and repr(a.to_pylist()) == repr(b.to_pylist())):
            return False
    return True


def _has_floats(kind: Any) -> bool:
    pa, _ = table_rows.arrow()
    if pa.types.is_dictionary(kind):
        return _has_floats(kind.value_type)
    return bool(pa.types.is_floating(kind)) or any(_has_floats(kind.field(i).type) for i in range(kind.num_fields))


def _beside(data: bytes) -> list[tuple[int, bytes]]:
    """The segments beside the picture, but for the bytes of those in which an offset may have been made anew."""
    found = []
    for segment in header_segments(data):
        if is_kept(segment.code) and segment.code != APP14:  # RGB may have got an Adobe segment
            payload = segment.payload(data)
            found.append((segment.code, payload[:4] if payload.startswith((b"MPF\0", XMP_HEAD, b"Exif")) else payload))
    return found


def _file(entry: Entry, source: BinaryIO, target: BinaryIO, settings: Settings, recoding: ImagePool) -> None:
    head = source.read(HEAD)
    size = source.seek(0, 2)
    source.seek(0)
    if is_image(entry.name, head, size):
        data = source.read()
        verify_image(entry.name, data, target.read(), settings, recoding.recode(entry.name, data).data)
        return
    _same(entry.name, source, target)


def _same(key: str, source: BinaryIO, target: BinaryIO) -> None:
    while block := source.read(BLOCK):
        if target.read(len(block)) != block:
            raise WrongError(f"{key}: the copy differs")
    if target.read(1):
        raise WrongError(f"{key}: the copy is longer")


def _shard(entry: Entry, source: BinaryIO, target: BinaryIO, settings: Settings, recoding: ImagePool) -> None:
    outputs = shards.parts(target, entry.name)
    for part, recoded in recoding.in_order(shards.parts(source, entry.name)):
        if recoded is not None and recoded.data is None:
            continue
        output = next(outputs, None)
        if output is None or output.tag.unsized() != part.tag.unsized():
            raise WrongError(f"{part.key}: missing, out of order, or with another header")
        if recoded is not None and isinstance(part.data, bytes) and isinstance(output.data, bytes):
            verify_image(part.key, part.data, output.data, settings, recoded.data)
        elif isinstance(part.data, bytes) or isinstance(output.data, bytes):
            if part.data != output.data:
                raise WrongError(f"{part.key}: the copy differs")
        else:
            _same(part.key, part.data, output.data)
    if next(outputs, None) is not None:
        raise WrongError("there are more members than in the source")


def _table(entry: Entry, source: BinaryIO, target: BinaryIO, settings: Settings, recoding: ImagePool) -> None:
    before, after = table_rows.opened(source), table_rows.opened(target)
    if not before.schema_arrow.equals(after.schema_arrow, check_metadata=True):
        raise WrongError("the schema or its metadata differ")
    if tables.physical(before) != tables.physical(after):
        raise WrongError("a column has another type in the file")
    if before.metadata.num_row_groups != after.metadata.num_row_groups:
        raise WrongError("there are more or fewer row groups")
    row = 0
    for group in range(before.metadata.num_row_groups):
        old = table_rows.Rows(before, source, group)
        new = table_rows.Rows(after, target, group)
        place = tables.places(row)
        while (some := old.some()) is not None:
            row += some.num_rows
            output = new.take(some.num_rows)
            given = iter(_binaries(output))
            if not _same_values(
                table_rows.rebuilt(some, _compared(entry.name, place, given, settings, recoding)), output
            ):
                raise WrongError(f"row group {group} differs in other columns than images")
        if new.some() is not None:
            raise WrongError(f"row group {group} has more rows than in the source")


def _binaries(table: Any) -> list[bytes | None]:
    """All binary values of a table, in the order of `rebuilt`."""
    found: list[bytes | None] = []

    def collect(column: str, values: list[bytes | None], paths: object, nullable: bool) -> list[bytes | None]:
        found.extend(values)
        return values

    table_rows.rebuilt(table, collect)
    return found


def _compared(
    name: str, place: Callable[[str, int], int], given: Iterator[bytes | None], settings: Settings, recoding: ImagePool
) -> table_rows.Values:
    """The function that replaces the source's values by those `given`, the target's. Raises WrongError in it."""

    def compare(
        column: str, found: list[bytes | None], paths: list[str | None] | None, nullable: bool
    ) -> list[bytes | None]:
        parts = tables.value_parts(f"{name}/{column}", place(column, len(found)), found, paths)
        result: list[bytes | None] = []
        for part, recoded in recoding.in_order(parts):
            output = next(given, None)
            result.append(output)
            if recoded is not None:
                assert isinstance(part.data, bytes)
                kept = recoded.data is None and not nullable  # what could not be put aside has stayed
                verify_image(part.key, part.data, output, settings, part.data if kept else recoded.data)
            elif output != part.tag:
                raise WrongError(f"{part.key}: the copy differs")
        return result

    return compare
