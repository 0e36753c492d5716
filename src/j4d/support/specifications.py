"""What stands before and after a spec: `NAME=` before it, and arguments after its `?`.

As in `mine=zoo.py:load?name=resnet18` and `random-search?evaluations=480`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote


def parse_arguments(query: str) -> dict[str, Any]:
    """Keyword arguments, with & between them: numbers, true, false and null as in JSON, anything else is text.

    Raises ValueError with a line to show where one is not name=value.
    """
    found: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{pair!r} after the ? is not name=value")
        try:
            found[name] = json.loads(unquote(text))
        except ValueError:
            found[name] = unquote(text)
    return found


def split_name(text: str) -> tuple[str | None, str]:
    """NAME=SPEC as (name, spec), a spec alone as (None, spec).

    An equals sign further on belongs to the spec, and one in the name of a file that exists to the file.
    """
    found = re.fullmatch(r"([\w .+-]+)=(.+)", text)
    return (found[1], found[2]) if found and not Path(text).is_file() else (None, text)


def display_name(text: str) -> str:
    """What a model is called: NAME of NAME=SPEC, else the spec."""
    name, spec = split_name(text)
    return name or spec
