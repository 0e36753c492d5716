// Pixels to samples of each component, one row of MCUs at a time, so that what follows finds them in the cache. Edges
// and roundings are libjpeg-turbo's (jccolor.c, jcsample.c, jcprepct.c).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "pixels/image_view.hpp"
#include "support/geometry.hpp"

namespace j4d {

class Strips {
  public:
    Strips(ImageView image, Sampling sampling);

    // Makes the samples of one row of MCUs.
    void load(int mcu_row);

    // The samples of a row of blocks of the strip last loaded, 0 .. sampling.vertical - 1 for luma, 0 for chroma: eight
    // rows, `stride(component)` apart, that may be read to whole groups; what is beyond the last block is arbitrary.
    const std::uint8_t* blocks(int component, int row) const {
        return components_[component].data() + row * kBlock * strides_[component];
    }
    std::size_t stride(int component) const { return strides_[component]; }

  private:
    void convert_row(int y, std::uint8_t* luma, std::uint8_t* blue, std::uint8_t* red);
    void load_pair(int y, int row);

    ImageView image_;
    Sampling sampling_;
    std::size_t strides_[3];
    std::size_t full_stride_;                   // of chroma before downsampling
    std::vector<std::uint8_t> components_[3];   // a strip of each
    std::vector<std::uint8_t> full_chroma_[2];  // two rows of chroma before downsampling, where there is any
    std::vector<std::uint8_t> tail_;            // the end of a row of pixels, filled up to a whole chunk
};

}  // namespace j4d
