"""A dict of JSON values that never changes: data classes holding one are truly frozen and hash by value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np

from j4d.errors import ProfileError

Json: TypeAlias = "bool | int | float | str | tuple[Json, ...] | list[Json] | Mapping[str, Json] | None"


class FrozenDict(dict[str, Any]):
    """A dict without mutators; hashable, picklable, and accepted wherever a dict is read (`json.dumps`)."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping is frozen; make a new one")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


def freeze(value: Any, where: str) -> Any:
    """Return `value` as immutable JSON: lists become tuples, mappings FrozenDict, numpy scalars Python ones.

    Raises ProfileError, naming `where`, for NaN, infinity, text that is not Unicode and anything JSON does
    not have.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ProfileError(f"{where}: {value} cannot be kept in JSON; use a finite number or leave it out")
        return value
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ProfileError(f"{where}: {value!r} is not valid Unicode text")
        return value
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item, f"{where}[{i}]") for i, item in enumerate(value))
    if isinstance(value, Mapping):
        return freeze_mapping(value, where)
    raise ProfileError(f"{where}: {type(value).__name__} is not a JSON value (text, number, bool, None, list, dict)")


def freeze_mapping(value: Any, where: str) -> FrozenDict:
    """Return a mapping with text keys as a FrozenDict of frozen JSON values. Raises ProfileError."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ProfileError(f"{where}: expected a dict with text keys, got {type(value).__name__}")
    return FrozenDict({freeze(key, where): freeze(item, f"{where}.{key}") for key, item in value.items()})
