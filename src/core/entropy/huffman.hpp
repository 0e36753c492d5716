// Huffman codes as a JPEG file holds them (T.81 annex C): canonical, at most 16 bits long, and no code all ones.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace j4d {

constexpr int kLongestCode = 16;
constexpr int kSymbols = 256;

using Histogram = std::array<std::uint64_t, kSymbols>;

struct HuffmanCode {
    std::array<std::uint8_t, kLongestCode + 1> lengths{};  // how many codes of each length; [0] is not used
    std::vector<std::uint8_t> symbols;                     // in the order of their codes
    std::array<std::uint16_t, kSymbols> code{};
    std::array<std::uint8_t, kSymbols> length{};  // 0 where the symbol has no code

    // Bytes in a DHT segment.
    std::size_t header_bytes() const { return 1 + kLongestCode + symbols.size(); }
    // Bits of the codes of all symbols counted in the histogram, which hold codes for them all.
    std::uint64_t bits(const Histogram& counts) const;
};

// The code of least total length for the symbols that occur, of all that the format allows. Symbols of the same length
// are in an order that makes bytes of ones rare (each of which costs a byte of stuffing): some 10 % fewer than
// libjpeg's order by number. Some symbol occurs.
HuffmanCode optimal_code(const Histogram& counts);

}  // namespace j4d
