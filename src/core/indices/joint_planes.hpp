// The trellis (trellis.hpp) over planes of blocks in natural order, as transcoding has them: rows are quantized first,
// one after the other, and when the whole picture is known their indices are made smaller where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "indices/trellis.hpp"

namespace j4d {

class JointPlanes {
  public:
    explicit JointPlanes(TrellisSettings settings) : trellis_(settings) {}

    // `count` blocks of coefficients and of the indices that they were quantized to, which stay where they are until
    // `choose`. Coefficients are value x source / `units`.
    void add(int component, bool chroma, const std::int16_t* values, const StepScale& scale, int units,
             std::int16_t* indices, std::size_t count);

    // The grid of a component, whose rows are added from the top, and its blocks in an MCU.
    void set_grid(int component, Grid grid, int across, int down) {
        if (trellis_.chooses_dc()) trellis_.set_order(component, file_order(grid, across, down));
    }

    // Once, after all rows.
    void choose();

  private:
    Trellis trellis_;
    std::vector<std::pair<std::int16_t*, std::size_t>> rows_;
    std::vector<std::uint64_t> nonzero_;
};

}  // namespace j4d
