// The Python face of the native core: four verbs over arrays, without the interpreter's lock while they work.
// Everything here is called by j4d.jpeg, which checks the user's values first; what remains to check is what memory
// safety needs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>

#include "bindings/arrays.hpp"
#include "bindings/module.hpp"
#include "entropy/huffman.hpp"
#include "files/read.hpp"
#include "files/write.hpp"
#include "indices/joint_planes.hpp"
#include "indices/quantizer.hpp"
#include "indices/random.hpp"
#include "kernels/kernels.hpp"
#include "kernels/zigzag.hpp"
#include "pixels/transform.hpp"
#include "support/errors.hpp"

namespace nb = nanobind;

namespace {

using namespace j4d;

using NewPlane = nb::ndarray<nb::numpy, std::int16_t, nb::ndim<4>>;
using NewTable = nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>>;
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

std::vector<NewPlane> py_forward_dct(Image image, SamplingFactors factors) {
    const Sampling sampling = to_sampling(factors);
    const ImageView view = to_view(image, sampling);

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

// Blocks of 64 in natural order, in and out.
void quantize_blocks(const Quantizer& quantizer, const std::int16_t* coefficients, std::uint32_t blocks,
                     std::int16_t* indices) {
    Group group{}, quantized;
    std::uint64_t nonzero[kLanes];
    for (std::uint32_t first = 0; first < blocks; first += kLanes) {
        const int lanes = static_cast<int>(std::min<std::uint32_t>(kLanes, blocks - first));
        const std::int16_t* in = coefficients + std::size_t{first} * kBlockSize;
        std::int16_t* out = indices + std::size_t{first} * kBlockSize;
        for (int lane = 0; lane < lanes; ++lane) {
            for (int i = 0; i < kBlockSize; ++i) group.values[i][lane] = in[lane * kBlockSize + i];
        }
        quantizer(group, first, lanes, quantized, nonzero);
        for (int lane = 0; lane < lanes; ++lane) {
            for (int i = 0; i < kBlockSize; ++i) out[lane * kBlockSize + kZigzag[i]] = quantized.values[i][lane];
        }
    }
}

NewPlane py_quantize(Plane coefficients, Table steps, PerFrequency dead_zones, double sharpness, std::uint64_t seed,
                     std::uint32_t component) {
    require(coefficients.shape(0) <= kLargestSide && coefficients.shape(1) <= kLargestSide, "plane too large");
    check_quantizer(steps, dead_zones, sharpness);
    const Grid grid{static_cast<int>(coefficients.shape(0)), static_cast<int>(coefficients.shape(1))};
    std::unique_ptr<std::int16_t[]> indices(new std::int16_t[size_of(grid)]);
    const Quantizer quantizer(steps.data(), dead_zones.data(), sharpness, seed, component);
    {
        nb::gil_scoped_release unlocked;
        const auto blocks = static_cast<std::uint32_t>(grid.rows) * static_cast<std::uint32_t>(grid.columns);
        quantize_blocks(quantizer, coefficients.data(), blocks, indices.get());
    }
    return to_array(std::move(indices), grid);
}

// 8 x coefficients of all components to indices that the trellis chooses.
std::vector<NewPlane> py_quantize_jointly(std::vector<Plane> coefficients, std::vector<Table> steps,
                                          std::vector<PerFrequency> dead_zones, SamplingFactors factors,
                                          TrellisArguments trellis) {
    constexpr int units = 8;
    const Sampling sampling = to_sampling(factors);
    require(coefficients.size() == static_cast<std::size_t>(sampling.components), "one plane per component");
    require(steps.size() == coefficients.size() && dead_zones.size() == steps.size(), "one table per plane");
    std::int32_t ones[kBlockSize];
    std::fill_n(ones, kBlockSize, 1);
    JointPlanes joint(to_trellis(trellis, HUGE_VAL));
    std::vector<std::unique_ptr<std::int16_t[]>> indices;
    std::vector<Grid> grids;
    for (std::size_t i = 0; i < coefficients.size(); ++i) {
        const Plane& plane = coefficients[i];
        require(plane.shape(0) <= kLargestSide && plane.shape(1) <= kLargestSide, "plane too large");
        check_quantizer(steps[i], dead_zones[i], HUGE_VAL);
        grids.push_back({static_cast<int>(plane.shape(0)), static_cast<int>(plane.shape(1))});
        indices.emplace_back(new std::int16_t[size_of(grids[i])]);
    }
    {
        nb::gil_scoped_release unlocked;
        for (std::size_t i = 0; i < coefficients.size(); ++i) {
            const auto blocks = static_cast<std::uint32_t>(size_of(grids[i]) / kBlockSize);
            const Quantizer quantizer(steps[i].data(), dead_zones[i].data(), HUGE_VAL, 0, 0);
            quantize_blocks(quantizer, coefficients[i].data(), blocks, indices[i].get());
            const auto component = static_cast<int>(i);
            joint.add(component, i != 0, coefficients[i].data(), StepScale(ones, units, steps[i].data()), units,
                      indices[i].get(), blocks);
        }
        joint.set_grid(0, grids[0], sampling.horizontal, sampling.vertical);
        joint.choose();
    }
    std::vector<NewPlane> arrays;
    for (std::size_t i = 0; i < indices.size(); ++i) arrays.push_back(to_array(std::move(indices[i]), grids[i]));
    return arrays;
}

// One block through the trellis: 64 indices and magnitudes in zigzag order.
std::vector<int> py_choose_indices(std::vector<int> indices, std::vector<std::uint32_t> magnitudes,
                                   std::vector<std::int64_t> weights, nb::bytes lengths) {
    require(indices.size() == kBlockSize && magnitudes.size() == kBlockSize && weights.size() == kBlockSize,
            "64 indices, magnitudes and weights");
    require(lengths.size() == kSymbols, "256 code lengths");
    std::array<std::uint8_t, kSymbols> codes;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(lengths.c_str()), kSymbols, codes.begin());
    std::vector<Candidate> candidates;
    for (int place = 1; place < kBlockSize; ++place) {
        require(-1023 <= indices[place] && indices[place] <= 1023, "index outside -1023..1023");
        require(magnitudes[place] <= 1024 << 10, "magnitude outside 0..1024 steps");
        require(0 <= weights[place] && weights[place] <= 1000 << 16, "weight outside 0..1000");
        if (indices[place] != 0) candidates.push_back({place, indices[place], magnitudes[place], weights[place]});
    }
    Choice choice;
    choose_indices(candidates.data(), static_cast<int>(candidates.size()), Rates(codes), choice);
    std::vector<int> chosen(kBlockSize, 0);
    chosen[0] = indices[0];
    for (int place = 1; place < kBlockSize; ++place) {
        if ((choice.nonzero >> place & 1) != 0) chosen[place] = choice.values[place];
    }
    return chosen;
}

nb::bytes py_write(std::vector<Plane> planes, std::vector<Table> tables, SamplingFactors factors, int height, int width,
                   bool progressive, bool jfif, int restart_interval, Markers markers) {
    Frame frame{height, width, to_sampling(factors), {}};
    const auto components = static_cast<std::size_t>(frame.sampling.components);
    require(height > 0 && width > 0 && legal_size(height, width), "image size outside 1..65500");
    require(planes.size() == components && tables.size() == components, "one plane and table per component");
    std::vector<const std::int16_t*> data;
    for (std::size_t i = 0; i < components; ++i) {
        const Grid grid = grid_of(height, width, frame.sampling, static_cast<int>(i));
        require(planes[i].shape(0) == static_cast<std::size_t>(grid.rows) &&
                    planes[i].shape(1) == static_cast<std::size_t>(grid.columns),
                "plane does not fit the image");
        data.push_back(planes[i].data());
        frame.tables.emplace_back(tables[i].data(), tables[i].data() + kBlockSize);
    }
    const WriteOptions options = to_options(progressive, jfif, restart_interval, markers);
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
    return to_uniform(random_word(seed, component, block, frequency));
}

nb::bytes py_code_lengths(Counts counts) {
    Histogram histogram;
    std::copy(counts.data(), counts.data() + kSymbols, histogram.begin());
    require(std::any_of(histogram.begin(), histogram.end(), [](std::uint64_t count) { return count != 0; }),
            "no symbol occurs");
    const HuffmanCode code = optimal_code(histogram);
    return nb::bytes(reinterpret_cast<const char*>(code.length.data()), code.length.size());
}

// The DC indices of one component in the order of the file, and how far their coefficients are from them in 2^-10
// steps; weight: mu in 2^-16.
std::vector<int> py_choose_dc_indices(std::vector<int> indices, std::vector<int> beyond, std::int64_t weight,
                                      nb::bytes lengths) {
    require(beyond.size() == indices.size(), "one distance per index");
    require(lengths.size() == kSymbols, "256 code lengths");
    require(0 <= weight && weight <= 1000 << 16, "weight outside 0..1000");
    std::array<std::uint8_t, kSymbols> codes;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(lengths.c_str()), kSymbols, codes.begin());
    DcChain chain;
    for (std::size_t i = 0; i < indices.size(); ++i) {
        require(-1024 <= indices[i] && indices[i] <= 1023, "index outside -1024..1023");
        require(-2048 <= beyond[i] && beyond[i] <= 2048, "coefficient more than two steps from its index");
        chain.add(indices[i], beyond[i]);
    }
    chain.choose(codes, weight);
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = chain.index(i);
    return indices;
}

}  // namespace

NB_MODULE(_core, module) {
    using namespace nb::literals;
    module.doc() = "Native JPEG codec of j4d; see the stub for shapes and j4d.jpeg for the public face.";
    const nb::exception<JpegError> jpeg_error(module, "JpegError", PyExc_ValueError);
    add_encoder(module);
    add_transcoder(module, jpeg_error);
    module.def("forward_dct", &py_forward_dct, "image"_a, "sampling"_a);
    module.def("quantize", &py_quantize, "coefficients"_a, "steps"_a, "dead_zones"_a, "sharpness"_a, "seed"_a,
               "component"_a);
    module.def("quantize_jointly", &py_quantize_jointly, "coefficients"_a, "steps"_a, "dead_zones"_a, "sampling"_a,
               nb::kw_only(), "trellis"_a);
    module.def("choose_indices", &py_choose_indices, "indices"_a, "magnitudes"_a, "weights"_a, "lengths"_a);
    module.def("choose_dc_indices", &py_choose_dc_indices, "indices"_a, "beyond"_a, "weight"_a, "lengths"_a);
    module.def("write", &py_write, "planes"_a, "tables"_a, "sampling"_a, "height"_a, "width"_a, nb::kw_only(),
               "progressive"_a, "jfif"_a, "restart_interval"_a, "markers"_a);
    module.def("read", &py_read, "data"_a, nb::kw_only(), "max_pixels"_a, "max_scans"_a);
    module.attr("kernels") = kernels().name;
    module.def("code_lengths", &py_code_lengths, "counts"_a);
    module.def("uniform", &py_uniform, "seed"_a, "component"_a, "block"_a, "frequency"_a);
}
