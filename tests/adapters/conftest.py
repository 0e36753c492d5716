"""Tests of models from timm, torchvision and transformers, in an environment that has all three: `make test-adapters`.

Their PyTorch is one that PyPI's torchvision was built for, so that `make test` leaves these files out.
"""

from __future__ import annotations

import importlib.util
import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read by transformers and timm when they are imported; nothing is downloaded

if not all(importlib.util.find_spec(library) for library in ("timm", "torchvision", "transformers")):
    collect_ignore_glob = ["test_*.py"]
