"""What tests share: photographs, the folder of real data, seeds, and one thread each for steady results."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by PyTorch when it is first imported

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("j4d", deadline=None, derandomize=True)
settings.load_profile("j4d")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Measurements of tests are kept apart from the user's."""
    os.environ["J4D_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Photographs from scikit-image's wheel by name, uint8 (H, W, 3)."""
    data = pytest.importorskip("skimage.data")
    return {name: np.asarray(getattr(data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")}


@pytest.fixture(scope="session")
def more_photographs(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Kodak's photographs by file name, uint8 (H, W, 3), where J4D_DATA names a folder that has them; else as above."""
    from PIL import Image

    found = sorted(Path(os.environ.get("J4D_DATA", "/nowhere")).glob("kodak/*.webp"))
    kodak = {path.name: np.asarray(Image.open(path).convert("RGB")) for path in found}
    return kodak or request.getfixturevalue("photographs")
