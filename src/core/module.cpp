// The Python face of the native core.
#include <nanobind/nanobind.h>

NB_MODULE(_core, module) { module.doc() = "Native JPEG codec of j4d."; }
