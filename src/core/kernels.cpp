// See kernels.hpp. Compiled several times, into a namespace of its own each (J4D_KERNELS_NAME), with different
// instruction sets. Nothing here may be an inline function of another file: the linker keeps one copy of those, and
// might keep one that an older processor cannot run.
//
// Every rounding is libjpeg-turbo's, from jccolor.c (colour), jcsample.c (downsampling) and jfdctint.c (the "islow"
// integer FDCT of Loeffler, Ligtenberg and Moschytz); tests hold the results against that library.
#include "kernels.hpp"

// Before a loop over lanes: iterations are independent, and the loop is to become vectors, not sixteen copies.
#if defined(__clang__)
#define J4D_LANES _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#elif defined(__GNUC__)
#define J4D_LANES _Pragma("GCC unroll 1") _Pragma("GCC ivdep")
#else
#define J4D_LANES
#endif

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// -- colour ------------------------------------------------------------------------------------------------------

// The JFIF transform, full-range BT.601, in 16 fractional bits: jccolor.c's FIX. All terms and sums are integers below
// 2^24, so that float holds them exactly.
constexpr float fix(double x) {
    return static_cast<float>(static_cast<int>(x * 65536.0 + 0.5));
}

constexpr float kHalf = 32768.0f;
// The -1 keeps a full-scale difference from rounding up to 256.
constexpr float kChromaOffset = 128 * 65536.0f + kHalf - 1.0f;
constexpr float kUnit = 1.0f / 65536.0f;

void convert_colour(const std::uint8_t* rgb, std::size_t count, std::uint8_t* y, std::uint8_t* cb, std::uint8_t* cr) {
    constexpr int chunk = 64;
    for (std::size_t start = 0; start < count; start += chunk) {
        float r[chunk], g[chunk], b[chunk];
        J4D_LANES for (int i = 0; i < chunk; ++i) {
            r[i] = static_cast<float>(rgb[3 * (start + i)]);
            g[i] = static_cast<float>(rgb[3 * (start + i) + 1]);
            b[i] = static_cast<float>(rgb[3 * (start + i) + 2]);
        }
        J4D_LANES for (int i = 0; i < chunk; ++i) {
            const float luma = fix(0.29900) * r[i] + fix(0.58700) * g[i] + fix(0.11400) * b[i] + kHalf;
            y[start + i] = static_cast<std::uint8_t>(static_cast<int>(luma * kUnit));
        }
        J4D_LANES for (int i = 0; i < chunk; ++i) {
            const float blue = fix(0.5) * b[i] - fix(0.16874) * r[i] - fix(0.33126) * g[i] + kChromaOffset;
            cb[start + i] = static_cast<std::uint8_t>(static_cast<int>(blue * kUnit));
        }
        J4D_LANES for (int i = 0; i < chunk; ++i) {
            const float red = fix(0.5) * r[i] - fix(0.41869) * g[i] - fix(0.08131) * b[i] + kChromaOffset;
            cr[start + i] = static_cast<std::uint8_t>(static_cast<int>(red * kUnit));
        }
    }
}

// -- downsampling ------------------------------------------------------------------------------------------------

// Rounding goes up and down in turn along a row, so as not to shift the mean.
void halve(const std::uint8_t* row, std::size_t count, std::uint8_t* out) {
    for (std::size_t x = 0; x < count; x += 2) {
        out[x] = static_cast<std::uint8_t>((row[2 * x] + row[2 * x + 1]) >> 1);
        out[x + 1] = static_cast<std::uint8_t>((row[2 * x + 2] + row[2 * x + 3] + 1) >> 1);
    }
}

void halve_both(const std::uint8_t* upper, const std::uint8_t* lower, std::size_t count, std::uint8_t* out) {
    for (std::size_t x = 0; x < count; ++x) {
        const int sum = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1];
        out[x] = static_cast<std::uint8_t>((sum + 1 + static_cast<int>(x & 1)) >> 2);
    }
}

// -- DCT ---------------------------------------------------------------------------------------------------------

constexpr int kConstBits = 13;
constexpr int kPass1Bits = 2;

constexpr std::int32_t dct_fix(double x) {
    return static_cast<std::int32_t>(x * (1 << kConstBits) + 0.5);
}

template <int bits>
inline std::int32_t descale(std::int32_t x) {
    return (x + (1 << (bits - 1))) >> bits;
}

// One 8-point DCT of in[0 .. 7], which are `step` apart, on all lanes. The first pass leaves kPass1Bits fractional
// bits, which the second takes away.
template <bool first, typename In, typename Out>
inline void dct_pass(const In (*in)[kLanes], int step, Out (*out)[kLanes]) {
    constexpr int bits = first ? kConstBits - kPass1Bits : kConstBits + kPass1Bits;
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
        const std::int32_t in0 = in[0][lane], in1 = in[step][lane], in2 = in[2 * step][lane], in3 = in[3 * step][lane];
        const std::int32_t in4 = in[4 * step][lane], in5 = in[5 * step][lane], in6 = in[6 * step][lane];
        const std::int32_t in7 = in[7 * step][lane];
        const std::int32_t sum0 = in0 + in7, difference0 = in0 - in7;
        const std::int32_t sum1 = in1 + in6, difference1 = in1 - in6;
        const std::int32_t sum2 = in2 + in5, difference2 = in2 - in5;
        const std::int32_t sum3 = in3 + in4, difference3 = in3 - in4;

        // Even frequencies: figure 1 of the paper, the rotation by sqrt(2) c1.
        const std::int32_t outer = sum0 + sum3, outer_difference = sum0 - sum3;
        const std::int32_t inner = sum1 + sum2, inner_difference = sum1 - sum2;
        const std::int32_t rotation = (inner_difference + outer_difference) * dct_fix(0.541196100);
        // The first pass takes 128 from every sample here: only the mean, sample 0 of the sums, sees it.
        const std::int32_t mean =
            first ? (outer + inner - 8 * 128) * (1 << kPass1Bits) : descale<kPass1Bits>(outer + inner);
        out[0][lane] = static_cast<Out>(mean);
        out[4 * step][lane] =
            static_cast<Out>(first ? (outer - inner) * (1 << kPass1Bits) : descale<kPass1Bits>(outer - inner));
        out[2 * step][lane] = static_cast<Out>(descale<bits>(rotation + outer_difference * dct_fix(0.765366865)));
        out[6 * step][lane] = static_cast<Out>(descale<bits>(rotation - inner_difference * dct_fix(1.847759065)));

        // Odd frequencies: figure 8 of the paper.
        const std::int32_t z5 = (difference0 + difference1 + difference2 + difference3) * dct_fix(1.175875602);
        const std::int32_t z1 = (difference3 + difference0) * -dct_fix(0.899976223);
        const std::int32_t z2 = (difference2 + difference1) * -dct_fix(2.562915447);
        const std::int32_t z3 = (difference3 + difference1) * -dct_fix(1.961570560) + z5;
        const std::int32_t z4 = (difference2 + difference0) * -dct_fix(0.390180644) + z5;
        out[7 * step][lane] = static_cast<Out>(descale<bits>(difference3 * dct_fix(0.298631336) + z1 + z3));
        out[5 * step][lane] = static_cast<Out>(descale<bits>(difference2 * dct_fix(2.053119869) + z2 + z4));
        out[3 * step][lane] = static_cast<Out>(descale<bits>(difference1 * dct_fix(3.072711026) + z2 + z3));
        out[step][lane] = static_cast<Out>(descale<bits>(difference0 * dct_fix(1.501321110) + z1 + z4));
    }
}

void transform(const std::uint8_t* samples, std::size_t stride, Group& coefficients) {
    alignas(64) std::int32_t rows[64][kLanes];
    for (int y = 0; y < 8; ++y) {
        const std::uint8_t* row = samples + y * stride;
        alignas(64) std::uint8_t columns[8][kLanes];
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            for (int x = 0; x < 8; ++x) columns[x][lane] = row[8 * lane + x];
        }
        dct_pass<true>(columns, 1, rows + 8 * y);
    }
    for (int x = 0; x < 8; ++x) dct_pass<false>(rows + x, 8, coefficients.values + x);
}

// -- quantizer ---------------------------------------------------------------------------------------------------

// Natural index of the i-th coefficient in zigzag order: T.81 figure A.6.
// clang-format off
constexpr std::uint8_t kNatural[64] = {
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};
// clang-format on

void magnitudes(const std::int16_t* in, const QuantizerTable& table, int i, std::uint16_t* out) {
    if (table.by_formula[i]) {
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            const double magnitude = in[lane] < 0 ? -static_cast<double>(in[lane]) : static_cast<double>(in[lane]);
            out[lane] = static_cast<std::uint16_t>(static_cast<int>(magnitude / table.scale[i] + table.offset[i]));
        }
        return;
    }
    const std::uint16_t bias = table.bias[i], reciprocal = table.reciprocal[i];
    const int shift = table.shift[i];
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
        const auto sign = static_cast<std::uint16_t>(in[lane] >> 15);
        const auto magnitude = static_cast<std::uint16_t>((static_cast<std::uint16_t>(in[lane]) ^ sign) - sign);
        const auto x = static_cast<std::uint16_t>(static_cast<std::uint16_t>(magnitude + bias) >> 2);
        out[lane] = static_cast<std::uint16_t>((static_cast<std::uint32_t>(x) * reciprocal >> 16) >> shift);
    }
}

void quantize(const Group& coefficients, const QuantizerTable& table, Group& indices, std::uint64_t* nonzero) {
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) nonzero[lane] = 0;
    for (int part = 0; part < 4; ++part) {
        alignas(64) std::uint16_t bits[kLanes] = {};
        for (int j = 0; j < 16; ++j) {
            const int i = 16 * part + j;
            const std::int16_t* in = coefficients.values[kNatural[i]];
            std::int16_t* out = indices.values[i];
            alignas(64) std::uint16_t magnitude[kLanes];
            magnitudes(in, table, i, magnitude);
            // A DC index may be -1024, all others end at 1023.
            const std::uint16_t extra = i == 0 ? 1 : 0;
            const auto bit = static_cast<std::uint16_t>(1 << j);
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
                const auto sign = static_cast<std::uint16_t>(in[lane] >> 15);
                const auto limit = static_cast<std::uint16_t>(1023 + (sign & extra));
                const std::uint16_t whole = magnitude[lane];
                const std::uint16_t k = whole < limit ? whole : limit;
                out[lane] = static_cast<std::int16_t>((k ^ sign) - sign);
                // All ones where k is not 0: 1 .. 1024 less than 0 in 16 bits.
                const auto is_nonzero = static_cast<std::uint16_t>(static_cast<std::int16_t>(-k) >> 15);
                bits[lane] = static_cast<std::uint16_t>(bits[lane] | (is_nonzero & bit));
            }
        }
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) nonzero[lane] |= static_cast<std::uint64_t>(bits[lane])
                                                                             << (16 * part);
    }
}

// -- draws -------------------------------------------------------------------------------------------------------

// Philox4x32-10 (random.hpp) of the counters (block + lane, component, quad, 0), the four words of all lanes.
inline void random_words(std::uint64_t seed, std::uint32_t component, std::uint32_t block, std::uint32_t quad,
                         std::uint32_t (*words)[kLanes]) {
    alignas(64) std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
        c0[lane] = block + static_cast<std::uint32_t>(lane);
        c1[lane] = component;
        c2[lane] = quad;
        c3[lane] = 0;
    }
    auto key0 = static_cast<std::uint32_t>(seed);
    auto key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            const std::uint64_t product0 = std::uint64_t{0xD2511F53} * c0[lane];
            const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * c2[lane];
            c0[lane] = static_cast<std::uint32_t>(product1 >> 32) ^ c1[lane] ^ key0;
            c1[lane] = static_cast<std::uint32_t>(product1);
            c2[lane] = static_cast<std::uint32_t>(product0 >> 32) ^ c3[lane] ^ key1;
            c3[lane] = static_cast<std::uint32_t>(product0);
        }
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
        words[0][lane] = c0[lane];
        words[1][lane] = c1[lane];
        words[2][lane] = c2[lane];
        words[3][lane] = c3[lane];
    }
}

// 2^y as a float from bits = 2^23 (y + 127): between powers of two the straight line, which is never below.
inline float power_from_bits(float bits) {
    constexpr float least = 8388608.0f, most = 2.0e9f;  // 2^-126, 2^111
    bits = bits > least ? bits : least;
    const std::int32_t whole = static_cast<std::int32_t>(bits < most ? bits : most);
    float result;
    __builtin_memcpy(&result, &whole, sizeof result);
    return result;
}

// In units of the step let t = |u| - |k| be what the nearest index leaves of u = c / q. The neighbour further from 0
// has exp(-kappa (1 - 2 t + 2 d)) times the probability of k, the one nearer to 0 exp(-kappa (1 + 2 t - 2 d)), or
// exp(-kappa (1 + 2 t + 2 d)) where k = 0. The slopes and offsets in the table make bounds of these, in units of 2^-24,
// that include the indices beyond the neighbours and the rounding below. For c < 0 the order of indices is reversed,
// and so is the word.
int find_draws(const Group& coefficients, const Group& indices, const QuantizerTable& table, std::uint64_t seed,
               std::uint32_t component, std::uint32_t block, Draw* draws) {
    constexpr std::int32_t all = 0xFFFFFF;
    Draw* out = draws;
    for (std::uint32_t quad = 0; quad < 16; ++quad) {
        alignas(64) std::uint32_t words[4][kLanes];
        random_words(seed, component, block, quad, words);
        for (std::uint32_t part = 0; part < 4; ++part) {
            const std::uint32_t f = 4 * quad + part;
            const std::int16_t* c = coefficients.values[f];
            const std::int16_t* k = indices.values[table.place[f]];
            const std::uint16_t divisor = table.divisor[f];
            const float slope = table.slope[f], outward = table.outward[f];
            const float inward = table.inward[f], inward_from_zero = table.inward_from_zero[f];
            alignas(64) std::int32_t rest[kLanes], negative[kLanes], hit[kLanes];
            alignas(64) float in_start[kLanes];
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
                const auto sign = static_cast<std::int16_t>(c[lane] >> 15);
                const auto whole = static_cast<std::int16_t>(static_cast<std::uint16_t>(k[lane]) * divisor);
                const auto left = static_cast<std::int16_t>(((c[lane] - whole) ^ sign) - sign);
                rest[lane] = left;
                negative[lane] = sign;
            }
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) in_start[lane] =
                k[lane] == 0 ? inward_from_zero : inward;
            std::int32_t any = 0;
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
                const float moved = slope * static_cast<float>(rest[lane]);
                const float out_bits = outward + moved;
                const float in_bits = in_start[lane] - moved;
                const float beyond = power_from_bits(out_bits);
                const float before = power_from_bits(in_bits);
                const std::int32_t place = static_cast<std::int32_t>(words[part][lane] >> 8) ^ (negative[lane] & all);
                const std::int32_t low = static_cast<float>(place) < before ? -1 : 0;
                const std::int32_t high = static_cast<float>(all - place) <= beyond ? -1 : 0;
                hit[lane] = low | high;
                any |= low | high;
            }
            if (any == 0) continue;
            J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
                if (hit[lane] == 0) continue;
                *out++ = {static_cast<std::uint8_t>(f), static_cast<std::uint8_t>(lane), words[part][lane]};
            }
        }
    }
    return static_cast<int>(out - draws);
}

#define J4D_STRING_OF(name) #name
#define J4D_STRING(name) J4D_STRING_OF(name)

}  // namespace

extern const Kernels kKernels;
const Kernels kKernels{
    J4D_STRING(J4D_KERNELS_NAME), convert_colour, halve, halve_both, transform, quantize, find_draws,
};

}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
