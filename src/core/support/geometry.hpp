// The shape of a JPEG: chroma sampling, how many 8x8 blocks each component has, and how large an index may be. Shared
// by the transform, the quantizer, the reader and the writer, so that they cannot disagree.
#pragma once

namespace j4d {

constexpr int kBlock = 8;
constexpr int kBlockSize = kBlock * kBlock;

// One luma component, or luma and two chroma components with `horizontal` x `vertical` pixels per chroma sample.
struct Sampling {
    int components;  // 1 or 3
    int horizontal;  // 1 or 2
    int vertical;    // 1 or 2, never more than horizontal

    bool legal() const {
        const bool factors = (horizontal == 1 || horizontal == 2) && (vertical == 1 || vertical == 2);
        if (components == 1) return horizontal == 1 && vertical == 1;
        return components == 3 && factors && vertical <= horizontal;
    }

    // Pixels per sample of a component, along each axis.
    int across(int component) const { return component == 0 ? 1 : horizontal; }
    int down(int component) const { return component == 0 ? 1 : vertical; }
};

constexpr int ceil_div(int value, int divisor) {
    return value / divisor + (value % divisor != 0);
}

// Blocks of a component that hold picture: ceil(ceil(size / pixels per sample) / 8), the size that T.81 A.1.1 gives a
// component, without the padding to whole MCUs.
struct Grid {
    int rows;
    int columns;
};

inline Grid grid_of(int height, int width, Sampling sampling, int component) {
    return {ceil_div(ceil_div(height, sampling.down(component)), kBlock),
            ceil_div(ceil_div(width, sampling.across(component)), kBlock)};
}

// What the Huffman codes of baseline JPEG reach (T.81 F.1.2): AC magnitudes of 10 bits, and DC values whose
// differences have 11 bits.
struct IndexRange {
    int low;
    int high;
};

constexpr IndexRange index_range(int frequency) {
    return frequency == 0 ? IndexRange{-1024, 1023} : IndexRange{-1023, 1023};
}

}  // namespace j4d
