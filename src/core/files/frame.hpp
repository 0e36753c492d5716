// What a JPEG file holds beside its indices: tables, segments, and oddities.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/geometry.hpp"

namespace j4d {

// What a JPEG file says of its picture, apart from the indices.
struct Frame {
    int height;
    int width;
    Sampling sampling;
    std::vector<std::vector<std::int32_t>> tables;  // 64 steps per component, natural order
};

// An APPn or COM segment: `code` is 0xE0..0xEF or 0xFE, `payload` at most 65533 bytes.
struct Marker {
    int code;
    std::string payload;
};

// What is odd in a file and does no harm: every coefficient is as it was written.
struct Oddities {
    bool jfif_version = false;     // a JFIF header of an unknown version
    bool adobe_transform = false;  // an Adobe segment with an unknown code
    bool junk = false;             // bytes between the segments of the header
    bool zeros = false;            // zeros between a scan and the next marker
    bool no_end = false;           // the marker of the picture's end is missing
};

}  // namespace j4d
