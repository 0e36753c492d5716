// The quantizer's law: which index k a coefficient c gets under step q. With u = c / q, dead zone d and sharpness
// kappa,
//
//     P(k given c) is proportional to exp(-kappa ((u - k)^2 + 2 d |k|))
//
// over the five indices around the likeliest, as far as a baseline file may hold them; for kappa >= 1 the others
// together have a probability below exp(-6 kappa). Its limit of large kappa is
//
//     k = sign(u) max(0, floor(|u| + 1/2 - d)),
//
// which for d = 0 is libjpeg's rounding, half away from zero. quantizer.hpp applies it to whole groups of blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "support/geometry.hpp"

namespace j4d {

constexpr int kWindow = 5;

// Indices first .. first + 4 and their probabilities; an index outside the legal range has probability 0.
struct Pmf {
    int first;
    std::array<double, kWindow> probability;
};

// The index for u = c / q in the deterministic limit. Double division is exact enough: c is a multiple of 1/8, so u is
// a tie or at least 1 / (16 q) away from one.
inline int nearest_index(double u, double dead_zone, IndexRange range) {
    const int magnitude = std::max(0, static_cast<int>(std::floor(std::abs(u) + (0.5 - dead_zone))));
    return std::clamp(u < 0 ? -magnitude : magnitude, range.low, range.high);
}

// The limit for integers c = u x divisor: the magnitude is (|c| + bias) / divisor, rounded down. Where thresholds come
// within rounding of an integer, the formula itself decides.
struct Threshold {
    int bias;
    bool by_formula;
};

inline Threshold threshold_of(int divisor, double dead_zone) {
    // |c| reaches index 1 at `first`, and each further index a divisor later.
    const double first = divisor * (0.5 + dead_zone);
    const double whole = std::round(first);
    const bool near_tie = std::abs(first - whole) < 1e-7;
    // Ties fall between integers, or on them exactly: then the formula is exact there where the zone has few bits.
    const double zone_bits = dead_zone * 0x1p20;
    return {divisor - static_cast<int>(near_tie ? whole : std::ceil(first)),
            near_tie && zone_bits != std::floor(zone_bits)};
}

inline Pmf index_pmf(double u, double dead_zone, double sharpness, IndexRange range) {
    Pmf pmf{nearest_index(u, dead_zone, range) - kWindow / 2, {}};
    std::array<double, kWindow> energy;
    double least = HUGE_VAL;
    for (int j = 0; j < kWindow; ++j) {
        const int k = pmf.first + j;
        const bool legal = range.low <= k && k <= range.high;
        energy[j] = legal ? (u - k) * (u - k) + 2.0 * dead_zone * std::abs(k) : HUGE_VAL;
        least = std::min(least, energy[j]);
    }
    double total = 0.0;
    for (int j = 0; j < kWindow; ++j) {
        pmf.probability[j] = std::exp(-sharpness * (energy[j] - least));
        total += pmf.probability[j];
    }
    for (double& probability : pmf.probability) probability /= total;
    return pmf;
}

// The index at which the cumulative probability passes `uniform`, a number in (0, 1).
inline int draw_index(const Pmf& pmf, double uniform) {
    double passed = 0.0;
    int last = 0;
    for (int j = 0; j < kWindow; ++j) {
        if (pmf.probability[j] == 0.0) continue;
        passed += pmf.probability[j];
        last = pmf.first + j;
        if (uniform < passed) break;
    }
    return last;
}

}  // namespace j4d
