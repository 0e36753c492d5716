"""Attacks on the data-set layer for any length of time: more of what tests/bulk/test_bulk_attack.py makes in a minute.

    python bench/attack.py --seconds 600 --seed 1000
    python bench/attack.py tars tables --seconds 3600

Attacks, each of which gets its share of the seconds:

    tars, compressed, tables, jpegs
                          hostile archives (as they are, and behind a compressor), Parquet files and pictures, and every
                          claim of tests/bulk_claims.py
    heavy                 tables whose bombs take gigabytes where they are not refused
    manifests             hostile manifests
    kills                 SIGKILL at random moments (folders, tars and Parquet; local, and behind a URL), then
                          run to the end, and compared with a run that nobody disturbed
    full                  the same on a small file system that is full (root only: it mounts one)
    threads               16 threads against 1
    changing              a source whose files are cut, overwritten, replaced and removed while they are read
    metadata              100 camera files of many makers, compared by exiftool (needs it, and J4D_DATA)

Prints a table of what was done, and a line for each finding, worst first, with what makes it again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import data_sets
from bulk_claims import HOWS, RANKS, Finding, attacked, batch, differences, outside, rows_of

STORED = str(Path(data_sets.__file__).with_name("stored.py"))  # j4d that knows store:// URLs
KILLS_PER_SET = 5  # kills of a target before it is run to its end


@dataclass(frozen=True)
class Turn:
    """A seed's findings. count: of inputs."""

    seed: int
    count: int
    findings: list[Finding]


def hostile(kind: str, heavy: bool, seed: int) -> Iterator[Turn]:
    while True:
        numbers = range(seed, seed + 1)
        for number, found in attacked(kind, numbers, heavy=heavy, seconds=600):
            yield Turn(number, 1 if kind == "manifests" else len(batch(kind, number)), found)
        seed += 1


def data_set(folder: Path, images: int) -> Path:
    """A folder of pictures, shards and tables, with damaged ones among them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data_sets.mixed(folder, images)
    for number in range(3):
        cells = [data_sets.jpeg(1000 * number + i) for i in range(images // 3)] + [data_sets.jpeg(7)[:300], b"text"]
        (folder / "tables").mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": cells}), folder / f"tables/{number}.parquet", row_group_size=7)
    return folder


class Command:
    """`j4d transcode` of one source with a state folder of its own."""

    def __init__(self, folder: Path, source: Path, *, remote: bool, on_error: str, threads: int = 2) -> None:
        self.folder, self.threads = folder, threads
        self.asked = [f"store://{source}" if remote else str(source)]
        self.remote, self.on_error = remote, on_error
        self.log = folder / "log"

    def start(self, target: Path, threads: int = 0) -> subprocess.Popen[bytes]:
        to = f"store://{target}" if self.remote else str(target)
        options = ["--jpeg-quality", "30", "--threads", str(threads or self.threads), "--on-error", self.on_error]
        program = [STORED] if self.remote else ["-m", "j4d"]
        command = [sys.executable, *program, "transcode", *self.asked, to, *options]
        environment = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), "TMPDIR": str(self.folder)}
        with self.log.open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def run(self, target: Path, seconds: float = 600, threads: int = 0) -> int:
        """The exit code; None becomes -1 where it does not end."""
        process = self.start(target, threads)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return -1

    def told(self) -> str:
        return self.log.read_text(errors="replace")[-300:].replace("\n", " | ")


def ended(code: int, command: Command, what: str) -> Iterator[Finding]:
    """What is wrong with the end of a run that nothing stands in the way of."""
    text = command.told()
    if code == -1:
        yield Finding("endless", what, text)
    elif code == 1 or "internal error" in text or "Traceback" in text:
        yield Finding("internal", what, text)
    elif code not in (0, 3):
        yield Finding("stuck", what, f"exit code {code}: {text}")


def parts_of(target: Path, whole: dict[str, bytes]) -> list[str]:
    """Files under a final name that are not whole."""
    there = {name: data for name, data in data_sets.tree(target).items() if not name.startswith(".j4d/")}
    return [name for name, data in there.items() if not name.endswith("~") and whole.get(name) != data]


def compared(target: Path, whole: dict[str, bytes], what: str) -> Iterator[Finding]:
    names = differences(whole, data_sets.tree(target))
    missing = [name for name in names if name in whole]
    if missing:
        yield Finding("lost", what, f"other than in a run that nobody disturbed: {missing[:5]}")
    elif names:
        yield Finding("outside", what, f"left behind: {names[:5]}")


def kills(seed: int) -> Iterator[Turn]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = data_set(folder / "source", 900)
        while True:
            rng = random.Random(seed)
            remote, on_error = bool(seed % 2), ["copy", "quarantine"][seed // 2 % 2]
            what = f"kills {seed}, {'store://' if remote else 'local'}, {on_error}"
            command = Command(folder, source, remote=remote, on_error=on_error)
            reference = folder / f"whole-{remote}-{on_error}"
            if not reference.exists():
                command.run(reference)
            whole = data_sets.tree(reference)
            started, took = _timed(command, folder / "timed")
            target, count, found = folder / f"target-{seed}", 0, list[Finding]()
            for _ in range(3 * KILLS_PER_SET):
                process = command.start(target)
                try:
                    process.wait(started + (took - started) * rng.random() / 2)
                    shutil.rmtree(target)  # done already: from the start again
                    continue
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                count += 1
                found += [Finding("lost", what, f"part of a file: {name}") for name in parts_of(target, whole)]
                if count == KILLS_PER_SET:
                    break
            found += ended(command.run(target), command, what)
            found += compared(target, whole, what)
            shutil.rmtree(target)
            yield Turn(seed, count, found)
            seed += 1


def _timed(command: Command, target: Path) -> tuple[float, float]:
    """Seconds until a run begins to write, and until it ends."""
    began = time.monotonic()
    process = command.start(target)
    states = set((command.folder / "state").rglob("lock"))
    while process.poll() is None and not (target / ".j4d/lock").exists():
        if set((command.folder / "state").rglob("lock")) != states:
            break
        time.sleep(0.005)
    started = time.monotonic() - began
    process.wait()
    took = time.monotonic() - began
    shutil.rmtree(target)
    return started, took


def full(seed: int) -> Iterator[Turn]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = data_set(folder / "source", 60)
        disk = folder / "disk"
        disk.mkdir()
        while True:
            rng = random.Random(seed)
            remote, on_error = bool(seed % 2), ["copy", "quarantine"][seed // 2 % 2]
            what = f"full {seed}, {'store://' if remote else 'local'}, {on_error}"
            command = Command(folder, source, remote=remote, on_error=on_error)
            reference = folder / f"whole-{remote}-{on_error}"
            if not reference.exists():
                command.run(reference)
            whole = data_sets.tree(reference)
            most = sum(map(len, whole.values())) // 1024
            size = rng.randint(20, most + 200)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
            if subprocess.run(mount, capture_output=True).returncode:
                print("full: no file system can be mounted here", file=sys.stderr)
                return
            found = []
            try:
                for _ in range(3):
                    code = command.run(disk / "target")
                    if code == 0 or code == 3:
                        break
                    text = command.told()
                    if code != 2 or "internal error" in text or "Traceback" in text:
                        found.append(Finding("internal", what, f"{size} kB, exit code {code}: {text}"))
                    found += [Finding("lost", what, f"part of {name}") for name in parts_of(disk / "target", whole)]
                subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
                found += ended(command.run(disk / "target"), command, what)
                found += compared(disk / "target", whole, what)
            finally:
                subprocess.run(["umount", str(disk)], check=True)
            shutil.rmtree(folder / "state", ignore_errors=True)
            yield Turn(seed, 1, found)
            seed += 1


def threads(seed: int) -> Iterator[Turn]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        while True:
            source = data_set(folder / f"source-{seed}", 30 + seed % 60)
            for kind in ("tars", "jpegs"):
                data_sets.write(source / kind, {name: file.data for name, file in batch(kind, seed).items()})
            on_error = ["copy", "quarantine"][seed % 2]
            what, found = f"threads {seed}, {on_error}", list[Finding]()
            command = Command(folder, source, remote=False, on_error=on_error)
            for count in (1, 16):
                found += ended(command.run(folder / f"{count}", threads=count), command, f"{what}, {count} threads")
            if not found:
                found += compared(folder / "16", data_sets.tree(folder / "1"), what)
                if _without_order(rows_of(folder / "1")) != _without_order(rows_of(folder / "16")):
                    found.append(Finding("count", what, "other rows"))
            for name in ("1", "16", source.name):
                shutil.rmtree(folder / name, ignore_errors=True)
            yield Turn(seed, 1, found)
            seed += 1


def _without_order(rows: object) -> str:
    return str(rows)


def changing(seed: int) -> Iterator[Turn]:
    """The last run, when nothing changes any more, gives what a run of the changed source gives."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        while True:
            rng = random.Random(seed)
            source = data_set(folder / "in/source", 150)
            data_sets.write(folder, {"x.jpg": b"precious", "out/x.jpg": b"precious"})
            remote, on_error = bool(seed % 2), ["copy", "quarantine"][seed // 2 % 2]
            what = f"changing {seed}, {'store://' if remote else 'local'}, {on_error}"
            command = Command(folder / "out", source, remote=remote, on_error=on_error)
            target = folder / "out/target"
            stop = threading.Event()
            changer = threading.Thread(target=_change, args=(source, rng, stop, not remote))
            process = command.start(target)
            changer.start()
            try:
                code = process.wait(300)
            except subprocess.TimeoutExpired:
                process.kill()
                code = -1
            stop.set()
            changer.join()
            text = command.told()
            found = []
            if code == -1:
                found.append(Finding("endless", what, text))
            elif code == 1 or "internal error" in text or "Traceback" in text:
                found.append(Finding("internal", what, text))
            before = outside(folder / "in", folder / "in/none")
            for _ in range(2):
                last = command.run(target)
            found += ended(last, command, what)
            if outside(folder / "in", folder / "in/none") != before:
                found.append(Finding("outside", what, "the source was changed"))
            command.run(folder / "out/whole")
            found += _as_a_fresh_run(target, folder / "out/whole", what)
            for name in ("in", "out"):
                shutil.rmtree(folder / name)
            yield Turn(seed, 1, found)
            seed += 1


def _as_a_fresh_run(target: Path, fresh: Path, what: str) -> Iterator[Finding]:
    """Outputs of sources that are gone stay; all others are those of a fresh run."""
    there, whole = data_sets.tree(target), data_sets.tree(fresh)
    names = [name for name in whole if there.get(name) != whole[name]]
    if names:
        yield Finding("lost", what, f"other than in a fresh run: {names[:5]}")


def _change(source: Path, rng: random.Random, stop: threading.Event, links: bool) -> None:
    """links: whether some files become links, whose stamps fsspec does not follow."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    while not stop.is_set():
        path = rng.choice(files)
        with suppress(OSError):
            how = rng.randrange(7)
            size = path.stat().st_size
            if how == 0:
                os.truncate(path, rng.randrange(size + 1))
            elif how == 1:
                with path.open("r+b") as file:
                    file.seek(rng.randrange(size + 1))
                    file.write(rng.randbytes(50))
            elif how == 2:
                path.unlink()
            elif how == 3:
                with path.open("ab") as file:
                    file.write(rng.randbytes(rng.choice([1, 5000])))
            elif how == 4:
                temporary = path.with_name("new~")
                temporary.write_bytes(rng.choice([data_sets.jpeg(rng.randrange(100)), b"", data_sets.shard([])]))
                temporary.replace(path)
            elif how == 5 and links:
                path.unlink()
                path.symlink_to(rng.choice(["/etc/passwd", "..", files[0]]))
            else:
                path.unlink()
                path.mkdir()
        stop.wait(rng.choice([0, 0.001, 0.02]))


def metadata(seed: int) -> Iterator[Turn]:
    import camera_files
    from camera_files import EXIFTOOL
    from metadata_changes import changes, small_pictures

    if EXIFTOOL is None or "J4D_DATA" not in os.environ:
        print("metadata: needs exiftool and J4D_DATA", file=sys.stderr)
        return
    pictures = small_pictures(Path(os.environ["J4D_DATA"]))
    while True:
        with tempfile.TemporaryDirectory() as scratch:
            files = camera_files.files(Path(scratch), seed, 100, pictures)
            changed, left = changes(files)
        found = [Finding("lost", f"metadata {seed}, {name}", told) for name, told in changed]
        print(f"metadata {seed}: {len(left)} of {len(files)} left as they were: {Counter(left.values())}")
        yield Turn(seed, len(files), found)
        seed += 1


ATTACKS: dict[str, Callable[[int], Iterator[Turn]]] = {
    "tars": lambda seed: hostile("tars", False, seed),
    "compressed": lambda seed: hostile("compressed", False, seed),
    "tables": lambda seed: hostile("tables", False, seed),
    "jpegs": lambda seed: hostile("jpegs", False, seed),
    "heavy": lambda seed: hostile("tables", True, seed),
    "manifests": lambda seed: hostile("manifests", False, seed),
    "kills": kills,
    "full": full,
    "threads": threads,
    "changing": changing,
    "metadata": metadata,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", choices=[*ATTACKS, []], metavar="ATTACK")
    parser.add_argument("--seconds", type=float, default=600, help="for all of them together")
    parser.add_argument("--seed", type=int, default=0, help="the first batch of each attack")
    given = parser.parse_args()
    names = given.attacks or list(ATTACKS)
    counts: Counter[tuple[str, str]] = Counter()
    found: list[tuple[str, int, Finding]] = []
    for name in names:
        end = time.monotonic() + given.seconds / len(names)
        for turn in ATTACKS[name](given.seed):
            counts[name, "turns"] += 1
            counts[name, "inputs"] += turn.count
            for finding in turn.findings:
                counts[name, finding.rank] += 1
                found.append((name, turn.seed, finding))
            if time.monotonic() > end:
                break
    columns = ["turns", "inputs", *(rank for rank in RANKS if any(counts[name, rank] for name in names))]
    print(f"{'attack':10}" + "".join(f"{column:>11}" for column in columns))
    for name in names:
        print(f"{name:10}" + "".join(f"{counts[name, column]:11}" for column in columns))
    for name, seed, finding in sorted(found, key=lambda each: RANKS.index(each[2].rank)):
        print(f"{finding.rank}: {name} --seed {seed} ({HOWS[seed % len(HOWS)]}): {finding.what}: {finding.detail}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
