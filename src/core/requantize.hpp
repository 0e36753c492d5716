// From one table's indices to another's without leaving the coefficient domain: the law of quantize.hpp for the
// coefficient c = (source index) x (source step), looked up instead of computed.
//
// A source index is a small integer, so what each (frequency, source index) can become is worked out once, when it is
// first met: the lowest new index it may take and the 32-bit words at which the draw passes to the next one. Indices
// and random numbers are those that `Quantizer` gives for the same coefficients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize.hpp"

namespace j4d {

class Requantizer {
  public:
    // `source_steps` holds 64 steps 0..65535; `steps` and `dead_zones` as in Quantizer.
    Requantizer(const std::int32_t* source_steps, const std::int32_t* steps, const double* dead_zones,
                double sharpness);

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
    };

    static constexpr int kReach = 63;  // AC indices up to this magnitude are kept in the table
    static constexpr int kReachDc = 1023;

    std::int32_t source_steps_[kBlockSize];
    std::int32_t steps_[kBlockSize];
    double dead_zones_[kBlockSize];
    double sharpness_;
    bool certain_;  // the deterministic limit
    std::vector<Draw> draws_;
    // Where a source index of 0 stays 0: words from `zero_from_[f]`, `zero_span_[f]` more of them.
    std::uint32_t zero_from_[kBlockSize];
    std::uint32_t zero_span_[kBlockSize];

    static std::size_t place(int frequency, int index) {
        if (frequency == 0) return static_cast<std::size_t>(index + kReachDc);
        return std::size_t{2 * kReachDc + 1} + std::size_t{2 * kReach + 1} * (frequency - 1) + (index + kReach);
    }

    Draw draw_of(int frequency, int index) const;
    int requantized(int frequency, int index, std::uint32_t word);
    void nearest_block(const std::int16_t* in, std::int16_t* out);
    void drawn_block(const std::int16_t* in, const std::uint32_t* words, std::int16_t* out);
};

}  // namespace j4d
