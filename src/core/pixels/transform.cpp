// The transform for callers who want the coefficients themselves; the encoder goes from strips to symbols.
#include "pixels/transform.hpp"

#include "pixels/strips.hpp"

namespace j4d {

void forward_dct(ImageView image, Sampling sampling, std::int16_t* const* planes) {
    Strips strips(image, sampling);
    const Grid luma = grid_of(image.height, image.width, sampling, 0);
    Group group;
    for (int mcu_row = 0; mcu_row < ceil_div(luma.rows, sampling.vertical); ++mcu_row) {
        strips.load(mcu_row);
        for (int i = 0; i < sampling.components; ++i) {
            const Grid grid = grid_of(image.height, image.width, sampling, i);
            const int rows = i == 0 ? sampling.vertical : 1;
            for (int row = 0; row < rows && mcu_row * rows + row < grid.rows; ++row) {
                std::int16_t* out = planes[i] + std::size_t(mcu_row * rows + row) * grid.columns * kBlockSize;
                for (int column = 0; column < grid.columns; ++column, out += kBlockSize) {
                    const int lane = column % kLanes;
                    if (lane == 0) {
                        kernels().transform(strips.blocks(i, row) + column * kBlock, strips.stride(i), group);
                    }
                    for (int f = 0; f < kBlockSize; ++f) out[f] = group.values[f][lane];
                }
            }
        }
    }
}

}  // namespace j4d
