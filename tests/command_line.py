"""The command line in tests: a folder of photographs and a model, and runs that succeed or fail."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from profiles import default_profile

from j4d.cli import run

MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        weight = torch.randn(5, 48, generator=torch.Generator().manual_seed(0))
        self.weight = torch.nn.Parameter(weight / 30)

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x - 128, 4).flatten(1) @ self.weight.T

class ReturnsDict(Net):
    def forward(self, x):
        return {"logits": super().forward(x)}
"""


def photograph(seed=0, height=48, width=64):
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([128 + 90 * np.sin(x / 9 + c + seed) * np.cos(y / 7 - c) for c in range(3)], axis=-1)
    noise = np.random.default_rng(seed).normal(0, 12, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with photographs, a profile and a model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for i in range(4):
        Image.fromarray(photograph(i)).save(f"photos/{i}.png")
    default_profile().save("profile.json")
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in str(path))


def succeeds(capsys, *arguments):
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def without_preparation(err):
    """What was said, without the line that tells a model's preprocessing."""
    return re.sub(r"(?m)^\S+: (photographs as stored|no resize|resize \d).*\n", "", err)


def fails(capsys, place, *arguments):
    """The one line on stderr of a command that must fail with 2 and leave every file as it was."""
    before = tree(place)
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 2, (code, captured.err)
    err = without_preparation(captured.err)
    assert err.startswith("j4d: error: ") and err.count("\n") == 1
    assert "Traceback" not in err + captured.out
    assert tree(place) == before
    return err
