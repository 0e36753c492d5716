// The Python face of the encoder: one picture, or many on native threads.
#include <exception>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/module.hpp"
#include "files/encode.hpp"

namespace j4d {
namespace {

EncodeParameters to_parameters(SamplingFactors factors, const std::vector<Table>& tables,
                               const std::vector<PerFrequency>& dead_zones, double sharpness,
                               TrellisArguments trellis) {
    EncodeParameters parameters{to_sampling(factors), {}, {}, sharpness, to_trellis(trellis, sharpness)};
    const auto components = static_cast<std::size_t>(parameters.sampling.components);
    require(tables.size() == components && dead_zones.size() == components, "one table per component");
    for (std::size_t i = 0; i < components; ++i) {
        check_quantizer(tables[i], dead_zones[i], sharpness);
        parameters.tables.emplace_back(tables[i].data(), tables[i].data() + kBlockSize);
        parameters.dead_zones.emplace_back(dead_zones[i].data(), dead_zones[i].data() + kBlockSize);
    }
    return parameters;
}

using DeadZones = std::vector<PerFrequency>;

nb::bytes py_encode(Image image, std::vector<Table> tables, DeadZones dead_zones, double sharpness,
                    SamplingFactors factors, std::uint64_t seed, TrellisArguments trellis, bool progressive, bool jfif,
                    int restart_interval, Markers markers) {
    const EncodeParameters parameters = to_parameters(factors, tables, dead_zones, sharpness, trellis);
    const WriteOptions options = to_options(progressive, jfif, restart_interval, markers);
    const ImageView view = to_view(image, parameters.sampling);
    std::string file;
    {
        nb::gil_scoped_release unlocked;
        file = encode(view, parameters, seed, options);
    }
    return nb::bytes(file.data(), file.size());
}

// The file, or why there is none.
struct Outcome {
    std::string file;
    std::string error;
};

nb::list py_encode_many(std::vector<Image> images, std::vector<Table> tables, DeadZones dead_zones, double sharpness,
                        SamplingFactors factors, std::vector<std::uint64_t> seeds, int threads,
                        TrellisArguments trellis, bool progressive, bool jfif, int restart_interval, Markers markers) {
    const EncodeParameters parameters = to_parameters(factors, tables, dead_zones, sharpness, trellis);
    const WriteOptions options = to_options(progressive, jfif, restart_interval, markers);
    require(threads > 0, "threads start at 1");
    require(seeds.size() == images.size(), "one seed per image");
    std::vector<ImageView> views;
    for (const Image& image : images) views.push_back(to_view(image, parameters.sampling));
    std::vector<Outcome> outcomes(images.size());
    on_threads_unlocked(views.size(), threads, [&](std::size_t i) {
        try {
            outcomes[i].file = encode(views[i], parameters, seeds[i], options);
        } catch (const std::exception& error) {
            outcomes[i].error = error.what();
        }
    });
    nb::list results;
    for (Outcome& outcome : outcomes) {
        if (outcome.error.empty()) {
            results.append(nb::bytes(outcome.file.data(), outcome.file.size()));
        } else {
            results.append(nb::str(outcome.error.c_str()));
        }
        outcome = {};
    }
    return results;
}

}  // namespace

void add_encoder(nb::module_& module) {
    using namespace nb::literals;
    module.def("encode", &py_encode, "image"_a, "tables"_a, "dead_zones"_a, "sharpness"_a, "sampling"_a, "seed"_a,
               nb::kw_only(), "trellis"_a, "progressive"_a, "jfif"_a, "restart_interval"_a, "markers"_a);
    module.def("encode_many", &py_encode_many, "images"_a, "tables"_a, "dead_zones"_a, "sharpness"_a, "sampling"_a,
               "seeds"_a, "threads"_a, nb::kw_only(), "trellis"_a, "progressive"_a, "jfif"_a, "restart_interval"_a,
               "markers"_a);
}

}  // namespace j4d
