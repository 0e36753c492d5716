// Chroma at another sampling: the only part of transcoding that goes through samples, and only where it is asked for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "files/options.hpp"
#include "support/geometry.hpp"

namespace j4d {

// Cb and Cr of a YCbCr file as `forward_dct` would give them: decoded, brought to the picture's size by libjpeg's
// (fancy) upsampling, then downsampled and transformed as the encoder does. 8 x the coefficient, grid_of(...) blocks.
// Raises as read_source.
std::array<std::unique_ptr<std::int16_t[]>, 2> resampled_chroma(const std::uint8_t* data, std::size_t size,
                                                                Sampling sampling, const ReadOptions& options);

}  // namespace j4d
