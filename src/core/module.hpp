// The parts of the Python face that live in files of their own.
#pragma once

#include <nanobind/nanobind.h>

#include <cmath>
#include <stdexcept>

#include "trellis.hpp"
#include "workers.hpp"

namespace j4d {

// `on_threads` without the interpreter's lock; Ctrl-C ends it with Python's exception.
template <typename Work>
void on_threads_unlocked(std::size_t count, int threads, Work work) {
    bool complete;
    {
        nanobind::gil_scoped_release unlocked;
        complete = on_threads(count, threads, work, [] {
            nanobind::gil_scoped_acquire locked;
            return PyErr_CheckSignals() == 0;
        });
    }
    if (!complete) throw nanobind::python_error();
}

// Settings of the trellis from `mu`, 0 for none, and `masking`, infinite for none.
inline TrellisSettings to_trellis(double mu, double masking, double sharpness) {
    if (!(0.0 <= mu && mu <= 1000.0)) throw std::invalid_argument("mu of the trellis is outside 0..1000");
    if (!(masking >= 1.0)) throw std::invalid_argument("masking is below 1");
    if (mu > 0.0 && !std::isinf(sharpness)) throw std::invalid_argument("a trellis goes with infinite sharpness only");
    return {mu, masking};
}

void add_encoder(nanobind::module_& module);
void add_transcoder(nanobind::module_& module, const nanobind::handle& jpeg_error);

}  // namespace j4d
