// Files by libjpeg-turbo: of layouts that our own writer does not know (RGB, sampling factors other than those of
// 4:4:4, 4:2:2 and 4:2:0), and progressive ones by its standard script of scans.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files/layout.hpp"
#include "files/options.hpp"

namespace j4d {

// `planes[i]` holds layout.grid(i) blocks of 64 legal indices in natural order, `tables[i]` 64 steps 1..255.
std::string write_layout(const Layout& layout, const std::vector<std::vector<std::int32_t>>& tables,
                         const std::vector<const std::int16_t*>& planes, const WriteOptions& options);

}  // namespace j4d
