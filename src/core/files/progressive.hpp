// Progressive files (T.81 annex G) by spectral selection: DC of all components, then bands of AC per component, whose
// runs of empty blocks cost next to nothing.
#pragma once

#include <string>
#include <vector>

#include "files/frame.hpp"
#include "files/options.hpp"

namespace j4d {

// The smallest of a few scripts of scans. Arguments as in write_jpeg; of the options the restart interval is 0;
// all AC indices have symbols. JpegError where a difference of DC indices has none.
std::string write_spectral_selection(const Frame& frame, const std::vector<const std::int16_t*>& planes,
                                     const WriteOptions& options);

}  // namespace j4d
