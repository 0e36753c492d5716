"""JPEG encoding parameters learned for vision models.

The names below are the whole public face. Importing `j4d` is cheap: every name is resolved on first use, so
that encoding a file or asking the command line for help never waits for PyTorch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from j4d.batch import encode_many
    from j4d.codec import Coefficients, decode, encode
    from j4d.errors import (
        CodecError,
        DataError,
        ImageError,
        J4DError,
        ModelError,
        ParameterError,
        ProfileError,
        UnsupportedError,
    )
    from j4d.evaluate import Evaluation, evaluate
    from j4d.images import ImageSet, load_images
    from j4d.judge import EncoderJudge
    from j4d.learn import learn
    from j4d.models import load_model
    from j4d.parameters import EncodingParameters
    from j4d.profile import OperatingPoint, Profile
    from j4d.simulate import SimulatedJPEG
    from j4d.transcode import transcode, transcode_many

__version__ = "0.1.0"

__all__ = [
    "CodecError",
    "Coefficients",
    "DataError",
    "EncoderJudge",
    "EncodingParameters",
    "Evaluation",
    "ImageError",
    "ImageSet",
    "J4DError",
    "ModelError",
    "OperatingPoint",
    "ParameterError",
    "Profile",
    "ProfileError",
    "SimulatedJPEG",
    "UnsupportedError",
    "decode",
    "encode",
    "encode_many",
    "evaluate",
    "learn",
    "load_images",
    "load_model",
    "transcode",
    "transcode_many",
]

_HOME = {
    "CodecError": "errors",
    "Coefficients": "codec",
    "DataError": "errors",
    "EncoderJudge": "judge",
    "EncodingParameters": "parameters",
    "Evaluation": "evaluate",
    "ImageError": "errors",
    "ImageSet": "images",
    "J4DError": "errors",
    "ModelError": "errors",
    "OperatingPoint": "profile",
    "ParameterError": "errors",
    "Profile": "profile",
    "ProfileError": "errors",
    "SimulatedJPEG": "simulate",
    "UnsupportedError": "errors",
    "decode": "codec",
    "encode": "codec",
    "encode_many": "batch",
    "evaluate": "evaluate",
    "learn": "learn",
    "load_images": "images",
    "load_model": "models",
    "transcode": "transcode",
    "transcode_many": "transcode",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'j4d' has no attribute {name!r}")
    value = getattr(import_module(f"j4d.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


class _Package(ModuleType):
    """Keeps `j4d.learn` and `j4d.evaluate` the functions, though modules of the same names hold them.

    The import system binds a submodule to its package after running it; for these names the function inside is
    bound in its place.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if _HOME.get(name) == name and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
