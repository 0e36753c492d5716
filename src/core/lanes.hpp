// For the files that are compiled once for each instruction set.
#pragma once

#include <cstdint>

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

namespace j4d {

// Natural index of the i-th coefficient in zigzag order: T.81 figure A.6.
// clang-format off
constexpr std::uint8_t kNatural[64] = {
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};
// clang-format on

}  // namespace j4d
