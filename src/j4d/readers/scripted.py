"""TorchScript files: a program in a small language of its own, loaded once its code is seen to touch no files.

A TorchScript program cannot start processes or open connections. It can call the operators that are installed with
PyTorch, and two of those reach the file system (`aten::save` writes a file, `aten::from_file` maps one). Loading a file
runs parts of its code already, so it is read first.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from j4d.errors import ModelError
from j4d.readers.archives import members, packed

OPERATORS = ("aten", "mkldnn", "mkldnn_prepacked", "prepacked", "prim", "quantized", "torchvision")
_FILES = re.compile(r"\.\s*(save|load|from_file)\s*\(")
_OTHERS = re.compile(r"(?<![\w.])ops\s*\.\s*(\w+)")  # not the part of a class's name, such as torchvision.ops.misc
_CLASSES = re.compile(r"\b__torch__\s*\.\s*torch\s*\.\s*classes\s*\.\s*(\w+)")


def load_script(path: Path) -> Any:
    """The module in a TorchScript file, on the CPU. Raises ModelError; PyTorch raises many types on damaged ones."""
    import torch

    found = members(path)
    for name, data in found.items():
        if name.startswith("code/") and name.endswith(".py"):
            refusal = _refusal(data.decode("utf-8", "replace"))
            if refusal:
                raise ModelError(f"{path}: its code {refusal}, which j4d does not run from a file; {INSTEAD}")
    return torch.jit.load(packed(found), map_location="cpu")  # type: ignore[no-untyped-call]


INSTEAD = "if you trust it, load it in a function of your own and give file.py:callable"


def _refusal(code: str) -> str:
    """What in TorchScript code is not run, or nothing."""
    if found := _FILES.search(code):
        return f"calls {found[1]}, an operator that reaches files"
    for group in _OTHERS.findall(code):
        if group not in OPERATORS:
            return f"calls operators of {group!r}"
    for group in _CLASSES.findall(code):
        if group != "quantized":
            return f"makes objects of the class group {group!r}"
    return ""
