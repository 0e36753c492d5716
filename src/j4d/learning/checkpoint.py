"""A learning run's finished points on disk, so that it goes on where it stopped; JSON, written whole or not at all."""

from __future__ import annotations

import json
import math
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from j4d.errors import DataError, J4DError
from j4d.jpeg.parameters import EncodingParameters
from j4d.support.files import read_limited, write_atomic

FORMAT, VERSION = "j4d-checkpoint", 1
SIZE_LIMIT = 16 << 20  # bytes


class Checkpoint:
    """The points finished so far: (parameters, lambda) each, small to large rate."""

    def __init__(self, path: Path | None, run: dict[str, Any]) -> None:
        self.path, self.run = path, run
        self.points: list[tuple[EncodingParameters, float]] = []

    @classmethod
    def open(cls, path: str | PathLike[str] | None, run: dict[str, Any]) -> Checkpoint:
        """Read `path` if it exists; `run` is a JSON object that says which run it must belong to. Raises DataError."""
        kept = cls(None if path is None else Path(path), json.loads(json.dumps(run)))
        if kept.path is None or not kept.path.exists():
            return kept
        where = fspath(kept.path)
        try:
            data = read_limited(kept.path, SIZE_LIMIT)
            if data is None:
                raise DataError(f"{where}: larger than {SIZE_LIMIT} bytes, not a checkpoint")
            content = json.loads(data)
            if content["format"] != FORMAT or content["version"] != VERSION:
                found = f"{content['format']} {content['version']}"[:60]
                raise DataError(f"{where}: {found}, this j4d reads {FORMAT} {VERSION}")
            kept.points = [
                (EncodingParameters.from_json(p["parameters"]), _lambda(p["lambda"])) for p in content["points"]
            ]
            run_there = dict(content["run"].items())
        except OSError as error:
            raise DataError(f"{where}: cannot be read: {error.strerror}") from None
        except DataError:
            raise
        except J4DError as error:
            raise DataError(f"{where}: not a usable checkpoint: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DataError(f"{where}: not a checkpoint of a learning run; name another file or remove it") from None
        different = sorted(k for k in kept.run.keys() | run_there.keys() if kept.run.get(k) != run_there.get(k))
        if different:
            raise DataError(
                f"{where}: belongs to another run ({', '.join(different)} differ); remove it to start afresh"
            )
        return kept

    def add(self, parameters: EncodingParameters, lagrangian: float) -> None:
        """Append a finished point and write the file, if there is one."""
        self.points.append((parameters, lagrangian))
        if self.path is not None:
            points = [{"parameters": p.to_json(), "lambda": v} for p, v in self.points]
            content = {"format": FORMAT, "version": VERSION, "run": self.run, "points": points}
            try:
                write_atomic(self.path, json.dumps(content).encode())
            except OSError as error:
                raise DataError(f"{self.path}: cannot be written: {error.strerror}") from None


def _lambda(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(value)
    return float(value)
