// Chooses the DC indices of a component together, along the order of the file, where each is coded by its difference
// from the one before (T.81 F.1.2.1). Of all ways to take the index that the quantizer gives or one of its two
// neighbours for each block, the one of least
//
//     sum of mu (u - k)^2  +  bits of codes and extra bits,
//
// u = c / q and k the index; mu is what a squared step of DC is worth in bits. All in integers, as in trellis.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "entropy/huffman.hpp"
#include "support/geometry.hpp"

namespace j4d {

// Where the i-th block of a component in the order of the file lies in its grid, row by row; empty where that is i.
// The component has `across` x `down` blocks in an MCU.
std::vector<std::uint32_t> file_order(Grid grid, int across, int down);

class DcChain {
  public:
    // The next block's index, -1024..1023, and its coefficient's distance from it in 2^-10 steps, u - k.
    void add(int index, int beyond) {
        indices_.push_back(static_cast<std::int16_t>(index));
        beyond_.push_back(static_cast<std::int16_t>(beyond));
    }

    // Says where the i-th block of the file is among those added; they were added in that order where it does not.
    void set_order(std::vector<std::uint32_t> order) { order_ = std::move(order); }

    // Adds the sizes of differences as quantized.
    void count(Histogram& counts) const;

    // `lengths` of codes by size; one without a code counts as the longest. `weight`: mu in 2^-16.
    void choose(const std::array<std::uint8_t, kSymbols>& lengths, std::int64_t weight);

    // Of the i-th block added.
    int index(std::size_t i) const { return indices_[i]; }

  private:
    std::size_t place(std::size_t i) const { return order_.empty() ? i : order_[i]; }

    std::vector<std::int16_t> indices_;
    std::vector<std::int16_t> beyond_;
    std::vector<std::uint32_t> order_;
};

}  // namespace j4d
