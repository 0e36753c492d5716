// Pixels to DCT coefficients. Every rounding below is libjpeg-turbo's, from jccolor.c (colour), jcsample.c and
// jcprepct.c (downsampling and edges) and jfdctint.c (the "islow" integer FDCT of Loeffler, Ligtenberg and Moschytz);
// tests hold the result against that library, coefficient by coefficient.
#include "transform.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace j4d {
namespace {

// Samples of one component, rows without gaps.
struct Plane {
    int height;
    int width;
    std::vector<std::uint8_t> samples;

    Plane(int rows, int columns) : height(rows), width(columns), samples(static_cast<std::size_t>(rows) * columns) {}

    std::uint8_t* row(int y) { return samples.data() + static_cast<std::size_t>(y) * width; }
    const std::uint8_t* row(int y) const { return samples.data() + static_cast<std::size_t>(y) * width; }

    // Repeats the last of `known` columns to the right edge.
    void extend_right(int y, int known) { std::memset(row(y) + known, row(y)[known - 1], width - known); }

    // Repeats the last of `known` rows to the bottom edge.
    void extend_down(int known) {
        for (int y = known; y < height; ++y) std::memcpy(row(y), row(known - 1), width);
    }
};

// Round to 16 fractional bits, as jccolor.c's FIX.
constexpr int colour_fix(double x) {
    return static_cast<int>(x * 65536.0 + 0.5);
}

// The JFIF colour transform: full-range BT.601.
struct Luma {
    int operator()(int r, int g, int b) const {
        return (colour_fix(0.29900) * r + colour_fix(0.58700) * g + colour_fix(0.11400) * b + 32768) >> 16;
    }
};

// The -1 keeps a full-scale difference from rounding up to 256.
constexpr int kChromaOffset = (128 << 16) + 32768 - 1;

struct BlueChroma {
    int operator()(int r, int g, int b) const {
        return (-colour_fix(0.16874) * r - colour_fix(0.33126) * g + colour_fix(0.5) * b + kChromaOffset) >> 16;
    }
};

struct RedChroma {
    int operator()(int r, int g, int b) const {
        return (colour_fix(0.5) * r - colour_fix(0.41869) * g - colour_fix(0.08131) * b + kChromaOffset) >> 16;
    }
};

// One component at full resolution, `height` x `width` or more: edges repeated to the right and downwards.
template <typename Colour>
Plane full_resolution(ImageView image, int height, int width, Colour colour) {
    Plane plane(height, width);
    for (int y = 0; y < image.height; ++y) {
        const std::uint8_t* in = image.samples + static_cast<std::size_t>(y) * image.width * image.channels;
        std::uint8_t* out = plane.row(y);
        if (image.channels == 1) {
            std::memcpy(out, in, image.width);
        } else {
            for (int x = 0; x < image.width; ++x, in += 3) {
                out[x] = static_cast<std::uint8_t>(colour(in[0], in[1], in[2]));
            }
        }
        plane.extend_right(y, image.width);
    }
    plane.extend_down(image.height);
    return plane;
}

// Means of 2 x 1 or 2 x 2 samples, rounding up and down in turn along a row so as not to shift the mean. The rows that
// the picture does not reach repeat the last row of means (which, for 2 x 2, is not the mean of repeated rows:
// rounding differs).
Plane downsample(const Plane& full, int known_rows, Grid grid, int vertical) {
    Plane half(grid.rows * kBlock, grid.columns * kBlock);
    const int rows = ceil_div(known_rows, vertical);
    for (int y = 0; y < rows; ++y) {
        std::uint8_t* out = half.row(y);
        const std::uint8_t* upper = full.row(y * vertical);
        if (vertical == 1) {
            for (int x = 0; x < half.width; ++x) {
                out[x] = static_cast<std::uint8_t>((upper[2 * x] + upper[2 * x + 1] + (x & 1)) >> 1);
            }
        } else {
            const std::uint8_t* lower = full.row(y * 2 + 1);
            for (int x = 0; x < half.width; ++x) {
                const int sum = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1];
                out[x] = static_cast<std::uint8_t>((sum + 1 + (x & 1)) >> 2);
            }
        }
    }
    half.extend_down(rows);
    return half;
}

// A component's samples, padded to whole blocks.
template <typename Colour>
Plane component_plane(ImageView image, Sampling sampling, int component, Colour colour) {
    const Grid grid = grid_of(image.height, image.width, sampling, component);
    const int across = sampling.across(component);
    const int down = sampling.down(component);
    if (across == 1) return full_resolution(image, grid.rows * kBlock, grid.columns * kBlock, colour);
    const int whole_rows = ceil_div(image.height, down) * down;
    const Plane full = full_resolution(image, whole_rows, grid.columns * kBlock * across, colour);
    return downsample(full, image.height, grid, down);
}

using Workspace = std::int32_t[kBlock][kBlock];

constexpr int kConstBits = 13;
constexpr int kPass1Bits = 2;

constexpr std::int32_t dct_fix(double x) {
    return static_cast<std::int32_t>(x * (1 << kConstBits) + 0.5);
}

template <int bits>
std::int32_t descale(std::int32_t x) {
    return (x + (1 << (bits - 1))) >> bits;
}

// One 8-point DCT along the first axis for each of the 8 lanes of the second. The first pass leaves kPass1Bits
// fractional bits, which the second takes away.
template <bool first>
void dct_pass(Workspace& m) {
    constexpr int bits = first ? kConstBits - kPass1Bits : kConstBits + kPass1Bits;
    for (int lane = 0; lane < kBlock; ++lane) {
        const std::int32_t sum0 = m[0][lane] + m[7][lane], difference0 = m[0][lane] - m[7][lane];
        const std::int32_t sum1 = m[1][lane] + m[6][lane], difference1 = m[1][lane] - m[6][lane];
        const std::int32_t sum2 = m[2][lane] + m[5][lane], difference2 = m[2][lane] - m[5][lane];
        const std::int32_t sum3 = m[3][lane] + m[4][lane], difference3 = m[3][lane] - m[4][lane];

        // Even frequencies: figure 1 of the paper, the rotation by sqrt(2) c1.
        const std::int32_t outer = sum0 + sum3, outer_difference = sum0 - sum3;
        const std::int32_t inner = sum1 + sum2, inner_difference = sum1 - sum2;
        m[0][lane] = first ? (outer + inner) * (1 << kPass1Bits) : descale<kPass1Bits>(outer + inner);
        m[4][lane] = first ? (outer - inner) * (1 << kPass1Bits) : descale<kPass1Bits>(outer - inner);
        const std::int32_t rotation = (inner_difference + outer_difference) * dct_fix(0.541196100);
        m[2][lane] = descale<bits>(rotation + outer_difference * dct_fix(0.765366865));
        m[6][lane] = descale<bits>(rotation - inner_difference * dct_fix(1.847759065));

        // Odd frequencies: figure 8 of the paper.
        const std::int32_t z5 = (difference0 + difference1 + difference2 + difference3) * dct_fix(1.175875602);
        const std::int32_t z1 = (difference3 + difference0) * -dct_fix(0.899976223);
        const std::int32_t z2 = (difference2 + difference1) * -dct_fix(2.562915447);
        const std::int32_t z3 = (difference3 + difference1) * -dct_fix(1.961570560) + z5;
        const std::int32_t z4 = (difference2 + difference0) * -dct_fix(0.390180644) + z5;
        m[7][lane] = descale<bits>(difference3 * dct_fix(0.298631336) + z1 + z3);
        m[5][lane] = descale<bits>(difference2 * dct_fix(2.053119869) + z2 + z4);
        m[3][lane] = descale<bits>(difference1 * dct_fix(3.072711026) + z2 + z3);
        m[1][lane] = descale<bits>(difference0 * dct_fix(1.501321110) + z1 + z4);
    }
}

void transpose(Workspace& m) {
    for (int y = 0; y < kBlock; ++y) {
        for (int x = y + 1; x < kBlock; ++x) std::swap(m[y][x], m[x][y]);
    }
}

void dct_blocks(const Plane& plane, std::int16_t* out) {
    Workspace m;
    for (int top = 0; top < plane.height; top += kBlock) {
        for (int left = 0; left < plane.width; left += kBlock, out += kBlockSize) {
            for (int y = 0; y < kBlock; ++y) {
                const std::uint8_t* in = plane.row(top + y) + left;
                for (int x = 0; x < kBlock; ++x) m[x][y] = in[x] - 128;
            }
            dct_pass<true>(m);
            transpose(m);
            dct_pass<false>(m);
            for (int i = 0; i < kBlockSize; ++i) {
                out[i] = static_cast<std::int16_t>(m[i / kBlock][i % kBlock]);
            }
        }
    }
}

}  // namespace

void forward_dct(ImageView image, Sampling sampling, std::int16_t* const* planes) {
    dct_blocks(component_plane(image, sampling, 0, Luma{}), planes[0]);
    if (sampling.components == 1) return;
    dct_blocks(component_plane(image, sampling, 1, BlueChroma{}), planes[1]);
    dct_blocks(component_plane(image, sampling, 2, RedChroma{}), planes[2]);
}

}  // namespace j4d
