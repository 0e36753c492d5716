// For the files that are compiled once for each instruction set.
#pragma once

// A function whose loop GCC makes vectors of only where it stands alone.
#if defined(__GNUC__)
#define J4D_APART __attribute__((noinline))
#else
#define J4D_APART
#endif

// Before a loop over lanes: iterations are independent, and the loop is to become vectors, not sixteen copies.
#if defined(__clang__)
#define J4D_LANES _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#elif defined(__GNUC__)
#define J4D_LANES _Pragma("GCC unroll 1") _Pragma("GCC ivdep")
#else
#define J4D_LANES
#endif
