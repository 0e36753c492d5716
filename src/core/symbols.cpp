#include "symbols.hpp"

#include <string>

#include "jpeg_io.hpp"

namespace j4d {
namespace {

constexpr std::array<std::uint8_t, kBlockSize> invert(const std::array<std::uint8_t, kBlockSize>& order) {
    std::array<std::uint8_t, kBlockSize> inverse{};
    for (int i = 0; i < kBlockSize; ++i) inverse[order[i]] = static_cast<std::uint8_t>(i);
    return inverse;
}

constexpr std::array<std::uint8_t, kBlockSize> kZigzagPlace = invert(kZigzag);

}  // namespace

std::uint64_t nonzero_in_zigzag(const std::int16_t* block) {
    std::uint8_t flags[kBlockSize];
    for (int i = 0; i < kBlockSize; ++i) flags[i] = block[i] != 0;
    std::uint64_t mask = 0;
    for (int row = 0; row < kBlock; ++row) {
        // Eight bytes of 0 or 1 to eight bits, the first to the lowest: each product bit has one way to arise.
        std::uint64_t packed = 0;
        for (int i = 0; i < kBlock; ++i) packed |= std::uint64_t{flags[row * kBlock + i]} << (8 * i);
        std::uint64_t bits = packed * 0x0102040810204080u >> 56;
        for (; bits != 0; bits &= bits - 1) {
            mask |= std::uint64_t{1} << kZigzagPlace[row * kBlock + countr_zero(bits)];
        }
    }
    return mask;
}

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
