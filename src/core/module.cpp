// The Python face of the native core: four verbs over arrays, without the interpreter's lock while they work.
// Everything here is called by j4d.codec, which checks the user's values first; what remains to check is what memory
// safety needs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>

#include "jpeg_io.hpp"
#include "module.hpp"
#include "quantize.hpp"
#include "transform.hpp"

namespace nb = nanobind;

namespace {

using namespace j4d;

using Image = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, -1>, nb::c_contig, nb::device::cpu>;
using Plane = nb::ndarray<const std::int16_t, nb::shape<-1, -1, 8, 8>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const std::int32_t, nb::shape<8, 8>, nb::c_contig, nb::device::cpu>;
using DeadZones = nb::ndarray<const double, nb::shape<8, 8>, nb::c_contig, nb::device::cpu>;
using NewPlane = nb::ndarray<nb::numpy, std::int16_t, nb::ndim<4>>;
using NewTable = nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>>;
using Factors = std::tuple<int, int, int>;  // components, horizontal, vertical

constexpr int kLargestSide = 65500;  // JPEG_MAX_DIMENSION of libjpeg

void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

Sampling to_sampling(Factors factors) {
    const Sampling sampling{std::get<0>(factors), std::get<1>(factors), std::get<2>(factors)};
    require(sampling.legal(), "unknown sampling");
    return sampling;
}

template <typename T>
nb::capsule owner_of(T* values) {
    return nb::capsule(values, [](void* p) noexcept { delete[] static_cast<T*>(p); });
}

NewPlane to_array(std::unique_ptr<std::int16_t[]> values, Grid grid) {
    std::int16_t* data = values.get();
    const nb::capsule owner = owner_of(values.release());
    return NewPlane(data, {static_cast<std::size_t>(grid.rows), static_cast<std::size_t>(grid.columns), 8, 8}, owner);
}

std::size_t size_of(Grid grid) {
    return static_cast<std::size_t>(grid.rows) * grid.columns * kBlockSize;
}

bool legal_size(std::size_t height, std::size_t width) {
    return 1 <= height && height <= kLargestSide && 1 <= width && width <= kLargestSide;
}

std::vector<NewPlane> py_forward_dct(Image image, Factors factors) {
    const Sampling sampling = to_sampling(factors);
    require(legal_size(image.shape(0), image.shape(1)), "image size outside 1..65500");
    const auto channels = static_cast<int>(image.shape(2));
    require(channels == 3 || (channels == 1 && sampling.components == 1), "image needs 3 channels");
    const ImageView view{image.data(), static_cast<int>(image.shape(0)), static_cast<int>(image.shape(1)), channels};

    std::vector<std::unique_ptr<std::int16_t[]>> values;
    std::vector<std::int16_t*> planes;
    for (int i = 0; i < sampling.components; ++i) {
        values.emplace_back(new std::int16_t[size_of(grid_of(view.height, view.width, sampling, i))]);
        planes.push_back(values.back().get());
    }
    {
        nb::gil_scoped_release unlocked;
        forward_dct(view, sampling, planes.data());
    }
    std::vector<NewPlane> arrays;
    for (int i = 0; i < sampling.components; ++i) {
        arrays.push_back(to_array(std::move(values[i]), grid_of(view.height, view.width, sampling, i)));
    }
    return arrays;
}

NewPlane py_quantize(Plane coefficients, Table steps, DeadZones dead_zones, double sharpness, std::uint64_t seed,
                     std::uint32_t component) {
    require(coefficients.shape(0) <= kLargestSide && coefficients.shape(1) <= kLargestSide, "plane too large");
    require(std::all_of(steps.data(), steps.data() + kBlockSize, [](int step) { return step > 0; }),
            "steps start at 1");
    require(sharpness > 0.0, "sharpness is above 0");
    const Grid grid{static_cast<int>(coefficients.shape(0)), static_cast<int>(coefficients.shape(1))};
    std::unique_ptr<std::int16_t[]> indices(new std::int16_t[size_of(grid)]);
    const Quantizer quantizer{steps.data(), dead_zones.data(), sharpness, seed, component};
    {
        nb::gil_scoped_release unlocked;
        const auto blocks = static_cast<std::uint32_t>(grid.rows) * static_cast<std::uint32_t>(grid.columns);
        for (std::uint32_t block = 0; block < blocks; ++block) {
            const std::size_t at = std::size_t{block} * kBlockSize;
            quantizer(coefficients.data() + at, block, indices.get() + at);
        }
    }
    return to_array(std::move(indices), grid);
}

nb::bytes py_write(std::vector<Plane> planes, std::vector<Table> tables, Factors factors, int height, int width,
                   bool progressive, bool jfif, int restart_interval, std::vector<std::tuple<int, nb::bytes>> markers) {
    Frame frame{height, width, to_sampling(factors), {}};
    const auto components = static_cast<std::size_t>(frame.sampling.components);
    require(height > 0 && width > 0 && legal_size(height, width), "image size outside 1..65500");
    require(planes.size() == components && tables.size() == components, "one plane and table per component");
    require(0 <= restart_interval && restart_interval <= 65535, "restart interval outside 0..65535");
    std::vector<const std::int16_t*> data;
    for (std::size_t i = 0; i < components; ++i) {
        const Grid grid = grid_of(height, width, frame.sampling, static_cast<int>(i));
        require(planes[i].shape(0) == static_cast<std::size_t>(grid.rows) &&
                    planes[i].shape(1) == static_cast<std::size_t>(grid.columns),
                "plane does not fit the image");
        data.push_back(planes[i].data());
        frame.tables.emplace_back(tables[i].data(), tables[i].data() + kBlockSize);
    }
    WriteOptions options{progressive, jfif, restart_interval, {}};
    for (const auto& [code, payload] : markers) {
        options.markers.push_back({code, std::string(payload.c_str(), payload.size())});
    }
    std::string file;
    {
        nb::gil_scoped_release unlocked;
        file = write_jpeg(frame, data, options);
    }
    return nb::bytes(file.data(), file.size());
}

nb::tuple py_read(nb::bytes data, std::int64_t max_pixels, int max_scans) {
    ReadResult result;
    {
        nb::gil_scoped_release unlocked;
        result = read_jpeg(reinterpret_cast<const std::uint8_t*>(data.c_str()), data.size(), {max_pixels, max_scans});
    }
    const Frame& frame = result.frame;
    nb::list planes;
    nb::list tables;
    for (int i = 0; i < frame.sampling.components; ++i) {
        planes.append(to_array(std::move(result.planes[i]), grid_of(frame.height, frame.width, frame.sampling, i)));
        auto* steps = new std::int32_t[kBlockSize];
        std::copy(frame.tables[i].begin(), frame.tables[i].end(), steps);
        tables.append(NewTable(steps, {8, 8}, owner_of(steps)));
    }
    const Sampling& s = frame.sampling;
    return nb::make_tuple(nb::tuple(planes), nb::tuple(tables), nb::make_tuple(s.components, s.horizontal, s.vertical),
                          frame.height, frame.width);
}

double py_uniform(std::uint64_t seed, std::uint32_t component, std::uint32_t block, std::uint32_t frequency) {
    require(frequency < kBlockSize, "frequency outside 0..63");
    return to_uniform(random_words(seed, component, block, frequency / 4)[frequency % 4]);
}

}  // namespace

NB_MODULE(_core, module) {
    using namespace nb::literals;
    module.doc() = "Native JPEG codec of j4d; see the stub for shapes and j4d.codec for the public face.";
    const nb::exception<JpegError> jpeg_error(module, "JpegError", PyExc_ValueError);
    add_transcoder(module, jpeg_error);
    module.def("forward_dct", &py_forward_dct, "image"_a, "sampling"_a);
    module.def("quantize", &py_quantize, "coefficients"_a, "steps"_a, "dead_zones"_a, "sharpness"_a, "seed"_a,
               "component"_a);
    module.def("write", &py_write, "planes"_a, "tables"_a, "sampling"_a, "height"_a, "width"_a, nb::kw_only(),
               "progressive"_a, "jfif"_a, "restart_interval"_a, "markers"_a);
    module.def("read", &py_read, "data"_a, nb::kw_only(), "max_pixels"_a, "max_scans"_a);
    module.def("uniform", &py_uniform, "seed"_a, "component"_a, "block"_a, "frequency"_a);
}
