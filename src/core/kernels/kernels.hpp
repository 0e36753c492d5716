// The inner loops of the encoder, over sixteen blocks side by side: element i of an inner array belongs to the i-th of
// sixteen neighbours in a row of blocks, so that every operation is the same on all lanes and the compiler makes vector
// instructions of plain loops. kernels.cpp is compiled once for each instruction set worth having; `kernels()` picks at
// run time. All of them compute the same integers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace j4d {

constexpr int kLanes = 16;
constexpr int kGroupSamples = 8 * kLanes;  // of a row of samples

// One value per frequency and block. Natural order of frequencies for what is quantized, zigzag for indices.
struct alignas(64) Group {
    std::int16_t values[64][kLanes];
};

// One component's quantizer, prepared: index = (|c| + bias) / (8 q) for c = 8 x coefficient, as a multiplication. With
// x = (|c| + bias) >> 2 < 2^14 and s = ceil(log2 q) the quotient by 2 q is (x R >> 16) >> s for R = ceil(2^(16 + s) /
// 2q): the excess e = 2 q R - 2^(16 + s) is below 2^(s + 1), so that x e < 2^(15 + s) is too little to reach the next
// integer.
struct QuantizerTable {
    // In zigzag order.
    std::uint16_t bias[64];
    std::uint16_t reciprocal[64];
    std::uint8_t shift[64];
    // Where |c| / (8 q) + 1/2 - d comes within rounding of an integer, the formula itself decides, in double precision.
    bool by_formula[64];
    double scale[64];   // 8 q
    double offset[64];  // 1/2 - d
};

// One component's draws (quantize.hpp), prepared; natural order. u = value x source / divisor.
struct DrawTable {
    // To round u with noise: `constant - slope x the bits of a float - lift x that float`, in steps. Words closer than
    // `extreme` to an end are not rounded with.
    float noise_constant, noise_slope, noise_lift, extreme;
    float scale[64];  // source / divisor
    float dead_zone[64];
    bool zoned;              // not all dead zones are 0
    float limit[64];         // how far from an index it is certain
    bool reaches_end[64];    // whether u may come close to the largest index
    std::uint8_t place[64];  // in zigzag order

    // To weigh indices.
    std::int32_t source[64];
    std::int32_t divisor[64];
    float bias[64];  // the nearest index is (|value x source| + bias) x reciprocal
    float reciprocal[64];
    float slope[64];
    float zone[64];
    float pair_from_one[64];
    std::int32_t by_law[64];  // -1 where only the law itself may decide what rounding leaves open, else 0
    float alone;
    float pair;
    float error;  // of a word's place, as a part of the whole
};

// New steps for indices of a file, prepared; natural order. Coefficients are index x source, in units of which a new
// step has `divisor`.
struct alignas(64) StepTable {
    float source[64];
    float bias[64];  // 1/2 more than what lifts a coefficient that reaches an index to a multiple of the divisor
    float reciprocal[64];
    float lowest[64];  // 1/2 more than the magnitude of the lowest index
};

// A coefficient whose index only the law itself can draw.
struct Draw {
    std::uint8_t frequency;  // natural
    std::uint8_t lane;
};

struct Kernels {
    const char* name;

    // `count` pixels of interleaved RGB to Y, Cb, Cr. `count` is a multiple of 16; reads and writes exactly that many.
    void (*convert_colour)(const std::uint8_t* rgb, std::size_t count, std::uint8_t* y, std::uint8_t* cb,
                           std::uint8_t* cr);
    // `count` means of two samples side by side, or of four in two rows. `count` is a multiple of 16.
    void (*halve)(const std::uint8_t* row, std::size_t count, std::uint8_t* out);
    void (*halve_both)(const std::uint8_t* upper, const std::uint8_t* lower, std::size_t count, std::uint8_t* out);
    // Eight rows of kGroupSamples samples, `stride` apart, to 8 x coefficient.
    void (*transform)(const std::uint8_t* samples, std::size_t stride, Group& coefficients);
    // Indices in zigzag order. Bit i of nonzero[lane] is set where the i-th is not 0.
    void (*quantize)(const Group& coefficients, const QuantizerTable& table, Group& indices, std::uint64_t* nonzero);
    // The same for the indices that the words of (seed, component, block + lane) draw, of the first `lanes` blocks.
    // Coefficients of which float arithmetic cannot be sure are listed in `undecided`, which has room for 64 x kLanes;
    // the result is their number.
    int (*draw)(const Group& values, const DrawTable& table, std::uint64_t seed, std::uint32_t component,
                std::uint32_t block, int lanes, Group& indices, std::uint64_t* nonzero, Draw* undecided);

    // Of `count` blocks of 64 in natural order: bit i of a word is set where the i-th index in zigzag order is not 0.
    void (*find_nonzero)(const std::int16_t* blocks, std::size_t count, std::uint64_t* nonzero);
    // Whether one of `count` values is outside -limit .. limit.
    bool (*any_beyond)(const std::int16_t* values, std::size_t count, std::int16_t limit);
    // Indices of `count` blocks under other steps, as far as there are symbols for them; `out` may be `in`.
    void (*nearest)(const std::int16_t* in, std::size_t count, const StepTable& table, std::int16_t* out);
};

// The best that this processor runs, or the one that the environment variable J4D_KERNELS names (portable, avx2,
// avx512), which is for tests and measurements.
const Kernels& kernels();

}  // namespace j4d
