"""JPEG encoding parameters learned for vision models.

The names of `_HOMES` are the whole public face. Importing `j4d` is cheap: every name is resolved on first use, so that
encoding a file or asking the command line for help never waits for PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j4d._version import __version__ as __version__
from j4d.support.lazy import lazy

if TYPE_CHECKING:
    from j4d.api import encode as encode
    from j4d.api import transcode as transcode
    from j4d.errors import CodecError as CodecError
    from j4d.errors import DataError as DataError
    from j4d.errors import ImageError as ImageError
    from j4d.errors import J4DError as J4DError
    from j4d.errors import ModelError as ModelError
    from j4d.errors import ParameterError as ParameterError
    from j4d.errors import ProfileError as ProfileError
    from j4d.errors import UnsupportedError as UnsupportedError
    from j4d.evaluation.evaluate import evaluate as evaluate
    from j4d.evaluation.results import Evaluation as Evaluation
    from j4d.images.image_set import ImageSet as ImageSet
    from j4d.images.image_set import load_images as load_images
    from j4d.jpeg.coefficients import Coefficients as Coefficients
    from j4d.jpeg.decoding import decode as decode
    from j4d.jpeg.encoding import encode_many as encode_many
    from j4d.jpeg.parameters import EncodingParameters as EncodingParameters
    from j4d.jpeg.transcoding import transcode_many as transcode_many
    from j4d.learning.learn import learn as learn
    from j4d.profile.profile import OperatingPoint as OperatingPoint
    from j4d.profile.profile import Profile as Profile
    from j4d.readers.encoder_judge import EncoderJudge as EncoderJudge
    from j4d.readers.loading import load_model as load_model
    from j4d.simulation.module import SimulatedJPEG as SimulatedJPEG

_HOMES = {
    "api": ("encode", "transcode"),
    "errors": (
        "CodecError",
        "DataError",
        "ImageError",
        "J4DError",
        "ModelError",
        "ParameterError",
        "ProfileError",
        "UnsupportedError",
    ),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.results": ("Evaluation",),
    "images.image_set": ("ImageSet", "load_images"),
    "jpeg.coefficients": ("Coefficients",),
    "jpeg.decoding": ("decode",),
    "jpeg.encoding": ("encode_many",),
    "jpeg.parameters": ("EncodingParameters",),
    "jpeg.transcoding": ("transcode_many",),
    "learning.learn": ("learn",),
    "profile.profile": ("OperatingPoint", "Profile"),
    "readers.encoder_judge": ("EncoderJudge",),
    "readers.loading": ("load_model",),
    "simulation.module": ("SimulatedJPEG",),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)
