// Draws the indices of the probabilistic quantizer (quantize.hpp) for sixteen blocks side by side. Compiled several
// times like kernels.cpp, and under the same rule: nothing here may be an inline function of another file.
//
// The law asks where a random word falls among the cumulative probabilities of five indices. A word has 32 bits, of
// which nearly always the upper half is enough: first bounds in 16-bit arithmetic, over all coefficients, tell which of
// these upper halves may move an index. For those, a few in a hundred, gathered from wherever they are, the
// probabilities come from float arithmetic with a known error. What falls within that error, or within one upper half,
// of a boundary is left to the law itself.
#include <cstring>

#include "kernels.hpp"
#include "lanes.hpp"
#include "wide_words.hpp"

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// -- which indices may move --------------------------------------------------------------------------------------

// Close to the largest index, which only a divisor that is not above kFine leads to, the distance to the coefficient
// may be anything, and some of the five indices are not legal.
constexpr std::int16_t kSafe = 1000;
constexpr std::int16_t kFine = 32;

// Sets bit i of `bits` where, at frequency first + i, some word with this upper half might choose another than the
// nearest index. With t = u - k, u = c / q, the neighbour above has at most exp(-kappa z), z = 1 - 2 t + e, times the
// probability of the nearest, the one below the same with z = 1 + 2 t + e, where e is 2 d for k = 0 and else -2 d. Low
// words choose what is below, high ones what is above, so that only the neighbour on the word's side counts; but words
// close to 1/2 might go either way where the second neighbours matter. exp(-kappa z / 16) is bounded by its chord over
// 0 .. 1 + 2 d, in 12 bits, and taken to the sixteenth power.
J4D_APART void find_movable(const Group& coefficients, const QuantizerTable& table, const Group& indices,
                            const std::uint16_t (*halves)[kLanes], int first, std::uint16_t* bits) {
    const std::int16_t middle = table.middle;
    for (int i = 0; i < 16; ++i) {
        const int f = first + i;
        const std::int16_t* c = coefficients.values[f];
        const std::int16_t* k = indices.values[table.place[f]];
        const std::int16_t divisor = table.divisor[f], unit = table.chord_unit[f], slope = table.chord_slope[f];
        const std::int16_t from_zero = table.chord_from_zero[f], from_others = table.chord_from_others[f];
        const std::int16_t least = table.chord_least[f];
        const auto bit = static_cast<std::uint16_t>(1 << i);
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            const auto word = static_cast<std::int16_t>(halves[f][lane]);
            const auto low = static_cast<std::int16_t>(~(word >> 15));
            const auto near = static_cast<std::int16_t>(~(word ^ low));
            const auto left = static_cast<std::int16_t>(c[lane] - static_cast<std::int16_t>(k[lane] * divisor));
            const auto turned = static_cast<std::int16_t>(static_cast<std::int16_t>((left ^ low) - low) * unit);
            const auto moved = static_cast<std::int16_t>(static_cast<std::int32_t>(turned) * slope >> 16);
            const std::int16_t start = k[lane] == 0 ? from_zero : from_others;
            auto chord = static_cast<std::int16_t>(start + moved);
            chord = chord > least ? chord : least;
            chord = chord < 4095 ? chord : static_cast<std::int16_t>(4095);
            const auto once = static_cast<std::uint16_t>(chord << 4);
            const auto second = static_cast<std::uint16_t>((static_cast<std::uint32_t>(once) * once >> 16) + 1);
            const auto fourth = static_cast<std::uint16_t>((static_cast<std::uint32_t>(second) * second >> 16) + 1);
            const auto eighth = static_cast<std::uint16_t>((static_cast<std::uint32_t>(fourth) * fourth >> 16) + 1);
            const auto last = static_cast<std::uint16_t>((static_cast<std::uint32_t>(eighth) * eighth >> 16) + 1);
            const auto most = static_cast<std::int16_t>(last < 32767 ? last : 32767);
            const std::int16_t hit = (near < most ? -1 : 0) | (near >= middle ? -1 : 0);
            bits[lane] = static_cast<std::uint16_t>(bits[lane] | (hit & bit));
        }
        if (divisor > kFine) continue;
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) {
            const std::int16_t hit = (k[lane] > kSafe ? -1 : 0) | (k[lane] < -kSafe ? -1 : 0);
            bits[lane] = static_cast<std::uint16_t>(bits[lane] | (hit & bit));
        }
    }
}

// -- probabilities -----------------------------------------------------------------------------------------------

inline float float_of_bits(std::int32_t bits) {
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
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

// Coefficients whose index may move.
struct alignas(64) Candidates {
    static constexpr int kMost = 4 * kLanes;
    std::int32_t c[kMost];
    std::int32_t k[kMost];  // nearest index
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
// For c < 0 the order of indices is reversed, and so is the word: then the side of 0 is always where the cumulative
// probabilities begin.
J4D_APART void decide(const QuantizerTable& table, Candidates& candidates, int first) {
    const float pair = table.pair, relative_error = table.error, alone = table.exact_alone;
    J4D_LANES for (int i = first; i < first + kLanes; ++i) {
        const std::int32_t f = candidates.frequency[i];
        const std::int32_t sign = candidates.c[i] >> 31;
        const std::int32_t k = (candidates.k[i] ^ sign) - sign;
        const std::int32_t left = ((candidates.c[i] ^ sign) - sign) - k * table.exact_divisor[f];
        const float moved = table.exact_slope[f] * static_cast<float>(left);
        const float zone = table.exact_zone[f], pair_from_one = table.pair_from_one[f];
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
        candidates.drawn[i] = candidates.k[i] + ((offset ^ sign) - sign);
        candidates.open[i] = near(apart1) | near(apart2) | near(apart3) | near(apart4) | (k > kSafe ? -1 : 0);
    }
}

// Decides and forgets all candidates. Returns where the next undecided one goes.
Draw* settle(const QuantizerTable& table, Candidates& candidates, Group& indices, std::uint64_t* nonzero,
             Draw* undecided) {
    for (int i = candidates.count; i % kLanes != 0; ++i) candidates.frequency[i] = 0;  // the rest is never read
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

int draw(const Group& coefficients, const QuantizerTable& table, std::uint64_t seed, std::uint32_t component,
         std::uint32_t block, int lanes, Group& indices, std::uint64_t* nonzero, Draw* undecided) {
    alignas(64) std::uint64_t blocks[kLanes];
    for (int i = 0; i < kLanes; ++i) {
        const int within = i % (2 * kWide);
        blocks[i] = block + static_cast<std::uint32_t>(i - within + 2 * (within % kWide) + within / kWide);
    }
    alignas(64) std::uint16_t halves[64][kLanes];
    alignas(64) std::uint64_t movable[kLanes] = {};
    for (std::uint32_t part = 0; part < 4; ++part) {
        random_halves(seed, component, blocks, 2 * part, halves + 16 * part);
        random_halves(seed, component, blocks, 2 * part + 1, halves + 16 * part + 8);
        alignas(64) std::uint16_t bits[kLanes] = {};
        find_movable(coefficients, table, indices, halves, static_cast<int>(16 * part), bits);
        J4D_LANES for (int lane = 0; lane < kLanes; ++lane) movable[lane] |= static_cast<std::uint64_t>(bits[lane])
                                                                             << (16 * part);
    }
    Candidates candidates;
    Draw* out = undecided;
    for (int lane = 0; lane < lanes; ++lane) {
        for (std::uint64_t left = movable[lane]; left != 0; left &= left - 1) {
            const int f = lowest_bit(left);
            if (candidates.count == Candidates::kMost) {
                out = settle(table, candidates, indices, nonzero, out);
            }
            const int at = candidates.count++;
            candidates.c[at] = coefficients.values[f][lane];
            candidates.k[at] = indices.values[table.place[f]][lane];
            candidates.half[at] = halves[f][lane];
            candidates.frequency[at] = f;
            candidates.lane[at] = lane;
        }
    }
    out = settle(table, candidates, indices, nonzero, out);
    return static_cast<int>(out - undecided);
}

}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
