"""What stands after the `?` of a spec, as in `zoo.py:load?name=resnet18` and `random-search?evaluations=480`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote


def arguments(query: str) -> dict[str, Any]:
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
