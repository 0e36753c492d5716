"""Builds the libjpeg-turbo that wheels carry: one pinned release, its archive checked against a stored SHA-256, static
and position-independent, without command-line tools and TurboJPEG. Standard library only; needs CMake and a C compiler.

    python tools/build_libjpeg_turbo.py PREFIX             download, check, build, install under PREFIX
    python tools/build_libjpeg_turbo.py PREFIX --source D  the same from an unpacked release; nothing is downloaded

Then `JPEG_ROOT=PREFIX pip wheel . -C cmake.define.J4D_STATIC_JPEG=ON` links it. SIMD needs nasm (or yasm) on x86; of
what j4d takes from libjpeg-turbo only the writing of progressive files gains by it, so that --no-simd will do where
there is no assembler.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

VERSION = "3.1.3"
URL = f"https://github.com/libjpeg-turbo/libjpeg-turbo/releases/download/{VERSION}/libjpeg-turbo-{VERSION}.tar.gz"
SHA256 = "075920b826834ac4ddf97661cc73491047855859affd671d52079c6867c1c6c0"

OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "CMAKE_INSTALL_LIBDIR": "lib",  # and not lib64, where FindJPEG would have to be told
    "CMAKE_POLICY_VERSION_MINIMUM": "3.5",  # CMake 4 refuses projects that ask for less
    "CMAKE_POSITION_INDEPENDENT_CODE": "ON",
    "ENABLE_SHARED": "OFF",
    "ENABLE_STATIC": "ON",
    "WITH_CRT_DLL": "ON",  # MSVC: the C library of Python's extensions, whose `free` takes what libjpeg allocated
    "REQUIRE_SIMD": "ON",
    "WITH_TOOLS": "OFF",
    "WITH_TURBOJPEG": "OFF",
}


def fetch(folder: Path) -> Path:
    """The unpacked release, under `folder`; stops where the archive is not the one that was pinned."""
    with urllib.request.urlopen(URL, timeout=60) as response:
        data = response.read()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        sys.exit(f"{URL}: SHA-256 is {digest}, expected {SHA256}; not built.")
    archive = folder / "libjpeg-turbo.tar.gz"
    archive.write_bytes(data)
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):  # some Pythons 3.9 and 3.10 lack it
            tar.extractall(folder, filter="data")
        else:
            tar.extractall(folder)
    return folder / f"libjpeg-turbo-{VERSION}"


def need_assembler() -> None:
    """Stops where SIMD code for x86 could not be assembled."""
    if os.name == "nt":  # nasm's installer leaves the PATH alone
        os.environ["PATH"] += os.pathsep + os.path.join(os.environ["PROGRAMFILES"], "NASM")
    if platform.machine().lower() in ("x86_64", "amd64") and not (shutil.which("nasm") or shutil.which("yasm")):
        sys.exit("libjpeg-turbo's SIMD code needs nasm, which is not on the PATH: install it, or build with --no-simd.")


def build(source: Path, work: Path, prefix: Path, options: dict[str, str]) -> None:
    """Configures, compiles and installs; CMake takes CC, CFLAGS, MACOSX_DEPLOYMENT_TARGET from the environment."""
    defines = [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(["cmake", "-S", source, "-B", work, f"-DCMAKE_INSTALL_PREFIX={prefix}", *defines], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", work, "--config", "Release", "--parallel", jobs], check=True)
    subprocess.run(["cmake", "--install", work, "--config", "Release"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the static libjpeg-turbo that wheels carry.")
    parser.add_argument("prefix", type=Path, help="where include/, lib/ and share/doc/ go")
    parser.add_argument("--source", type=Path, help="an unpacked release, instead of downloading one")
    parser.add_argument("--no-simd", action="store_true", help="build without SIMD, hence without nasm")
    arguments = parser.parse_args()
    options = dict(OPTIONS)
    if arguments.no_simd:
        options |= {"WITH_SIMD": "OFF", "REQUIRE_SIMD": "OFF"}
    elif os.name == "nt" and platform.machine() == "ARM64":
        options["REQUIRE_SIMD"] = "OFF"  # with MSVC it may not be there
    else:
        need_assembler()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = arguments.source or fetch(folder)
        try:
            build(source.resolve(), folder / "build", arguments.prefix.resolve(), options)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"libjpeg-turbo was not built: {error}")


if __name__ == "__main__":
    main()
