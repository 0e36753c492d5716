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
    // A smaller kappa bounds a larger one, and this one no float overflows with.
    const double kappa = std::min(sharpness_, 1e12);
    const double bits = kappa / std::log(2.0);
    // The index beyond a neighbour has at most exp(-2 kappa) of its probability. Then rounding: of the float sums,
    // whose terms are within 4 `bits` + 151, and of their last bits.
    const double margin = std::log2(1.0 + std::exp(-2.0 * kappa)) + 1e-4 + (4.0 * bits + 151.0) * 0x1p-21;
    const auto start = [&](double energy) { return static_cast<float>((127 + 24 + margin - bits * energy) * 0x1p23); };
    table_.slope[natural] = static_cast<float>(2.0 * bits / divisor * 0x1p23);
    table_.from_zero[natural] = start(1.0 + 2.0 * zone);
    table_.from_others[natural] = start(1.0 - 2.0 * zone);

    table_.exact_slope[natural] = static_cast<float>(2.0 * bits / divisor);
    table_.exact_outward[natural] = static_cast<float>(-bits * (1.0 + 2.0 * zone));
    table_.exact_inward[natural] = static_cast<float>(-bits * (1.0 - 2.0 * zone));
    table_.pair_from_one[natural] = static_cast<float>(std::exp(-kappa * (2.0 + 4.0 * zone)));
    table_.pair = static_cast<float>(std::exp(-2.0 * kappa));
    // No more than exp(-2 kappa) / 4 below 1/2 is the boundary of the index that is as likely as the nearest.
    table_.middle = static_cast<std::int32_t>((0.5 - std::exp(-2.0 * kappa) / 4.0) * 0x1p24) - 4;
    // The exponents' terms are within 4 `bits` and rounded three times; the rest is the polynomial, sums and words.
    table_.error = static_cast<float>(3e-6 + bits * 0x1p-20);
}

void Quantizer::operator()(const Group& coefficients, std::uint32_t block, int lanes, Group& indices,
                           std::uint64_t* nonzero) const {
    kernels().quantize(coefficients, table_, indices, nonzero);
    if (std::isinf(sharpness_)) return;
    std::array<Draw, kBlockSize * kLanes> undecided;
    const int count =
        kernels().draw(coefficients, table_, seed_, component_, block, indices, nonzero, undecided.data());
    for (int i = 0; i < count; ++i) {
        const Draw& draw = undecided[i];
        if (draw.lane >= lanes) continue;
        const int f = draw.frequency;
        const double u = coefficients.values[f][draw.lane] / (8.0 * steps_[f]);
        const int k = draw_index(index_pmf(u, dead_zones_[f], sharpness_, index_range(f)), to_uniform(draw.word));
        const int place = table_.place[f];
        indices.values[place][draw.lane] = static_cast<std::int16_t>(k);
        const std::uint64_t bit = std::uint64_t{1} << place;
        nonzero[draw.lane] = k != 0 ? nonzero[draw.lane] | bit : nonzero[draw.lane] & ~bit;
    }
}

}  // namespace j4d
