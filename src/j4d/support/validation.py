"""What pydantic finds wrong with a file from elsewhere, in one line: the place, the value and the limit."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def short(value: Any) -> str:
    """The value's repr, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def first_error(error: ValidationError, kind: str) -> str:
    """One line for the first fault; kind: what the file should be, such as "a version 1 profile"."""
    fault = error.errors(include_url=False, include_context=False)[0]
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault["loc"])
    place = "".join(steps).lstrip(".") or "the file"
    place = place if place.isprintable() and len(place) < 120 else short(place)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if fault["type"] == "missing":
        return f"{place} is missing{more}"
    if fault["type"] == "extra_forbidden":
        return f"{place} is not a key of {kind}{more}"
    message = fault["msg"][0].lower() + fault["msg"][1:]
    value = "" if isinstance(fault["input"], (list, dict)) else f" is {short(fault['input'])}"
    return f"{place}{value}: {message}{more}"
