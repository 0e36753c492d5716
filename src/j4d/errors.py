"""The one error family of j4d: every mistake a user can make ends in a subclass of `J4DError`.

Each message names the value, the limit and what to do, on one line; the command line prints it and exits
with 2. The second base class lets callers who know nothing of j4d catch what they expect (`ValueError`,
`TypeError`).
"""


class J4DError(Exception):
    """Base of all errors that j4d raises on purpose."""


class ParameterError(J4DError, ValueError):
    """Encoding parameters out of range: a table, a sampling, a quality, a sharpness."""


class ProfileError(J4DError, ValueError):
    """A profile that cannot be read or written, or a request outside its ladder."""


class ImageError(J4DError, ValueError):
    """An image of the wrong shape, type or size, or a file that does not decode to one."""


class CodecError(J4DError, ValueError):
    """JPEG bytes that cannot be read or written."""


class UnsupportedError(CodecError):
    """A JPEG file of a kind that is not transcoded: CMYK, 12-bit, lossless."""


class ModelError(J4DError, TypeError):
    """A model that cannot be loaded, or that returns something other than logits."""


class DataError(J4DError, ValueError):
    """A folder, label file or data set that does not hold what it should."""
