// What the harnesses share. Limits are small, so that an input costs a millisecond: a few bytes of header can claim a
// picture that takes a second under the sanitizers, and show nothing that a small one does not.
#pragma once

#include <cmath>
#include <cstdlib>

#include "files/read.hpp"
#include "files/transcode.hpp"
#include "support/errors.hpp"

constexpr j4d::Limits kLimits{1 << 14, 40, 1000};

// Weights of the trellis from the least to the greatest, as the input's bytes say, from its end.
inline j4d::Weights weights_from(const std::uint8_t* data, std::size_t size) {
    constexpr double kWeights[] = {0.001, 0.03, 0.5, 1.0, 1.7, 30.0, 999.9, 1000.0};
    j4d::Weights weights = j4d::even_weights();
    for (std::size_t f = 0; f < weights.size() && f < size; ++f) weights[f] = kWeights[data[size - 1 - f] % 8];
    return weights;
}

// A finding: the sanitizers report it with the input.
inline void expect(bool condition) {
    if (!condition) std::abort();
}
