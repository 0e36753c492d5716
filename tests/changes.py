"""Encoding parameters from the flat names of their JSON, which tests vary one by one."""

from __future__ import annotations

from typing import Any

from j4d.jpeg.parameters import EncodingParameters, Trellis


def changed(parameters: EncodingParameters, **values: Any) -> EncodingParameters:
    """`parameters` with other values: luma_dead_zone, trellis, masking, dc_trellis, luma_weights and so on."""
    given = values.get("trellis")
    if isinstance(given, Trellis):
        values |= {"trellis": given.mu, "masking": given.masking, "dc_trellis": given.dc}
    return EncodingParameters.from_json({**parameters.to_json(), **values})


def made(*steps: Any, **values: Any) -> EncodingParameters:
    """Parameters with these steps of luma and chroma, and the values by their names in JSON."""
    return EncodingParameters.from_json({**dict(zip(("luma", "chroma"), steps, strict=True)), **values})
