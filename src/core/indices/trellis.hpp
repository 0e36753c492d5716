// Chooses the indices of a block together: a trellis over runs, sizes and the end of the block. Of all ways to take the
// index that the quantizer gives, one less, or zero for each AC coefficient, the one of least
//
//     sum of mu / (1 + (A / a)^2) w (u - k)^2  +  bits of codes and extra bits,
//
// u = c / q and k the index, w the weight of the frequency, A the norm of the block's AC coefficients; mu is what a
// squared step of weight 1 is worth in bits, and a the norm at which texture hides half of it. Nothing beside this is
// known of the eye, or of a model: mu, a, the weights and the steps are what is learned. DC indices stay, or are chosen
// from block to block (dc_chain.hpp) with a mu of their own. The idea is that of T. Crouse and K. Ramchandran, "Joint
// thresholding and quantizer selection for transform image coding" (IEEE Trans. Image Processing 1997).
//
// The same bytes everywhere and for ever: costs are integers, u is rounded to 2^-10 steps, and w to 2^-20. Only mu / (1
// + (A / a)^2) comes from floats, by one division, one addition and one division of doubles, which IEEE 754 rounds in
// one way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "entropy/huffman.hpp"
#include "entropy/symbols.hpp"
#include "indices/dc_chain.hpp"
#include "support/bits.hpp"
#include "support/geometry.hpp"

namespace j4d {

// How much a squared step of each frequency counts, 0.001..1000, in natural order. DC's is not used.
using Weights = std::array<double, kBlockSize>;

inline Weights even_weights() {
    Weights weights;
    weights.fill(1.0);
    return weights;
}

struct TrellisSettings {
    double mu = 0.0;                                           // bits per squared step, at most 1000; 0 for no trellis
    double masking = std::numeric_limits<double>::infinity();  // a, in the unit of coefficients
    double dc = 0.0;                                           // mu of DC, at most 1000; 0 where DC indices stay
    Weights luma = even_weights();
    Weights chroma = even_weights();

    bool on() const { return mu > 0.0; }
};

// Coefficients of one component, which are value x source / `units`, in steps.
class StepScale {
  public:
    // `sources` holds 64 integers 0..65535, `steps` 64 of 1..255, natural order; `units` is 1 or 8.
    StepScale(const std::int32_t* sources, int units, const std::int32_t* steps);

    // |u| in 2^-10 steps, at most 1024 steps.
    std::uint32_t magnitude(int natural, int value) const {
        const std::uint64_t whole = absolute(natural, value);
        const std::uint64_t limited = whole < most_[natural] ? whole : most_[natural];
        return static_cast<std::uint32_t>((limited * reciprocal_[natural] + (std::uint64_t{1} << 31)) >> 32);
    }

    // A^2 of a block of values in natural order, in units^-2.
    std::uint64_t energy(const std::int16_t* values) const;

  private:
    std::uint64_t absolute(int natural, int value) const {
        return static_cast<std::uint64_t>(value < 0 ? -value : value) * source_[natural];
    }

    std::uint32_t source_[kBlockSize];
    std::uint32_t most_[kBlockSize];
    std::uint64_t reciprocal_[kBlockSize];
};

// An index that may become smaller: `index` as quantized, `magnitude` as StepScale has it.
struct Candidate {
    int place;  // in zigzag order
    int index;
    std::uint32_t magnitude;
    std::int64_t weight;  // 2^-16 bits per squared step, at most 1000 x 2^16
};

// What the codes of one kind of component cost. One unit is 2^-26 bits, so that no cost needs rounding.
class Rates {
  public:
    static constexpr int kUnit = 26;

    // `lengths` of codes by symbol; a symbol without a code counts as the longest.
    explicit Rates(const std::array<std::uint8_t, kSymbols>& lengths);

    // Of an index of `size` bits after `run` zeros.
    const std::int64_t* after_runs(int size) const { return of_[size]; }
    std::int64_t end_of_block() const { return end_of_block_; }
    // The most that an index can cost more after a shorter run than after a longer one.
    std::int64_t spread() const { return spread_; }

  private:
    std::int64_t of_[11][kBlockSize];
    std::int64_t end_of_block_;
    std::int64_t spread_;
};

// The indices of one block. Only those at the places in `nonzero` are set; bit i is that of the i-th in zigzag order.
struct Choice {
    int dc;
    std::uint64_t nonzero;
    std::int16_t values[kBlockSize];
};

// The choice of least cost. Does not set `dc`.
void choose_indices(const Candidate* candidates, int count, const Rates& rates, Choice& choice);

// A picture's blocks: added in any order, then the choices are read in the same order. Takes 4 to 8 bytes per index
// that is not zero and 16 per block, or twice that.
class Trellis {
  public:
    explicit Trellis(TrellisSettings settings);

    // The indices as quantized. `nonzero`: bit i is set where the i-th index in zigzag order is not 0; `index_at(i)`
    // gives that index, `magnitude_at(i)` its coefficient as StepScale has it, `energy()` A^2 in units^-2. `below`: the
    // coefficient of DC is below 0. component: 0..2; chroma: it has chroma's codes.
    template <typename IndexAt, typename MagnitudeAt, typename Energy>
    void add(int component, bool chroma, std::uint64_t nonzero, bool below, IndexAt index_at, MagnitudeAt magnitude_at,
             Energy energy, int units) {
        nonzero &= ~std::uint64_t{1};
        const std::int32_t weight = nonzero == 0 || !masks_ ? plain_weight_ : masked_weight(energy(), units);
        const int dc = index_at(0);
        blocks_.push_back(
            {nonzero, weight, static_cast<std::int16_t>(dc), chroma, static_cast<std::uint8_t>(component)});
        if (chooses_dc()) {
            const int magnitude = static_cast<int>(magnitude_at(0));
            chains_[component].add(dc, (below ? -magnitude : magnitude) - dc * 1024);
            of_chroma_[component] = chroma;
        }
        if (coefficients_.size() - used_ < kBlockSize) coefficients_.resize(2 * coefficients_.size() + 16 * kBlockSize);
        std::uint32_t* out = coefficients_.data() + used_;
        for (std::uint64_t left = nonzero; left != 0; left &= left - 1) {
            const int place = countr_zero(left);
            *out++ = pack(index_at(place), magnitude_at(place));
        }
        used_ = static_cast<std::size_t>(out - coefficients_.data());
        count_symbols(nonzero, index_at, counts_[chroma]);
    }

    bool chooses_dc() const { return settings_.dc > 0.0; }

    // Where the blocks of a component are not added in the order of the file: `file_order` of its grid.
    void set_order(int component, std::vector<std::uint32_t> order) { chains_[component].set_order(std::move(order)); }

    // Once, after the last block: makes the codes that the choices go by.
    void settle();

    // The next block's.
    void next(Choice& choice);

  private:
    struct Block {
        std::uint64_t nonzero;
        std::int32_t weight;  // 2^-16 bits per squared step, before the frequency's own
        std::int16_t dc;
        bool chroma;
        std::uint8_t component;
    };

    template <typename IndexAt>
    static void count_symbols(std::uint64_t nonzero, IndexAt index_at, Histogram& counts) {
        int from = 1;
        for (; nonzero != 0; nonzero &= nonzero - 1) {
            const int place = countr_zero(nonzero);
            const int index = index_at(place);
            const int run = place - from;
            from = place + 1;
            counts[kZeroRun] += static_cast<std::uint64_t>(run >> 4);
            ++counts[(run & 15) << 4 | bit_width(static_cast<std::uint32_t>(index < 0 ? -index : index))];
        }
        if (from != kBlockSize) ++counts[kEndOfBlock];
    }

    // An index, -1023..1023, and how far its coefficient is from it, -1..1 steps.
    static std::uint32_t pack(int index, std::uint32_t magnitude) {
        const int beyond = static_cast<int>(magnitude) - (index < 0 ? -index : index) * 1024;
        return static_cast<std::uint32_t>(index) << 16 | static_cast<std::uint16_t>(beyond);
    }

    std::int32_t masked_weight(std::uint64_t energy, int units) const;
    void settle_dc();

    TrellisSettings settings_;
    bool masks_;
    std::int32_t plain_weight_;
    std::array<std::array<std::int64_t, kBlockSize>, 2> factors_;  // weights of luma and chroma, zigzag order, 2^-20
    std::vector<Block> blocks_;
    std::vector<std::uint32_t> coefficients_;  // the first `used_` of them
    std::size_t used_ = 0;
    std::array<Histogram, 2> counts_{};
    std::vector<Rates> rates_;
    std::array<DcChain, 3> chains_;
    std::array<bool, 3> of_chroma_{};
    std::array<std::size_t, 3> next_{};  // block of each chain
    std::size_t block_ = 0;
    std::size_t coefficient_ = 0;
};

}  // namespace j4d
