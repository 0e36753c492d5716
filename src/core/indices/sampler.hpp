// The probabilistic quantizer (quantize.hpp) prepared for groups of blocks. Its indices are those of the law,
// coefficient by coefficient: nearly all are found without evaluating it (draw.cpp), the others by it.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"
#include "support/geometry.hpp"

namespace j4d {

class Sampler {
  public:
    // The coefficient of a value is value x source / `units`, in the unit of steps. `sources` holds 64 integers
    // 0..65535, `steps` 64 of 1..255, `dead_zones` 64 in [0, 1/2], in steps; natural order. `units` is 1 or 8,
    // `sharpness` a finite kappa > 0.
    Sampler(const std::int32_t* sources, int units, const std::int32_t* steps, const double* dead_zones,
            double sharpness);

    // Indices in zigzag order of the first `lanes` blocks of a group, drawn by (seed, component, number of the block),
    // and for each block a word whose bit i says that the i-th index is not 0. `block`: number of the first.
    void operator()(const Group& values, std::uint64_t seed, std::uint32_t component, std::uint32_t block, int lanes,
                    Group& indices, std::uint64_t* nonzero) const;

  private:
    void prepare_noise();
    void prepare_rounding(int natural);
    void prepare_weights(int natural);

    DrawTable table_{};
    double dead_zones_[kBlockSize];
    double sharpness_;
    double bits_;         // kappa / ln 2, at most so much that no float overflows
    double pair_;         // exp(-2 kappa)
    double noise_error_;  // in steps
};

}  // namespace j4d
