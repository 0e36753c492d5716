"""JPEG bytes to pixels."""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt

from j4d.errors import CodecError
from j4d.jpeg.arguments import MAX_PIXELS, check_bytes

# What Pillow raises from damaged headers.
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error)


def decode(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a JPEG file with Pillow's libjpeg-turbo to uint8 (H, W, 3) RGB, orientation as stored; gray is repeated.

    Raises CodecError where the file ends before its picture does, is no RGB, YCbCr or gray JPEG, or is larger than
    2^28 pixels.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        with JpegImageFile(io.BytesIO(check_bytes(data))) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise CodecError(f"the picture has {width} x {height} pixels, more than the limit of {MAX_PIXELS}")
            if picture.mode not in ("RGB", "L"):
                raise CodecError(f"the picture is of mode {picture.mode}; only RGB, YCbCr and gray are handled")
            return np.array(picture.convert("RGB"))
    except CodecError:
        raise
    except PILLOW_ERRORS as error:
        raise CodecError(f"cannot decode this JPEG file: {error}") from None
