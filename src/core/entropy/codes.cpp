#include "entropy/codes.hpp"

#include <algorithm>

namespace j4d {
namespace {

CodeSet make_set(const std::vector<Histogram>& counts, const std::vector<int>& slots) {
    CodeSet set{{}, slots, 0};
    const int used = 1 + *std::max_element(slots.begin(), slots.end());
    for (int slot = 0; slot < used; ++slot) {
        Histogram sum{};
        for (std::size_t user = 0; user < counts.size(); ++user) {
            for (int i = 0; slots[user] == slot && i < kSymbols; ++i) sum[i] += counts[user][i];
        }
        set.codes.push_back(optimal_code(sum));
        set.bits += set.codes.back().bits(sum) + 8 * set.codes.back().header_bytes();
    }
    return set;
}

}  // namespace

CodeSet best_codes(const std::vector<Histogram>& counts) {
    // The ways to part up to three users, those with the fewest tables first.
    static const std::vector<std::vector<int>> kPartitions[] = {
        {{0}}, {{0, 0}, {0, 1}}, {{0, 0, 0}, {0, 1, 1}, {0, 0, 1}, {0, 1, 0}, {0, 1, 2}}};
    CodeSet best{};
    for (const std::vector<int>& slots : kPartitions[counts.size() - 1]) {
        CodeSet set = make_set(counts, slots);
        if (best.codes.empty() || set.bits < best.bits) best = std::move(set);
    }
    return best;
}

void write_huffman_tables(Writer& out, const CodeSet& dc, const CodeSet& ac) {
    std::size_t payload = 0;
    for (const CodeSet* set : {&dc, &ac}) {
        for (const HuffmanCode& code : set->codes) payload += code.header_bytes();
    }
    out.segment(kHuffmanTables, payload);
    for (const CodeSet* set : {&dc, &ac}) {
        for (std::size_t slot = 0; slot < set->codes.size(); ++slot) {
            const HuffmanCode& code = set->codes[slot];
            out.byte((set == &ac ? 0x10 : 0) | static_cast<int>(slot));
            for (int length = 1; length <= kLongestCode; ++length) out.byte(code.lengths[length]);
            for (const std::uint8_t symbol : code.symbols) out.byte(symbol);
        }
    }
}

}  // namespace j4d
