"""What a measurement depends on, as content hashes: pixels, a codec, the software that writes and reads files, a model.

A cached figure is only as good as its key. Each function here answers: is it the same as last time, whatever it is
called and wherever it lies?
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from j4d import _core, _soft
from j4d.codecs.protocol import Codec
from j4d.readers.tensor_bytes import tensor_bytes
from j4d.support.versions import FILE_PACKAGES, package_versions

if TYPE_CHECKING:
    from torch import nn

# Whose code can change a file, its pixels, or a figure. Core and soft kernels count as they are compiled.
PACKAGES = ("codecs", "evaluation", "jpeg", "profile", "rate", "readers", "rivals", "simulation")


def digest(*parts: object) -> str:
    """Hexadecimal sha256 of the parts' texts; where one ends and the next begins counts."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def image_identity(image: NDArray[np.uint8]) -> str:
    """Of the pixels and the shape, not of the file they came from."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def codec_identity(codec: Codec) -> str:
    """Of the configuration, which is all that tells one codec from another, and of the software."""
    return digest(json.dumps(codec.get_config(), sort_keys=True), software_identity())


@cache
def software_identity() -> str:
    """Of what writes, reads and judges files: packages by version, this package's own part of it byte by byte."""
    own = source_digests(Path(__file__).parents[1])
    compiled = [hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in (_core, _soft)]
    return digest(sorted(package_versions(*FILE_PACKAGES).items()), own, compiled)


def source_digests(home: Path) -> list[tuple[str, str]]:
    """The sources below `home` that can change a figure: (path, sha256) of each. FileNotFoundError for a lost package.

    Which file of a package does so cannot be told by hand for long: all of them count.
    """
    found = []
    for package in PACKAGES:
        files = sorted((home / package).glob("**/*.py"))
        if not files:
            raise FileNotFoundError(f"{home / package} has no Python files")
        found += [(path.relative_to(home).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return found


def model_identity(model: object) -> str | None:
    """Of a torch module: its weights, its preprocessing, every plain attribute and the code of its classes.

    None where that cannot be told: a callable that is no module, or a module without weights. TorchScript counts as the
    file it would be saved to. Attributes that are neither plain values, arrays, functions nor modules count by their
    type alone.
    """
    import torch

    if not isinstance(model, torch.nn.Module) or not any(True for _ in _weights(model)):
        return None
    found = hashlib.sha256()
    for part in _parts(model):
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()


def _weights(model: nn.Module) -> Iterator[Any]:
    import torch

    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            yield module
        yield from module.parameters(recurse=False)
        yield from module.buffers(recurse=False)


# Holders of what is visited anyway, the mode (eval is forced), and how a VisionModel is called.
_NOT_COUNTED = ("_parameters", "_buffers", "_modules", "training", "name")


def _parts(module: nn.Module) -> Iterator[bytes]:
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        yield from _script_parts(module)
        return
    yield type(module).__qualname__.encode()
    for cls in type(module).__mro__:
        if cls.__module__.partition(".")[0] not in ("torch", "builtins"):
            for name, value in sorted(vars(cls).items()):
                if isinstance(value, FunctionType):
                    yield name.encode()
                    yield from _code_parts(value.__code__)
    tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    attributes = [item for item in vars(module).items() if item[0] not in _NOT_COUNTED]
    for name, value in sorted([*tensors, *attributes], key=lambda item: item[0]):
        yield name.encode()
        yield from _value_parts(value)
    for name, child in sorted(module.named_children()):
        yield name.encode()
        yield from _parts(child)


def _script_parts(module: Any) -> Iterator[bytes]:
    import io
    import zipfile

    import torch

    saved = io.BytesIO()
    torch.jit.save(module, saved)
    with zipfile.ZipFile(saved) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".debug_pkl"):  # where in a source file each line stood
                yield name.partition("/")[2].encode()
                yield archive.read(name)


def _code_parts(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_parts(constant)
        else:
            yield from _value_parts(constant)


def _value_parts(value: Any) -> Iterator[bytes]:
    import torch

    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield tensor_bytes(value)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, torch.nn.Module):
        yield from _parts(value)
    elif isinstance(value, FunctionType):
        yield from _code_parts(value.__code__)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key).encode()
            yield from _value_parts(item)
    elif isinstance(value, (set, frozenset)):
        yield repr(sorted(map(repr, value))).encode()
    elif isinstance(value, (tuple, list)):
        yield str(len(value)).encode()
        for item in value:
            yield from _value_parts(item)
    elif isinstance(value, (str, bytes, int, float, complex, type(None), torch.dtype)):
        yield repr(value).encode()
    else:
        yield type(value).__qualname__.encode()
