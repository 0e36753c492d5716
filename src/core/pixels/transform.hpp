// Pixels to DCT coefficients, bit for bit as libjpeg-turbo computes them with JDCT_ISLOW.
#pragma once

#include <cstdint>

#include "pixels/image_view.hpp"
#include "support/geometry.hpp"

namespace j4d {

// Writes the forward DCT of every component: `planes[i]` holds grid_of(...) blocks of 64 values in natural order, each
// 8 x the orthonormal coefficient. A gray image serves only sampling.components == 1.
void forward_dct(ImageView image, Sampling sampling, std::int16_t* const* planes);

}  // namespace j4d
