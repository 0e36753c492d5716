#include "quantizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "quantize.hpp"
#include "symbols.hpp"

namespace j4d {

Quantizer::Quantizer(const std::int32_t* steps, const double* dead_zones, double sharpness, std::uint64_t seed,
                     std::uint32_t component)
    : sharpness_(sharpness), seed_(seed), component_(component) {
    std::copy(steps, steps + kBlockSize, steps_);
    std::copy(dead_zones, dead_zones + kBlockSize, dead_zones_);
    for (int place = 0; place < kBlockSize; ++place) {
        prepare_limit(place, kZigzag[place]);
        table_.place[kZigzag[place]] = static_cast<std::uint8_t>(place);
        prepare_bounds(kZigzag[place]);
    }
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

void Quantizer::prepare_bounds(int natural) {
    const double divisor = 8.0 * steps_[natural];
    const double zone = dead_zones_[natural];
    table_.divisor[natural] = static_cast<std::uint16_t>(divisor);
    const double kappa = std::min(sharpness_, 1e12);  // no float overflows with it
    const double bits = kappa / std::log(2.0);

    // The chord of exp(-kappa z / 16) over 0 .. farthest; the index beyond a neighbour has at most exp(-2 kappa) of its
    // probability. Two units more than the rounding of all terms.
    const double farthest = 1.0 + 2.0 * zone;
    const double whole = 4096.0 * std::pow(1.0 + std::exp(-2.0 * kappa), 0.0625);
    const double least = std::exp(-kappa * farthest / 16.0);
    const double fall = whole * (1.0 - least) / farthest;
    int shift = 0;
    while (table_.divisor[natural] << (shift + 1) <= 32767) ++shift;
    const double slope = 0x1p16 * 2.0 * fall / (table_.divisor[natural] << shift);
    const auto above = [](double value) { return static_cast<std::int16_t>(std::floor(value) + 3.0); };
    table_.chord_unit[natural] = static_cast<std::int16_t>(1 << shift);
    table_.chord_slope[natural] = static_cast<std::int16_t>(std::min(std::round(slope), 32767.0));
    table_.chord_from_zero[natural] = above(whole - fall * farthest);
    table_.chord_from_others[natural] = above(whole - fall * (1.0 - 2.0 * zone));
    table_.chord_least[natural] = above(whole * least);

    table_.exact_slope[natural] = static_cast<float>(2.0 * bits / divisor);
    table_.exact_zone[natural] = static_cast<float>(2.0 * bits * zone);
    table_.exact_divisor[natural] = 8 * steps_[natural];
    table_.pair_from_one[natural] = static_cast<float>(std::exp(-kappa * (2.0 + 4.0 * zone)));
    table_.exact_alone = static_cast<float>(-bits);
    table_.pair = static_cast<float>(std::exp(-2.0 * kappa));
    // No more than exp(-2 kappa) / 4 below 1/2 is the boundary of the index that is as likely as the nearest.
    table_.middle = static_cast<std::int16_t>((0.5 - std::exp(-2.0 * kappa) / 4.0) * 0x1p16 - 1.0);
    // Half of what an upper half leaves open. The exponents' terms are within 4 `bits` and rounded three times; the
    // rest is the polynomial and sums.
    table_.error = static_cast<float>(0x1p-17 + 3e-6 + bits * 0x1p-20);
}

void Quantizer::operator()(const Group& coefficients, std::uint32_t block, int lanes, Group& indices,
                           std::uint64_t* nonzero) const {
    kernels().quantize(coefficients, table_, indices, nonzero);
    if (std::isinf(sharpness_)) return;
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
