"""How a profile looks in a file: the JSON format, its published schema, and a reader that trusts nothing.

A file is `{"format": "j4d-profile", "version": 1, "name", "points", "provenance"}`; tables are 8 rows of 8
steps in natural order. What the format has not had from the start (`adaptation`, and of a point `trellis`, `masking`,
`dc_trellis`, the weights and `longest_side`) is written only where it is set, so that a file without it is the same
after it was read and written. Reading limits the size before parsing, refuses unknown keys and versions, and turns
every fault into one ProfileError line with the file, the place, the value and the limit. The schema is written by
`python -m j4d.profile.file docs/profile.schema.json`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from j4d.errors import J4DError, ProfileError
from j4d.jpeg.parameters import (
    LEAST_MASKING,
    LEAST_SIDE,
    LEAST_TRELLIS,
    LEAST_WEIGHT,
    MAX_SIDE,
    MOST_TRELLIS,
    MOST_WEIGHT,
)
from j4d.profile.ladder import REACH
from j4d.support.files import read_limited, write_atomic
from j4d.support.validation import first_error, short

FORMAT = "j4d-profile"
VERSION = 1
SIZE_LIMIT = 16 * 2**20  # bytes; a point with dead zones takes about 5 kB
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"

_Step = Annotated[int, Field(ge=1, le=255)]
_Share = Annotated[float, Field(ge=0, le=0.5)]
_Positive = Annotated[float, Field(gt=0)]
_Slope = Annotated[float, Field(ge=0, le=2)]
_Table = Annotated[
    list[Annotated[list[_Step], Field(min_length=8, max_length=8)]],
    Field(min_length=8, max_length=8, description="8 rows of 8 steps, natural (row-major) order"),
]
_DeadZone = Annotated[
    list[Annotated[list[_Share], Field(min_length=8, max_length=8)]],
    Field(min_length=8, max_length=8, description="8 rows of 8, natural (row-major) order, unit: steps"),
]


_Weight = Annotated[float, Field(ge=LEAST_WEIGHT, le=MOST_WEIGHT)]
_Weights = Annotated[
    list[Annotated[list[_Weight], Field(min_length=8, max_length=8)]],
    Field(min_length=8, max_length=8, description="8 rows of 8, natural order: what a squared step counts for"),
]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ParametersModel(_Strict):
    """What one operating point encodes with."""

    luma: _Table
    chroma: _Table
    sampling: Literal["4:4:4", "4:2:2", "4:2:0", "gray"] = Field(description="chroma subsampling")
    sharpness: _Positive | None = Field(None, description="kappa = alpha q^2; null: nearest index")
    luma_dead_zone: _DeadZone | None = None
    chroma_dead_zone: _DeadZone | None = None
    trellis: Annotated[float, Field(ge=LEAST_TRELLIS, le=MOST_TRELLIS)] | None = Field(
        None, description="bits that a squared step is worth where indices are chosen jointly; null: they are not"
    )
    masking: Annotated[float, Field(ge=LEAST_MASKING)] | None = Field(
        None, description="norm of a block's AC coefficients that halves that; null: nothing does"
    )
    dc_trellis: Annotated[float, Field(ge=LEAST_TRELLIS, le=MOST_TRELLIS)] | None = Field(
        None, description="the same of DC indices, chosen from block to block; null: they stay"
    )
    luma_weights: _Weights | None = Field(None, description="of the trellis; null: 1 for all frequencies")
    chroma_weights: _Weights | None = Field(None, description="of the trellis; null: 1 for all frequencies")
    longest_side: Annotated[int, Field(ge=LEAST_SIDE, le=MAX_SIDE)] | None = Field(
        None, description="pixels; larger pictures are scaled down to it before they are encoded; null: none is"
    )


class PointModel(_Strict):
    """One operating point: what to encode with, and what is known of it."""

    parameters: ParametersModel
    estimated_bpp: _Positive = Field(description="bits per pixel of pictures as given, estimated from the marginals")
    lagrangian: Annotated[float, Field(ge=0)] | None = Field(None, description="lambda, nats per bpp")
    measured: dict[str, float] = Field({}, description="figures by name: actual_bpp, loss, top1, agreement, ...")


class ProvenanceModel(_Strict):
    """Where the profile comes from."""

    model: str
    model_fingerprint: str = Field(description="sha256 of the model's weights")
    data_fingerprint: str = Field(description="sha256 of the images")
    image_count: Annotated[int, Field(ge=0)]
    protocol: Literal["stored-size", "model-size"]
    sampling: Literal["4:4:4", "4:2:2", "4:2:0", "gray"]
    forward: str = Field(description="the simulator's forward while learning: soft, hard or sampled")
    seed: int
    versions: dict[str, str] = Field(description="version by package")
    date: str = Field(description="ISO 8601")
    settings: dict[str, JsonValue] = Field({}, description="the arguments of the learning")


class AdaptationModel(_Strict):
    """How single pictures are moved along the ladder, in log rate."""

    reference: Annotated[int, Field(ge=0)] = Field(description="the point that pictures are compared at")
    bpp: _Positive = Field(
        description="geometric mean of the learning pictures' actual bits per pixel there, as stored"
    )
    side: _Positive = Field(description="geometric mean of the learning pictures' shorter sides as stored, pixels")
    by_bpp: _Slope = Field(description="log rate taken away per log(bits per pixel over bpp)")
    by_side: _Slope = Field(description="log rate taken away per log(shorter side over side)")
    offsets: list[Annotated[float, Field(ge=-2 * REACH, le=2 * REACH)]] = Field(
        min_length=1, description="added to the log rate, one per point"
    )


class ChoiceModel(_Strict):
    """What a judge, asked while encoding, needs to choose each picture's place."""

    judge: str = Field(description="what the models were called")
    fingerprint: str = Field(description="sha256 of their weights")
    lambdas: list[_Positive] = Field(min_length=1, description="nats per bpp, one per point")


class ProfileModel(_Strict):
    """A ladder of JPEG encoding parameters, learned by j4d for a vision model."""

    format: Literal["j4d-profile"]
    version: Literal[1]
    name: str
    points: list[PointModel] = Field(min_length=1, description="strictly increasing estimated_bpp")
    provenance: ProvenanceModel
    adaptation: AdaptationModel | None = None
    choices: list[ChoiceModel] = Field([], description="one for each judge that it knows")


def schema() -> str:
    """The JSON schema of a profile file, as `docs/profile.schema.json` publishes it."""
    body = ProfileModel.model_json_schema()
    return json.dumps({"$schema": SCHEMA_URL, **body, "title": "j4d profile"}, indent=2) + "\n"


def dump(body: Mapping[str, Any]) -> bytes:
    """The bytes of a file, one row of a table per line; body: what `Profile.to_json` gives."""
    text = json.dumps({"format": FORMAT, "version": VERSION, **body}, indent=1, allow_nan=False)
    number = r"-?[0-9][0-9.eE+-]*"  # no string holds a raw newline, so this meets lists of numbers only
    rows = re.compile(rf"\[\n +{number}(?:,\n +{number})*\n +\]")
    return (rows.sub(lambda row: re.sub(r"\n +", " ", row[0]).replace("[ ", "[")[:-2] + "]", text) + "\n").encode()


def parse(data: bytes) -> dict[str, Any]:
    """The validated contents of a file as plain data, from which `Profile.from_json` makes the profile.

    Raises ProfileError for anything but a profile of this version.
    """
    try:
        head = pydantic_core.from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise ProfileError(f"not valid JSON (is the file cut short?): {error}") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ProfileError(f'not a j4d profile: "format" is not "{FORMAT}"')
    version = head.get("version")
    if type(version) is int and version > VERSION:
        raise ProfileError(f"made by a newer j4d: version {version}, this one reads {VERSION}; upgrade j4d")
    if type(version) is not int or version != VERSION:
        raise ProfileError(f"version {short(version)} is not one that j4d reads; this one reads {VERSION}")
    try:
        return ProfileModel.model_validate_json(data).model_dump(exclude={"format", "version"})
    except ValidationError as error:
        raise ProfileError(first_error(error, f"a version {VERSION} profile")) from None


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of the file. Raises ProfileError where there are too many, OSError, ValueError."""
    data = read_limited(path, SIZE_LIMIT)
    if data is None:
        raise ProfileError(f"larger than {SIZE_LIMIT} bytes, the limit of a profile")
    return data


@contextmanager
def naming(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turn every error into a ProfileError that names the file; what: "read" or "write"."""
    try:
        yield
    except J4DError as error:
        raise ProfileError(f"{os.fspath(path)}: {error}") from None
    except (OSError, ValueError) as error:
        raise ProfileError(f"{os.fspath(path)}: cannot {what}: {getattr(error, 'strerror', None) or error}") from None


if __name__ == "__main__":
    write_atomic(sys.argv[1], schema().encode())
