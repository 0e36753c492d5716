// The parts of the Python face that live in files of their own.
#pragma once

#include <nanobind/nanobind.h>

#include "support/workers.hpp"

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

void add_encoder(nanobind::module_& module);
void add_transcoder(nanobind::module_& module, const nanobind::handle& jpeg_error);

}  // namespace j4d
