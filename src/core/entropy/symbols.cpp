#include "entropy/symbols.hpp"

#include <string>

#include "support/errors.hpp"

namespace j4d {

void check_ac(const std::int16_t* block) {
    constexpr IndexRange range = index_range(1);
    int beyond = 0;
    for (int i = 1; i < kBlockSize; ++i) beyond |= (block[i] < range.low) | (block[i] > range.high);
    if (beyond == 0) return;
    for (int i = 1;; ++i) {
        if (block[i] >= range.low && block[i] <= range.high) continue;
        throw JpegError("index " + std::to_string(block[i]) + " at frequency (" + std::to_string(i / kBlock) + ", " +
                        std::to_string(i % kBlock) + ") is outside " + std::to_string(range.low) + ".." +
                        std::to_string(range.high));
    }
}

void check_dc(int difference) {
    constexpr int limit = 2047;
    if (difference >= -limit && difference <= limit) return;
    throw JpegError("difference " + std::to_string(difference) + " of neighbouring DC indices is outside -" +
                    std::to_string(limit) + ".." + std::to_string(limit));
}

}  // namespace j4d
