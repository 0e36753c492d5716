// The parts of the Python face that live in files of their own.
#pragma once

#include <nanobind/nanobind.h>

namespace j4d {

void add_encoder(nanobind::module_& module);
void add_transcoder(nanobind::module_& module, const nanobind::handle& jpeg_error);

}  // namespace j4d
