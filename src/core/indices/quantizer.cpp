#include "indices/quantizer.hpp"

#include <algorithm>
#include <cmath>

#include "indices/quantize.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {
namespace {

QuantizerTable limit_table(const std::int32_t* steps, const double* dead_zones) {
    QuantizerTable table{};
    for (int place = 0; place < kBlockSize; ++place) {
        const int step = steps[kZigzag[place]];
        const double zone = dead_zones[kZigzag[place]];
        const Threshold threshold = threshold_of(8 * step, zone);
        table.by_formula[place] = threshold.by_formula;
        table.scale[place] = 8.0 * step;
        table.offset[place] = 0.5 - zone;
        table.bias[place] = static_cast<std::uint16_t>(threshold.bias);
        int shift = 0;
        while (1 << shift < step) ++shift;
        table.shift[place] = static_cast<std::uint8_t>(shift);
        const std::uint32_t divisor = 2 * static_cast<std::uint32_t>(step);
        table.reciprocal[place] = static_cast<std::uint16_t>(((1u << (16 + shift)) + divisor - 1) / divisor);
    }
    return table;
}

}  // namespace

Quantizer::Quantizer(const std::int32_t* steps, const double* dead_zones, double sharpness, std::uint64_t seed,
                     std::uint32_t component)
    : seed_(seed), component_(component) {
    if (std::isinf(sharpness)) {
        table_ = limit_table(steps, dead_zones);
    } else {
        std::int32_t ones[kBlockSize];
        std::fill_n(ones, kBlockSize, 1);
        sampler_.emplace(ones, 8, steps, dead_zones, sharpness);
    }
}

void Quantizer::operator()(const Group& coefficients, std::uint32_t block, int lanes, Group& indices,
                           std::uint64_t* nonzero) const {
    if (sampler_) return (*sampler_)(coefficients, seed_, component_, block, lanes, indices, nonzero);
    kernels().quantize(coefficients, table_, indices, nonzero);
}

}  // namespace j4d
