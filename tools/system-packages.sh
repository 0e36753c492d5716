#!/bin/sh
# Makes sure that what pip cannot bring is on the machine: Python 3.10 or newer with venv, a C++ compiler, and the
# headers of libjpeg-turbo. Installs what is missing with apt-get where that may be done without asking; elsewhere
# says what to install and stops. Usage: tools/system-packages.sh PYTHON [clang] [djpeg]: clang where the fuzzers are
# built, djpeg where the tests are to read our files with libjpeg-turbo's own program.
set -u
python=$1
missing=""
shift
for wanted; do
    case $wanted in
        clang) command -v clang++ >/dev/null 2>&1 || missing="$missing clang" ;;
        djpeg) command -v djpeg >/dev/null 2>&1 || missing="$missing libjpeg-turbo-progs" ;;
    esac
done

has_header() { printf '#include <stdio.h>\n#include <jpeglib.h>\n' | c++ -E -x c++ $1 - >/dev/null 2>&1; }
has_jpeg() {
    has_header "" || has_header "-I/opt/homebrew/opt/jpeg-turbo/include" \
        || has_header "-I/usr/local/opt/jpeg-turbo/include" || [ -n "${CMAKE_PREFIX_PATH:-}" ]
}

if ! command -v "$python" >/dev/null 2>&1; then
    missing="$missing python3 python3-venv python3-dev"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "j4d needs Python 3.10 or newer; $python is $("$python" -V 2>&1). Try: make PYTHON=python3.12" >&2
    exit 1
else
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    "$python" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' \
        || missing="$missing python3-dev"
fi
command -v c++ >/dev/null 2>&1 || missing="$missing g++"
has_jpeg || missing="$missing libjpeg-dev"
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    echo "Installing$missing with apt-get."
    # shellcheck disable=SC2086  # a list of words
    $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing && exit 0
fi
cat >&2 <<END
j4d needs these system packages:$missing
  Debian, Ubuntu:  sudo apt-get install$missing
  Fedora:          sudo dnf install libjpeg-turbo-devel gcc-c++ python3-devel
  Alpine:          apk add libjpeg-turbo-dev g++ python3-dev
  macOS:           xcode-select --install; brew install jpeg-turbo
Then run the same make again.
END
exit 1
