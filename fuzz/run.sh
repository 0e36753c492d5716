#!/bin/sh
# Builds the libFuzzer harnesses with AddressSanitizer and UndefinedBehaviorSanitizer and runs each for a while on one
# core; what they find lies in build/fuzz. Usage: fuzz/run.sh SECONDS [HARNESS...]
#
# The fuzzer steers by coverage, of our code only with the system's libjpeg-turbo. To let it see into the parser, build
# libjpeg-turbo (static, without SIMD, CFLAGS="-g -O1 -fsanitize=address,fuzzer-no-link") and name its prefix in
# J4D_FUZZ_JPEG.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
shift
out=build/fuzz
rm -rf "$out/objects"  # which may hold those of files that are gone
mkdir -p "$out/objects"
flags="-std=c++17 -g -O2 -fno-omit-frame-pointer -ffp-contract=off -fsanitize=address,undefined"
flags="$flags -Wno-pass-failed -fno-sanitize-recover=undefined -Isrc/core -DJ4D_KERNELS_NAME=portable"
libraries="-ljpeg"
if [ -n "${J4D_FUZZ_JPEG:-}" ]; then
    flags="-I$J4D_FUZZ_JPEG/include $flags"
    libraries="$J4D_FUZZ_JPEG/lib/libjpeg.a"
fi

# The codec, once for all harnesses, without what binds it to Python and what only learning uses.
for source in src/core/*/*.cpp; do
    case $source in */bindings/* | */learning/*) continue ;; esac
    # shellcheck disable=SC2086  # lists of words, here and below
    clang++ $flags -fsanitize=fuzzer-no-link -c "$source" -o "$out/objects/$(basename "$source" .cpp).o"
done

# Freed memory is looked after for 16 MiB, not 256, which would all pass through the caches.
export ASAN_OPTIONS="quarantine_size_mb=16:malloc_context_size=6${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
for harness in ${*:-read transcode write}; do
    # shellcheck disable=SC2086
    clang++ $flags -fsanitize=fuzzer "fuzz/$harness.cpp" "$out"/objects/*.o $libraries -o "$out/$harness"
    case $harness in
        write) seeds=fuzz/seeds/write dictionary="" ;;
        *) seeds=fuzz/seeds/jpeg dictionary=-dict=fuzz/jpeg.dict ;;
    esac
    mkdir -p "$out/corpus-$harness"
    echo "$harness, $seconds s"
    # shellcheck disable=SC2086
    "$out/$harness" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 $dictionary \
        -print_final_stats=1 -artifact_prefix="$out/$harness-" "$out/corpus-$harness" "$seeds" 2>"$out/$harness.log" \
        || { tail -40 "$out/$harness.log"; echo "$harness: a finding, see $out/$harness.log"; exit 1; }
    grep -E "stat::|DONE| cov: " "$out/$harness.log" | tail -8
done
