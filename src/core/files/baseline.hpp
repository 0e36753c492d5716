// A baseline file from gathered symbols: lean headers, Huffman codes made for the file, entropy-coded bytes.
#pragma once

#include <string>
#include <vector>

#include "entropy/symbols.hpp"
#include "files/frame.hpp"
#include "files/options.hpp"

namespace j4d {

// The symbols of quantized planes (see write_jpeg). JpegError where an index has no baseline Huffman symbol.
Symbols gather_symbols(const Frame& frame, const std::vector<const std::int16_t*>& planes, int restart_interval);

// `options.progressive` does not count.
std::string write_baseline(const Frame& frame, const Symbols& symbols, const WriteOptions& options);

}  // namespace j4d
