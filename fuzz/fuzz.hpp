// What the harnesses share. Limits are small, so that an input costs a millisecond: a few bytes of header can claim a
// picture that takes a second under the sanitizers, and show nothing that a small one does not.
#pragma once

#include <cmath>
#include <cstdlib>

#include "jpeg_read.hpp"
#include "transcode.hpp"

constexpr j4d::Limits kLimits{1 << 14, 40, 1000};

// A finding: the sanitizers report it with the input.
inline void expect(bool condition) {
    if (!condition) std::abort();
}
