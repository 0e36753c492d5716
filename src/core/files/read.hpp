// JPEG bytes to quantized coefficients, in memory, with limits on everything that a hostile file can ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "files/frame.hpp"
#include "files/layout.hpp"
#include "files/options.hpp"

namespace j4d {

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

// Of a layout that the encoder writes.
struct ReadResult {
    Frame frame;
    std::vector<std::unique_ptr<std::int16_t[]>> planes;  // grid_of(...) blocks of 64 indices in natural order
};

// Anything that libjpeg warns of (corrupt data, a premature end) is an error here, and so is any other layout.
ReadResult read_jpeg(const std::uint8_t* data, std::size_t size, Limits limits);

}  // namespace j4d
