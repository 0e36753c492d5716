// See kernels.hpp. Compiled several times, into a namespace of its own each (J4D_KERNELS_NAME), with different
// instruction sets. Nothing here may be an inline function of another file: the linker keeps one copy of those, and
// might keep one that an older processor cannot run.
//
// Every rounding is libjpeg-turbo's, from jccolor.c (colour), jcsample.c (downsampling) and jfdctint.c (the "islow"
// integer FDCT of Loeffler, Ligtenberg and Moschytz); tests hold the results against that library.
#include "kernels/kernels.hpp"

#include "kernels/lanes.hpp"
#include "kernels/zigzag.hpp"

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
            const std::int16_t* in = coefficients.values[kZigzag[i]];
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

#define J4D_STRING_OF(name) #name
#define J4D_STRING(name) J4D_STRING_OF(name)

}  // namespace

// In draw.cpp.
int draw(const Group& values, const DrawTable& table, std::uint64_t seed, std::uint32_t component, std::uint32_t block,
         int lanes, Group& indices, std::uint64_t* nonzero, Draw* undecided);
// In blocks.cpp.
void find_nonzero(const std::int16_t* blocks, std::size_t count, std::uint64_t* nonzero);
bool any_beyond(const std::int16_t* values, std::size_t count, std::int16_t limit);
void nearest(const std::int16_t* in, std::size_t count, const StepTable& table, std::int16_t* out);

extern const Kernels kKernels;
const Kernels kKernels{
    J4D_STRING(J4D_KERNELS_NAME),
    convert_colour,
    halve,
    halve_both,
    transform,
    quantize,
    draw,
    find_nonzero,
    any_beyond,
    nearest,
};

}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
