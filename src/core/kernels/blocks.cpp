// Loops over blocks as files and callers have them, 64 indices in natural order one after the other: which indices are
// not zero, and the nearest indices under other steps. Compiled several times like kernels.cpp, and under the same
// rule: nothing here may be an inline function of another file.
#include "kernels/kernels.hpp"
#include "kernels/lanes.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace j4d {
namespace J4D_KERNELS_NAME {
namespace {

// -- which indices are not zero ------------------------------------------------------------------------------------

#if defined(__AVX512BW__)

alignas(64) constexpr std::uint16_t kNatural[64] = {// T.81 figure A.6: the natural index of the i-th in zigzag order.
                                                    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                                    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                                    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                                    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

inline std::uint64_t nonzero_of(const std::int16_t* block) {
    const __m512i lower = _mm512_loadu_si512(block), upper = _mm512_loadu_si512(block + 32);
    const __m512i first = _mm512_permutex2var_epi16(lower, _mm512_load_si512(kNatural), upper);
    const __m512i second = _mm512_permutex2var_epi16(lower, _mm512_load_si512(kNatural + 32), upper);
    return _mm512_test_epi16_mask(first, first) | static_cast<std::uint64_t>(_mm512_test_epi16_mask(second, second))
                                                      << 32;
}

#else

// Where in zigzag order the frequencies of each row of a block are.
constexpr std::uint8_t kPlaces[8][8] = {{0, 1, 5, 6, 14, 15, 27, 28},     {2, 4, 7, 13, 16, 26, 29, 42},
                                        {3, 8, 12, 17, 25, 30, 41, 43},   {9, 11, 18, 24, 31, 40, 44, 53},
                                        {10, 19, 23, 32, 39, 45, 52, 54}, {20, 22, 33, 38, 46, 51, 55, 60},
                                        {21, 34, 37, 47, 50, 56, 59, 61}, {35, 36, 48, 49, 57, 58, 62, 63}};

// For each row of a block and each set of its frequencies, as bits, the set in zigzag order.
struct ZigzagSets {
    std::uint64_t of[8][256];

    constexpr ZigzagSets() : of() {
        for (int row = 0; row < 8; ++row) {
            for (int set = 1; set < 256; ++set) {
                int lowest = 0;
                while ((set >> lowest & 1) == 0) ++lowest;
                of[row][set] = of[row][set & (set - 1)] | std::uint64_t{1} << kPlaces[row][lowest];
            }
        }
    }
};

constexpr ZigzagSets kSets;

// Sixteen bits for two rows of a block.
inline unsigned int nonzero_of_rows(const std::int16_t* rows) {
#if defined(__SSE2__)
    const auto* halves = reinterpret_cast<const __m128i*>(rows);
    const __m128i bytes = _mm_packs_epi16(_mm_loadu_si128(halves), _mm_loadu_si128(halves + 1));
    return ~static_cast<unsigned int>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()))) & 0xFFFF;
#else
    // Eight bytes of 0 or 1 to eight bits, the first to the lowest: each product bit has one way to arise.
    std::uint64_t packed[2] = {};
    for (int i = 0; i < 16; ++i) packed[i / 8] |= static_cast<std::uint64_t>(rows[i] != 0) << (8 * (i % 8));
    constexpr std::uint64_t gather = 0x0102040810204080u;
    return static_cast<unsigned int>(packed[0] * gather >> 56 | (packed[1] * gather >> 56) << 8);
#endif
}

inline std::uint64_t nonzero_of(const std::int16_t* block) {
    std::uint64_t nonzero = 0;
    for (int row = 0; row < 8; row += 2) {
        const unsigned int natural = nonzero_of_rows(block + 8 * row);
        nonzero |= kSets.of[row][natural & 0xFF] | kSets.of[row + 1][natural >> 8];
    }
    return nonzero;
}

#endif

// -- nearest indices -----------------------------------------------------------------------------------------------

constexpr int kChunk = 16;

// A coefficient is an integer, and so is the denominator of every threshold: half a unit above either, the quotient is
// farther from an integer than float rounds, up to the largest index.
inline void nearest_of(const std::int16_t* in, const StepTable& table, std::int16_t* out) {
    for (int first = 0; first < 64; first += kChunk) {
        J4D_LANES for (int i = 0; i < kChunk; ++i) {
            const int f = first + i;
            const float product = static_cast<float>(in[f]) * table.source[f];
            const float magnitude = product < 0.0f ? -product : product;
            float quotient = (magnitude + table.bias[f]) * table.reciprocal[f];
            const float most = product < 0.0f ? table.lowest[f] : 1023.5f;
            quotient = quotient < most ? quotient : most;
            const auto k = static_cast<std::int32_t>(quotient);
            const std::int32_t sign = product < 0.0f ? -1 : 0;
            out[f] = static_cast<std::int16_t>((k ^ sign) - sign);
        }
    }
}

}  // namespace

void find_nonzero(const std::int16_t* blocks, std::size_t count, std::uint64_t* nonzero) {
    for (std::size_t i = 0; i < count; ++i) nonzero[i] = nonzero_of(blocks + 64 * i);
}

bool any_beyond(const std::int16_t* values, std::size_t count, std::int16_t limit) {
    std::int16_t low = 0, high = 0;
    for (std::size_t i = 0; i < count; ++i) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    return low < -limit || high > limit;
}

void nearest(const std::int16_t* in, std::size_t count, const StepTable& table, std::int16_t* out) {
    for (std::size_t i = 0; i < count; ++i) nearest_of(in + 64 * i, table, out + 64 * i);
}

}  // namespace J4D_KERNELS_NAME
}  // namespace j4d
