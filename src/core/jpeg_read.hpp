// JPEG bytes to quantized coefficients of any layout, with limits on everything that a hostile file can ask for. The
// narrow face, `read_jpeg` in jpeg_io.hpp, stands on this one.
#pragma once

#include <cstdlib>

#include "jpeg_io.hpp"
#include "layout.hpp"

namespace j4d {

struct ReadOptions {
    Limits limits;
    bool tolerate_damage = false;  // else what libjpeg warns of is an error
    bool segments = false;         // keep the APPn and COM segments
};

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};

// One component's indices: blocks of 64 in natural order, rows of `stride` blocks, padded to whole MCUs.
struct BlockRows {
    std::unique_ptr<std::int16_t[], Free> values;
    std::size_t stride = 0;

    std::int16_t* block(int row, int column) const {
        return values.get() + (static_cast<std::size_t>(row) * stride + column) * kBlockSize;
    }
};

struct Source {
    Layout layout;
    std::vector<std::vector<std::int32_t>> tables;  // 64 steps per component, natural order, 0..65535
    std::vector<BlockRows> planes;
    std::vector<Marker> segments;  // APPn and COM before the first scan, in order
    std::vector<Marker> late;      // those behind it, where no decoder looks for what it needs
    std::size_t end = 0;           // of the picture in the file; what follows is no part of it
    Oddities oddities;
    std::string damage;  // the first that was tolerated
};

// Raises UnsupportedError for CMYK, YCCK, 12 bits, lossless and hierarchical files, JpegError for damage and limits.
Source read_source(const std::uint8_t* data, std::size_t size, const ReadOptions& options);

}  // namespace j4d
