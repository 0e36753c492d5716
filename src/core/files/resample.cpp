// Chroma through samples. libjpeg decodes to YCbCr at full size, two rows at a time, so that no full-size picture is
// ever held; means are taken as libjpeg's encoder takes them (jcsample.c), see pixels/strips.cpp.
#include "files/resample.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "files/decompressor.hpp"
#include "pixels/transform.hpp"

namespace j4d {
namespace {

constexpr int kChannels = 3;

// One chroma component at its new size, each row as wide as its blocks.
struct ChromaPlane {
    int width;
    std::vector<std::uint8_t> samples;

    std::uint8_t* row(int y) { return samples.data() + static_cast<std::size_t>(y) * width; }
};

// The sample at `x` of a row of interleaved YCbCr, the last one repeated beyond the edge.
int sample(const std::uint8_t* row, int channel, int x, int known) {
    return row[std::min(x, known - 1) * kChannels + channel];
}

// `lower` is the next row, or `upper` again below the last.
void reduce_rows(const std::uint8_t* upper, const std::uint8_t* lower, int known, int channel, Sampling sampling,
                 std::uint8_t* out, int width) {
    for (int x = 0; x < width; ++x) {
        if (sampling.horizontal == 1) {
            out[x] = static_cast<std::uint8_t>(sample(upper, channel, x, known));
            continue;
        }
        const int above = sample(upper, channel, 2 * x, known) + sample(upper, channel, 2 * x + 1, known);
        if (sampling.vertical == 1) {
            out[x] = static_cast<std::uint8_t>((above + (x & 1)) >> 1);
        } else {
            const int below = sample(lower, channel, 2 * x, known) + sample(lower, channel, 2 * x + 1, known);
            out[x] = static_cast<std::uint8_t>((above + below + 1 + (x & 1)) >> 2);
        }
    }
}

}  // namespace

std::array<std::unique_ptr<std::int16_t[]>, 2> resampled_chroma(const std::uint8_t* data, std::size_t size,
                                                                Sampling sampling, const ReadOptions& options) {
    Decompressor jpeg(data, size, options);
    const Layout layout = jpeg.layout();
    const Grid grid = grid_of(layout.height, layout.width, sampling, 1);
    const int rows = ceil_div(layout.height, sampling.vertical);
    std::vector<std::uint8_t> lines(static_cast<std::size_t>(layout.width) * kChannels * 2);
    JSAMPROW pointers[2] = {lines.data(), lines.data() + lines.size() / 2};
    ChromaPlane planes[2];
    for (ChromaPlane& plane : planes) {
        plane.width = grid.columns * kBlock;
        plane.samples.resize(static_cast<std::size_t>(plane.width) * rows);
    }

    guarded(jpeg.error, [&] {
        jpeg.info.out_color_space = JCS_YCbCr;
        jpeg.info.do_block_smoothing = FALSE;
        jpeg_start_decompress(&jpeg.info);
    });
    for (int y = 0; y < rows; ++y) {
        guarded(jpeg.error, [&] {
            for (int line = 0; line < sampling.vertical && jpeg.info.output_scanline < jpeg.info.output_height;
                 ++line) {
                jpeg_read_scanlines(&jpeg.info, pointers + line, 1);
            }
        });
        const bool last = (y + 1) * sampling.vertical > layout.height;
        for (int i = 0; i < 2; ++i) {
            reduce_rows(pointers[0], pointers[last ? 0 : 1], layout.width, 1 + i, sampling, planes[i].row(y),
                        planes[i].width);
        }
    }

    std::array<std::unique_ptr<std::int16_t[]>, 2> coefficients;
    for (int i = 0; i < 2; ++i) {
        coefficients[i].reset(new std::int16_t[static_cast<std::size_t>(grid.rows) * grid.columns * kBlockSize]);
        std::int16_t* out = coefficients[i].get();
        forward_dct({planes[i].samples.data(), rows, planes[i].width, 1}, {1, 1, 1}, &out);
        planes[i].samples = {};
    }
    return coefficients;
}

}  // namespace j4d
