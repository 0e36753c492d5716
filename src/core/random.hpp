// A counter-based random generator: the number for a coefficient is a pure function of (seed, component, block,
// frequency), so the bytes of a file never depend on threads or on the order in which blocks are visited.
//
// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), keyed by
// the 64-bit seed; the counter is (block, component, frequency / 4, 0). Each call gives four 32-bit words, one for
// each of four neighbouring frequencies in natural order.
#pragma once

#include <array>
#include <cstdint>

namespace j4d {

using Words = std::array<std::uint32_t, 4>;

inline Words philox(Words counter, std::uint64_t seed) {
    auto key0 = static_cast<std::uint32_t>(seed);
    auto key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
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

// The words for frequencies 4 * quad .. 4 * quad + 3 of one block.
inline Words random_words(std::uint64_t seed, std::uint32_t component, std::uint32_t block, std::uint32_t quad) {
    return philox({block, component, quad, 0}, seed);
}

// The midpoint of the word's cell: strictly inside (0, 1), mean exactly 1/2.
inline double to_uniform(std::uint32_t word) {
    return (word + 0.5) * 0x1p-32;
}

}  // namespace j4d
