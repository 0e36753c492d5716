#!/bin/sh
# Makes sure that what pip cannot bring is on the machine: Python 3.10 or newer with venv, a C++ compiler, and the
# headers of libjpeg-turbo. Installs what is missing with apt-get where that may be done without asking; elsewhere
# says what to install and stops. Usage: tools/system-packages.sh PYTHON [clang] [tests]: clang where the fuzzers are
# built; tests where they are run: libjpeg-turbo's djpeg and cjpeg, exiftool, zstd and Chromium, without which the tests
# of them are skipped, so that nothing stops where these are missing.
set -u
python=$1
missing=""
extra=""
shift
has() { command -v "$1" >/dev/null 2>&1; }
for wanted; do
    case $wanted in
        clang) has clang++ || missing="$missing clang" ;;
        tests)
            has djpeg && has cjpeg || extra="$extra libjpeg-turbo-progs"
            has exiftool || extra="$extra libimage-exiftool-perl"
            has zstd || extra="$extra zstd"
            has chromium || has chromium-browser || has google-chrome || extra="$extra chromium"
            ;;
    esac
done

has_header() { printf '#include <stdio.h>\n#include <jpeglib.h>\n' | c++ -E -x c++ $1 - >/dev/null 2>&1; }
has_jpeg() {
    has_header "" || has_header "-I/opt/homebrew/opt/jpeg-turbo/include" \
        || has_header "-I/usr/local/opt/jpeg-turbo/include" || [ -n "${CMAKE_PREFIX_PATH:-}" ]
}

if ! has "$python"; then
    missing="$missing python3 python3-venv python3-dev"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "j4d needs Python 3.10 or newer; $python is $("$python" -V 2>&1). Try: make PYTHON=python3.12" >&2
    exit 1
else
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    "$python" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' \
        || missing="$missing python3-dev"
fi
has c++ || missing="$missing g++"
has_jpeg || missing="$missing libjpeg-dev"
[ -n "$missing$extra" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
if has apt-get && $as_root true 2>/dev/null; then
    echo "Installing$missing$extra with apt-get."
    apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >/dev/null; }
    apt update -qq
    # shellcheck disable=SC2086  # a list of words
    [ -z "$missing" ] || { apt install -y -qq $missing && missing=""; }
    failed=""
    for package in $extra; do
        apt install -y -qq --no-install-recommends "$package" 2>/dev/null || failed="$failed $package"
    done
    extra=$failed
fi
[ -z "$extra" ] || echo "Not installed:$extra. The tests that use them are skipped." >&2
[ -n "$missing" ] || exit 0
cat >&2 <<END
j4d needs these system packages:$missing
  Debian, Ubuntu:  sudo apt-get install$missing
  Fedora:          sudo dnf install libjpeg-turbo-devel gcc-c++ python3-devel
  Alpine:          apk add libjpeg-turbo-dev g++ python3-dev
  macOS:           xcode-select --install; brew install jpeg-turbo
Then run the same make again.
END
exit 1
