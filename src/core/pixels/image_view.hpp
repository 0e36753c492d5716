// A picture's pixels, where they lie.
#pragma once

#include <cstdint>

namespace j4d {

// An image of interleaved 8-bit samples, rows without gaps: RGB, or gray when channels is 1.
struct ImageView {
    const std::uint8_t* samples;
    int height;
    int width;
    int channels;  // 1 or 3
};

}  // namespace j4d
