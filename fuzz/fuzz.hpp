// What the harnesses share. Limits are small so that an input costs milliseconds.
#pragma once

#include <cmath>
#include <cstdlib>

#include "jpeg_read.hpp"
#include "transcode.hpp"

constexpr j4d::Limits kLimits{1 << 20, 100, 1000};

// A finding: the sanitizers report it with the input.
inline void expect(bool condition) {
    if (!condition) std::abort();
}
