// Random words (random.hpp) for sixteen blocks side by side. For the files that are compiled once for each instruction
// set: all of it is in a namespace without a name, so that the linker keeps each file's own.
#pragma once

#include <cstdint>

#include "kernels.hpp"
#include "lanes.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// Vectors of 64-bit lanes, of which only the lower halves count: the product of those halves is the one operation that
// compilers do not find. `interleave` stores the lower halves of two vectors, one of each in turn.
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
inline void interleave(Wide a, Wide b, std::uint32_t* to) {
    _mm512_store_si512(to, _mm512_mask_shuffle_epi32(a, 0xAAAA, b, static_cast<_MM_PERM_ENUM>(0xA0)));
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
inline void interleave(Wide a, Wide b, std::uint32_t* to) {
    _mm256_store_si256(reinterpret_cast<Wide*>(to), _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xAA));
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
inline void interleave(Wide a, Wide b, std::uint32_t* to) {
    const Wide lower = _mm_and_si128(a, _mm_set1_epi64x(0xFFFFFFFF));
    _mm_store_si128(reinterpret_cast<Wide*>(to), _mm_or_si128(lower, _mm_slli_epi64(b, 32)));
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
inline void interleave(Wide a, Wide b, std::uint32_t* to) {
    to[0] = static_cast<std::uint32_t>(a);
    to[1] = static_cast<std::uint32_t>(b);
}
#endif

constexpr int kWide = static_cast<int>(sizeof(Wide)) / 8;

// Row i of `halves` decides frequency 8 octet + i: Philox4x32-7 (random.hpp) of the counters (block + lane, component,
// octet, 0). `blocks` holds block + lane; of each 2 kWide lanes the even ones first, then the odd ones.
inline void random_halves(std::uint64_t seed, std::uint32_t component, const std::uint64_t* blocks, std::uint32_t octet,
                          std::uint16_t (*halves)[kLanes]) {
    const Wide multiplier0 = all_lanes(0xD2511F53), multiplier1 = all_lanes(0xCD9E8D57);
    alignas(64) std::uint32_t words[4][kLanes];
    for (int lane = 0; lane < kLanes; lane += 2 * kWide) {
        Wide c0[2] = {load(blocks + lane), load(blocks + lane + kWide)};
        Wide c1[2] = {all_lanes(component), all_lanes(component)};
        Wide c2[2] = {all_lanes(octet), all_lanes(octet)};
        Wide c3[2] = {all_lanes(0), all_lanes(0)};
        auto key0 = static_cast<std::uint32_t>(seed);
        auto key1 = static_cast<std::uint32_t>(seed >> 32);
        for (int round = 0; round < 7; ++round) {
            for (int i = 0; i < 2; ++i) {
                const Wide product0 = multiply(c0[i], multiplier0);
                const Wide product1 = multiply(c2[i], multiplier1);
                c0[i] = xor3(upper_half(product1), c1[i], all_lanes(key0));
                c1[i] = product1;
                c2[i] = xor3(upper_half(product0), c3[i], all_lanes(key1));
                c3[i] = product0;
            }
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }
        interleave(c0[0], c0[1], words[0] + lane);
        interleave(c1[0], c1[1], words[1] + lane);
        interleave(c2[0], c2[1], words[2] + lane);
        interleave(c3[0], c3[1], words[3] + lane);
    }
    for (int i = 0; i < 4; ++i) {
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            halves[2 * i][lane] = static_cast<std::uint16_t>(words[i][lane]);
        }
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            halves[2 * i + 1][lane] = static_cast<std::uint16_t>(words[i][lane] >> 16);
        }
    }
}

}  // namespace
}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
