// Draws the indices of the probabilistic quantizer (quantize.hpp) for sixteen blocks side by side. Compiled several
// times like kernels.cpp, and under the same rule: nothing here may be an inline function of another file.
//
// The law asks where a random word falls among the cumulative probabilities of five indices. Here these come from float
// arithmetic with a known error: a word that falls within that error of a boundary, a few in a million, is left to the
// law itself. Most words are far from any boundary, which bounds of two exponentials tell without computing them.
#include <cstring>

#include "kernels.hpp"
#include "lanes.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// -- random words ------------------------------------------------------------------------------------------------

// Vectors of 64-bit lanes, of which only the lower halves count: the product of those halves is the one operation that
// compilers do not find. `narrow` puts the lower halves of two vectors in order.
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
inline void narrow(Wide a, Wide b, std::uint32_t* to) {
    const Wide even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    _mm512_store_si512(to, _mm512_permutex2var_epi32(a, even, b));
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
inline void narrow(Wide a, Wide b, std::uint32_t* to) {
    const __m256 even = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88);
    _mm256_store_si256(reinterpret_cast<Wide*>(to), _mm256_permute4x64_epi64(_mm256_castps_si256(even), 0xD8));
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
inline void narrow(Wide a, Wide b, std::uint32_t* to) {
    const __m128 even = _mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), 0x88);
    _mm_store_si128(reinterpret_cast<Wide*>(to), _mm_castps_si128(even));
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
inline void narrow(Wide a, Wide b, std::uint32_t* to) {
    to[0] = static_cast<std::uint32_t>(a);
    to[1] = static_cast<std::uint32_t>(b);
}
#endif

// Whether a lane is not 0.
inline bool any_lane(const std::int32_t* lanes) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask(_mm512_load_si512(lanes), _mm512_load_si512(lanes)) != 0;
#elif defined(__AVX2__)
    const auto* halves = reinterpret_cast<const __m256i*>(lanes);
    const __m256i both = _mm256_or_si256(_mm256_load_si256(halves), _mm256_load_si256(halves + 1));
    return _mm256_testz_si256(both, both) == 0;
#else
    std::int32_t any = 0;
    for (int lane = 0; lane < kLanes; ++lane) any |= lanes[lane];
    return any != 0;
#endif
}

constexpr int kWide = static_cast<int>(sizeof(Wide)) / 8;

struct alignas(64) Words {
    std::uint32_t lanes[kLanes];
};

// Philox4x32-10 (random.hpp) of the counters (block + lane, component, quad, 0): words[i] decides frequency 4 quad + i.
// `blocks` holds block + lane.
inline void random_words(std::uint64_t seed, std::uint32_t component, const std::uint64_t* blocks, std::uint32_t quad,
                         Words* words) {
    const Wide multiplier0 = all_lanes(0xD2511F53), multiplier1 = all_lanes(0xCD9E8D57);
    for (int lane = 0; lane < kLanes; lane += 2 * kWide) {
        Wide c0[2] = {load(blocks + lane), load(blocks + lane + kWide)};
        Wide c1[2] = {all_lanes(component), all_lanes(component)};
        Wide c2[2] = {all_lanes(quad), all_lanes(quad)};
        Wide c3[2] = {all_lanes(0), all_lanes(0)};
        auto key0 = static_cast<std::uint32_t>(seed);
        auto key1 = static_cast<std::uint32_t>(seed >> 32);
        for (int round = 0; round < 10; ++round) {
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
        narrow(c0[0], c0[1], words[0].lanes + lane);
        narrow(c1[0], c1[1], words[1].lanes + lane);
        narrow(c2[0], c2[1], words[2].lanes + lane);
        narrow(c3[0], c3[1], words[3].lanes + lane);
    }
}

// -- probabilities -----------------------------------------------------------------------------------------------

constexpr std::int32_t kAll = 0xFFFFFF;  // words count by their upper 24 bits, which float holds exactly

inline float float_of_bits(std::int32_t bits) {
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline std::int32_t bits_of_float(float value) {
    std::int32_t result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

// What one frequency of sixteen blocks has to draw with: c = 8 x coefficient and its nearest index k. In 32 bits each,
// so that loops fill whole vectors, and made some time before they are read: what was just stored in pieces cannot be
// loaded whole without waiting.
struct alignas(64) Lanes {
    std::int32_t c[kLanes];
    std::int32_t k[kLanes];
};

inline void widen(const std::int16_t* c, const std::int16_t* k, Lanes& lanes) {
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) lanes.c[lane] = c[lane];
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) lanes.k[lane] = k[lane];
}

// Whether some word might choose another than the nearest index. With t = u - k, u = c / q, the neighbour above has at
// most exp(-kappa (1 - 2 t + e)) times the probability of the nearest, the one below exp(-kappa (1 + 2 t + e)), where e
// is 2 d for k = 0 and else -2 d. Low words choose what is below, high ones what is above; so a word w in 0 .. 1 might
// move the index only if log2(min(w, 1 - w)) is below such an exponent. The bits of a float as an integer are 2^23
// times its logarithm, or a little less. Words close to 1/2 might go either way where the second neighbours count.
inline bool may_move(const QuantizerTable& table, std::uint32_t f, const Lanes& lanes, const std::uint32_t* words) {
    const float slope = table.slope[f], from_zero = table.from_zero[f], from_others = table.from_others[f];
    const std::int32_t divisor = table.divisor[f], middle = table.middle;
    alignas(64) std::int32_t hits[kLanes];
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
        const std::int32_t k = lanes.k[lane];
        const auto word = static_cast<std::int32_t>(words[lane] >> 8);
        const std::int32_t other = kAll - word;
        const std::int32_t near = word < other ? word : other;
        const std::int32_t below = word < other ? -1 : 0;
        const std::int32_t left = ((lanes.c[lane] - k * divisor) ^ below) - below;
        const float most = (k == 0 ? from_zero : from_others) + slope * static_cast<float>(left);
        const std::int32_t low = static_cast<float>(bits_of_float(static_cast<float>(near))) <= most ? -1 : 0;
        const std::int32_t central = near >= middle ? -1 : 0;
        hits[lane] = low | central;
    }
    return any_lane(hits);
}

// 2^y, relative error below 3e-7, for y in -126 .. 1; others are taken for the nearer end.
inline float power(float y) {
    y = y > -126.0f ? y : -126.0f;
    y = y < 1.0f ? y : 1.0f;
    const float whole = static_cast<float>(static_cast<std::int32_t>(y + 126.0f)) - 126.0f;
    const float x = y - whole;
    // 2^x on 0 .. 1 by least squares of the relative error on Chebyshev nodes.
    float p = 0.00187623f;
    p = p * x + 0.00899258f;
    p = p * x + 0.05582361f;
    p = p * x + 0.24015453f;
    p = p * x + 0.69315296f;
    p = p * x + 0.99999994f;
    return p * float_of_bits((static_cast<std::int32_t>(whole) + 127) << 23);
}

// The two indices on either side and their weights relative to the nearest's; the second on a side has the square of
// the first's times exp(-2 kappa), and once more exp(-4 kappa d) for k = +-1, whose second inward one is beyond 0.
//
// For c < 0 the order of indices is reversed, and so is the word: then the side of 0 is always where the cumulative
// probabilities begin. `open` says where `drawn` is not certain; returns whether it is so anywhere.
inline bool decide(const QuantizerTable& table, std::uint32_t f, const Lanes& lanes, const std::uint32_t* words,
                   std::int32_t* drawn, std::int32_t* open) {
    const float slope = table.exact_slope[f], outward = table.exact_outward[f];
    const float inward = table.exact_inward[f];
    const float pair = table.pair, pair_from_one = table.pair_from_one[f], relative_error = table.error;
    const std::int32_t divisor = table.divisor[f];
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
        const std::int32_t sign = lanes.c[lane] >> 31;
        const std::int32_t k = (lanes.k[lane] ^ sign) - sign;
        const std::int32_t left = ((lanes.c[lane] - lanes.k[lane] * divisor) ^ sign) - sign;
        const float moved = slope * static_cast<float>(left);
        const float start = k == 0 ? outward : inward;
        const float second = k == 1 ? pair_from_one : pair;
        const float out1 = power(outward + moved);
        const float in1 = power(start - moved);
        const float bound1 = in1 * in1 * second, bound2 = bound1 + in1, bound3 = bound2 + 1.0f, bound4 = bound3 + out1;
        const float total = bound4 + out1 * out1 * pair;
        const float place = (static_cast<float>(static_cast<std::int32_t>(words[lane] >> 8) ^ (sign & kAll)) + 0.5f) *
                            (total * 0x1p-24f);
        const float error = total * relative_error;
        const float apart1 = place - bound1, apart2 = place - bound2, apart3 = place - bound3, apart4 = place - bound4;
        const auto above = [](float apart) { return apart > 0.0f ? 1 : 0; };
        const auto near = [error](float apart) { return (apart < error ? -1 : 0) & (apart > -error ? -1 : 0); };
        const std::int32_t offset = above(apart1) + above(apart2) + above(apart3) + above(apart4) - 2;
        // Close to the largest index some of the five are not legal.
        const std::int32_t unsure = near(apart1) | near(apart2) | near(apart3) | near(apart4) | (k > 1000 ? -1 : 0);
        open[lane] = unsure;
        drawn[lane] = lanes.k[lane] + ((offset ^ sign) - sign);
    }
    return any_lane(open);
}

}  // namespace

int draw(const Group& coefficients, const QuantizerTable& table, std::uint64_t seed, std::uint32_t component,
         std::uint32_t block, Group& indices, std::uint64_t* nonzero, Draw* undecided) {
    Draw* out = undecided;
    alignas(64) std::uint64_t blocks[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) blocks[lane] = block + static_cast<std::uint32_t>(lane);
    for (std::uint32_t quad = 0; quad < 16; ++quad) {
        Lanes lanes[4];
        for (std::uint32_t part = 0; part < 4; ++part) {
            const std::uint32_t f = 4 * quad + part;
            widen(coefficients.values[f], indices.values[table.place[f]], lanes[part]);
        }
        Words words[4];
        random_words(seed, component, blocks, quad, words);
        for (std::uint32_t part = 0; part < 4; ++part) {
            const std::uint32_t f = 4 * quad + part;
            if (!may_move(table, f, lanes[part], words[part].lanes)) continue;
            alignas(64) std::int32_t drawn[kLanes], open[kLanes];
            const bool any_open = decide(table, f, lanes[part], words[part].lanes, drawn, open);
            const int place = table.place[f];
            std::int16_t* k = indices.values[place];
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) k[lane] = static_cast<std::int16_t>(drawn[lane]);
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
                nonzero[lane] &= ~(std::uint64_t{1} << place);
                nonzero[lane] |= static_cast<std::uint64_t>(drawn[lane] != 0 ? 1 : 0) << place;
            }
            if (!any_open) continue;
            for (int lane = 0; lane < kLanes; ++lane) {
                if (open[lane] == 0) continue;
                *out++ = {static_cast<std::uint8_t>(f), static_cast<std::uint8_t>(lane), words[part].lanes[lane]};
            }
        }
    }
    return static_cast<int>(out - undecided);
}

}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
