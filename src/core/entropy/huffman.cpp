// Optimal code lengths: Huffman's algorithm, and where that gives a code of more than 16 bits the package-merge
// algorithm of Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes" (J. ACM 1990), which
// is optimal under the limit; libjpeg's heuristic (T.81 K.2) is not. That no code is all ones is had by a leaf that
// stands for no symbol and weighs nothing: it gets a longest code, and the last of those, which is the one of all ones.
//
// Which symbol of a length gets which of its code words costs no bits but bytes: one of stuffing after each byte of
// ones. Least of them are expected where rare symbols have the words that begin or end with many ones.
#include "entropy/huffman.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "support/bits.hpp"

namespace j4d {
namespace {

struct Leaf {
    std::uint64_t weight;
    int symbol;  // -1 for the leaf of the code all ones
};

// Code lengths of leaves that are sorted by weight, without a limit: two queues, leaves and the inner nodes as they
// arise, both sorted. At least two leaves.
std::vector<int> unlimited_lengths(const std::vector<Leaf>& leaves) {
    const std::size_t count = leaves.size();
    std::vector<std::uint64_t> weight(2 * count - 1);
    std::vector<std::size_t> parent(2 * count - 1);
    for (std::size_t i = 0; i < count; ++i) weight[i] = leaves[i].weight;
    std::size_t leaf = 0;
    std::size_t inner = count;
    for (std::size_t node = count; node < weight.size(); ++node) {
        for (int child = 0; child < 2; ++child) {
            const bool take_leaf = leaf < count && (inner >= node || weight[leaf] <= weight[inner]);
            const std::size_t least = take_leaf ? leaf++ : inner++;
            weight[node] += weight[least];
            parent[least] = node;
        }
    }
    std::vector<int> depth(weight.size());
    for (std::size_t node = weight.size() - 1; node-- > 0;) depth[node] = depth[parent[node]] + 1;
    depth.resize(count);
    return depth;
}

// The same with lengths of at most kLongestCode. Each level's list holds the leaves and the pairs of the list before,
// by weight; a leaf's length is the number of lists in which it is among the items taken, and from the last list
// 2 n - 2 items are taken, from each one before twice the number of pairs taken after.
std::vector<int> limited_lengths(const std::vector<Leaf>& leaves) {
    struct Item {
        std::uint64_t weight;
        bool leaf;
    };
    std::vector<std::vector<Item>> levels(kLongestCode);
    for (int level = 0; level < kLongestCode; ++level) {
        std::vector<Item>& items = levels[level];
        for (const Leaf& leaf : leaves) items.push_back({leaf.weight, true});
        if (level == 0) continue;
        const std::vector<Item>& before = levels[level - 1];
        for (std::size_t i = 0; i + 1 < before.size(); i += 2) {
            items.push_back({before[i].weight + before[i + 1].weight, false});
        }
        std::inplace_merge(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(leaves.size()), items.end(),
                           [](const Item& a, const Item& b) { return a.weight < b.weight; });
    }
    std::vector<int> lengths(leaves.size());
    std::size_t taken = 2 * leaves.size() - 2;
    for (int level = kLongestCode - 1; level >= 0; --level) {
        std::size_t taken_leaves = 0;
        for (std::size_t i = 0; i < taken; ++i) taken_leaves += levels[level][i].leaf;
        for (std::size_t i = 0; i < taken_leaves; ++i) ++lengths[i];
        taken = 2 * (taken - taken_leaves);
    }
    return lengths;
}

// How many bytes of ones, times 2^10, are to be expected across one end of a code word that has so many ones there,
// where the bits beyond are random: a byte may start at each bit with a chance of 1 in 8.
double expected_ones(int ones) {
    return ones <= 7 ? 1 << ones : (ones - 6) << 7;
}

// Parts the code words `first`, `first` + 1 ... of one length among as many symbols, heaviest first on entry: pairs
// change words where fewer bytes of ones are expected so. Once through all pairs gives nearly what any number does.
// Ones at a word's end count only where all its extra bits are ones too, and since that is the largest magnitude of its
// size, half as often for each bit after the first as random bits would be.
void part_words(std::uint8_t* symbols, int count, std::uint32_t first, int length, const Histogram& counts) {
    std::array<double, kSymbols> before, after, weight, weight_after;
    for (int i = 0; i < count; ++i) {
        const std::uint32_t zeros = ~(first + static_cast<std::uint32_t>(i)) & ((1u << length) - 1);
        before[i] = expected_ones(length - bit_width(zeros));
        after[i] = expected_ones(countr_zero(zeros));
        weight[i] = static_cast<double>(counts[symbols[i]]);
        weight_after[i] = weight[i] / (1 << std::max(0, (symbols[i] & 15) - 1));
    }
    for (int i = 0; i < count; ++i) {
        for (int j = i + 1; j < count; ++j) {
            const double gain = (weight[i] - weight[j]) * (before[i] - before[j]) +
                                (weight_after[i] - weight_after[j]) * (after[i] - after[j]);
            if (gain <= 0.0) continue;
            std::swap(symbols[i], symbols[j]);
            std::swap(weight[i], weight[j]);
            std::swap(weight_after[i], weight_after[j]);
        }
    }
}

}  // namespace

std::uint64_t HuffmanCode::bits(const Histogram& counts) const {
    std::uint64_t total = 0;
    for (const std::uint8_t symbol : symbols) total += counts[symbol] * length[symbol];
    return total;
}

HuffmanCode optimal_code(const Histogram& counts) {
    std::vector<Leaf> leaves{{0, -1}};
    for (int symbol = 0; symbol < kSymbols; ++symbol) {
        if (counts[symbol] != 0) leaves.push_back({counts[symbol], symbol});
    }
    std::sort(leaves.begin() + 1, leaves.end(), [](const Leaf& a, const Leaf& b) {
        return a.weight != b.weight ? a.weight < b.weight : a.symbol > b.symbol;
    });
    std::vector<int> lengths = unlimited_lengths(leaves);
    if (*std::max_element(lengths.begin(), lengths.end()) > kLongestCode) lengths = limited_lengths(leaves);

    // Heavier leaves have shorter codes, so from the heaviest on the leaves are in the order of their lengths, the
    // weightless last.
    HuffmanCode result;
    for (std::size_t i = leaves.size(); i-- > 1;) {
        ++result.lengths[lengths[i]];
        result.symbols.push_back(static_cast<std::uint8_t>(leaves[i].symbol));
    }
    std::uint8_t* symbols = result.symbols.data();
    std::uint32_t word = 0;
    for (int length = 1; length <= kLongestCode; ++length) {
        word <<= 1;
        const int count = result.lengths[length];
        part_words(symbols, count, word, length, counts);
        for (int i = 0; i < count; ++i, ++word, ++symbols) {
            result.code[*symbols] = static_cast<std::uint16_t>(word);
            result.length[*symbols] = static_cast<std::uint8_t>(length);
        }
    }
    return result;
}

}  // namespace j4d
