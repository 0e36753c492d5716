"""Does a wheel install where there is no compiler, and is libjpeg-turbo in it?

    python tools/check_wheel.py WHEEL          into a fresh environment, with nothing else on the PATH
    python tools/check_wheel.py --installed    the j4d that this Python imports

Without PyTorch, which encoding does not need: the wheel is installed without its dependencies, beside NumPy, Pillow
and pydantic. Prints one line, or fails.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

NEEDED = ("numpy", "pillow", "pydantic")
FILES = (
    r"j4d/py\.typed",
    r"j4d/profiles/universal-420\.json",
    r"j4d/profiles/universal-444\.json",
    r"j4d/_core\.pyi",
    r"j4d/_soft\.pyi",
    r"j4d/_core\.[^/]+",
    r"j4d/_soft\.[^/]+",
    r"j4d-[^/]+\.dist-info/licenses/LICENSE",
    r"j4d-[^/]+\.dist-info/licenses/libjpeg-turbo/[^/]+",
)


def check_files(wheel: Path) -> None:
    """The stubs and licences are there, and no shared library of another project."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    missing = [pattern for pattern in FILES if not any(re.fullmatch(pattern, name) for name in names)]
    if missing:
        sys.exit(f"{wheel.name} has no file {' and none '.join(missing)}")
    strange = [name for name in names if not re.match(r"j4d(/|-[^/]+\.dist-info/)", name)]
    if strange:
        sys.exit(f"{wheel.name} holds {', '.join(strange)}")


def check_installed() -> None:
    """Encodes, decodes, reads and transcodes; on Linux, looks which libraries the extensions brought."""
    import numpy as np

    import j4d
    from j4d import _core, _soft
    from j4d.jpeg.coefficients import read_coefficients

    maps = Path("/proc/self/maps")
    if maps.exists() and re.search(r"/lib(turbo)?jpeg", maps.read_text()):
        sys.exit("j4d loads a shared libjpeg; expected it in the extension")

    y, x = np.indices((67, 90))
    pixels = np.stack([2 * x, 3 * y, 255 - x - y], axis=-1).astype(np.uint8)
    parameters = j4d.EncodingParameters.from_quality(90)
    for progressive in (False, True):  # libjpeg-turbo writes the progressive one and reads both
        data = j4d.encode(pixels, parameters, progressive=progressive)
        error = np.abs(j4d.decode(data).astype(int) - pixels).mean()
        if error > 4:
            sys.exit(f"what was encoded decodes with a mean error of {error:.1f}")
        if read_coefficients(data).planes[0].shape != (9, 12, 8, 8):
            sys.exit("what was encoded reads back in another size")
    if not len(j4d.encode(pixels, quality=10)) < len(j4d.encode(pixels, quality=90)):
        sys.exit("the built-in profile does not give more bytes for more quality")
    smaller = j4d.transcode(data, j4d.EncodingParameters.from_quality(50))
    if not len(smaller) < len(data):
        sys.exit("transcoding to half the quality did not make the file smaller")

    from PIL import Image

    if Image.open(io.BytesIO(smaller)).size != (90, 67):
        sys.exit("what was transcoded has another size")
    if "torch" in sys.modules:
        sys.exit("encoding imported PyTorch")
    print(f"j4d {j4d.__version__} works: {_core.__file__}, {_soft.__name__}, Python {sys.version.split()[0]}")


def check(wheel: Path) -> None:
    """All of it, in an environment of its own."""
    check_files(wheel)
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        venv.create(environment, with_pip=True)
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        python = scripts / ("python.exe" if os.name == "nt" else "python")
        # No compiler, and no libraries from elsewhere.
        hidden = ("PYTHONPATH", "LD_LIBRARY_PATH", "CC", "CXX")
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        variables["PATH"] = str(scripts)
        for packages in (list(NEEDED), ["--no-deps", str(wheel.resolve())]):
            command = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *packages]
            subprocess.run(command, check=True, env=variables, cwd=folder)
        command = [python, str(Path(__file__).resolve()), "--installed"]
        subprocess.run(command, check=True, env=variables, cwd=folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks a wheel of j4d.")
    parser.add_argument("wheel", type=Path, nargs="?")
    parser.add_argument("--installed", action="store_true", help="check the j4d that this Python imports")
    arguments = parser.parse_args()
    if arguments.installed == (arguments.wheel is not None):
        parser.error("a WHEEL or --installed")
    try:
        check_installed() if arguments.installed else check(arguments.wheel)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{arguments.wheel}: {error}")


if __name__ == "__main__":
    main()
