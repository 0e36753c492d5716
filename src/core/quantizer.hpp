// The quantizer (quantize.hpp) of one component, prepared for groups of blocks. Its indices are those of the law,
// coefficient by coefficient: most are decided without evaluating it, the others by it.
#pragma once

#include <cstdint>

#include "geometry.hpp"
#include "kernels.hpp"

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
    void prepare_limit(int place, int natural);
    void prepare_weights(int natural);
    void prepare_noise();

    QuantizerTable table_{};
    std::int32_t steps_[kBlockSize];
    double dead_zones_[kBlockSize];
    double sharpness_;
    std::uint64_t seed_;
    std::uint32_t component_;
};

}  // namespace j4d
