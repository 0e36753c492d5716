"""How much work the choice of indices is worth: what `effort` 0, 1 and 2 of encoding and transcoding mean.

| effort | indices | time |
| --- | --- | --- |
| 0 | the nearest, whatever the parameters say | least |
| 1 | the parameters' quantizer: dead zones and sharpness | little more |
| 2 | chosen jointly by a trellis: the parameters', or the default one in the limit of their quantizer | three times |

Without an effort the parameters decide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from j4d.errors import ParameterError
from j4d.jpeg.parameters import EncodingParameters, Trellis

EFFORTS = (0, 1, 2)
DEFAULT_TRELLIS = Trellis(30.0)  # where the parameters have none


def check_effort(effort: Any) -> int | None:
    """Return `effort` if it is None or one of EFFORTS, else raise ParameterError."""
    if effort is not None and (isinstance(effort, bool) or effort not in EFFORTS):
        raise ParameterError(f"effort {effort!r} is not one of {', '.join(map(str, EFFORTS))}")
    return None if effort is None else int(effort)


def with_effort(parameters: EncodingParameters, effort: int | None) -> EncodingParameters:
    """The parameters with indices chosen as `effort` says. Raises ParameterError."""
    effort = check_effort(effort)
    if effort is None or not isinstance(parameters, EncodingParameters):
        return parameters  # who uses them says what is wrong
    if effort == 2:
        return parameters if parameters.trellis else replace(parameters, sharpness=None, trellis=DEFAULT_TRELLIS)
    plain = parameters.without_trellis()
    return plain if effort == 1 else replace(plain.with_dead_zones(None, None), sharpness=None)
