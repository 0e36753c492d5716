"""Values of options: numbers, lists of numbers, sizes in bytes."""

from __future__ import annotations

import re

from j4d.errors import ParameterError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def numbers(text: str, option: str) -> list[float]:
    """Numbers with commas between; ParameterError naming the option."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"{option} {text!r}: expected numbers with commas between, such as 20,5,1") from None


def integer(text: str, option: str) -> int:
    """One quality of a list; ParameterError naming the option."""
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"{option}: {text!r} is not an integer 1..100") from None


def size_of(text: str, option: str) -> int:
    """Bytes, from a whole number with K, M, G or T behind it, powers of 1024. Raises ParameterError."""
    found = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)(i?B)?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1]) == 0:
        raise ParameterError(f"{option} {text!r} is not a size in bytes, such as 512M or 3G")
    size = int(found[1]) * _UNITS[found[2].upper()]
    if size > 1 << 50:
        raise ParameterError(f"{option} {text!r} is more than {1 << 50} bytes")
    return size
