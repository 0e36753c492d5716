// Writes the layouts that `write_jpeg` does not: RGB, and sampling factors other than those of 4:4:4, 4:2:2 and 4:2:0.
#pragma once

#include "jpeg_io.hpp"
#include "layout.hpp"

namespace j4d {

// `planes[i]` holds layout.grid(i) blocks of 64 legal indices in natural order, `tables[i]` 64 steps 1..255. Of the
// options, progressive and the markers count.
std::string write_layout(const Layout& layout, const std::vector<std::vector<std::int32_t>>& tables,
                         const std::vector<const std::int16_t*>& planes, const WriteOptions& options);

}  // namespace j4d
