#include "indices/dc_chain.hpp"

#include <algorithm>

#include "support/bits.hpp"

namespace j4d {
namespace {

constexpr int kUnit = 26;  // of costs: 2^-26 bits, which is 2^-10 steps times 2^-16 bits per step
constexpr int kSteps = 1024;
constexpr int kMostDifference = 2047 + 2;  // between ways that are out of range
constexpr int kWays = 3;                   // the quantizer's index, then its neighbours: of equals, the first is taken
constexpr int kMoves[kWays] = {0, -1, 1};
constexpr std::int64_t kNever = std::int64_t{1} << 60;

int size_of(int difference) {
    return difference == 0 ? 0 : bit_width(static_cast<std::uint32_t>(difference < 0 ? -difference : difference));
}

// Which way the block before went, for each way of this one.
using Before = std::array<std::uint8_t, kWays>;

}  // namespace

std::vector<std::uint32_t> file_order(Grid grid, int across, int down) {
    std::vector<std::uint32_t> order;
    if (across == 1 && down == 1) return order;
    order.reserve(static_cast<std::size_t>(grid.rows) * grid.columns);
    for (int top = 0; top < grid.rows; top += down) {
        for (int left = 0; left < grid.columns; left += across) {
            for (int y = top; y < std::min(top + down, grid.rows); ++y) {
                for (int x = left; x < std::min(left + across, grid.columns); ++x) {
                    order.push_back(static_cast<std::uint32_t>(y) * grid.columns + x);
                }
            }
        }
    }
    return order;
}

void DcChain::count(Histogram& counts) const {
    int before = 0;
    for (std::size_t i = 0; i < indices_.size(); ++i) {
        const int index = indices_[place(i)];
        ++counts[size_of(index - before)];
        before = index;
    }
}

void DcChain::choose(const std::array<std::uint8_t, kSymbols>& lengths, std::int64_t weight) {
    if (indices_.empty()) return;
    std::array<std::int64_t, 2 * kMostDifference + 1> table;  // bits of differences
    std::int64_t* bits = table.data() + kMostDifference;
    for (int d = 0; d <= kMostDifference; ++d) {
        const int size = size_of(d);
        bits[d] = bits[-d] = static_cast<std::int64_t>((lengths[size] == 0 ? kLongestCode : lengths[size]) + size)
                             << kUnit;
    }
    std::vector<Before> ways(indices_.size());
    std::int64_t costs[kWays] = {0, kNever, kNever};  // before the first block there is one way, the prediction of 0
    int previous = 0;
    for (std::size_t i = 0; i < indices_.size(); ++i) {
        const int index = indices_[place(i)];
        const std::int64_t beyond = beyond_[place(i)];
        const std::int64_t* here = bits + index - previous;
        previous = index;
        std::int64_t least[kWays];
        for (int way = 0; way < kWays; ++way) {
            const int move = kMoves[way];
            least[way] = costs[0] + here[move];
            int from = 0;
            for (int before = 1; before < kWays; ++before) {
                const std::int64_t cost = costs[before] + here[move - kMoves[before]];
                from = cost < least[way] ? before : from;
                least[way] = std::min(cost, least[way]);
            }
            ways[i][way] = static_cast<std::uint8_t>(from);
            // (u - k)^2 of this index, less that of the quantizer's.
            least[way] += weight * (move * move * kSteps - 2 * move * beyond);
        }
        if (index == index_range(0).low) least[1] = kNever;
        if (index == index_range(0).high) least[2] = kNever;
        const std::int64_t best = *std::min_element(least, least + kWays);  // taken away, so that no sum grows
        for (int way = 0; way < kWays; ++way) costs[way] = std::min(least[way] - best, kNever);
    }
    int way = static_cast<int>(std::min_element(costs, costs + kWays) - costs);
    for (std::size_t i = indices_.size(); i-- > 0;) {
        indices_[place(i)] = static_cast<std::int16_t>(indices_[place(i)] + kMoves[way]);
        way = ways[i][way];
    }
}

}  // namespace j4d
