#include "learning/soft_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "support/workers.hpp"

// One function compiled for several instruction sets, chosen when the library is loaded: by glibc, musl cannot.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define J4D_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define J4D_CLONES
#endif
#if defined(_MSC_VER) && !defined(__clang__)
#define J4D_INLINE __forceinline
#else
#define J4D_INLINE __attribute__((always_inline)) inline
#endif

namespace j4d::soft {
namespace {

constexpr int kWindow = 5;
constexpr int kReach = kWindow / 2;
constexpr float kDcLimit = 1024.0F, kAcLimit = 1023.0F;  // largest |k| of a baseline file
constexpr std::size_t kParts = 16, kHistograms = 4;      // at most; a histogram is half a megabyte
constexpr std::size_t kFewest = 256;                     // blocks a part; fewer are not worth a thread

// Nearest integer, ties to even, for |x| < 2^22; in a form that every compiler turns into vector code.
J4D_INLINE float round_even(float x) {
    constexpr float magic = 12582912.0F;  // 3 x 2^22
    return (x + magic) - magic;
}

// e^x to 2 units in the last place for |x| <= 87; Cody and Waite's reduction and a polynomial of degree 6.
J4D_INLINE float exponential(float x) {
    const float n = round_even(x * 1.44269504F);
    const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = 1.0F / 720.0F;
    p = p * r + 1.0F / 120.0F;
    p = p * r + 1.0F / 24.0F;
    p = p * r + 1.0F / 6.0F;
    p = p * r + 0.5F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

// A table and what follows from it alone.
struct Prepared : Table {
    float limit[kFrequencies];
    float once[kFrequencies];   // e^-kappa
    float twice[kFrequencies];  // e^-2 kappa
    float below[kFrequencies];  // e^-4 kappa d: what each index across zero costs

    explicit Prepared(const Table& table) : Table(table) {
        for (int f = 0; f < kFrequencies; ++f) {
            limit[f] = f == 0 ? kDcLimit : kAcLimit;
            once[f] = std::exp(-sharpness[f]);
            twice[f] = std::exp(-2.0F * sharpness[f]);
            below[f] = std::exp(-4.0F * sharpness[f] * dead_zone[f]);
        }
    }
};

// The five indices nearest to the mode of each coefficient's pmf, on the side where the coefficient is positive:
// base - 2 .. base + 2, and their probabilities.
struct Window {
    alignas(64) float magnitude[kFrequencies];  // |c| / q
    alignas(64) float base[kFrequencies];
    alignas(64) float weight[kWindow][kFrequencies];

    J4D_INLINE void fill(const Prepared& t, const float* c) {
        for (int f = 0; f < kFrequencies; ++f) {
            const float u = std::min(std::abs(c[f]) / t.step[f], t.limit[f]);  // not a number stays so
            const float shifted = u - t.dead_zone[f];
            const float b = std::max(round_even(shifted), 0.0F);
            // weight of offset j relative to offset 0: e^(kappa (2 x j - j^2)), x the fraction in -1/2 .. 1/2
            const float ratio = exponential(2.0F * t.sharpness[f] * (shifted - b));
            float down = t.once[f] / ratio;
            const float up = t.once[f] * ratio;
            float down2 = down * down * t.twice[f];
            const float up2 = up * up * t.twice[f];
            const float cross = b < 1.0F ? t.below[f] : 1.0F;
            const float cross2 = b < 2.0F ? t.below[f] : 1.0F;
            down *= cross;
            down2 *= cross * cross2;
            const float middle = 1.0F / (1.0F + down + up + down2 + up2);
            magnitude[f] = u;
            base[f] = b;
            weight[0][f] = down2 * middle;
            weight[1][f] = down * middle;
            weight[2][f] = middle;
            weight[3][f] = up * middle;
            weight[4][f] = up2 * middle;
        }
    }

    // Mean of the offset.
    J4D_INLINE float mean(int f) const { return (weight[3][f] - weight[1][f]) + 2.0F * (weight[4][f] - weight[0][f]); }

    J4D_INLINE float variance(int f, float offset) const {
        return ((weight[3][f] + weight[1][f]) + 4.0F * (weight[4][f] + weight[0][f])) - offset * offset;
    }

    J4D_INLINE float index(int f, int j) const { return base[f] + static_cast<float>(j - kReach); }

    // (u - k)^2 + 2 d |k|: what the sharpness multiplies.
    J4D_INLINE float energy(const Table& t, int f, int j) const {
        const float k = index(f, j);
        return (magnitude[f] - k) * (magnitude[f] - k) + 2.0F * t.dead_zone[f] * std::abs(k);
    }

    // Covariance of two quantities given for the five indices.
    template <typename A, typename B>
    J4D_INLINE float covariance(int f, A a, B b) const {
        float mean_a = 0.0F, mean_b = 0.0F, product = 0.0F;
        for (int j = 0; j < kWindow; ++j) {
            const float w = weight[j][f], x = a(j), y = b(j);
            mean_a += w * x;
            mean_b += w * y;
            product += w * (x * y);
        }
        return product - mean_a * mean_b;
    }
};

// The sums over one part of the blocks.
struct Sums {
    double step[kFrequencies] = {}, sharpness[kFrequencies] = {}, dead_zone[kFrequencies] = {};

    void add_to(TableGradients out) const {
        for (int f = 0; f < kFrequencies; ++f) {
            if (out.step) out.step[f] += step[f];
            if (out.sharpness) out.sharpness[f] += sharpness[f];
            if (out.dead_zone) out.dead_zone[f] += dead_zone[f];
        }
    }
};

J4D_INLINE float sign(float x) {
    return static_cast<float>(x > 0.0F) - static_cast<float>(x < 0.0F);
}

// work(part, first, last) for equal parts of `count` blocks, on as many threads as asked for.
template <typename Work>
void for_parts(std::size_t count, std::size_t parts, int threads, Work work) {
    const auto run = [&](std::size_t part) { work(part, count * part / parts, count * (part + 1) / parts); };
    if (threads > 1 && parts > 1) {
        on_threads(parts, threads, run, [] { return true; });
    } else {
        for (std::size_t part = 0; part < parts; ++part) run(part);
    }
}

// Into how many parts `count` blocks are cut: a function of the count alone, so that sums are the same on any number
// of threads.
std::size_t parts_of(std::size_t count, std::size_t most) {
    return std::clamp<std::size_t>(count / kFewest, 1, most);
}

J4D_CLONES void soft_part(const Prepared& t, const float* in, std::size_t count, float* out) {
    Window window;
    for (std::size_t block = 0; block < count; ++block, in += kFrequencies, out += kFrequencies) {
        window.fill(t, in);
        for (int f = 0; f < kFrequencies; ++f) {
            out[f] = std::copysign(window.base[f] + window.mean(f), in[f]) * t.step[f];
        }
    }
}

J4D_CLONES void hard_part(const Prepared& t, const float* in, std::size_t count, float* out) {
    for (std::size_t block = 0; block < count; ++block, in += kFrequencies, out += kFrequencies) {
        for (int f = 0; f < kFrequencies; ++f) {
            const float u = std::max((std::abs(in[f]) / t.step[f] + 0.5F) - t.dead_zone[f], 0.0F);
            const float floored = static_cast<float>(static_cast<std::int32_t>(std::min(u, t.limit[f])));
            out[f] = std::copysign(floored, in[f]) * t.step[f];
        }
    }
}

J4D_CLONES void backward_values_part(const Prepared& t, Form form, const float* in, const float* g, std::size_t count,
                                     float* d_in, bool all, Sums& sums) {
    const bool phase = form == Form::soft_phase || form == Form::hard_phase;
    const bool hard = form == Form::hard_exact || form == Form::hard_phase;
    Window window;
    for (std::size_t block = 0; block < count; ++block, in += kFrequencies, g += kFrequencies) {
        window.fill(t, in);
        alignas(64) float d_step[kFrequencies];
        for (int f = 0; f < kFrequencies; ++f) {
            const float mean = window.mean(f), u = window.magnitude[f], base = window.base[f];
            const float slope = 2.0F * t.sharpness[f] * window.variance(f, mean);  // dE[k]/du
            const float exact = (base + mean) - u * slope;
            const float error = (hard ? base : base + mean) - u;
            d_step[f] = (phase && base >= 1.0F ? error : exact) * (sign(in[f]) * g[f]);
            if (d_in) d_in[block * kFrequencies + f] = g[f] * slope;
        }
        for (int f = 0; f < kFrequencies; ++f) sums.step[f] += d_step[f];
        if (!all) continue;
        for (int f = 0; f < kFrequencies; ++f) {
            const float signed_g = sign(in[f]) * g[f] * t.step[f];
            const auto offset = [](int j) { return static_cast<float>(j - kReach); };
            sums.dead_zone[f] -= 2.0F * t.sharpness[f] * signed_g *
                                 window.covariance(f, [&](int j) { return std::abs(window.index(f, j)); }, offset);
            sums.sharpness[f] -= signed_g * window.covariance(f, [&](int j) { return window.energy(t, f, j); }, offset);
        }
    }
}

// The base as an integer, 0 .. limit even where a coefficient is not a number.
J4D_INLINE int whole_base(const Prepared& t, const Window& window, int f) {
    return static_cast<int>(std::min(t.limit[f], window.base[f]));
}

J4D_CLONES void masses_part(const Prepared& t, const float* in, const float* weights, std::size_t count,
                            double* histogram) {
    Window window;
    for (std::size_t block = 0; block < count; ++block, in += kFrequencies) {
        window.fill(t, in);
        for (int f = 0; f < kFrequencies; ++f) {
            const float times = weights ? weights[block * kFrequencies + f] : 1.0F;
            double* levels = histogram + static_cast<std::size_t>(f) * kLevels;
            const int base = whole_base(t, window, f);
            for (int j = 0; j < kWindow; ++j) levels[std::abs(base + j - kReach)] += window.weight[j][f] * times;
        }
    }
}

J4D_CLONES void backward_bits_part(const Prepared& t, const float* in, const float* weights, std::size_t count,
                                   const float* lengths, float* d_in, bool all, Sums& sums) {
    Window window;
    alignas(64) float bits[kWindow][kFrequencies];
    for (std::size_t block = 0; block < count; ++block, in += kFrequencies) {
        window.fill(t, in);
        for (int f = 0; f < kFrequencies; ++f) {
            const float times = weights ? weights[block * kFrequencies + f] : 1.0F;
            const float* levels = lengths + static_cast<std::size_t>(f) * kLevels;
            const int base = whole_base(t, window, f);
            for (int j = 0; j < kWindow; ++j) bits[j][f] = levels[std::abs(base + j - kReach)] * times;
        }
        for (int f = 0; f < kFrequencies; ++f) {
            const auto cost = [&](int j) { return bits[j][f]; };
            const auto offset = [](int j) { return static_cast<float>(j - kReach); };
            const float slope = 2.0F * t.sharpness[f] * window.covariance(f, cost, offset);
            sums.step[f] -= slope * window.magnitude[f] / t.step[f];
            if (d_in) d_in[block * kFrequencies + f] = slope * sign(in[f]) / t.step[f];
            if (!all) continue;
            sums.dead_zone[f] -=
                2.0F * t.sharpness[f] * window.covariance(f, cost, [&](int j) { return std::abs(window.index(f, j)); });
            sums.sharpness[f] -= window.covariance(f, cost, [&](int j) { return window.energy(t, f, j); });
        }
    }
}

// work(first coefficient, blocks, whether all three gradients are wanted, sums) for each part; adds its sums to
// d_table.
template <typename Work>
void summed(std::size_t count, int threads, TableGradients d_table, Work work) {
    const std::size_t parts = parts_of(count, kParts);
    const bool all = d_table.sharpness || d_table.dead_zone;
    std::vector<Sums> sums(parts);
    for_parts(count, parts, threads, [&](std::size_t part, std::size_t first, std::size_t last) {
        work(first * kFrequencies, last - first, all, sums[part]);
    });
    for (const Sums& one : sums) one.add_to(d_table);
}

}  // namespace

void soft_values(const Table& table, const float* coefficients, std::size_t count, float* values, int threads) {
    const Prepared t(table);
    for_parts(count, parts_of(count, kParts), threads, [&](std::size_t, std::size_t first, std::size_t last) {
        soft_part(t, coefficients + first * kFrequencies, last - first, values + first * kFrequencies);
    });
}

void hard_values(const Table& table, const float* coefficients, std::size_t count, float* values, int threads) {
    const Prepared t(table);
    for_parts(count, parts_of(count, kParts), threads, [&](std::size_t, std::size_t first, std::size_t last) {
        hard_part(t, coefficients + first * kFrequencies, last - first, values + first * kFrequencies);
    });
}

void backward_values(const Table& table, Form form, const float* coefficients, const float* g, std::size_t count,
                     float* d_coefficients, TableGradients d_table, int threads) {
    const Prepared t(table);
    summed(count, threads, d_table, [&](std::size_t at, std::size_t blocks, bool all, Sums& sums) {
        backward_values_part(t, form, coefficients + at, g + at, blocks, d_coefficients ? d_coefficients + at : nullptr,
                             all, sums);
    });
}

void index_masses(const Table& table, const float* coefficients, const float* weights, std::size_t count,
                  double* histogram, int threads) {
    const Prepared t(table);
    constexpr std::size_t size = static_cast<std::size_t>(kFrequencies) * kLevels;
    const std::size_t parts = parts_of(count, kHistograms);
    std::vector<double> partial(parts * size, 0.0);
    for_parts(count, parts, threads, [&](std::size_t part, std::size_t first, std::size_t last) {
        const std::size_t at = first * kFrequencies;
        masses_part(t, coefficients + at, weights ? weights + at : nullptr, last - first, partial.data() + part * size);
    });
    for (std::size_t part = 0; part < parts; ++part) {
        for (std::size_t i = 0; i < size; ++i) histogram[i] += partial[part * size + i];
    }
}

void backward_bits(const Table& table, const float* coefficients, const float* weights, std::size_t count,
                   const float* lengths, float* d_coefficients, TableGradients d_table, int threads) {
    const Prepared t(table);
    summed(count, threads, d_table, [&](std::size_t at, std::size_t blocks, bool all, Sums& sums) {
        backward_bits_part(t, coefficients + at, weights ? weights + at : nullptr, blocks, lengths,
                           d_coefficients ? d_coefficients + at : nullptr, all, sums);
    });
}

}  // namespace j4d::soft
