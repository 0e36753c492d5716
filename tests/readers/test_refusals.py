"""What a user's model raises is the user's line, wherever it is asked; its weights may have any layout."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import photograph, place, succeeds, without_preparation
from torch import Tensor, nn

from j4d.cli import run
from j4d.errors import ModelError
from j4d.evaluation.identity import model_identity
from j4d.readers.answers import log_probabilities, logits_of
from j4d.readers.fingerprints import fingerprint
from j4d.readers.preprocessing import Preprocess
from j4d.readers.tensor_bytes import tensor_bytes
from j4d.readers.vision import VisionModel

__all__ = ["place"]  # a fixture

REFUSES = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3, 5))

    def forward(self, x):
        assert x.shape[-1] == 224, f"expected 224, got {x.shape[-1]}"
        return x.mean((2, 3)) @ self.weight

class NoMemory(Net):
    def forward(self, x):
        raise MemoryError

class NoGradient(Net):
    def forward(self, x):
        return Fails.apply(x).mean((2, 3)) @ self.weight

class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + 0

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no gradient here")
"""
SAID = "refuses.py:Net refused 48 x 64: AssertionError: expected 224, got 64; set --resize and --crop"
ALL = {
    "learn": ["learn", "-m", "{}", "-i", "photos", "-o", "x.json", "--steps", "1", "--points", "1", "-q"],
    "evaluate": ["evaluate", "-m", "{}", "-i", "photos", "-o", "report", "--jobs", "1", "-q"],
    "workers": ["evaluate", "-m", "{}", "-i", "photos", "-o", "report", "--jobs", "2", "-q"],
    "judge": ["judge", "universal", "-m", "{}", "-i", "many", "-o", "x.json", "-q"],
    "dry run": ["transcode", "jpegs", "out", "--quality", "40", "--dry-run", "-m", "{}"],
}


@pytest.fixture
def pictures(place: Path) -> Path:
    from PIL import Image

    (place / "refuses.py").write_text(REFUSES)
    for folder in ("many", "jpegs"):
        (place / folder).mkdir()
    for i in range(20):
        Image.fromarray(photograph(i)).save(f"many/{i:02}.png")
    for i in range(2):
        Image.fromarray(photograph(i)).save(f"jpegs/{i}.jpg", quality=95)
    return place


def said_by(capsys: pytest.CaptureFixture[str], arguments: list[str], spec: str) -> str:
    code = run([argument.format(spec) for argument in arguments])
    err = without_preparation(capsys.readouterr().err)
    assert code == 2 and err.count("\n") == 1, err
    return err


@pytest.mark.parametrize("command", list(ALL))
def test_a_model_that_refuses_a_size_is_one_line(
    command: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_by(capsys, ALL[command], "refuses.py:Net") == f"j4d: error: the model {SAID}\n"


@pytest.mark.parametrize("command", ["learn", "evaluate"])
def test_a_model_without_memory_is_one_line(command: str, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said_by(capsys, ALL[command], "refuses.py:NoMemory")
    assert "the model refuses.py:NoMemory ran out of memory on 1 of 48 x 64: MemoryError; set --resize" in told


def test_a_gradient_that_fails_is_one_line(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said_by(capsys, ALL["learn"], "refuses.py:NoGradient")
    assert "the model refuses.py:NoGradient has no gradient for 48 x 64: RuntimeError: no gradient here" in told


def test_the_trace_is_kept_for_whoever_debugs(
    pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("J4D_DEBUG", "1")
    with pytest.raises(ModelError) as caught:
        run([argument.format("refuses.py:Net") for argument in ALL["evaluate"]])
    assert isinstance(caught.value.__cause__, AssertionError)


def test_module_code_that_exits_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "leaves.py").write_text("raise SystemExit(0)")
    assert "leaves.py cannot be imported: SystemExit: 0" in said_by(capsys, ALL["evaluate"], "leaves.py:Net")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA error: device-side assert"), "refused 8 x 9: RuntimeError: CUDA error"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), "ran out of memory on 2 of 8 x 9"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "ran out of memory on 2 of 8 x 9"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "ran out of memory on 2 of 8 x 9"),
        (ValueError(), "refused 8 x 9: ValueError; set --resize and --crop"),
        (KeyError("first\nsecond"), "refused 8 x 9: KeyError"),
    ],
)
def test_what_a_callable_raises_is_told(error: Exception, words: str) -> None:
    def model(pixels: Tensor) -> Tensor:
        raise error

    with pytest.raises(ModelError, match=f"the model model {words}") as caught:
        logits_of(model, torch.zeros(2, 3, 8, 9))
    assert "\n" not in str(caught.value) and caught.value.__cause__ is error


def test_the_size_is_that_which_the_network_was_given() -> None:
    class Refuses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("no")

    model = VisionModel(Refuses(), Preprocess(resize=12, crop=10), name="net")
    with pytest.raises(ModelError, match="the model net refused 10 x 10: ValueError: no"):
        log_probabilities(model, [np.zeros((48, 64, 3), np.uint8)])


# Weights of any kind

KINDS: dict[str, Tensor] = {
    "expanded": torch.arange(3.0)[:, None].expand(3, 4),
    "one value expanded": torch.ones(()).expand(1),
    "all one value": torch.ones(1).expand(6),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "bfloat16": torch.arange(6).bfloat16(),
    "half": torch.arange(6).half(),
    "boolean": torch.tensor([True, False]),
    "no dimension": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
    "complex": torch.tensor([1 + 2j, 3 - 1j]),
    "conjugate": torch.tensor([1 + 2j, 3 - 1j]).conj(),
    "sparse": torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse(),
    "compressed rows": torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse_csr(),
    "quantized": torch.quantize_per_tensor(torch.tensor([0.5, 1.0]), 0.1, 3, torch.quint8),
    "quantized by channel": torch.quantize_per_channel(
        torch.ones(2, 3), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
    ),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_weights_of_any_kind_have_a_fingerprint(kind: str) -> None:
    class Holds(nn.Module):
        def __init__(self, value: Tensor) -> None:
            super().__init__()
            self.register_buffer("value", value)

    value = KINDS[kind]
    net, same = Holds(value), Holds(value.clone())
    assert fingerprint(net) == fingerprint(same) != fingerprint(Holds(torch.full((7,), 9.0)))
    assert model_identity(net) == model_identity(same)


def test_bytes_are_those_of_the_values_in_order() -> None:
    expanded = torch.tensor([1.0, 2.0])[:, None].expand(2, 3)
    assert tensor_bytes(expanded) == np.repeat(np.float32([1, 2]), 3).tobytes()
    assert tensor_bytes(torch.ones(()).expand(1)) == np.float32([1]).tobytes()
    conjugate = torch.tensor([1 + 2j]).conj()
    assert tensor_bytes(conjugate) == np.complex64([1 - 2j]).tobytes()


class Expanded(nn.Module):
    """A classifier with buffers of stride 0."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.register_buffer("one", torch.ones(()).expand(1))
        self.register_buffer("all", torch.ones(1).expand(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3)) * self.one + self.all


def test_a_script_with_expanded_buffers_works(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Expanded().eval(), torch.zeros(1, 3, 48, 64)), place / "net.ts")
        strides = [value.stride() for value in torch.jit.load(place / "net.ts").buffers()]
    assert (0,) in strides
    options: list[Any] = ["--default-jpeg", "10,50,90", "--bootstrap", 20, "--jobs", 1, "-q"]
    succeeds(capsys, "evaluate", "-m", "net.ts", "-i", "photos", "-o", "report", *options)
