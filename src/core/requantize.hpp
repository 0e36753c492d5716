// From one table's indices to another's without leaving the coefficient domain: the law of quantize.hpp for the
// coefficient c = (source index) x (source step), looked up rather than computed where chance decides.
//
// The nearest indices are computed for a whole block at a time; most draws cannot but give those. For the others, a
// source index is a small integer, so what each (frequency, source index) can become is worked out once, when it is
// first met: the lowest new index it may take and the 32-bit words at which the draw passes to the next one. Indices
// and random numbers are those that the encoder's quantizer gives for the same coefficients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels.hpp"
#include "quantize.hpp"

namespace j4d {

class Requantizer {
  public:
    // `source_steps` holds 64 steps 0..65535, `steps` 64 of 1..255, `dead_zones` 64 in [0, 1/2]. `sharpness` is kappa >
    // 0; infinity is the deterministic limit. The coefficient is index x source step / `units`.
    Requantizer(const std::int32_t* source_steps, const std::int32_t* steps, const double* dead_zones, double sharpness,
                int units = 1);

    // Indices of `count` blocks, the first of which is number `block` of the component. `in` and `out` may be the same.
    void operator()(const std::int16_t* in, std::size_t count, std::uint64_t seed, std::uint32_t component,
                    std::uint32_t block, std::int16_t* out);

  private:
    // The new index is `lowest`, and one more for each of `above` that the word is greater than.
    struct Draw {
        std::int16_t lowest;
        bool known;
        std::array<std::uint32_t, kWindow - 1> above;

        int operator()(std::uint32_t word) const {
            int index = lowest;
            for (const std::uint32_t bound : above) index += word > bound;
            return index;
        }

        // Whether the upper half of a word leaves open what it draws.
        bool needs_all(std::uint32_t half) const {
            bool open = false;
            for (const std::uint32_t bound : above) open |= bound >> 16 == half;
            return open;
        }
    };

    struct Place {
        std::uint64_t seed;
        std::uint32_t component;
        std::uint32_t block;
    };

    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };

    static constexpr int kReach = 1023;  // source indices up to this magnitude are kept

    StepTable table_;
    std::vector<int> by_formula_;  // frequencies whose nearest index is the formula's alone
    double source_steps_[kBlockSize];
    double divisors_[kBlockSize];  // units x new step
    double dead_zones_[kBlockSize];
    double sharpness_;
    bool certain_;  // the deterministic limit
    // A row of 64 frequencies for each source index, 0, 1, -1, 2, -2 ...: memory comes zeroed, and only the rows that a
    // picture uses are ever touched.
    std::unique_ptr<Draw[], Free> draws_;
    float bits_ = 0.0f;  // how far chance reaches, see requantize.cpp
    float margin_ = 0.0f;

    static std::size_t row(int frequency, int index) {
        return static_cast<std::size_t>(index > 0 ? 2 * index - 1 : -2 * index) * kBlockSize + frequency;
    }

    double coefficient(int frequency, int index) const {
        return index * source_steps_[frequency] / divisors_[frequency];
    }

    void correct(const std::int16_t* in, std::int16_t* out, float* excess) const;
    Draw draw_of(int frequency, int index) const;
    // `half`: the upper one of the word.
    int drawn(int frequency, int index, std::uint32_t half, const Place& place);
};

}  // namespace j4d
