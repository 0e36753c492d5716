"""Several ranks give what one gives, and end together: two processes on the CPU, as torchrun starts them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import crops
from PIL import Image
from ranks_worker import everything

from j4d.errors import ParameterError
from j4d.support import ranks

HERE = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 48, 64, 11)  # neither they nor batches of 5 part evenly


@pytest.fixture(scope="module")
def of_two(images: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where torchrun's two ranks left what they found, and their stderr."""
    folder = tmp_path_factory.mktemp("ranks")
    np.save(folder / "images.npy", images)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, str(HERE / "ranks_worker.py"), str(folder / "images.npy"), str(folder / "found")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.fixture(scope="module")
def of_one(images: list[np.ndarray]) -> dict[str, np.ndarray]:
    return everything(images)


# Together


def test_two_ranks_learn_the_tables_that_one_learns(of_two: tuple[Path, str], of_one: dict[str, np.ndarray]) -> None:
    found = np.load(of_two[0] / "found.rank0.npz")
    assert found["size"] == 2
    for combine in ("mean", "worst"):
        assert found[f"steps, {combine}"] == pytest.approx(of_one[f"steps, {combine}"], rel=1e-4)
        assert found[f"course, {combine}"] == pytest.approx(of_one[f"course, {combine}"], rel=1e-3)
    assert not np.allclose(of_one["steps, mean"], of_one["steps, worst"], rtol=1e-2)
    # whole numbers in the end: one that was about to be rounded up may be rounded down
    assert np.abs(found["tables"] - of_one["tables"]).sum() <= 1


def test_each_part_is_that_of_all_pictures(of_two: tuple[Path, str], of_one: dict[str, np.ndarray]) -> None:
    found = np.load(of_two[0] / "found.rank0.npz")
    for exact in ("bits", "symbols", "trellis shares", "rate model"):
        assert np.array_equal(found[exact], of_one[exact]), exact
    for name in ("sensitivity", "files, mean", "files, worst", "measured"):
        assert found[name].shape == of_one[name].shape and found[name] == pytest.approx(of_one[name], rel=1e-5), name


def test_all_ranks_return_the_same_and_the_first_alone_writes_and_shows(of_two: tuple[Path, str]) -> None:
    folder, stderr = of_two
    first, second = (np.load(folder / f"found.rank{i}.npz") for i in range(2))
    assert set(first) == set(second) and all(np.array_equal(first[name], second[name]) for name in first)
    assert [path.name for path in folder.glob("*.checkpoint")] == ["found.rank0.checkpoint"]
    assert stderr.count("point 1/2") == stderr.count("point 2/2") == 1


# The end

MODEL = """
import os
import time
from toys import Toy
from j4d.errors import ModelError

class Failing(Toy):
    def forward(self, pixels):
        if os.environ["RANK"] == "1" and pixels.requires_grad:
            raise {failure}
        return super().forward(pixels)

def make():
    time.sleep(2.0 * (os.environ["RANK"] == "1"))
    return Failing()
"""


def of_the_command_line(folder: Path, images: list[np.ndarray], failure: str, *options: str) -> list[tuple[int, str]]:
    """(exit code, stderr) of two ranks of `j4d learn` with a model that comes late on the second, and raises there."""
    for i, image in enumerate(images[:4]):
        Image.fromarray(image).save(folder / f"{i}.png")
    (folder / "model.py").write_text(MODEL.format(failure=failure))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    arguments = ["-m", f"{folder}/model.py:make", "-i", str(folder), "-o", str(folder / "profile.json"), "--steps", "2"]
    quick = ["--start", "annex-k", "--lambdas", "1", "--quiet"]
    running = []
    for rank in "01":
        of_rank = {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-m", "j4d", "learn", *arguments, *quick, *options]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, env={**ENVIRONMENT, **of_rank}, **pipes))
    ended = [process.communicate(timeout=120)[1] for process in running]
    said = [re.sub(r"(?m)^\S+: photographs as stored.*\n", "", text) for text in ended]  # of the model, by rank 0
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


@pytest.mark.parametrize(
    ("failure", "code", "line"),
    [("ModelError('out of tune')", 2, "j4d: error: out of tune\n"), ("KeyboardInterrupt", 130, "j4d: interrupted\n")],
)
def test_what_ends_one_rank_ends_all_with_one_line(
    failure: str, code: int, line: str, images: list[np.ndarray], tmp_path: Path
) -> None:
    first, second = of_the_command_line(tmp_path, images, failure)
    assert second == (code, line)
    assert first[0] != 0 and first[1] == "", "the other ends, too, and has nothing to add"
    assert not (tmp_path / "profile.json").exists()


def test_a_mistake_that_all_ranks_make_is_told_once(images: list[np.ndarray], tmp_path: Path) -> None:
    ended = of_the_command_line(tmp_path, images, "ValueError", "--weights", "1,2")
    assert [code for code, _ in ended] == [2, 2]
    assert "".join(text for _, text in ended).splitlines() == [
        "j4d: error: weights [1.0, 2.0]: expected 1 positive numbers, one for each model"
    ]


def test_an_unknown_option_is_told_once(tmp_path: Path) -> None:
    ended = of_the_command_line(tmp_path, [], "ValueError", "--wieghts", "1")
    assert [code for code, _ in ended] == [2, 2] and [text.count("\n") for _, text in ended] == [1, 0]


# Alone


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 12])
def test_shares_are_disjoint_and_even_and_make_up_the_whole(
    count: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, parts = list(range(100, 100 + count)), []
    for rank in range(size):
        monkeypatch.setattr(ranks, "_group", FixedGroup(ranks._Group(rank, size)))
        parts.append(list(ranks.share(items)))
        assert parts[-1] == list(ranks.share(iter(items))), "of what cannot be indexed, too"
    assert [x for part in parts for x in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


class FixedGroup:
    def __init__(self, group: object) -> None:
        self.group = group

    def get(self) -> object:
        return self.group


def test_one_process_exchanges_nothing_and_imports_nothing() -> None:
    program = (
        "import sys; from j4d.support import ranks\n"
        "with ranks.joined(): x = [1]; assert ranks.agreed(x) is x and ranks.total(x) is x and ranks.share(x) is x\n"
        "assert ranks.gathered(x) == x and (ranks.rank(), ranks.size()) == (0, 1) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(("rank", "size"), [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "")])
def test_ranks_that_cannot_be_are_refused(rank: str, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(ParameterError, match="is no rank"), ranks.joined():
        pass
