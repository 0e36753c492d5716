#include "indices/requantize.hpp"

#include <algorithm>
#include <cmath>

#include "indices/quantize.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {

Requantizer::Requantizer(const std::int32_t* source_steps, const std::int32_t* steps, const double* dead_zones,
                         double sharpness, int units) {
    if (!std::isinf(sharpness)) {
        sampler_.emplace(source_steps, units, steps, dead_zones, sharpness);
        return;
    }
    for (int f = 0; f < kBlockSize; ++f) {
        const int divisor = units * steps[f];
        const Threshold threshold = threshold_of(divisor, dead_zones[f]);
        if (threshold.by_formula) {
            by_formula_.push_back(
                {f, static_cast<double>(source_steps[f]), static_cast<double>(divisor), dead_zones[f]});
        }
        table_.source[f] = static_cast<float>(source_steps[f]);
        table_.bias[f] = static_cast<float>(threshold.bias) + 0.5f;
        table_.reciprocal[f] = 1.0f / static_cast<float>(divisor);
        table_.lowest[f] = 0.5f - static_cast<float>(index_range(f).low);
    }
}

void Requantizer::nearest(const std::int16_t* in, std::size_t count, std::int16_t* out) const {
    if (by_formula_.empty()) return kernels().nearest(in, count, table_, out);
    std::int16_t source[kBlockSize];
    for (std::size_t i = 0; i < count; ++i, in += kBlockSize, out += kBlockSize) {
        std::copy_n(in, kBlockSize, source);
        kernels().nearest(source, 1, table_, out);
        for (const Formula& formula : by_formula_) {
            const int f = formula.frequency;
            const double u = source[f] * formula.source / formula.divisor;
            out[f] = static_cast<std::int16_t>(nearest_index(u, formula.dead_zone, index_range(f)));
        }
    }
}

void Requantizer::operator()(const std::int16_t* in, std::size_t count, std::uint64_t seed, std::uint32_t component,
                             std::uint32_t block, std::int16_t* out) const {
    if (!sampler_) return nearest(in, count, out);
    Group values{}, indices;
    std::uint64_t nonzero[kLanes];
    for (std::size_t first = 0; first < count; first += kLanes) {
        const int lanes = static_cast<int>(std::min<std::size_t>(kLanes, count - first));
        for (int lane = 0; lane < lanes; ++lane, in += kBlockSize) {
            for (int f = 0; f < kBlockSize; ++f) values.values[f][lane] = in[f];
        }
        (*sampler_)(values, seed, component, block + static_cast<std::uint32_t>(first), lanes, indices, nonzero);
        for (int lane = 0; lane < lanes; ++lane, out += kBlockSize) {
            for (int i = 0; i < kBlockSize; ++i) out[kZigzag[i]] = indices.values[i][lane];
        }
    }
}

}  // namespace j4d
