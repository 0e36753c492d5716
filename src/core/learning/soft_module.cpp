// The Python face of the quantizer's kernels for learning (soft_kernels.hpp). Called by j4d.simulation.kernels with
// arrays that lie under tensors; what is checked here is what memory safety needs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <optional>

#include <nanobind/stl/optional.h>

#include "learning/soft_kernels.hpp"

namespace nb = nanobind;

namespace {

using namespace j4d::soft;

using In = nb::ndarray<const float, nb::shape<-1, 64>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<float, nb::shape<-1, 64>, nb::c_contig, nb::device::cpu>;
using Row = nb::ndarray<const float, nb::shape<64>, nb::c_contig, nb::device::cpu>;
using Sum = nb::ndarray<double, nb::shape<64>, nb::c_contig, nb::device::cpu>;
using Masses = nb::ndarray<double, nb::shape<64, kLevels>, nb::c_contig, nb::device::cpu>;
using Lengths = nb::ndarray<const float, nb::shape<64, kLevels>, nb::c_contig, nb::device::cpu>;

Table to_table(const Row& step, const Row& sharpness, const Row& dead_zone) {
    Table table;
    std::copy_n(step.data(), kFrequencies, table.step);
    std::copy_n(sharpness.data(), kFrequencies, table.sharpness);
    std::copy_n(dead_zone.data(), kFrequencies, table.dead_zone);
    return table;
}

template <typename A, typename B>
void same_count(const A& a, const B& b) {
    if (a.shape(0) != b.shape(0)) throw std::invalid_argument("arrays of different lengths");
}

template <typename Optional>
auto* data_of(const Optional& array) {
    return array ? array->data() : nullptr;
}

void py_values(In coefficients, Row step, Row sharpness, Row dead_zone, Out values, bool hard, int threads) {
    same_count(coefficients, values);
    const Table table = to_table(step, sharpness, dead_zone);
    nb::gil_scoped_release unlocked;
    (hard ? hard_values : soft_values)(table, coefficients.data(), coefficients.shape(0), values.data(), threads);
}

void py_backward_values(In coefficients, In gradient, Row step, Row sharpness, Row dead_zone,
                        std::optional<Out> d_coefficients, Sum d_step, std::optional<Sum> d_sharpness,
                        std::optional<Sum> d_dead_zone, bool hard, bool phase, int threads) {
    same_count(coefficients, gradient);
    if (d_coefficients) same_count(coefficients, *d_coefficients);
    const Table table = to_table(step, sharpness, dead_zone);
    const Form form =
        hard ? (phase ? Form::hard_phase : Form::hard_exact) : (phase ? Form::soft_phase : Form::soft_exact);
    nb::gil_scoped_release unlocked;
    backward_values(table, form, coefficients.data(), gradient.data(), coefficients.shape(0), data_of(d_coefficients),
                    {d_step.data(), data_of(d_sharpness), data_of(d_dead_zone)}, threads);
}

void py_index_masses(In coefficients, std::optional<In> weights, Row step, Row sharpness, Row dead_zone, Masses masses,
                     int threads) {
    if (weights) same_count(coefficients, *weights);
    const Table table = to_table(step, sharpness, dead_zone);
    nb::gil_scoped_release unlocked;
    index_masses(table, coefficients.data(), data_of(weights), coefficients.shape(0), masses.data(), threads);
}

void py_backward_bits(In coefficients, std::optional<In> weights, Lengths lengths, Row step, Row sharpness,
                      Row dead_zone, std::optional<Out> d_coefficients, Sum d_step, std::optional<Sum> d_sharpness,
                      std::optional<Sum> d_dead_zone, int threads) {
    if (weights) same_count(coefficients, *weights);
    if (d_coefficients) same_count(coefficients, *d_coefficients);
    const Table table = to_table(step, sharpness, dead_zone);
    nb::gil_scoped_release unlocked;
    backward_bits(table, coefficients.data(), data_of(weights), coefficients.shape(0), lengths.data(),
                  data_of(d_coefficients), {d_step.data(), data_of(d_sharpness), data_of(d_dead_zone)}, threads);
}

}  // namespace

NB_MODULE(_soft, module) {
    using namespace nb::literals;
    module.doc() = "The quantizer's kernels for learning on a CPU; see the stub for shapes.";
    module.attr("LEVELS") = kLevels;
    module.def("values", &py_values, "coefficients"_a, "step"_a, "sharpness"_a, "dead_zone"_a, "out"_a, "hard"_a,
               "threads"_a);
    module.def("backward_values", &py_backward_values, "coefficients"_a, "gradient"_a, "step"_a, "sharpness"_a,
               "dead_zone"_a, "d_coefficients"_a.none(), "d_step"_a, "d_sharpness"_a.none(), "d_dead_zone"_a.none(),
               "hard"_a, "phase"_a, "threads"_a);
    module.def("index_masses", &py_index_masses, "coefficients"_a, "weights"_a.none(), "step"_a, "sharpness"_a,
               "dead_zone"_a, "out"_a, "threads"_a);
    module.def("backward_bits", &py_backward_bits, "coefficients"_a, "weights"_a.none(), "lengths"_a, "step"_a,
               "sharpness"_a, "dead_zone"_a, "d_coefficients"_a.none(), "d_step"_a, "d_sharpness"_a.none(),
               "d_dead_zone"_a.none(), "threads"_a);
}
