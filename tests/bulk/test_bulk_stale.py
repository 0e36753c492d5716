"""Claims about files that describe the bytes of others: they are copied, and listed where those bytes changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import data_sets
import pytest

from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.run import Summary
from j4d.bulk.stale import describes
from j4d.cli import run
from j4d.jpeg.parameters import EncodingParameters

QUALITY_30 = EncodingParameters.from_quality(30)


def go(source: Path, target: Path, **options: object) -> Summary:
    made = Settings(parameters=QUALITY_30)
    return transcode_data_set(source_of([str(source)]), target_of(str(target)), made, **options)  # type: ignore[arg-type]


def sums(names: list[str], style: str = "{digest} *{name}\n") -> bytes:
    return "".join(style.format(digest=hashlib.md5(n.encode()).hexdigest(), name=n) for n in names).encode()


def test_indices_and_checksums_of_what_changed_are_listed_and_others_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard, texts = data_sets.shard(data_sets.samples(2)), data_sets.shard([("a.txt", b"text")])
    shards = [{"url": "a.tar", "nsamples": 2, "filesize": len(shard)}]
    files = {
        "a.jpg": data_sets.jpeg(1),
        "b.txt": b"text",
        "a.tar": shard,
        "a.idx": b"v1.2 2\njpg 512 9 a.jpg\n",
        "a.tar.index": b"index",
        "texts.tar": texts,
        "texts.idx": b"v1.2 1\n",
        "lonely.idx": b"",
        "a.jpg.md5": hashlib.md5(b"").hexdigest().encode(),
        "b.txt.md5": hashlib.md5(b"").hexdigest().encode(),
        "SHA256SUMS": sums(["b.txt", "./a.jpg"]),
        "d/md5sum.txt": sums(["../a.tar"], "{digest}  {name}\n"),
        "bsd/checksums.sha1": sums(["../a.jpg"], "SHA1 ({name}) = {digest}\n"),
        "set.sfv": b"; made by\nb.txt 01234567\na.jpg 89ABCDEF\n",
        "texts.md5": sums(["b.txt", "texts.tar", "nothing"]),
        "index.json": json.dumps({"wids_version": 1, "shardlist": shards}).encode(),
        "names/index.json": json.dumps({"shardlist": [{"url": "../a.tar", "nsamples": 2}]}).encode(),
        "hostile/index.json": b"[" * 100000,
    }
    stale = [
        "SHA256SUMS",
        "a.idx",
        "a.jpg.md5",
        "a.tar.index",
        "bsd/checksums.sha1",
        "d/md5sum.txt",
        "index.json",
        "set.sfv",
    ]
    source = data_sets.write(tmp_path / "in", files)
    common = ["transcode", str(source), str(tmp_path / "out"), "--jpeg-quality", "30", "--json"]
    for options in ([], ["--verify"], ["--verify"]):
        assert run([*common, *options]) == 3
        summary = json.loads(capsys.readouterr().out.splitlines()[-1])
        told = {failure["name"]: failure["reason"] for failure in summary["failures"]}
        assert sorted(told) == stale and summary["stale"] == len(stale)
        assert told["a.idx"] == "stale: describes the bytes of a.tar, which changed"
        assert told["index.json"] == "stale: describes the bytes of a.tar, which changed"
        assert told["set.sfv"] == told["SHA256SUMS"] == "stale: describes the bytes of a.jpg, which changed"
    after = data_sets.tree(tmp_path / "out")
    assert all(after[name] == files[name] for name in [*stale, "texts.idx", "b.txt"])
    (source / "SHA256SUMS").write_bytes(sums(["b.txt"]))
    assert "SHA256SUMS" not in dict(go(source, tmp_path / "out").failures)


def test_what_changes_later_makes_its_index_stale_later(tmp_path: Path) -> None:
    texts = data_sets.shard([("a.txt", b"text")])
    source = data_sets.write(tmp_path / "in", {"a.tar": texts, "a.idx": b"v1.2 1\n"})
    assert go(source, tmp_path / "out").clean
    (source / "a.tar").write_bytes(data_sets.shard(data_sets.samples(1)))
    assert [name for name, _ in go(source, tmp_path / "out").failures] == ["a.idx"]
    (source / "a.tar").write_bytes(texts)
    assert go(source, tmp_path / "out").clean


def test_the_metadata_of_a_folder_of_tables_is_listed_where_one_of_them_changed(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for folder, image in {"pictures": data_sets.jpeg(1), "pictures/year=2/deep": b"none", "texts": b"none"}.items():
        (tmp_path / "in" / folder).mkdir(parents=True)
        pq.write_table(pa.table({"image": [image]}), tmp_path / "in" / folder / "0.parquet")
        pq.write_metadata(pa.schema([("image", pa.binary())]), tmp_path / "in" / folder / "_metadata")
        pq.write_metadata(pa.schema([("image", pa.binary())]), tmp_path / "in" / folder / "_common_metadata")
    failures = dict(go(tmp_path / "in", tmp_path / "out").failures)
    assert failures["pictures/_metadata"] == "stale: describes the bytes of pictures/0.parquet, which changed"
    assert "pictures/_common_metadata" not in failures, "it has the schema alone, which stays"


def test_names_that_say_nothing_of_the_kind_are_not_looked_into() -> None:
    named = ["x.idx", "SHA512SUMS", "sha256sum.txt", "a.tar.sha256", "B2SUMS", "md5sums", "CHECKSUMS.txt", "_metadata"]
    assert all(describes(f"a/{name}") for name in [*named, "manifest-sha256.txt", "wids-index.json", "shardindex.json"])
    others = [
        "a.jpg",
        "summary.txt",
        "md5.jpg",
        "metadata",
        "0001.json",
        "sums.txt",
        "train.tar",
        "manifest.json",
        "a.md",
    ]
    assert not any(describes(f"sha256sums/{name}") for name in others)
