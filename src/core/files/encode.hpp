// Pixels to a JPEG file in one go: each row of MCUs is transformed, quantized and turned into symbols while it is in
// the cache, and nothing of the size of the picture is kept but the symbols.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files/options.hpp"
#include "indices/trellis.hpp"
#include "pixels/image_view.hpp"
#include "support/geometry.hpp"

namespace j4d {

struct EncodeParameters {
    Sampling sampling;
    std::vector<std::vector<std::int32_t>> tables;  // 64 steps per component, natural order
    std::vector<std::vector<double>> dead_zones;    // 64 per component
    double sharpness;                               // infinity is the deterministic limit
    TrellisSettings trellis;                        // only in the limit
};

// The same file as write_jpeg makes of the quantized coefficients. JpegError where there is none.
std::string encode(ImageView image, const EncodeParameters& parameters, std::uint64_t seed,
                   const WriteOptions& options);

}  // namespace j4d
