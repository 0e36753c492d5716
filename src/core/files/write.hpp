// Quantized coefficients to JPEG bytes, in memory. Knows nothing of pixels and nothing of Python.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files/frame.hpp"
#include "files/options.hpp"

namespace j4d {

// `planes[i]` holds grid_of(...) blocks of 64 indices in natural order. JpegError where an index has no symbol.
std::string write_jpeg(const Frame& frame, const std::vector<const std::int16_t*>& planes, const WriteOptions& options);

}  // namespace j4d
