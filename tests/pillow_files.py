"""JPEG files by Pillow with given tables."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from j4d.jpeg.parameters import EncodingParameters

PILLOW_SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def pillow_encode(image: np.ndarray, parameters: EncodingParameters, **options: bool) -> bytes:
    picture = Image.fromarray(image)
    tables = [parameters.luma.steps.ravel().tolist(), parameters.chroma.steps.ravel().tolist()]
    if parameters.sampling == "gray":
        picture, tables = picture.convert("L"), tables[:1]
    else:
        options["subsampling"] = PILLOW_SUBSAMPLING[parameters.sampling]
    file = io.BytesIO()
    picture.save(file, "JPEG", qtables=tables, **options)
    return file.getvalue()
