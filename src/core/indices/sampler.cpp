#include "indices/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "indices/quantize.hpp"
#include "indices/random.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {
namespace {

constexpr double kSharpest = 1e12;      // no float overflows with it
constexpr double kClosest = 16.0;       // of upper halves to an end, where half a unit changes the log odds by 1/32
constexpr double kNoiseError = 0.0646;  // see prepare_noise
constexpr double kLargest = 1002.0;     // |u| that rounding decides about

}  // namespace

Sampler::Sampler(const std::int32_t* sources, int units, const std::int32_t* steps, const double* dead_zones,
                 double sharpness)
    : sharpness_(sharpness) {
    std::copy_n(dead_zones, kBlockSize, dead_zones_);
    table_.zoned = std::any_of(dead_zones_, dead_zones_ + kBlockSize, [](double zone) { return zone != 0.0; });
    prepare_noise();
    for (int place = 0; place < kBlockSize; ++place) {
        const int f = kZigzag[place];
        table_.place[f] = static_cast<std::uint8_t>(place);
        table_.source[f] = sources[f];
        table_.divisor[f] = units * steps[f];
        prepare_rounding(f);
        prepare_weights(f);
    }
}

// The log odds of a word whose distance x from its end, below 1/2, is 2^-32 times the float F: to base 2, by
//
//     15.9786 - (bits of F / 2^23 - 127 - 16) - 1.83275 x,
//
// where the bits of a float are taken for its logarithm. The coefficients are those of the smallest greatest error for
// x from 2^-12 on (a linear programme), 0.0644.
void Sampler::prepare_noise() {
    const double kappa = std::min(sharpness_, kSharpest);
    const double unit = std::log(2.0) / (2.0 * kappa);  // steps in one bit of log odds
    table_.noise_constant = static_cast<float>(unit * (15.9786 + 143.0));
    table_.noise_slope = static_cast<float>(unit * 0x1p-23);
    table_.noise_lift = static_cast<float>(unit * 1.83275 * 0x1p-32);
    // The greatest log odds of a word to round with. Indices beyond the neighbours move a boundary at distance z from u
    // by at most exp(-2 kappa (1 - z)) in log odds, which is kept below 1/20.
    const double odds = std::min(std::log(0x1p16 / kClosest), 2.0 * kappa - 3.0);
    table_.extreme = odds > 0.0 ? static_cast<float>(0x1p32 / (1.0 + std::exp(odds))) : 0x1p32f;
    // The noise is wrong by the formula's error, by what an upper half leaves open, and by those indices.
    const double others = std::exp(odds + 0.1 - 2.0 * kappa);
    noise_error_ = 1.02 * (kNoiseError * std::log(2.0) + 0.55 / kClosest + others) / (2.0 * kappa);

    bits_ = kappa / std::log(2.0);
    pair_ = std::exp(-2.0 * kappa);
    table_.alone = static_cast<float>(-bits_);
    table_.pair = static_cast<float>(pair_);
    // Half of what an upper half leaves open. The exponents' terms are within 4 `bits_` and rounded three times; the
    // rest is the polynomial and sums.
    table_.error = static_cast<float>(0x1p-17 + 3e-6 + bits_ * 0x1p-20);
}

void Sampler::prepare_rounding(int natural) {
    const double scale = static_cast<double>(table_.source[natural]) / table_.divisor[natural];
    const double largest = 0x1p15 * scale;
    table_.scale[natural] = static_cast<float>(scale);
    table_.dead_zone[natural] = static_cast<float>(dead_zones_[natural]);
    table_.reaches_end[natural] = largest > kLargest - 3.0;
    // Floats are rounded, u three times.
    table_.limit[natural] = static_cast<float>(0.5 - noise_error_ - std::min(largest, kLargest) * 0x1p-21 - 1e-6);
}

void Sampler::prepare_weights(int natural) {
    const int divisor = table_.divisor[natural];
    const double zone = dead_zones_[natural];
    const Threshold threshold = threshold_of(divisor, zone);
    table_.by_law[natural] = threshold.by_formula ? -1 : 0;
    // Half a unit above an integer, the quotient is farther from one than float rounds.
    table_.bias[natural] = static_cast<float>(threshold.bias) + 0.5f;
    table_.reciprocal[natural] = 1.0f / static_cast<float>(divisor);
    table_.slope[natural] = static_cast<float>(2.0 * bits_ / divisor);
    table_.zone[natural] = static_cast<float>(2.0 * bits_ * zone);
    table_.pair_from_one[natural] =
        zone == 0.0 ? table_.pair : static_cast<float>(pair_ * std::exp2(-4.0 * bits_ * zone));
}

void Sampler::operator()(const Group& values, std::uint64_t seed, std::uint32_t component, std::uint32_t block,
                         int lanes, Group& indices, std::uint64_t* nonzero) const {
    std::array<Draw, kBlockSize * kLanes> undecided;
    const int count = kernels().draw(values, table_, seed, component, block, lanes, indices, nonzero, undecided.data());
    for (int i = 0; i < count; ++i) {
        const int f = undecided[i].frequency, lane = undecided[i].lane, place = table_.place[f];
        const double c = static_cast<double>(values.values[f][lane]) * table_.source[f];
        const Pmf pmf = index_pmf(c / table_.divisor[f], dead_zones_[f], sharpness_, index_range(f));
        const std::uint32_t word = random_word(seed, component, block + lane, static_cast<std::uint32_t>(f));
        const int k = draw_index(pmf, to_uniform(word));
        indices.values[place][lane] = static_cast<std::int16_t>(k);
        const std::uint64_t bit = std::uint64_t{1} << place;
        nonzero[lane] = k != 0 ? nonzero[lane] | bit : nonzero[lane] & ~bit;
    }
}

}  // namespace j4d
