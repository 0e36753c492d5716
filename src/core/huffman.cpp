// Optimal code lengths: Huffman's algorithm, and where that gives a code of more than 16 bits the package-merge
// algorithm of Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes" (J. ACM 1990), which
// is optimal under the limit; libjpeg's heuristic (T.81 K.2) is not. That no code is all ones is had by a leaf that
// stands for no symbol and weighs nothing: it gets a longest code, and the last of those, which is the one of all ones.
#include "huffman.hpp"

#include <algorithm>
#include <cstddef>

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

    // Heavier leaves have shorter codes, so from the heaviest on the leaves are in canonical order, the weightless
    // last.
    HuffmanCode result;
    std::uint32_t next = 0;
    int last = 0;
    for (std::size_t i = leaves.size(); i-- > 1;) {
        const auto symbol = static_cast<std::uint8_t>(leaves[i].symbol);
        next <<= lengths[i] - last;
        last = lengths[i];
        ++result.lengths[last];
        result.symbols.push_back(symbol);
        result.code[symbol] = static_cast<std::uint16_t>(next++);
        result.length[symbol] = static_cast<std::uint8_t>(last);
    }
    return result;
}

}  // namespace j4d
