// Entropy-coded bytes (T.81 F.1.2, F.1.4): symbols through their Huffman codes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "entropy/huffman.hpp"
#include "entropy/symbols.hpp"
#include "support/writer.hpp"

namespace j4d {

// For each symbol of each class its code, shifted to leave room for the extra bits, and the bits of both together.
struct Emission {
    std::uint32_t code;
    std::uint32_t length;
};

using EmissionTable = std::array<Emission, kSymbolClasses * kSymbols>;

// Gives the symbols of one class their codes. In bands of a progressive file a symbol without a size is a run of ends
// of blocks, with as many extra bits as its upper half says.
void set_codes(EmissionTable& table, SymbolClass kind, const HuffmanCode& code, bool band = false);

// Bits of all symbols, without stuffing and restarts.
std::uint64_t scan_bits(const Symbols& symbols, const EmissionTable& table);

void write_entropy_coded(Writer& out, const Symbols& symbols, const EmissionTable& table);

}  // namespace j4d
