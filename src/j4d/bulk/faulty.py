"""Why a shard or a table is not written as asked for."""

from __future__ import annotations

from j4d.errors import DataError


class RefusedError(DataError):
    """A source that is written nowhere because it could harm whoever takes it."""


class DamagedError(DataError):
    """A source that is not what its name says."""


class UnchangedError(DataError):
    """A source that is copied as it is, since it would not come back with the types that it has."""
