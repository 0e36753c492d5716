// From one table's indices to another's without leaving the coefficient domain: the law of quantize.hpp for the
// coefficient c = (source index) x (source step). Indices and random numbers are those that the encoder's quantizer
// gives for the same coefficients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "indices/sampler.hpp"
#include "kernels/kernels.hpp"
#include "support/geometry.hpp"

namespace j4d {

class Requantizer {
  public:
    // `source_steps` holds 64 steps 0..65535, `steps` 64 of 1..255, `dead_zones` 64 in [0, 1/2]. `sharpness` is kappa >
    // 0; infinity is the deterministic limit. The coefficient is index x source step / `units`, which is 1 or 8.
    Requantizer(const std::int32_t* source_steps, const std::int32_t* steps, const double* dead_zones, double sharpness,
                int units = 1);

    // Indices of `count` blocks, the first of which is number `block` of the component. `in` and `out` may be the same.
    void operator()(const std::int16_t* in, std::size_t count, std::uint64_t seed, std::uint32_t component,
                    std::uint32_t block, std::int16_t* out) const;

  private:
    // Where the formula alone decides.
    struct Formula {
        int frequency;
        double source, divisor, dead_zone;
    };

    void nearest(const std::int16_t* in, std::size_t count, std::int16_t* out) const;

    StepTable table_{};
    std::vector<Formula> by_formula_;
    std::optional<Sampler> sampler_;  // unless in the limit
};

}  // namespace j4d
