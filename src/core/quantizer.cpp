#include "quantizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "quantize.hpp"
#include "symbols.hpp"

namespace j4d {
namespace {

constexpr double kSharpest = 1e12;  // no float overflows with it

}  // namespace

Quantizer::Quantizer(const std::int32_t* steps, const double* dead_zones, double sharpness, std::uint64_t seed,
                     std::uint32_t component)
    : sharpness_(sharpness), seed_(seed), component_(component) {
    std::copy(steps, steps + kBlockSize, steps_);
    std::copy(dead_zones, dead_zones + kBlockSize, dead_zones_);
    for (int place = 0; place < kBlockSize; ++place) {
        prepare_limit(place, kZigzag[place]);
        table_.place[kZigzag[place]] = static_cast<std::uint8_t>(place);
        prepare_weights(kZigzag[place]);
    }
    prepare_noise();
}

void Quantizer::prepare_limit(int place, int natural) {
    const int step = steps_[natural];
    const double zone = dead_zones_[natural];
    const Threshold threshold = threshold_of(8 * step, zone);
    table_.by_formula[place] = threshold.by_formula;
    table_.scale[place] = 8.0 * step;
    table_.offset[place] = 0.5 - zone;
    table_.bias[place] = static_cast<std::uint16_t>(threshold.bias);
    int shift = 0;
    while (1 << shift < step) ++shift;
    table_.shift[place] = static_cast<std::uint8_t>(shift);
    const std::uint32_t divisor = 2 * static_cast<std::uint32_t>(step);
    table_.reciprocal[place] = static_cast<std::uint16_t>(((1u << (16 + shift)) + divisor - 1) / divisor);
}

void Quantizer::prepare_weights(int natural) {
    const int divisor = 8 * steps_[natural];
    const double zone = dead_zones_[natural];
    const Threshold threshold = threshold_of(divisor, zone);
    const double kappa = std::min(sharpness_, kSharpest);
    const double bits = kappa / std::log(2.0);
    table_.divisor[natural] = static_cast<std::uint16_t>(divisor);
    table_.by_law[natural] = threshold.by_formula ? -1 : 0;
    table_.exact_divisor[natural] = divisor;
    table_.exact_bias[natural] = static_cast<float>(threshold.bias) + 0.5f;  // the quotient is never close to an integer
    table_.exact_scale[natural] = 1.0f / static_cast<float>(divisor);
    table_.exact_slope[natural] = static_cast<float>(2.0 * bits / divisor);
    table_.exact_zone[natural] = static_cast<float>(2.0 * bits * zone);
    table_.pair_from_one[natural] = static_cast<float>(std::exp(-kappa * (2.0 + 4.0 * zone)));
    table_.exact_alone = static_cast<float>(-bits);
    table_.pair = static_cast<float>(std::exp(-2.0 * kappa));
    // Half of what an upper half leaves open. The exponents' terms are within 4 `bits` and rounded three times; the
    // rest is the polynomial and sums.
    table_.error = static_cast<float>(0x1p-17 + 3e-6 + bits * 0x1p-20);
}

// The log odds of a word whose distance x from its end, below 1/2, is 2^-32 times the float F: to base 2, by
//
//     15.9786 - (bits of F / 2^23 - 127 - 16) - 1.83275 x,
//
// where the bits of a float are taken for its logarithm; the coefficients are the best in the greatest error, which is
// 0.0644 from x = 2^-12 on (a linear programme).
void Quantizer::prepare_noise() {
    constexpr double error = 0.0646 * 0.6931472;
    constexpr double closest = 16.0;  // half a unit of the upper half more or less changes the log odds by 1/32 there
    const double kappa = std::min(sharpness_, kSharpest);
    const double unit = std::log(2.0) / (2.0 * kappa);  // steps in one bit of log odds
    table_.noise_constant = static_cast<float>(unit * (15.9786 + 143.0));
    table_.noise_slope = static_cast<float>(unit * 0x1p-23);
    table_.noise_lift = static_cast<float>(unit * 1.83275 * 0x1p-32);
    // Indices beyond the neighbours move a boundary at distance z from u by at most exp(-2 kappa (1 - z)), which the
    // log odds that rounding may use keep below 1/20.
    const double odds = std::min(std::log(65536.0 / closest), 2.0 * kappa - 3.0);
    const double others = std::exp(odds + 0.1 - 2.0 * kappa);
    table_.extreme = static_cast<float>(std::max(closest, odds > 0.0 ? 65536.0 / (1.0 + std::exp(odds)) : 32769.0) * 65536.0);
    const double apart = (error + 0.55 / closest + others) / (2.0 * kappa);
    for (int f = 0; f < kBlockSize; ++f) {
        const double divisor = 8.0 * steps_[f];
        table_.scale_of[f] = static_cast<float>(1.0 / divisor);
        table_.zone_of[f] = static_cast<float>(dead_zones_[f]);
        // Floats: of u, up to 2^15 / divisor, and of the noise.
        table_.limit[f] = static_cast<float>(0.5 - 1.02 * apart - 1e-6 - 32768.0 / divisor * 0x1p-21);
    }
}

void Quantizer::operator()(const Group& coefficients, std::uint32_t block, int lanes, Group& indices,
                           std::uint64_t* nonzero) const {
    if (std::isinf(sharpness_)) return kernels().quantize(coefficients, table_, indices, nonzero);
    std::array<Draw, kBlockSize * kLanes> undecided;
    const int count =
        kernels().draw(coefficients, table_, seed_, component_, block, lanes, indices, nonzero, undecided.data());
    for (int i = 0; i < count; ++i) {
        const Draw& draw = undecided[i];
        const int f = draw.frequency;
        const double u = coefficients.values[f][draw.lane] / (8.0 * steps_[f]);
        const std::uint32_t word = random_word(seed_, component_, block + draw.lane, static_cast<std::uint32_t>(f));
        const int k = draw_index(index_pmf(u, dead_zones_[f], sharpness_, index_range(f)), to_uniform(word));
        const int place = table_.place[f];
        indices.values[place][draw.lane] = static_cast<std::int16_t>(k);
        const std::uint64_t bit = std::uint64_t{1} << place;
        nonzero[draw.lane] = k != 0 ? nonzero[draw.lane] | bit : nonzero[draw.lane] & ~bit;
    }
}

}  // namespace j4d
