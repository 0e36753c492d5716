// For the files that are compiled once for each instruction set.
#pragma once

// Before a loop over lanes: iterations are independent, and the loop is to become vectors, not sixteen copies.
#if defined(__clang__)
#define J4D_LANES _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#elif defined(__GNUC__)
#define J4D_LANES _Pragma("GCC unroll 1") _Pragma("GCC ivdep")
#else
#define J4D_LANES
#endif
