"""Versions of the packages whose change could change a figure."""

from __future__ import annotations

import platform
from importlib import metadata

from j4d._version import __version__

# Packages that write or read image files here. Those that are not installed do not count.
FILE_PACKAGES = (
    "imagecodecs", "jpeglib", "mozjpeg-lossless-optimization", "numpy", "pillow", "pillow-avif-plugin",
    "pillow-jpegxl-plugin", "pillow-jxl-plugin", "pyjpegli", "scipy", "simplejpeg",
)  # fmt: skip


def package_versions(*names: str) -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def software_versions() -> dict[str, str]:
    """Versions of everything whose change could change a figure."""
    return {"j4d": __version__, "python": platform.python_version(), **package_versions("torch", *FILE_PACKAGES)}
