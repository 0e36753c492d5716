"""Claims about data sets under fire: killed runs go on, Parquet keeps its shape, Ray writes what threads write."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import data_sets
import pytest

from j4d.api import transcode
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.bulk.settings import image_seed
from j4d.jpeg.parameters import EncodingParameters

QUALITY_30 = EncodingParameters.from_quality(30)


def command(source: Path, target: Path, *options: str) -> list[str]:
    fixed = ["--jpeg-quality", "30", "--threads", "2", "--json"]
    return [sys.executable, "-m", "j4d", "transcode", str(source), str(target), *fixed, *options]


def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    source, target = data_sets.mixed(tmp_path / "in", 240), tmp_path / "out"
    transcode_data_set(source_of([str(source)]), target_of(str(tmp_path / "whole")), Settings(parameters=QUALITY_30))
    whole = data_sets.tree(tmp_path / "whole")
    rng = random.Random(0)
    cut = 0
    for _ in range(4):
        process = subprocess.Popen(command(source, target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (target / "train").exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        cut += process.wait() == -signal.SIGKILL
        for name, data in data_sets.tree(target).items():
            assert name.startswith(".j4d/tmp/") or whole[name] == data, "half-written"
    assert cut >= 1
    assert subprocess.run(command(source, target, "--verify"), stdout=subprocess.DEVNULL).returncode == 3
    assert data_sets.tree(target) == whole


def test_parquet_keeps_rows_row_groups_types_and_metadata(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    images = [data_sets.jpeg(i) for i in range(20)]
    cells = [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(images)]
    cells[3], cells[4] = None, {"bytes": None, "path": "4.jpg"}
    cells[5] = {"bytes": images[5][:300], "path": "5.jpg"}
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array(cells, picture),
            "label": pa.array(range(20), pa.int64()),
            "raw": pa.array([*images[:10], *[b"vector"] * 10], pa.large_binary()),
            "views": pa.array([cells[i : i + i % 3] for i in range(20)], pa.list_(picture)),
        }
    ).replace_schema_metadata({"huggingface": '{"info": {"features": {"image": {"_type": "Image"}}}}'})
    source = tmp_path / "in"
    source.mkdir()
    pq.write_table(table, source / "a.parquet", row_group_size=7, compression="zstd")
    settings = Settings(parameters=QUALITY_30)
    summary = transcode_data_set(source_of([str(source)]), target_of(str(tmp_path / "out")), settings, verify=True)
    assert [reason[:7] for _, reason in summary.failures] == ["damaged"] * len(summary.failures) != []
    written = pq.ParquetFile(tmp_path / "out/a.parquet")
    assert written.metadata.num_row_groups == 3 and written.metadata.row_group(0).num_rows == 7
    assert written.metadata.row_group(0).column(0).compression == "ZSTD"
    before = pq.ParquetFile(source / "a.parquet").schema_arrow
    assert written.schema_arrow.equals(before, check_metadata=True) and b"huggingface" in before.metadata
    after = written.read().to_pylist()
    for i, (old, new) in enumerate(zip(table.to_pylist(), after, strict=True)):
        seed = image_seed(0, f"a.parquet/image.bytes/{i}")
        if i not in (3, 4, 5):
            assert new["image"]["bytes"] == transcode(old["image"]["bytes"], QUALITY_30, seed=seed)
            new["image"]["bytes"] = old["image"]["bytes"]
        assert new["image"] == old["image"] and new["label"] == old["label"]
        assert new["raw"] == (transcode(old["raw"], QUALITY_30) if i < 10 else b"vector")
        for one, other in zip(new["views"], old["views"], strict=True):
            assert (one or {}).get("path") == (other or {}).get("path")
    for name, bad in {"cut": (source / "a.parquet").read_bytes()[:-9], "empty": b""}.items():
        (source / f"{name}.parquet").write_bytes(bad)
    transcode_data_set(source_of([str(source)]), target_of(str(tmp_path / "out")), settings)
    assert data_sets.tree(tmp_path / "out")["cut.parquet"] == (source / "cut.parquet").read_bytes()


RAY = """
import os, signal, sys, threading, time
import ray
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.jpeg.parameters import EncodingParameters
try:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
except Exception as error:
    sys.exit(f"no cluster: {error}")
killed = []
def kill():
    while not killed:
        for name in os.listdir("/proc"):
            try:
                line = open(f"/proc/{name}/cmdline").read() if name.isdigit() else ""
                parent = int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1]) if line else 0
            except (OSError, ValueError):
                continue
            if line.startswith("ray::_one") and ours(parent):
                os.kill(int(name), signal.SIGKILL)
                killed.append(name)
                return
        time.sleep(0.002)
def ours(pid):
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    return False
threading.Thread(target=kill, daemon=True).start()
settings = Settings(parameters=EncodingParameters.from_quality(30))
summary = transcode_data_set(source_of(sys.argv[1:2]), target_of(sys.argv[2]), settings, engine="ray")
print("killed", len(killed), "transcoded", summary.totals["transcoded"])
"""


def test_ray_writes_the_same_bytes_and_manifest_with_a_worker_killed(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'j4d[ray]')")
    if not Path("/proc").is_dir():
        pytest.skip("the worker to kill is found in /proc")
    source = data_sets.mixed(tmp_path / "in", 600)
    settings = Settings(parameters=QUALITY_30)
    summary = transcode_data_set(source_of([str(source)]), target_of(str(tmp_path / "threads")), settings)
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", RAY, str(source), str(tmp_path / "ray")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    if "no cluster" in done.stderr:
        pytest.skip(f"Ray cannot start here: {done.stderr.splitlines()[-1]}")
    assert f"killed 1 transcoded {summary.totals['transcoded']}" in done.stdout, done.stderr[-2000:]
    assert data_sets.tree(tmp_path / "ray") == data_sets.tree(tmp_path / "threads")
    rows = [manifest_rows(tmp_path / name) for name in ("ray", "threads")]
    assert rows[0] == rows[1] and len(rows[0]) > 600


LISTENING = """
import os, sys
from pathlib import Path
import ray
from j4d.bulk import on_ray
try:
    on_ray._connect(ray, None)
except Exception as error:
    sys.exit(f"no cluster: {error}")
assert ray.get(ray.remote(lambda: 1).remote()) == 1
ours, sockets = {os.getpid()}, set()
parents = {}
for path in Path("/proc").glob("[0-9]*"):
    try:
        parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        pass
for _ in parents:
    ours |= {process for process, parent in parents.items() if parent in ours}
for process in ours:
    try:
        sockets |= {os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir()}
    except OSError:
        pass
lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
print("listens", *{line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets})
"""


def test_a_local_cluster_of_ray_listens_on_the_loopback_interface_alone() -> None:
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'j4d[ray]')")
    if not Path("/proc/net/tcp").exists():
        pytest.skip("sockets are found in /proc")
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    asked = [sys.executable, "-c", LISTENING]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=240)
    if "no cluster" in done.stderr:
        pytest.skip(f"Ray cannot start here: {done.stderr.splitlines()[-1]}")
    addresses = set(done.stdout.split()[1:])
    assert addresses and addresses <= {"0100007F", "0000000000000000FFFF00000100007F", "0" * 24 + "01000000"}, (
        done.stdout
    )


def test_ray_is_asked_for_the_cluster_at_hand_and_else_for_one_on_the_loopback_interface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from types import ModuleType

    from j4d.bulk import on_ray
    from j4d.errors import DataError

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    constants = ModuleType("ray_constants")
    constants.ENABLE_RAY_CLUSTER = True  # type: ignore[attr-defined]
    private = ModuleType("ray._private")
    private.ray_constants = constants  # type: ignore[attr-defined]
    for name, module in {
        "ray": ModuleType("ray"),
        "ray._private": private,
        "ray._private.ray_constants": constants,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    asked: list[tuple[str, object, bool]] = []

    class Ray:
        clusters: tuple[str, ...] = ()

        def init(self, address: str, _node_ip_address: str | None = None, **options: object) -> None:
            asked.append((address, _node_ip_address, constants.ENABLE_RAY_CLUSTER))  # type: ignore[attr-defined]
            if address not in (*self.clusters, "local"):
                raise ConnectionError("no running Ray instance")

    ray = Ray()
    on_ray._connect(ray, None)
    assert asked == [("auto", None, True), ("local", "127.0.0.1", False)]
    assert constants.ENABLE_RAY_CLUSTER, "as it was"  # type: ignore[attr-defined]
    asked.clear()
    ray.clusters = ("auto", "head:6379")
    on_ray._connect(ray, None)
    on_ray._connect(ray, "head:6379")
    assert [address for address, *_ in asked] == ["auto", "head:6379"]
    with pytest.raises(DataError, match="no running Ray"):
        on_ray._connect(ray, "elsewhere:1")
    ray.clusters = ()
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:1")
    with pytest.raises(DataError, match="no running Ray"):
        on_ray._connect(ray, None)


def manifest_rows(target: Path) -> list[tuple[object, ...]]:
    import sqlite3

    with sqlite3.connect(target / ".j4d/manifest.sqlite") as db:
        return db.execute(
            "SELECT name, key, digest, bytes_in, bytes_out, status, error, written, done FROM images "
            "JOIN sources ON source = id ORDER BY name, position"
        ).fetchall()
