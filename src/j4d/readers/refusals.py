"""What a user's model raises, as one line of the user's: which size it was given and what it said.

The original error is the cause, so that its trace is shown under J4D_DEBUG.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from j4d.errors import J4DError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
NO_GRADIENT = "has no gradient for"
_LONGEST = 300  # characters of what a model said


class RefusalError(ModelError):
    """Something that a model raised. said: its own words, on one line."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


@contextmanager
def refusing(name: str, pixels: Tensor | None, what: str = "refused") -> Iterator[None]:
    """Turn whatever the model called `name` raises into a RefusalError.

    pixels: what it was given, (B, 3, H, W); None where it was given none. what: what it did. Errors of j4d pass.
    """
    try:
        yield
    except J4DError:
        raise
    except Exception as error:  # whatever a model raises
        raise RefusalError(_line(name, pixels, what, error), _said(error)) from error


def _line(name: str, pixels: Tensor | None, what: str, error: Exception) -> str:
    if pixels is None:
        return f"the model {name} fails: {_named(error)}"
    count, (height, width) = len(pixels), tuple(pixels.shape[-2:])
    if is_out_of_memory(error):
        return (
            f"the model {name} ran out of memory on {count} of {height} x {width}: {_named(error)}; "
            "set --resize and --crop, or a smaller --batch-size"
        )
    return f"the model {name} {what} {height} x {width}: {_named(error)}; set --resize and --crop"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, of the computer or of an accelerator."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)


def _named(error: BaseException) -> str:
    """The error as Python shows it in its last line."""
    said = _said(error)
    return type(error).__name__ if said == type(error).__name__ else f"{type(error).__name__}: {said}"


def _said(error: BaseException) -> str:
    """The line of an error that tells most: the last of several, as TorchScript puts a trace before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:_LONGEST]
