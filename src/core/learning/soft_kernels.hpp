// The probabilistic quantizer's arithmetic for learning on a CPU, in float32: soft values, the masses of their
// indices, and the gradients of both, each in one pass over the coefficients. The formulas are those of
// j4d.simulation, which hold them as tensor operations for every other device and type; tests keep the two
// together. Rounding does not depend on the instruction set nor on the number of threads.
#pragma once

#include <cstddef>

namespace j4d::soft {

constexpr int kFrequencies = 64;
constexpr int kLevels = 1028;  // |k| to 1024 and the window's reach above

// What the quantizer is told of the 64 frequencies, natural order.
struct Table {
    float step[kFrequencies];
    float sharpness[kFrequencies];
    float dead_zone[kFrequencies];
};

enum class Form { soft_exact, soft_phase, hard_exact, hard_phase };

// Where the gradients with respect to a table go; a null pointer is not wanted.
struct TableGradients {
    double* step;
    double* sharpness;
    double* dead_zone;
};

// `count` blocks of 64 coefficients everywhere below.

// values = q E[k].
void soft_values(const Table& table, const float* coefficients, std::size_t count, float* values, int threads);

// values = q k for the nearest k, ties away from zero.
void hard_values(const Table& table, const float* coefficients, std::size_t count, float* values, int threads);

// Gradients of sum(g x values). d_coefficients may be null.
void backward_values(const Table& table, Form form, const float* coefficients, const float* g, std::size_t count,
                     float* d_coefficients, TableGradients d_table, int threads);

// Adds up P(|k|) over the blocks, each coefficient counted `weights` times (null: once), into histogram[64][kLevels].
void index_masses(const Table& table, const float* coefficients, const float* weights, std::size_t count,
                  double* histogram, int threads);

// Gradients of the bits of all indices, one bit length for each [64][kLevels]. d_coefficients may be null.
void backward_bits(const Table& table, const float* coefficients, const float* weights, std::size_t count,
                   const float* lengths, float* d_coefficients, TableGradients d_table, int threads);

}  // namespace j4d::soft
