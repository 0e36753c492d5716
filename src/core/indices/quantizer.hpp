// The quantizer (quantize.hpp) of one component, prepared for groups of blocks of 8 x coefficient.
#pragma once

#include <cstdint>
#include <optional>

#include "indices/sampler.hpp"
#include "kernels/kernels.hpp"

namespace j4d {

class Quantizer {
  public:
    // 64 steps 1..255 and 64 dead zones in [0, 1/2], in steps, natural order. `sharpness` is kappa > 0; infinity is the
    // deterministic limit.
    Quantizer(const std::int32_t* steps, const double* dead_zones, double sharpness, std::uint64_t seed,
              std::uint32_t component);

    // Indices in zigzag order of the first `lanes` blocks of a group, and for each a word whose bit i says that the
    // i-th index is not 0. `block`: row-major number of the first.
    void operator()(const Group& coefficients, std::uint32_t block, int lanes, Group& indices,
                    std::uint64_t* nonzero) const;

  private:
    QuantizerTable table_{};
    std::optional<Sampler> sampler_;  // unless in the limit
    std::uint64_t seed_;
    std::uint32_t component_;
};

}  // namespace j4d
