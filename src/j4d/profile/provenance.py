"""Where a profile comes from: model, images, the settings of the learning and the versions that ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from j4d.errors import ProfileError
from j4d.support.frozen import FrozenDict, Json, freeze

PROTOCOLS = ("stored-size", "model-size")


@dataclass(frozen=True)
class Provenance:
    """Where a profile comes from, so that it can be judged and made again.

    protocol: "stored-size" (JPEG on the photograph as kept, before the model's resize) or "model-size"
    (crop first). forward: the simulator's forward while learning. versions: package name to version. date:
    ISO 8601. settings: the learning's arguments, any JSON values. Fingerprints are hexadecimal sha256.
    Raises ProfileError.
    """

    model: str
    model_fingerprint: str
    data_fingerprint: str
    image_count: int
    protocol: str
    sampling: str
    forward: str
    seed: int
    versions: Mapping[str, str]
    date: str
    settings: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for f in fields(self):
            value = freeze(getattr(self, f.name), f"provenance.{f.name}")
            kind = {"str": str, "int": int}.get(str(f.type), FrozenDict)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ProfileError(f"provenance.{f.name}: {value!r} is not {kind.__name__.lower()}")
            object.__setattr__(self, f.name, value)
        if self.image_count < 0:
            raise ProfileError(f"provenance.image_count: {self.image_count} is below 0")
        if self.protocol not in PROTOCOLS:
            raise ProfileError(f"provenance.protocol: {self.protocol!r} is not one of {', '.join(PROTOCOLS)}")
        if not all(isinstance(version, str) for version in self.versions.values()):
            raise ProfileError("provenance.versions: a version is not text")
