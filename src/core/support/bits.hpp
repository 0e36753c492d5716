// Counting bits of a word: what C++20's <bit> has, for the compilers of C++17.
#pragma once

#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace j4d {

// The number of zeros below the lowest one; `word` is not 0.
inline int countr_zero(std::uint64_t word) {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long index;
    _BitScanForward64(&index, word);
    return static_cast<int>(index);
#else
    return __builtin_ctzll(word);
#endif
}

// The number of bits that `word` needs; `word` is not 0.
inline int bit_width(std::uint32_t word) {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long index;
    _BitScanReverse(&index, word);
    return static_cast<int>(index) + 1;
#else
    return 32 - __builtin_clz(word);
#endif
}

}  // namespace j4d
