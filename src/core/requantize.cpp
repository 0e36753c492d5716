// Two passes over a block: a plain loop over all 64 frequencies finds the nearest indices and says which of them a
// random word might move, and only those are looked up.
#include "requantize.hpp"

#include <cstring>
#include <new>

namespace j4d {
namespace {

// Clones need the loader's help (ifunc), which of Linux's C libraries glibc gives and musl does not.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define J4D_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define J4D_WIDE
#endif

// Before a loop whose iterations are independent and are to become vectors, not copies.
#if defined(__clang__)
#define J4D_VECTORS _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#elif defined(__GNUC__)
#define J4D_VECTORS _Pragma("GCC unroll 1") _Pragma("GCC ivdep")
#else
#define J4D_VECTORS
#endif

constexpr int kOctets = kBlockSize / 8;
constexpr std::uint32_t kNever = 0xFFFFFFFF;  // no word is greater

// The upper halves of the random words of one block in natural order: `philox` of all octets at once, each 32-bit word
// alone in 64 bits, so that the compiler makes vectors of the products. What grows above 32 bits is never looked at.
J4D_WIDE void block_halves(std::uint64_t seed, std::uint32_t component, std::uint32_t block, std::uint16_t* halves) {
    std::uint64_t c0[kOctets], c1[kOctets], c2[kOctets], c3[kOctets];
    for (int i = 0; i < kOctets; ++i) {
        c0[i] = block;
        c1[i] = component;
        c2[i] = static_cast<std::uint64_t>(i);
        c3[i] = 0;
    }
    auto key0 = static_cast<std::uint32_t>(seed);
    auto key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 7; ++round) {
        J4D_VECTORS for (int i = 0; i < kOctets; ++i) {
            const std::uint64_t product0 = std::uint64_t{0xD2511F53} * static_cast<std::uint32_t>(c0[i]);
            const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * static_cast<std::uint32_t>(c2[i]);
            c0[i] = (product1 >> 32) ^ c1[i] ^ key0;
            c1[i] = product1;
            c2[i] = (product0 >> 32) ^ c3[i] ^ key1;
            c3[i] = product0;
        }
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    J4D_VECTORS for (int i = 0; i < kOctets; ++i) {
        const std::uint64_t words[] = {c0[i], c1[i], c2[i], c3[i]};
        for (int j = 0; j < 4; ++j) {
            halves[8 * i + 2 * j] = static_cast<std::uint16_t>(words[j]);
            halves[8 * i + 2 * j + 1] = static_cast<std::uint16_t>(words[j] >> 16);
        }
    }
}

// Marks the indices that the word might move to a neighbour, and perhaps more. With x the excess, the energy
// (quantize.hpp) rises by at least e = 1 - 2|x|, from 0 by 1 - 2x, and from the last legal index, when |u| is beyond
// it, by more than 1. All indices on one side have together at most 2^(margin - bits e) of the probability, bits =
// kappa / ln 2. That power is bounded by a float whose exponent and mantissa are written as one number, since 2^y <= 1
// + y within 0..1.
J4D_WIDE bool mark_uncertain(const std::int16_t* nearest, const float* excess, float bits, float margin,
                             const std::uint16_t* halves, std::uint8_t* marks) {
    std::uint32_t any = 0;
    J4D_VECTORS for (int f = 0; f < kBlockSize; ++f) {
        const float beyond = nearest[f] == 0 ? excess[f] : std::abs(excess[f]);
        const float exponent = 127.0f + 16.0f + margin - bits * (1.0f - 2.0f * beyond);  // of the probability x 2^16
        const auto written = static_cast<std::int32_t>(exponent * 0x1p19f);
        // The word's distance from either end as a float, to the same 19 bits of mantissa, one less for the rounding;
        // no more than it is, whatever the lower half.
        const auto half = static_cast<std::int16_t>(halves[f]);
        const auto distance = static_cast<float>(half ^ (half >> 15));
        std::int32_t distance_bits;
        std::memcpy(&distance_bits, &distance, sizeof distance_bits);
        const std::uint32_t mark = (distance_bits >> 4) - 1 <= written;
        marks[f] = static_cast<std::uint8_t>(mark);
        any |= mark;
    }
    return any != 0;
}

// How many of the 2^32 words w have to_uniform(w) < probability.
std::uint64_t words_below(double probability) {
    const double count = std::ceil(probability * 0x1p32 - 0.5);
    return count <= 0.0 ? 0 : count >= 0x1p32 ? std::uint64_t{1} << 32 : static_cast<std::uint64_t>(count);
}

}  // namespace

Requantizer::Requantizer(const std::int32_t* source_steps, const std::int32_t* steps, const double* dead_zones,
                         double sharpness, int units)
    : sharpness_(sharpness), certain_(std::isinf(sharpness)) {
    std::copy_n(source_steps, kBlockSize, source_steps_);
    std::copy_n(dead_zones, kBlockSize, dead_zones_);
    for (int f = 0; f < kBlockSize; ++f) {
        const int divisor = units * steps[f];
        const Threshold threshold = threshold_of(divisor, dead_zones[f]);
        if (threshold.by_formula) by_formula_.push_back(f);
        divisors_[f] = divisor;
        table_.source[f] = static_cast<float>(source_steps[f]);
        table_.bias[f] = static_cast<float>(threshold.bias) + 0.5f;
        table_.divisor[f] = static_cast<float>(divisor);
        table_.reciprocal[f] = 1.0f / static_cast<float>(divisor);
        table_.lowest[f] = 0.5f - static_cast<float>(index_range(f).low);
        table_.dead_zone[f] = static_cast<float>(dead_zones[f]);
    }
    if (certain_) return;
    // A smaller kappa bounds a larger one, and with this one the rounding of floats is far below the margin. An index
    // two away has at most exp(-2 kappa) of the probability of its neighbour.
    const double kappa = std::min(sharpness, 500.0);
    bits_ = static_cast<float>(kappa / std::log(2.0));
    margin_ = static_cast<float>(std::log2(1.0 + std::exp(-2.0 * kappa)) + 0.01);
    draws_.reset(static_cast<Draw*>(std::calloc(row(0, -kReach) + kBlockSize, sizeof(Draw))));
    if (!draws_) throw std::bad_alloc();
}

Requantizer::Draw Requantizer::draw_of(int frequency, int index) const {
    // As draw_index: the index at which the cumulative probability passes the word, the last possible one else.
    const Pmf pmf =
        index_pmf(coefficient(frequency, index), dead_zones_[frequency], sharpness_, index_range(frequency));
    Draw draw{0, true, {kNever, kNever, kNever, kNever}};
    double passed = 0.0;
    int bounds = 0;
    std::uint64_t below = 0;
    for (int j = 0; j < kWindow && below <= kNever; ++j) {
        if (pmf.probability[j] == 0.0) continue;
        if (below > 0) {
            draw.above[bounds++] = static_cast<std::uint32_t>(below - 1);
        } else {
            draw.lowest = static_cast<std::int16_t>(pmf.first + j);
        }
        passed += pmf.probability[j];
        below = words_below(passed);
    }
    return draw;
}

int Requantizer::drawn(int frequency, int index, std::uint32_t half, const Place& place) {
    Draw computed;
    Draw* draw = &computed;
    if (std::abs(index) <= kReach) draw = &draws_[row(frequency, index)];
    if (draw == &computed || !draw->known) *draw = draw_of(frequency, index);
    if (!draw->needs_all(half)) return (*draw)(half << 16);
    return (*draw)(half << 16 |
                   random_half(place.seed, place.component, place.block, static_cast<std::uint32_t>(frequency), 1));
}

// Where the formula alone decides.
void Requantizer::correct(const std::int16_t* in, std::int16_t* out, float* excess) const {
    for (const int f : by_formula_) {
        const double u = coefficient(f, in[f]);
        out[f] = static_cast<std::int16_t>(nearest_index(u, dead_zones_[f], index_range(f)));
        excess[f] = static_cast<float>(std::min(std::abs(u) - dead_zones_[f] - std::abs(out[f]), 0.5));
    }
}

void Requantizer::operator()(const std::int16_t* in, std::size_t count, std::uint64_t seed, std::uint32_t component,
                             std::uint32_t block, std::int16_t* out) {
    if (certain_ && by_formula_.empty()) return kernels().nearest(in, count, table_, out, nullptr);
    alignas(64) std::int16_t source[kBlockSize];
    alignas(64) float excess[kBlockSize];
    alignas(64) std::uint16_t halves[kBlockSize];
    alignas(64) std::uint8_t marks[kBlockSize];
    for (std::size_t i = 0; i < count; ++i, in += kBlockSize, out += kBlockSize, ++block) {
        std::copy_n(in, kBlockSize, source);
        kernels().nearest(source, 1, table_, out, excess);
        correct(source, out, excess);
        if (certain_) continue;
        block_halves(seed, component, block, halves);
        if (!mark_uncertain(out, excess, bits_, margin_, halves, marks)) continue;
        for (int first = 0; first < kBlockSize; first += 8) {
            std::uint64_t any;
            std::memcpy(&any, marks + first, sizeof any);
            if (any == 0) continue;
            for (int f = first; f < first + 8; ++f) {
                if (marks[f])
                    out[f] = static_cast<std::int16_t>(drawn(f, source[f], halves[f], {seed, component, block}));
            }
        }
    }
}

}  // namespace j4d
