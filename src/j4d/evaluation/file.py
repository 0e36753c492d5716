"""The JSON file of an evaluation, with every figure of every image: its validation and its limits.

The file also carries a `summary` for readers without this library. It is derived, and ignored when read back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from j4d.errors import DataError
from j4d.support.files import read_limited
from j4d.support.validation import first_error

FORMAT, VERSION = "j4d-evaluation", 1
MAX_FILE_BYTES = 1 << 28

_Count = Annotated[int, Field(ge=1, lt=1 << 53)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class CodecModel(_Strict):
    name: str
    settings: Annotated[list[int | float | str], Field(min_length=1)]
    estimated_bpp: list[Annotated[float, Field(gt=0)] | None]
    bytes: list[list[_Count]]
    metrics: dict[str, list[list[float]]]
    config: dict[str, JsonValue]
    header_bytes: list[list[_Count]] | None = None


class EvaluationModel(_Strict):
    """What is read of evaluation.json; other keys are passed over."""

    pixels: Annotated[list[_Count], Field(min_length=1)]
    uncompressed: dict[str, list[float]]
    codecs: list[CodecModel]
    record: dict[str, JsonValue]
    resamples: Annotated[int, Field(ge=1, le=10**6)]
    seed: Annotated[int, Field(ge=0)]


def validated(data: Any) -> EvaluationModel:
    """The contents of a file, from its JSON values. DataError where the format, the version or a type is wrong."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"not an evaluation: the format is not {FORMAT!r}")
    if data.get("version") != VERSION:
        version = data.get("version")
        raise DataError(f"made by another j4d: evaluation version {version!r}, this one reads {VERSION}")
    try:
        return EvaluationModel.model_validate(data)
    except ValidationError as error:
        raise DataError(f"damaged evaluation: {first_error(error, 'an evaluation')}") from None


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn every error of reading a file of results into a DataError that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None


def read_json(path: str | os.PathLike[str], kind: str) -> Any:
    """The JSON values of a file; kind: what it should be, such as "an evaluation". DataError beyond MAX_FILE_BYTES."""
    text = read_limited(path, MAX_FILE_BYTES)
    if text is None:
        raise DataError(f"larger than {MAX_FILE_BYTES} bytes, not {kind} of this version")
    return json.loads(text)
