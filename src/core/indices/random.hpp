// A counter-based random generator: the number for a coefficient is a pure function of (seed, component, block,
// frequency), so the bytes of a file never depend on threads or on the order in which blocks are visited.
//
// Philox4x32-7 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), keyed by the
// 64-bit seed; seven rounds are the fewest that pass all of BigCrush there. The counter is (block, component, frequency
// / 8, part). Each call gives the halves of words of eight neighbouring frequencies in natural order, 16 bits each, the
// lower of a pair in the lower bits: part 0 the upper halves, which decide nearly always alone, part 1 the lower ones.
#pragma once

#include <array>
#include <cstdint>

namespace j4d {

using Words = std::array<std::uint32_t, 4>;

inline Words philox(Words counter, std::uint64_t seed) {
    auto key0 = static_cast<std::uint32_t>(seed);
    auto key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 7; ++round) {
        const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(product1),
                   static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1,
                   static_cast<std::uint32_t>(product0)};
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    return counter;
}

// Half of the word of one frequency of one block: the upper one, part 0, or the lower one, part 1.
inline std::uint32_t random_half(std::uint64_t seed, std::uint32_t component, std::uint32_t block,
                                 std::uint32_t frequency, std::uint32_t part) {
    const std::uint32_t pair = philox({block, component, frequency / 8, part}, seed)[frequency % 8 / 2];
    return frequency % 2 == 0 ? pair & 0xFFFF : pair >> 16;
}

inline std::uint32_t random_word(std::uint64_t seed, std::uint32_t component, std::uint32_t block,
                                 std::uint32_t frequency) {
    return random_half(seed, component, block, frequency, 0) << 16 | random_half(seed, component, block, frequency, 1);
}

// The midpoint of the word's cell: strictly inside (0, 1), mean exactly 1/2.
inline double to_uniform(std::uint32_t word) {
    return (word + 0.5) * 0x1p-32;
}

}  // namespace j4d
