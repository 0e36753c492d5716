// With the codes fixed, what follows an index depends on its place alone, not on its value or on what came before: the
// least cost of all ways to end at a place is one number. Two observations keep the trellis thin. Of an index k and
// k - 1 of the same size k is the better, being the nearer; so k - 1 counts only where k is a power of two. And an
// index that costs a code's spread more than a later one can never win again: the run from the later one is the
// shorter, and differs by no more than that.
#include "indices/trellis.hpp"

#include <algorithm>
#include <cmath>

#include "entropy/codes.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {
namespace {

constexpr int kSteps = 1024;  // a step in the unit of magnitudes
constexpr int kLargestSize = 10;
constexpr int kWeightBits = Rates::kUnit - 10;
constexpr int kFactorBits = 20;
// More changes no index; and so all sums of a block fit into 63 bits.
constexpr std::int64_t kMostWeight = std::int64_t{1000} << kWeightBits;

// A place that may hold the last index before the next.
struct Ending {
    std::int64_t cost;
    int place;
    int node;
};

struct Node {
    int place;
    int value;
    int before;
};

int absolute(int value) {
    return value < 0 ? -value : value;
}

}  // namespace

StepScale::StepScale(const std::int32_t* sources, int units, const std::int32_t* steps) {
    for (int f = 0; f < kBlockSize; ++f) {
        const auto divisor = static_cast<std::uint64_t>(units) * static_cast<std::uint64_t>(steps[f]);
        source_[f] = static_cast<std::uint32_t>(sources[f]);
        most_[f] = static_cast<std::uint32_t>(divisor * kSteps);
        reciprocal_[f] = ((std::uint64_t{kSteps} << 32) + divisor / 2) / divisor;
    }
}

std::uint64_t StepScale::energy(const std::int16_t* values) const {
    std::uint64_t sum = 0;
    for (int f = 1; f < kBlockSize; ++f) {
        const std::uint64_t value = std::min(absolute(f, values[f]), std::uint64_t{1} << 24);
        sum += value * value;
    }
    return sum;
}

Rates::Rates(const std::array<std::uint8_t, kSymbols>& lengths) {
    const auto bits = [&](int symbol) { return lengths[symbol] == 0 ? kLongestCode : lengths[symbol]; };
    const auto cost = [](int bits) { return static_cast<std::int64_t>(bits) << kUnit; };
    int spread = 0;
    for (int size = 1; size <= kLargestSize; ++size) {
        int least = kLongestCode, most = 0;
        for (int run = 0; run < kBlockSize; ++run) {
            const int code = bits((run & 15) << 4 | size);
            least = std::min(least, code);
            most = std::max(most, code);
            of_[size][run] = cost((run >> 4) * bits(kZeroRun) + code + size);
        }
        spread = std::max(spread, most - least);
    }
    end_of_block_ = cost(bits(kEndOfBlock));
    spread_ = cost(spread);
}

void choose_indices(const Candidate* candidates, int count, const Rates& rates, Choice& choice) {
    Node nodes[kBlockSize];
    Ending endings[kBlockSize];
    int alive = 1;
    endings[0] = {0, 0, 0};
    for (int i = 1; i <= count; ++i) {
        const Candidate& candidate = candidates[i - 1];
        // The cheapest way to have this value here.
        const auto ending = [&](int value, int size) {
            const std::int64_t* rate = rates.after_runs(size) + candidate.place - 1;
            std::int64_t least = endings[0].cost + rate[-endings[0].place];
            int before = endings[0].node;
            for (int j = 1; j < alive; ++j) {
                const std::int64_t cost = endings[j].cost + rate[-endings[j].place];
                before = cost < least ? endings[j].node : before;
                least = cost < least ? cost : least;
            }
            // (u - k)^2 - u^2: what the index takes from the distortion of zeros.
            const std::int64_t distortion =
                std::int64_t{value} * (std::int64_t{value} * kSteps - 2 * std::int64_t{candidate.magnitude});
            nodes[i] = {candidate.place, candidate.index < 0 ? -value : value, before};
            return Ending{least + candidate.weight * distortion, candidate.place, i};
        };
        const int k = absolute(candidate.index);
        const int size = bit_width(static_cast<std::uint32_t>(k));
        Ending best = ending(k, size);
        if (k > 1 && (k & (k - 1)) == 0) {
            const Node node = nodes[i];
            const Ending less = ending(k - 1, size - 1);
            if (less.cost < best.cost) {
                best = less;
            } else {
                nodes[i] = node;
            }
        }
        const std::int64_t hopeless = best.cost + rates.spread();
        int kept = 0;
        for (int j = 0; j < alive; ++j) {
            endings[kept] = endings[j];
            kept += endings[j].cost < hopeless;
        }
        endings[kept] = best;
        alive = kept + 1;
    }
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    int last = 0;
    for (int j = 0; j < alive; ++j) {
        const std::int64_t cost = endings[j].cost + (endings[j].place == kBlockSize - 1 ? 0 : rates.end_of_block());
        if (cost >= least) continue;
        least = cost;
        last = endings[j].node;
    }
    choice.nonzero = 0;
    for (; last != 0; last = nodes[last].before) {
        choice.nonzero |= std::uint64_t{1} << nodes[last].place;
        choice.values[nodes[last].place] = static_cast<std::int16_t>(nodes[last].value);
    }
}

Trellis::Trellis(TrellisSettings settings)
    : settings_(settings),
      masks_(!std::isinf(settings.masking)),
      plain_weight_(static_cast<std::int32_t>(settings.mu * (1 << kWeightBits))) {
    for (int place = 0; place < kBlockSize; ++place) {
        const int f = kZigzag[place];
        factors_[0][place] = std::llround(settings.luma[f] * (1 << kFactorBits));
        factors_[1][place] = std::llround(settings.chroma[f] * (1 << kFactorBits));
    }
}

std::int32_t Trellis::masked_weight(std::uint64_t energy, int units) const {
    const double unit = settings_.masking * settings_.masking * (units * units);
    const double weight = settings_.mu / (1.0 + static_cast<double>(energy) / unit);
    return static_cast<std::int32_t>(weight * (1 << kWeightBits));
}

// One round of codes. A second one, with codes for the indices that the first one chose, takes 0.03 to 0.2 % from the
// cost of the Kodak pictures and a third of the speed.
void Trellis::settle() {
    std::vector<Histogram> counts{counts_[0]};
    if (counts_[1] != Histogram{}) counts.push_back(counts_[1]);
    const CodeSet codes = best_codes(counts);
    for (std::size_t i = 0; i < counts.size(); ++i) rates_.emplace_back(codes.of(static_cast<int>(i)).length);
    if (chooses_dc()) settle_dc();
}

void Trellis::settle_dc() {
    std::array<Histogram, 2> counts{};
    for (int i = 0; i < 3; ++i) chains_[i].count(counts[of_chroma_[i]]);
    std::vector<Histogram> users{counts[0]};
    if (counts[1] != Histogram{}) users.push_back(counts[1]);
    const CodeSet codes = best_codes(users);
    const auto weight = static_cast<std::int64_t>(settings_.dc * (1 << kWeightBits));
    for (int i = 0; i < 3; ++i) chains_[i].choose(codes.of(of_chroma_[i]).length, weight);
}

void Trellis::next(Choice& choice) {
    const Block& block = blocks_[block_];
    const std::array<std::int64_t, kBlockSize>& factors = factors_[block.chroma];
    choice.dc = chooses_dc() ? chains_[block.component].index(next_[block.component]++) : block.dc;
    Candidate candidates[kBlockSize];
    int count = 0;
    for (std::uint64_t left = block.nonzero; left != 0; left &= left - 1) {
        const std::uint32_t word = coefficients_[coefficient_++];
        const int index = static_cast<std::int16_t>(word >> 16);
        const int magnitude = absolute(index) * kSteps + static_cast<std::int16_t>(word & 0xFFFF);
        const int place = countr_zero(left);
        const std::int64_t weight = std::min((block.weight * factors[place]) >> kFactorBits, kMostWeight);
        candidates[count++] = {place, index, static_cast<std::uint32_t>(magnitude), weight};
    }
    choose_indices(candidates, count, rates_[block.chroma], choice);
    ++block_;
}

}  // namespace j4d
