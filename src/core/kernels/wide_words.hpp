// Random words (random.hpp) for sixteen blocks side by side. For the files that are compiled once for each instruction
// set: all of it is in a namespace without a name, so that the linker keeps each file's own.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"
#include "kernels/lanes.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// Vectors of 64-bit lanes, of which only the lower halves count: the product of those halves is the one operation that
// compilers do not find. `interleave` gives the lower halves of two vectors, one of each in turn; `store_halves` parts
// such words once more, into integers of which each has one half above 0x8000.
#if defined(__AVX512F__)
using Wide = __m512i;
inline Wide multiply(Wide a, Wide b) {
    return _mm512_mul_epu32(a, b);
}
inline Wide upper_half(Wide a) {
    return _mm512_srli_epi64(a, 32);
}
inline Wide xor3(Wide a, Wide b, Wide c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}
inline Wide all_lanes(std::uint32_t a) {
    return _mm512_set1_epi64(a);
}
inline Wide load(const std::uint64_t* from) {
    return _mm512_load_si512(from);
}
inline Wide interleave(Wide a, Wide b) {
    return _mm512_mask_shuffle_epi32(a, 0xAAAA, b, static_cast<_MM_PERM_ENUM>(0xA0));
}
inline void store_halves(Wide a, std::int32_t* lower, std::int32_t* upper) {
    const Wide middle = _mm512_set1_epi32(0x8000);
    _mm512_store_si512(lower, _mm512_or_si512(_mm512_slli_epi32(a, 16), middle));
    _mm512_store_si512(upper, _mm512_mask_blend_epi16(0xAAAAAAAA, middle, a));
}
#elif defined(__AVX2__)
using Wide = __m256i;
inline Wide multiply(Wide a, Wide b) {
    return _mm256_mul_epu32(a, b);
}
inline Wide upper_half(Wide a) {
    return _mm256_srli_epi64(a, 32);
}
inline Wide xor3(Wide a, Wide b, Wide c) {
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
inline Wide all_lanes(std::uint32_t a) {
    return _mm256_set1_epi64x(a);
}
inline Wide load(const std::uint64_t* from) {
    return _mm256_load_si256(reinterpret_cast<const Wide*>(from));
}
inline Wide interleave(Wide a, Wide b) {
    return _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xAA);
}
inline void store_halves(Wide a, std::int32_t* lower, std::int32_t* upper) {
    const Wide middle = _mm256_set1_epi32(0x8000);
    _mm256_store_si256(reinterpret_cast<Wide*>(lower), _mm256_or_si256(_mm256_slli_epi32(a, 16), middle));
    _mm256_store_si256(reinterpret_cast<Wide*>(upper), _mm256_blend_epi16(middle, a, 0xAA));
}
#elif defined(__SSE2__)
using Wide = __m128i;
inline Wide multiply(Wide a, Wide b) {
    return _mm_mul_epu32(a, b);
}
inline Wide upper_half(Wide a) {
    return _mm_srli_epi64(a, 32);
}
inline Wide xor3(Wide a, Wide b, Wide c) {
    return _mm_xor_si128(_mm_xor_si128(a, b), c);
}
inline Wide all_lanes(std::uint32_t a) {
    return _mm_set1_epi64x(a);
}
inline Wide load(const std::uint64_t* from) {
    return _mm_load_si128(reinterpret_cast<const Wide*>(from));
}
inline Wide interleave(Wide a, Wide b) {
    return _mm_or_si128(_mm_and_si128(a, _mm_set1_epi64x(0xFFFFFFFF)), _mm_slli_epi64(b, 32));
}
inline void store_halves(Wide a, std::int32_t* lower, std::int32_t* upper) {
    const Wide middle = _mm_set1_epi32(0x8000);
    _mm_store_si128(reinterpret_cast<Wide*>(lower), _mm_or_si128(_mm_slli_epi32(a, 16), middle));
    _mm_store_si128(reinterpret_cast<Wide*>(upper), _mm_or_si128(_mm_and_si128(a, _mm_set1_epi32(-0x10000)), middle));
}
#else
using Wide = std::uint64_t;
inline Wide multiply(Wide a, Wide b) {
    return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
}
inline Wide upper_half(Wide a) {
    return a >> 32;
}
inline Wide xor3(Wide a, Wide b, Wide c) {
    return a ^ b ^ c;
}
inline Wide all_lanes(std::uint32_t a) {
    return a;
}
inline Wide load(const std::uint64_t* from) {
    return *from;
}
inline Wide interleave(Wide a, Wide b) {
    return (a & 0xFFFFFFFF) | b << 32;
}
inline void store_halves(Wide a, std::int32_t* lower, std::int32_t* upper) {
    for (int i = 0; i < 2; ++i, a >>= 32) {
        lower[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(a << 16) | 0x8000);
        upper[i] = static_cast<std::int32_t>((static_cast<std::uint32_t>(a) & 0xFFFF0000) | 0x8000);
    }
}
#endif

constexpr int kWide = static_cast<int>(sizeof(Wide)) / 8;

// The upper halves of the words of sixteen blocks, above 0x8000, the middle of what the lower ones leave open: row f
// decides frequency f, by Philox4x32-7 (random.hpp) of the counters (block + lane, component, f / 8, 0).
//
// Two of the seven rounds need no products of their own for each octet of frequencies. The first multiplies the block,
// for all octets alike, and the octet, for all blocks alike; the second what each of these products gives.
inline void random_halves(std::uint64_t seed, std::uint32_t component, std::uint32_t block,
                          std::int32_t (*halves)[kLanes]) {
    constexpr std::uint64_t factor0 = 0xD2511F53, factor1 = 0xCD9E8D57;
    const Wide multiplier0 = all_lanes(factor0), multiplier1 = all_lanes(factor1);
    std::uint32_t key0[7], key1[7];
    for (std::uint32_t round = 0; round < 7; ++round) {
        key0[round] = static_cast<std::uint32_t>(seed) + round * 0x9E3779B9;
        key1[round] = static_cast<std::uint32_t>(seed >> 32) + round * 0xBB67AE85;
    }
    for (int lane = 0; lane < kLanes; lane += 2 * kWide) {
        Wide start0[2], start1[2], start2[2];
        for (int i = 0; i < 2; ++i) {
            alignas(64) std::uint64_t blocks[kWide];
            for (int j = 0; j < kWide; ++j) blocks[j] = block + static_cast<std::uint32_t>(lane + 2 * j + i);
            const Wide first = multiply(load(blocks), multiplier0);
            const Wide second = multiply(xor3(upper_half(first), all_lanes(key1[0]), all_lanes(0)), multiplier1);
            start0[i] = xor3(upper_half(second), all_lanes(key0[1]), all_lanes(0));
            start1[i] = second;
            start2[i] = xor3(first, all_lanes(key1[1]), all_lanes(0));
        }
        for (std::uint32_t octet = 0; octet < 8; ++octet) {
            const std::uint64_t first = factor1 * octet;
            const std::uint64_t second = factor0 * static_cast<std::uint32_t>((first >> 32) ^ component ^ key0[0]);
            Wide c0[2], c1[2], c2[2], c3[2];
            for (int i = 0; i < 2; ++i) {
                c0[i] = xor3(start0[i], all_lanes(static_cast<std::uint32_t>(first)), all_lanes(0));
                c1[i] = start1[i];
                c2[i] = xor3(start2[i], all_lanes(static_cast<std::uint32_t>(second >> 32)), all_lanes(0));
                c3[i] = all_lanes(static_cast<std::uint32_t>(second));
            }
            for (int round = 2; round < 7; ++round) {
                for (int i = 0; i < 2; ++i) {
                    const Wide product0 = multiply(c0[i], multiplier0);
                    const Wide product1 = multiply(c2[i], multiplier1);
                    c0[i] = xor3(upper_half(product1), c1[i], all_lanes(key0[round]));
                    c1[i] = product1;
                    c2[i] = xor3(upper_half(product0), c3[i], all_lanes(key1[round]));
                    c3[i] = product0;
                }
            }
            std::int32_t (*rows)[kLanes] = halves + 8 * octet;
            store_halves(interleave(c0[0], c0[1]), &rows[0][lane], &rows[1][lane]);
            store_halves(interleave(c1[0], c1[1]), &rows[2][lane], &rows[3][lane]);
            store_halves(interleave(c2[0], c2[1]), &rows[4][lane], &rows[5][lane]);
            store_halves(interleave(c3[0], c3[1]), &rows[6][lane], &rows[7][lane]);
        }
    }
}

}  // namespace
}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
