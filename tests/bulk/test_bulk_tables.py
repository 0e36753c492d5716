"""Claims about Parquet files: types stay or the file does, hostile ones cost a line, images are found in every type."""

from __future__ import annotations

import datetime
import decimal
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import data_sets
import numpy as np
import pytest

from j4d.api import transcode
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk import table_rows as table_rows_module
from j4d.bulk.job import Job
from j4d.bulk.pipeline import ImagePool
from j4d.bulk.run import Summary
from j4d.bulk.verify import verify_earlier
from j4d.jpeg.parameters import EncodingParameters

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

QUALITY_30 = EncodingParameters.from_quality(30)
IMAGES = [data_sets.jpeg(i) for i in range(4)]
SMALL = [transcode(data, QUALITY_30) for data in IMAGES]
DAMAGED = IMAGES[0][:-60]


def go(source: Path, target: Path, on_error: str = "copy", **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30, on_error=on_error)  # type: ignore[arg-type]
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


def written(table: Any, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def one_column(kind: Any, values: list[Any], name: str = "image", nullable: bool = True) -> Any:
    schema = pa.schema([pa.field(name, kind, nullable=nullable)])
    return pa.table([pa.array(values, type=kind)], schema=schema)


NESTED = {
    "large": (pa.large_binary(), IMAGES, SMALL),
    "view": (pa.binary_view(), IMAGES, SMALL),
    "dictionary": (pa.dictionary(pa.int32(), pa.binary()), [*IMAGES, *IMAGES], [*SMALL, *SMALL]),
    "struct": (pa.struct([("bytes", pa.binary()), ("n", pa.int64())]), *(
        [{"bytes": data, "n": 3} for data in some] for some in (IMAGES, SMALL))),
    "list": (pa.list_(pa.binary()), [IMAGES[:3], None, [], IMAGES[3:]], [SMALL[:3], None, [], SMALL[3:]]),
    "large list": (pa.large_list(pa.binary()), [IMAGES[:3], IMAGES[3:]], [SMALL[:3], SMALL[3:]]),
    "fixed list": (pa.list_(pa.binary(), 2), [IMAGES[:2], None, IMAGES[2:]], [SMALL[:2], None, SMALL[2:]]),
    "list view": (pa.list_view(pa.binary()), [IMAGES[:3], None, IMAGES[3:]], [SMALL[:3], None, SMALL[3:]]),
    "map": (pa.map_(pa.string(), pa.binary()), [[("a", IMAGES[0])], None, [("b", IMAGES[1])]],
            [[("a", SMALL[0])], None, [("b", SMALL[1])]]),
    "list of structs": (pa.list_(pa.struct([("bytes", pa.binary())])),
                        [[{"bytes": data}] for data in IMAGES], [[{"bytes": data}] for data in SMALL]),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_images_are_found_in_every_type_that_may_hold_them(tmp_path: Path, name: str) -> None:
    kind, before, after = NESTED[name]
    source = data_sets.write(tmp_path / "in", {"x.parquet": written(one_column(kind, before))})
    summary = go(source, tmp_path / "out", verify=True)
    assert summary.clean, summary.failures
    found = pq.read_table(tmp_path / "out/x.parquet")
    assert found.schema == pq.read_schema(source / "x.parquet")
    assert found.column(0).to_pylist() == after


def test_a_column_that_is_left_alone_is_named(tmp_path: Path) -> None:
    kind = pa.binary(len(IMAGES[0]))
    source = data_sets.write(tmp_path / "in", {"x.parquet": written(one_column(kind, [IMAGES[0]]))})
    summary = go(source, tmp_path / "out", verify=True)
    assert summary.clean and dict(summary.notes) == {"x.parquet": "binary values of column image are left as they are"}
    assert pq.read_table(tmp_path / "out/x.parquet").column(0).to_pylist() == [IMAGES[0]]


def typed() -> dict[str, Any]:
    """Columns whose values are easily lost, beside the images."""
    day = datetime.datetime(1500, 1, 1, tzinfo=datetime.timezone.utc)
    columns = {
        "decimal": pa.array([decimal.Decimal("1.23"), None, decimal.Decimal("-9.99"), decimal.Decimal(0)],
                            pa.decimal128(5, 2)),
        "wide": pa.array([decimal.Decimal(10) ** 60] * 4, pa.decimal256(70, 0)),
        "microseconds": pa.array([day, None, day, day], pa.timestamp("us", "UTC")),
        "nanoseconds": pa.array([1, 2, None, 4], pa.timestamp("ns")),
        "time": pa.array([1, 2, 3, 4], pa.time64("ns")),
        "date": pa.array([0, None, 2, 3], pa.date32()),
        "half": pa.array(np.array([1, 2, 3, 4], np.float16)),
        "nan": pa.array([float("nan"), None, -0.0, 1.0]),
        "nans": pa.array([[float("nan")], None, [], [1.0, float("nan")]]),
        "small": pa.array([1, 2, 3, 255], pa.uint8()),
        "nothing": pa.nulls(4),
        "text": pa.array(["a", None, "", "ü"]),
        "codes": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "lists": pa.array([[1], None, [], [2, 3]], pa.list_(pa.field("inner", pa.int16(), nullable=False))),
        "fixed": pa.array([b"abc", b"def", None, b"ghi"], pa.binary(3)),
        "image": pa.array(IMAGES),
    }  # fmt: skip
    return columns


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False, "column_encoding": {"small": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY"}},
        {"store_decimal_as_integer": True},
        {"use_compliant_nested_type": False, "version": "1.0", "compression": "zstd"},
        {"row_group_size": 3, "write_page_index": True},
    ],
)
def test_types_and_values_of_all_other_columns_stay(tmp_path: Path, options: dict[str, Any]) -> None:
    columns = typed()
    if options.get("store_decimal_as_integer"):
        del columns["wide"]
    if options.get("version") == "1.0":
        del columns["nanoseconds"]
    table = pa.table(columns).replace_schema_metadata({"huggingface": '{"info": 1}'})
    table = table.cast(table.schema.set(0, table.schema.field(0).with_metadata({"PARQUET:field_id": "17"})))
    source = data_sets.write(tmp_path / "in", {"x.parquet": written(table, **options)})
    summary = go(source, tmp_path / "out", verify=True)
    assert summary.clean, summary.failures
    before, after = (pq.ParquetFile(path / "x.parquet") for path in (source, tmp_path / "out"))
    assert before.schema_arrow.equals(after.schema_arrow, check_metadata=True)
    assert str(before.schema).partition(">")[2] == str(after.schema).partition(">")[2]
    assert before.metadata.num_row_groups == after.metadata.num_row_groups
    if "column_encoding" in options:
        at = before.schema_arrow.names.index("small")
        assert "DELTA_BINARY_PACKED" in after.metadata.row_group(0).column(at).encodings
    others = [file.read().drop_columns("image").to_pydict() for file in (before, after)]
    assert repr(others[0]) == repr(others[1])
    assert after.read().column("image").to_pylist() == SMALL


def test_a_file_whose_types_would_not_stay_is_left_as_it_is(tmp_path: Path) -> None:
    early = pa.table({"t": pa.array([datetime.datetime(1500, 1, 1)], pa.timestamp("us")), "image": IMAGES[:1]})
    old = written(early, use_deprecated_int96_timestamps=True)
    mixed = pa.table({"a": pa.array([decimal.Decimal("1.1")], pa.decimal128(5, 1)), "image": IMAGES[:1]})
    files = {"int96.parquet": old, "z.parquet": written(mixed)}
    source = data_sets.write(tmp_path / "in", files)
    for on_error in ("copy", "quarantine"):
        summary = go(source, tmp_path / on_error, on_error, verify=True)
        assert [name for name, _ in summary.failures] == ["int96.parquet"]
        assert summary.failures[0][1] == "left as it is: column 't' holds INT96 timestamps, whose range would not stay"
        assert (tmp_path / on_error / "int96.parquet").read_bytes() == old
        assert summary.totals["transcoded"] == 1


def test_a_column_that_takes_no_null_keeps_what_cannot_be_put_aside(tmp_path: Path) -> None:
    required = one_column(pa.binary(), [IMAGES[1], DAMAGED], nullable=False)
    optional = one_column(pa.binary(), [IMAGES[1], DAMAGED])
    files = {"r.parquet": written(required), "o.parquet": written(optional)}
    source = data_sets.write(tmp_path / "in", files)
    for _ in range(2):
        summary = go(source, tmp_path / "out", "quarantine", verify=True)
        assert sorted(name for name, _ in summary.failures) == ["o.parquet/image/1", "r.parquet/image/1"]
        assert summary.totals["quarantined"] == 1 and summary.totals["transcoded"] == 2
    assert pq.read_table(tmp_path / "out/r.parquet").column(0).to_pylist() == [SMALL[1], DAMAGED]
    assert pq.read_table(tmp_path / "out/o.parquet").column(0).to_pylist() == [SMALL[1], None]
    (aside,) = (tmp_path / "out/.j4d/quarantine").iterdir()
    assert aside.read_bytes() == DAMAGED


@pytest.mark.parametrize("name", ["../../../x", "/etc/x", "a/b", "x" * 70_000, "", "\x1b]0;x\x07", "a.b", "é"])
def test_a_columns_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    source = data_sets.write(
        tmp_path / "in", {"x.parquet": written(one_column(pa.binary(), [IMAGES[0], DAMAGED], name))}
    )
    before = data_sets.tree(tmp_path / "in")
    summary = go(source, tmp_path / "deep/out", "quarantine", verify=True)
    assert summary.totals["transcoded"] == 1 and len(summary.failures) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in", "deep"} and data_sets.tree(tmp_path / "in") == before
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out"}


def test_a_page_that_stands_for_gigabytes_is_refused_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = bytes(1 << 20)
    bomb = written(one_column(pa.binary(), [value] * 400), compression="zstd", dictionary_pagesize_limit=2 << 20)
    assert len(bomb) < 10_000
    monkeypatch.setattr(table_rows_module, "LARGEST_RESULT", 100 << 20)
    source = data_sets.write(tmp_path / "in", {"bomb.parquet": bomb, "z.parquet": written(pa.table({"i": IMAGES}))})
    summary = go(source, tmp_path / "out")
    ((name, reason),) = summary.failures
    assert name == "bomb.parquet" and reason.startswith("refused: 400 rows take ") and "write smaller ones" in reason
    assert summary.totals["transcoded"] == 4


def test_rows_are_made_a_few_at_a_time_and_the_file_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = [[IMAGES[i % 4], None, IMAGES[(i + 1) % 4]][: i % 4] for i in range(24)]
    table = pa.table({"one": [IMAGES[i % 4] for i in range(24)], "some": pa.array(lists, pa.list_(pa.binary()))})
    source = data_sets.write(tmp_path / "in", {"x.parquet": written(table)})
    drawn = Settings(parameters=EncodingParameters(QUALITY_30.luma.steps, QUALITY_30.chroma.steps, "4:2:0", 8.0))

    def run(target: str) -> bytes:
        transcode_data_set(source_of([str(source)]), target_of(str(tmp_path / target)), drawn, verify=True)
        return (tmp_path / target / "x.parquet").read_bytes()

    whole = run("whole")
    for at_once in (1, 4000, 30_000):
        monkeypatch.setattr(table_rows_module, "AT_ONCE", at_once)
        assert run(f"out{at_once}") == whole


def hostile() -> dict[str, bytes]:
    whole = written(pa.table({"image": IMAGES, "n": [1, 2, 3, 4]}), row_group_size=2)
    rng = np.random.default_rng(3)
    found = {f"cut{length}": whole[:length] for length in (0, 3, 4, 11, 12, len(whole) // 2, len(whole) - 1)}
    found["tail"] = whole + b"PAR1"
    found["another footer"] = whole[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1"
    found["no footer"] = b"PAR1" + bytes(8) + b"PAR1"
    found["encrypted"] = whole[:-4] + b"PARE"
    found["not"] = b"something else" * 10
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    for i in range(60):
        damaged = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(0, footer)) if i % 2 else int(rng.integers(0, len(whole)))
            damaged[-1 - place] = int(rng.integers(0, 256))
        found[f"flip{i}"] = bytes(damaged)
    return found


def test_names_beside_images_need_not_be_text(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    paths = pa.array([b"caf\xe9.jpg", None]).view(pa.string())
    column = pa.StructArray.from_arrays([pa.array(IMAGES[:2]), paths], fields=list(kind))
    source = data_sets.write(tmp_path / "in", {"x.parquet": written(pa.table({"image": column}), compression="none")})
    summary = go(source, tmp_path / "out", verify=True)
    assert summary.clean and summary.totals["transcoded"] == 2, summary.failures


@pytest.mark.parametrize("on_error", ["copy", "quarantine"])
def test_damaged_files_are_listed_in_a_line_and_end_no_run(tmp_path: Path, on_error: str) -> None:
    files = {f"{name}.parquet": data for name, data in hostile().items()}
    source = data_sets.write(tmp_path / "in", {**files, "z.parquet": written(pa.table({"image": IMAGES}))})
    for _ in range(2):
        summary = go(source, tmp_path / "out", on_error, threads=1)
        told = dict(summary.failures)
        assert all("\n" not in reason for reason in told.values())
        for name in files:
            if not name.startswith("flip"):
                assert told[name].startswith("damaged: "), name
    assert pq.read_table(tmp_path / "out/z.parquet").column(0).to_pylist() == SMALL


def test_empty_tables_are_whole(tmp_path: Path) -> None:
    files = {
        "rows.parquet": written(one_column(pa.binary(), [])),
        "columns.parquet": written(pa.table({})),
        "nulls.parquet": written(one_column(pa.binary(), [None, None])),
        "deep.parquet": written(one_column(deep(), [None])),
    }
    summary = go(data_sets.write(tmp_path / "in", files), tmp_path / "out", verify=True)
    assert summary.clean, summary.failures
    for name in files:
        assert pq.read_table(tmp_path / "out" / name).equals(pq.read_table(tmp_path / "in" / name))


def deep() -> Any:
    kind = pa.binary()
    for _ in range(30):
        kind = pa.list_(kind)
    return kind


def test_verifying_sees_a_changed_value_and_a_changed_type(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([1, 2], pa.int32()), "image": IMAGES[:2]})
    source = data_sets.write(tmp_path / "in", {"x.parquet": written(table)})
    changed = pa.table({"n": pa.array([1, 3], pa.int32()), "image": SMALL[:2]})
    wider = pa.table({"n": pa.array([1, 2], pa.int64()), "image": SMALL[:2]})
    more = pa.table({"n": pa.array([1, 2, 2], pa.int32()), "image": [*SMALL[:2], SMALL[1]]})
    for i, wrong in enumerate((changed, wider, more)):
        assert go(source, tmp_path / f"{i}").clean
        (tmp_path / f"{i}/x.parquet").write_bytes(written(wrong))
        (entry,) = source_of([str(source)]).entries()
        assert problem_of(source, tmp_path / f"{i}", entry).startswith("not verified: ")


def problem_of(source: Path, target: Path, entry: Any) -> str:
    settings = Settings(parameters=QUALITY_30)
    job = Job(source_of([str(source)]), target_of(str(target)), settings, True)
    with ThreadPoolExecutor(1) as pool:
        return verify_earlier(entry, job, ImagePool(settings.recoder(), pool, 1, Event())).problem
