// The table of draws, and the two loops over blocks: most source indices are 0 and stay 0, so both loops look for
// the others.
#include "requantize.hpp"

#include <cstring>

namespace j4d {
namespace {

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__clang__)
#define J4D_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define J4D_WIDE
#endif

constexpr int kQuads = kBlockSize / 4;

// The 64 random words of one block in natural order: `random_words` of all quads side by side, so that the compiler
// works on many at once.
J4D_WIDE void block_words(std::uint64_t seed, std::uint32_t component, std::uint32_t block, std::uint32_t* words) {
    std::uint32_t c0[kQuads], c1[kQuads], c2[kQuads], c3[kQuads];
    for (int i = 0; i < kQuads; ++i) {
        c0[i] = block;
        c1[i] = component;
        c2[i] = static_cast<std::uint32_t>(i);
        c3[i] = 0;
    }
    auto key0 = static_cast<std::uint32_t>(seed);
    auto key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < kQuads; ++i) {
            const std::uint64_t product0 = std::uint64_t{0xD2511F53} * c0[i];
            const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * c2[i];
            c0[i] = static_cast<std::uint32_t>(product1 >> 32) ^ c1[i] ^ key0;
            c1[i] = static_cast<std::uint32_t>(product1);
            c2[i] = static_cast<std::uint32_t>(product0 >> 32) ^ c3[i] ^ key1;
            c3[i] = static_cast<std::uint32_t>(product0);
        }
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    for (int i = 0; i < kQuads; ++i) {
        words[4 * i] = c0[i];
        words[4 * i + 1] = c1[i];
        words[4 * i + 2] = c2[i];
        words[4 * i + 3] = c3[i];
    }
}

// Which of the 64 coefficients need a look: those that are not 0, and zeros whose word is outside the span.
J4D_WIDE void mark(const std::int16_t* in, const std::uint32_t* words, const std::uint32_t* from,
                   const std::uint32_t* span, std::uint8_t* marks) {
    for (int i = 0; i < kBlockSize; ++i) {
        marks[i] = static_cast<std::uint8_t>((in[i] != 0) | (words[i] - from[i] > span[i]));
    }
}

// How many of the 2^32 words w have to_uniform(w) < probability.
std::uint64_t words_below(double probability) {
    const double count = std::ceil(probability * 0x1p32 - 0.5);
    return count <= 0.0 ? 0 : count >= 0x1p32 ? std::uint64_t{1} << 32 : static_cast<std::uint64_t>(count);
}

constexpr std::uint32_t kNever = 0xFFFFFFFF;  // no word is greater

}  // namespace

Requantizer::Requantizer(const std::int32_t* source_steps, const std::int32_t* steps, const double* dead_zones,
                         double sharpness)
    : sharpness_(sharpness), certain_(std::isinf(sharpness)), draws_(place(kBlockSize - 1, kReach) + 1) {
    std::copy_n(source_steps, kBlockSize, source_steps_);
    std::copy_n(steps, kBlockSize, steps_);
    std::copy_n(dead_zones, kBlockSize, dead_zones_);
    for (int f = 0; f < kBlockSize; ++f) {
        // Of -2 .. 2, 0 is drawn above the second bound and up to the third.
        const Draw zero = draw_of(f, 0);
        std::uint32_t from = 0;
        std::uint32_t to = kNever;
        for (int j = 0; j < kWindow - 1; ++j) {
            if (zero.lowest + j < 0 && zero.above[j] != kNever) from = zero.above[j] + 1;
            if (zero.lowest + j == 0) to = zero.above[j];
        }
        zero_from_[f] = from;
        zero_span_[f] = to - from;
    }
}

Requantizer::Draw Requantizer::draw_of(int frequency, int index) const {
    const IndexRange range = index_range(frequency);
    const double u = static_cast<double>(index) * source_steps_[frequency] / steps_[frequency];
    Draw draw{0, true, {kNever, kNever, kNever, kNever}};
    if (certain_) {
        draw.lowest = static_cast<std::int16_t>(nearest_index(u, dead_zones_[frequency], range));
        return draw;
    }
    // As draw_index: the index at which the cumulative probability passes the word, the last possible one else.
    const Pmf pmf = index_pmf(u, dead_zones_[frequency], sharpness_, range);
    double passed = 0.0;
    int bounds = 0;
    bool found = false;
    std::uint64_t below = 0;
    for (int j = 0; j < kWindow; ++j) {
        if (pmf.probability[j] == 0.0) continue;
        if (found) draw.above[bounds++] = static_cast<std::uint32_t>(below - 1);
        passed += pmf.probability[j];
        below = words_below(passed);
        if (!found) draw.lowest = static_cast<std::int16_t>(pmf.first + j);
        found = below > 0;
        if (below > kNever) break;
    }
    return draw;
}

int Requantizer::requantized(int frequency, int index, std::uint32_t word) {
    if (std::abs(index) > (frequency == 0 ? kReachDc : kReach)) return draw_of(frequency, index)(word);
    Draw& draw = draws_[place(frequency, index)];
    if (!draw.known) draw = draw_of(frequency, index);
    return draw(word);
}

void Requantizer::nearest_block(const std::int16_t* in, std::int16_t* out) {
    for (int first = 0; first < kBlockSize; first += 4) {
        std::int16_t four[4];
        std::uint64_t any;
        std::memcpy(four, in + first, sizeof four);
        std::memcpy(&any, four, sizeof any);
        if (any != 0) {
            for (int lane = 0; lane < 4; ++lane) {
                if (four[lane] == 0) continue;
                four[lane] = static_cast<std::int16_t>(requantized(first + lane, four[lane], 0));
            }
        }
        std::memcpy(out + first, four, sizeof four);
    }
}

void Requantizer::drawn_block(const std::int16_t* in, const std::uint32_t* words, std::int16_t* out) {
    std::uint8_t marks[kBlockSize];
    mark(in, words, zero_from_, zero_span_, marks);
    for (int first = 0; first < kBlockSize; first += 8) {
        std::uint64_t any;
        std::memcpy(&any, marks + first, sizeof any);
        std::int16_t eight[8] = {};
        if (any != 0) {
            for (int lane = 0; lane < 8; ++lane) {
                if (!marks[first + lane]) continue;
                const int f = first + lane;
                eight[lane] = static_cast<std::int16_t>(requantized(f, in[f], words[f]));
            }
        }
        std::memcpy(out + first, eight, sizeof eight);
    }
}

void Requantizer::operator()(const std::int16_t* in, std::size_t count, std::uint64_t seed, std::uint32_t component,
                             std::uint32_t block, std::int16_t* out) {
    alignas(64) std::uint32_t words[kBlockSize];
    for (std::size_t i = 0; i < count; ++i, in += kBlockSize, out += kBlockSize, ++block) {
        if (certain_) {
            nearest_block(in, out);
        } else {
            block_words(seed, component, block, words);
            drawn_block(in, words, out);
        }
    }
}

}  // namespace j4d
