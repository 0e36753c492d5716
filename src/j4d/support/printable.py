"""Names from elsewhere, safe for a terminal: the one function that escapes them, and the two ways to print.

A file's name need not be text, and a name inside a profile or a data set is whatever somebody put there: an escape
sequence that sets the terminal's title, a line break that fakes a message, a mark that turns the reading direction.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Control characters (C0, delete, C1), line and paragraph separators, marks that change the reading direction, and
# surrogates, which stand for bytes that are no UTF-8.
_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with what a terminal would obey instead of show written as escapes; a byte that is no UTF-8 as \\xe9."""
    return _UNSAFE.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """The same of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def printable_values(value: Any) -> Any:
    """A document of dicts, lists and tuples with every text in it, keys too, as `printable_lines` has it."""
    if isinstance(value, str):
        return printable_lines(value)
    if isinstance(value, dict):
        return {printable_values(key): printable_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(printable_values, value))
    return value


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode's stand-in for a byte
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape", "backslashreplace").decode()


def echo(text: str = "", *, err: bool = False) -> None:
    """Print lines to standard output or standard error; nothing but line breaks is obeyed."""
    stream = sys.stderr if err else sys.stdout
    lines = printable_lines(text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(lines.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def safe_console(**options: Any) -> Console:
    """A rich console of these options that shows text as `printable` has it."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Safe(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else printable_lines(text), style, control)

    return Safe(**options)
