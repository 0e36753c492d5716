"""The rivals: what people use, and what other papers propose, each as one `Codec` beside ours.

    >>> codec = make("mozjpeg-tables-3", sampling="4:2:0")
    >>> codec = make("grace", sampling="4:2:0", learning=Learning(model, images), rates=[0.3, 0.6, 1.2])

One small module each, imported when asked for; docs/rivals.md tells what each is, from which paper, and what had to be
chosen. Those that make tables encode with j4d's own writer, nearest index and optimized Huffman codes, so that nothing
but the method differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j4d.support.lazy import lazy

if TYPE_CHECKING:
    from j4d.rivals.registry import Learning as Learning
    from j4d.rivals.registry import Request as Request
    from j4d.rivals.registry import from_config as from_config
    from j4d.rivals.registry import learns as learns
    from j4d.rivals.registry import make as make
    from j4d.rivals.registry import missing as missing
    from j4d.rivals.registry import names as names

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "registry": ("Learning", "Request", "from_config", "learns", "make", "missing", "names"),
    },
)
