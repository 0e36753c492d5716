// Which components share a Huffman code: the choice that makes the file smallest, tables counted.
#pragma once

#include <vector>

#include "entropy/huffman.hpp"
#include "support/writer.hpp"

namespace j4d {

// DC or AC codes of one file.
struct CodeSet {
    std::vector<HuffmanCode> codes;  // by slot
    std::vector<int> slots;          // of each user
    std::uint64_t bits;              // of all symbols and tables

    const HuffmanCode& of(int user) const { return codes[slots[user]]; }
};

// For one, two or three users of codes of one kind: which share one, and the codes. `counts[i]` are a user's symbols.
CodeSet best_codes(const std::vector<Histogram>& counts);

void write_huffman_tables(Writer& out, const CodeSet& dc, const CodeSet& ac);

}  // namespace j4d
