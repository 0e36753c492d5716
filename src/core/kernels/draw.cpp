// Draws the indices of the probabilistic quantizer (quantize.hpp) for sixteen blocks side by side. Compiled several
// times like kernels.cpp, and under the same rule: nothing here may be an inline function of another file.
//
// Between two neighbouring indices the law is rounding of u + noise, where the noise, in steps, is the log odds of the
// random word over 2 kappa: k + 1 rather than k is drawn where log(word / (1 - word)) is above 2 kappa times the
// distance of u to where both are as likely. A word has 32 bits, of which the upper half gives the noise with a known
// error. So most indices are found by rounding once. What comes too close to a boundary, a few in a thousand, is
// gathered, and weighed with all five indices in float arithmetic; what is too close for that is left to the law
// itself.
#include <cstring>

#include "kernels/kernels.hpp"
#include "kernels/lanes.hpp"
#include "kernels/wide_words.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// Close to the largest index some of the five indices are not legal.
constexpr std::uint32_t kSafe = 1000;

inline std::int32_t bits_of_float(float x) {
    std::int32_t result;
    std::memcpy(&result, &x, sizeof result);
    return result;
}

inline float float_of_bits(std::int32_t bits) {
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

constexpr std::int32_t kSignBit = -0x7FFFFFFF - 1;
constexpr float kRounding = 0x1.8p23f;  // a float that this is added to has no fraction left, and its bits count

// -- rounding ----------------------------------------------------------------------------------------------------

// Values of 32 bits, so that a register holds as many lanes of what goes in and out as of what is between.
template <typename Value>
struct alignas(64) Wider {
    Value values[64][kLanes];
};

template <typename From, typename To>
J4D_APART void convert(const From (*from)[kLanes], To (*to)[kLanes]) {
    const From* in = from[0];
    To* out = to[0];
    J4D_LANES for (int i = 0; i < 64 * kLanes; ++i) out[i] = static_cast<To>(in[i]);
}

// Indices first .. first + 31 in zigzag order. Sets bit i of `nonzero` where the (first + i)-th is not 0, and of `open`
// where it is not certain. Not `zoned`: all dead zones are 0.
template <bool zoned>
J4D_APART void round_with_noise(const Wider<float>& values, const DrawTable& table, const Wider<std::int32_t>& halves,
                                int first, Wider<std::int32_t>& indices, std::uint32_t* nonzero, std::uint32_t* open) {
    const std::int32_t zero = bits_of_float(kRounding);
    const float constant = table.noise_constant, slope = table.noise_slope, lift = table.noise_lift;
    const float extreme = table.extreme;
    alignas(64) std::uint32_t some[kLanes] = {}, close[kLanes] = {};
    for (int i = 0; i < 32; ++i) {
        const int f = kZigzag[first + i];
        const float* value = values.values[f];
        const std::int32_t* half = halves.values[f];
        std::int32_t* out = indices.values[first + i];
        const float scale = table.scale[f], zone = table.dead_zone[f], limit = table.limit[f];
        const float minus = -zone;
        const std::uint32_t bit = std::uint32_t{1} << i;
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            // The distance of the word from its end, in units of 2^-32, and its side as the sign.
            const std::int32_t place = bits_of_float(static_cast<float>(half[lane]));
            const std::int32_t distance = place & ~kSignBit;
            const float size = constant - static_cast<float>(distance) * slope - float_of_bits(distance) * lift;
            const float noise = float_of_bits(bits_of_float(size) ^ (place & kSignBit));
            const float moved = value[lane] * scale - noise;
            const float below = moved < zone ? moved : zone;
            const float level = zoned ? moved - (below > minus ? below : minus) : moved;
            const float rounded = level + kRounding;
            const float apart = level - (rounded - kRounding);
            const float away = float_of_bits(bits_of_float(apart) & ~kSignBit);
            out[lane] = bits_of_float(rounded);
            some[lane] |= static_cast<std::uint32_t>(bits_of_float(rounded) != zero ? -1 : 0) & bit;
            close[lane] |=
                static_cast<std::uint32_t>((away > limit ? -1 : 0) | (float_of_bits(distance) < extreme ? -1 : 0)) &
                bit;
        }
        if (!table.reaches_end[f]) continue;
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            const std::uint32_t above = static_cast<std::uint32_t>(out[lane]) - static_cast<std::uint32_t>(zero);
            close[lane] |= static_cast<std::uint32_t>(above + kSafe > 2 * kSafe ? -1 : 0) & bit;
        }
    }
    std::memcpy(nonzero, some, sizeof some);
    std::memcpy(open, close, sizeof close);
}

// -- weighing ----------------------------------------------------------------------------------------------------

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

// Coefficients whose index is not certain.
struct alignas(64) Candidates {
    static constexpr int kMost = 4 * kLanes;
    std::int32_t value[kMost];
    std::int32_t half[kMost];
    std::int32_t frequency[kMost];
    std::int32_t lane[kMost];
    std::int32_t drawn[kMost];
    std::int32_t open[kMost];  // not 0 where `drawn` is not certain
    int count = 0;
};

// The two indices on either side and their weights relative to the nearest's; the second on a side has the square of
// the first's times exp(-2 kappa), and once more exp(-4 kappa d) for k = +-1, whose second inward one is beyond 0.
//
// For values below 0 the order of indices is reversed, and so is the word: then the side of 0 is always where the
// cumulative probabilities begin.
J4D_APART void decide(const DrawTable& table, Candidates& candidates, int first) {
    const float pair = table.pair, relative_error = table.error, alone = table.alone;
    J4D_LANES for (int i = first; i < first + kLanes; ++i) {
        const std::int32_t f = candidates.frequency[i];
        const std::int32_t sign = candidates.value[i] >> 31;
        const std::int32_t c = ((candidates.value[i] ^ sign) - sign) * table.source[f];
        const auto k = static_cast<std::int32_t>((static_cast<float>(c) + table.bias[f]) * table.reciprocal[f]);
        const std::int32_t left = c - k * table.divisor[f];
        const float moved = table.slope[f] * static_cast<float>(left);
        const float zone = table.zone[f], pair_from_one = table.pair_from_one[f];
        const float second = k == 1 ? pair_from_one : pair;
        const float out1 = power(alone - zone + moved);
        const float in1 = power((k == 0 ? alone - zone : alone + zone) - moved);
        const float bound1 = in1 * in1 * second, bound2 = bound1 + in1;
        const float bound3 = bound2 + 1.0f, bound4 = bound3 + out1;
        const float total = bound4 + out1 * out1 * pair;
        const float place = (static_cast<float>(candidates.half[i] ^ (sign & 0xFFFF)) + 0.5f) * (total * 0x1p-16f);
        const float error = total * relative_error;
        const float apart1 = place - bound1, apart2 = place - bound2, apart3 = place - bound3, apart4 = place - bound4;
        const auto above = [](float apart) { return apart > 0.0f ? 1 : 0; };
        const auto near = [error](float apart) { return (apart < error ? -1 : 0) & (apart > -error ? -1 : 0); };
        const std::int32_t offset = above(apart1) + above(apart2) + above(apart3) + above(apart4) - 2;
        candidates.drawn[i] = ((k + offset) ^ sign) - sign;
        candidates.open[i] = near(apart1) | near(apart2) | near(apart3) | near(apart4) |
                             (k > static_cast<std::int32_t>(kSafe) ? -1 : 0) | table.by_law[f];
    }
}

// Decides and forgets all candidates. Returns where the next undecided one goes.
Draw* settle(const DrawTable& table, Candidates& candidates, Group& indices, std::uint64_t* nonzero, Draw* undecided) {
    for (int i = candidates.count; i % kLanes != 0; ++i) {  // what comes of these is never read
        candidates.value[i] = candidates.half[i] = candidates.frequency[i] = 0;
    }
    for (int first = 0; first < candidates.count; first += kLanes) decide(table, candidates, first);
    for (int i = 0; i < candidates.count; ++i) {
        const int f = candidates.frequency[i], lane = candidates.lane[i];
        if (candidates.open[i] != 0) {
            *undecided++ = {static_cast<std::uint8_t>(f), static_cast<std::uint8_t>(lane)};
            continue;
        }
        const int place = table.place[f];
        indices.values[place][lane] = static_cast<std::int16_t>(candidates.drawn[i]);
        nonzero[lane] &= ~(std::uint64_t{1} << place);
        nonzero[lane] |= static_cast<std::uint64_t>(candidates.drawn[i] != 0) << place;
    }
    candidates.count = 0;
    return undecided;
}

inline int lowest_bit(std::uint64_t word) {
#if defined(__GNUC__)
    return __builtin_ctzll(word);
#else
    int bit = 0;
    while ((word >> bit & 1) == 0) ++bit;
    return bit;
#endif
}

}  // namespace

int draw(const Group& values, const DrawTable& table, std::uint64_t seed, std::uint32_t component, std::uint32_t block,
         int lanes, Group& indices, std::uint64_t* nonzero, Draw* undecided) {
    Wider<std::int32_t> halves, rounded;
    random_halves(seed, component, block, halves.values);
    Wider<float> floats;
    convert(values.values, floats.values);
    alignas(64) std::uint32_t bits[2][kLanes] = {}, open[2][kLanes] = {};
    for (int part = 0; part < 2; ++part) {
        const auto round = table.zoned ? round_with_noise<true> : round_with_noise<false>;
        round(floats, table, halves, 32 * part, rounded, bits[part], open[part]);
    }
    convert(rounded.values, indices.values);
    for (int lane = 0; lane < kLanes; ++lane) {
        nonzero[lane] = static_cast<std::uint64_t>(bits[1][lane]) << 32 | bits[0][lane];
    }
    Candidates candidates;
    Draw* out = undecided;
    for (int lane = 0; lane < lanes; ++lane) {
        std::uint64_t left = static_cast<std::uint64_t>(open[1][lane]) << 32 | open[0][lane];
        for (; left != 0; left &= left - 1) {
            const int f = kZigzag[lowest_bit(left)];
            if (candidates.count == Candidates::kMost) {
                out = settle(table, candidates, indices, nonzero, out);
            }
            const int at = candidates.count++;
            candidates.value[at] = values.values[f][lane];
            candidates.half[at] = halves.values[f][lane] >> 16 & 0xFFFF;
            candidates.frequency[at] = f;
            candidates.lane[at] = lane;
        }
    }
    out = settle(table, candidates, indices, nonzero, out);
    return static_cast<int>(out - undecided);
}

}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
