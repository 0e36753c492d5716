"""Where networks come from: the user's Python, TorchScript and torch.export files, timm, torchvision, transformers and
the demonstration's model. Each source gives a network and the preprocessing it was trained with; a library is imported
only when its source is asked for. `j4d.readers.loading.load_model` is the public face.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from j4d.errors import ModelError
from j4d.readers import efficientnet_lite
from j4d.readers.exported import load_program
from j4d.readers.preprocessing import Preprocess
from j4d.readers.scripted import load_script
from j4d.support.specifications import parse_arguments

Found = tuple[nn.Module, dict[str, Any]]  # the network, and keyword arguments of j4d.readers.preprocessing.Preprocess
CROP_SHARE = 0.875  # of the resized shorter side, the habit of ImageNet evaluation: 256 then 224
FORMS = "package.module:callable, file.py:callable, a TorchScript or .pt2 file, timm:, torchvision:, hf:, demo:"


def find(spec: str) -> Found:
    """The network that `spec` names and its preprocessing. Raises ModelError."""
    scheme, colon, name = spec.partition(":")
    if colon and scheme in _SCHEMES:
        return _SCHEMES[scheme](name)
    target, _, query = spec.partition("?")
    place, colon, attribute = target.rpartition(":")
    if colon and place and attribute and not Path(target).is_file():
        return _from_python(spec, place, attribute, query)
    if Path(spec).is_file():
        return _from_file(Path(spec))
    raise ModelError(f"model {spec!r}: no such file, and not one of {FORMS}NAME")


def _from_python(spec: str, place: str, attribute: str, query: str) -> Found:
    module = _import_path(Path(place)) if place.endswith(".py") else _import_module(place)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ModelError(f"model {spec!r}: {place} has no {attribute!r}")
        found = getattr(found, part)
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise ModelError(f"model {spec!r}: {attribute} is a {type(found).__name__}, expected a callable")
        try:
            found = found(**_arguments(spec, query))
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise ModelError(f"model {spec!r}: {attribute} fails: {type(error).__name__}: {_line(error)}") from error
    size = None
    if isinstance(found, tuple) and len(found) == 2:
        found, size = found
    if not isinstance(found, nn.Module):
        raise ModelError(
            f"model {spec!r}: {attribute} returned a {type(found).__name__}, "
            "expected a torch.nn.Module or (module, input size)"
        )
    return found, _sized(size)


def _sized(size: Any) -> dict[str, Any]:
    """Preprocessing for a bare input size: a number is cut from a slightly larger resize, a pair is resized to."""
    if isinstance(size, int) and not isinstance(size, bool):
        return {"resize": math.floor(size / CROP_SHARE), "crop": size}
    return {} if size is None else {"resize": size}


def _arguments(spec: str, query: str) -> dict[str, Any]:
    try:
        return parse_arguments(query)
    except ValueError as error:
        raise ModelError(f"model {spec!r}: {error}") from None


@contextmanager
def _importing_from(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Let modules in `folder` be imported, as `python file.py` and `python -m` do."""
    entry = os.path.abspath(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _import_module(name: str) -> ModuleType:
    try:
        with _importing_from(os.getcwd()):
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ModelError(f"module {name!r} cannot be imported: {type(error).__name__}: {_line(error)}") from error


def _import_path(path: Path) -> ModuleType:
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # a .py file always has a loader
    module = importlib.util.module_from_spec(spec)
    try:
        with _importing_from(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ModelError(f"{path} cannot be imported: {type(error).__name__}: {_line(error)}") from error
    return module


def _from_file(path: Path) -> Found:
    exported = path.suffix == ".pt2"
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no archive")
        return (load_program(path) if exported else load_script(path)), {}
    except ModelError:
        raise
    except Exception as error:  # torch raises many types on files of another kind
        kind = "torch.export program" if exported else "TorchScript file"
        raise ModelError(
            f"{path}: not a {kind}; save with {'torch.export.save' if exported else 'torch.jit.save'} "
            "(weights alone have no architecture: give package.module:callable)"
        ) from error


def _library(name: str, scheme: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:  # missing, or not made for the PyTorch that is installed
        package = name.partition(".")[0]
        raise ModelError(
            f"{scheme}: models need {package}, which cannot be imported ({_line(error)}); pip install {package}"
        ) from error


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _weights_only() -> Iterator[None]:
    """Have `torch.load` read weights alone, whatever a library asks for: no file that it downloads is unpickled."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _pretrained(spec: str, make: Callable[[], Any]) -> Any:
    try:
        with _weights_only():
            return make()
    except Exception as error:  # unknown name, no network, a changed library
        raise ModelError(f"model {spec!r} cannot be made: {_line(error)}") from error


def _levels(values: Sequence[float]) -> list[float]:
    """Mean or deviation in units of 0..1, as libraries keep it, in units of 0..255."""
    return [255.0 * float(value) for value in values]


def _tried(spec: str, transform: Callable[[Image.Image], Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, once a picture came out of them as it comes out of the library's own transform.

    Libraries round to whole levels while they resize; a difference of 2 levels on average is another rule: another
    order of colours, a size by a rule of its own, padding. Raises ModelError.
    """
    row, column = np.mgrid[:300, :400] / 100
    waves = np.stack((np.sin(3 * row), np.cos(2 * column), np.sin(2 * row + 4 * column)), -1)
    image = (127 + 60 * waves + [40, 0, -40]).astype(np.uint8)
    theirs = _pretrained(spec, lambda: torch.as_tensor(np.asarray(transform(Image.fromarray(image)))))
    preprocess = Preprocess(**settings)
    ours = preprocess(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0]
    if theirs.shape != ours.shape or ((theirs - ours).abs() * preprocess.std).mean() > 2:
        raise ModelError(
            f"{spec}: its preprocessing is not one resize, centre crop and normalisation; give the network with its "
            "preprocessing inside as package.module:callable"
        )
    return settings


def _from_timm(name: str) -> Found:
    timm = _library("timm", "timm")
    net = _pretrained(f"timm:{name}", lambda: timm.create_model(name, pretrained=True))
    config = timm.data.resolve_model_data_config(net)
    height, width = config["input_size"][-2:]
    resize = [math.floor(side / config["crop_pct"]) for side in (height, width)]
    settings = {
        "resize": tuple(resize) if config.get("crop_mode") == "squash" else min(resize),
        "crop": (height, width),
        "mean": _levels(config["mean"]),
        "std": _levels(config["std"]),
        "interpolation": "bicubic" if config["interpolation"] == "bicubic" else "bilinear",
    }
    return net, _tried(f"timm:{name}", timm.data.create_transform(**config), settings)


def _from_torchvision(name: str) -> Found:
    models = _library("torchvision.models", "torchvision")
    weights = _pretrained(f"torchvision:{name}", lambda: models.get_model_weights(name).DEFAULT)
    preset = weights.transforms()
    if not hasattr(preset, "crop_size"):
        raise ModelError(f"torchvision:{name} is not an image classifier; name one of its classification models")
    net = _pretrained(f"torchvision:{name}", lambda: models.get_model(name, weights=weights))
    settings = {
        "resize": int(preset.resize_size[0]),
        "crop": int(preset.crop_size[0]),
        "mean": _levels(preset.mean),
        "std": _levels(preset.std),
        "interpolation": "bicubic" if preset.interpolation.value == "bicubic" else "bilinear",
    }
    return net, _tried(f"torchvision:{name}", preset, settings)


class Logits(nn.Module):
    """A transformers classifier with its output unwrapped to the logits."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.net(pixel_values=pixels).logits


def _from_transformers(name: str) -> Found:
    transformers = _library("transformers", "hf")
    classifier = transformers.AutoModelForImageClassification
    net = _pretrained(
        f"hf:{name}", lambda: classifier.from_pretrained(name, use_safetensors=True, trust_remote_code=False)
    )
    reader = transformers.AutoImageProcessor
    processor = _pretrained(f"hf:{name}", lambda: reader.from_pretrained(name, trust_remote_code=False))
    settings = _processor_settings(processor)
    transform = partial(processor, return_tensors="pt")
    return Logits(net), _tried(f"hf:{name}", lambda picture: transform(picture)["pixel_values"][0], settings)


def _processor_settings(processor: Any) -> dict[str, Any]:
    """A transformers image processor's configuration as ours: sizes are dicts, samples are scaled before mean."""

    def size(value: Any) -> int | tuple[int, int] | None:
        if not value:
            return None
        pair = value.get("height"), value.get("width")
        return pair if None not in pair else value.get("shortest_edge")

    def have(name: str, default: Any = None) -> Any:
        return getattr(processor, name, default)

    resize, crop = (size(have(name)) if have(f"do_{which}") else None for which, name in _HF_SIZES)
    share = have("crop_pct")
    if isinstance(resize, int) and share and crop is None:  # ConvNeXt's own rule: crop by a share below 384 pixels
        resize, crop = (int(resize / share), resize) if resize < 384 else ((resize, resize), None)
    settings = {"resize": resize, "crop": crop, "interpolation": "bicubic" if have("resample") == 3 else "bilinear"}
    scale = 1 / have("rescale_factor", 1 / 255) if have("do_rescale", True) else 1.0
    mean, std = (have("image_mean"), have("image_std")) if have("do_normalize") else ([0.0] * 3, [1.0] * 3)
    return {**settings, "mean": [scale * v for v in mean], "std": [scale * v for v in std]}


_HF_SIZES = (("resize", "size"), ("center_crop", "crop_size"))


def _from_demo(name: str) -> Found:
    if name != "efficientnet-lite0":
        raise ModelError(f"demo model {name!r}: there is one, demo:efficientnet-lite0")
    size = {"resize": math.floor(efficientnet_lite.SIZE / CROP_SHARE), "crop": efficientnet_lite.SIZE}
    levels = {"mean": efficientnet_lite.MEAN, "std": efficientnet_lite.STD}
    return efficientnet_lite.load_efficientnet_lite0(), {**size, **levels, "interpolation": "bicubic"}


_SCHEMES: dict[str, Callable[[str], Found]] = {
    "timm": _from_timm,
    "torchvision": _from_torchvision,
    "hf": _from_transformers,
    "demo": _from_demo,
}
