// What the parts of the Python face share: NumPy arrays as C++ sees them, and the checks that memory safety needs.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "entropy/huffman.hpp"
#include "files/frame.hpp"
#include "files/options.hpp"
#include "indices/trellis.hpp"
#include "pixels/image_view.hpp"
#include "support/geometry.hpp"

namespace j4d {

namespace nb = nanobind;

using Image = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, -1>, nb::c_contig, nb::device::cpu>;
using Plane = nb::ndarray<const std::int16_t, nb::shape<-1, -1, 8, 8>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const std::int32_t, nb::shape<8, 8>, nb::c_contig, nb::device::cpu>;
using PerFrequency = nb::ndarray<const double, nb::shape<8, 8>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<const std::uint64_t, nb::shape<kSymbols>, nb::c_contig, nb::device::cpu>;
using SamplingFactors = std::tuple<int, int, int>;  // components, horizontal, vertical
// mu, 0 for no trellis; masking, infinite for none; mu of DC, 0 for none; weights of luma and of chroma.
using TrellisArguments = std::tuple<double, double, double, PerFrequency, PerFrequency>;

using Markers = std::vector<std::tuple<int, nb::bytes>>;

constexpr int kLargestSide = 65500;  // JPEG_MAX_DIMENSION of libjpeg

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

inline Sampling to_sampling(SamplingFactors factors) {
    const Sampling sampling{std::get<0>(factors), std::get<1>(factors), std::get<2>(factors)};
    require(sampling.legal(), "unknown sampling");
    return sampling;
}

inline bool legal_size(std::size_t height, std::size_t width) {
    return 1 <= height && height <= kLargestSide && 1 <= width && width <= kLargestSide;
}

inline ImageView to_view(const Image& image, Sampling sampling) {
    require(legal_size(image.shape(0), image.shape(1)), "image size outside 1..65500");
    const auto channels = static_cast<int>(image.shape(2));
    require(channels == 3 || (channels == 1 && sampling.components == 1), "image needs 3 channels");
    return {image.data(), static_cast<int>(image.shape(0)), static_cast<int>(image.shape(1)), channels};
}

inline void check_quantizer(const Table& steps, const PerFrequency& dead_zones, double sharpness) {
    require(std::all_of(steps.data(), steps.data() + kBlockSize, [](int step) { return 1 <= step && step <= 255; }),
            "steps outside 1..255");
    require(std::all_of(dead_zones.data(), dead_zones.data() + kBlockSize,
                        [](double zone) { return 0.0 <= zone && zone <= 0.5; }),
            "dead zones outside 0..0.5");
    require(sharpness > 0.0, "sharpness is above 0");
}

inline TrellisSettings to_trellis(const TrellisArguments& arguments, double sharpness) {
    const auto& [mu, masking, dc, luma, chroma] = arguments;
    require(0.0 <= mu && mu <= 1000.0, "mu of the trellis is outside 0..1000");
    require(masking >= 1.0, "masking is below 1");
    require(0.0 <= dc && dc <= 1000.0, "mu of DC is outside 0..1000");
    require(mu > 0.0 || dc == 0.0, "a mu of DC goes with a trellis only");
    require(mu == 0.0 || std::isinf(sharpness), "a trellis goes with infinite sharpness only");
    TrellisSettings settings{mu, masking, dc};
    std::copy_n(luma.data(), kBlockSize, settings.luma.begin());
    std::copy_n(chroma.data(), kBlockSize, settings.chroma.begin());
    for (const Weights& weights : {settings.luma, settings.chroma}) {
        for (const double weight : weights) require(0.001 <= weight && weight <= 1000.0, "weights outside 0.001..1000");
    }
    return settings;
}

inline WriteOptions to_options(bool progressive, bool jfif, int restart_interval, const Markers& markers) {
    require(0 <= restart_interval && restart_interval <= 65535, "restart interval outside 0..65535");
    WriteOptions options{progressive, jfif, restart_interval, {}};
    for (const auto& [code, payload] : markers) {
        options.markers.push_back({code, std::string(payload.c_str(), payload.size())});
    }
    return options;
}

}  // namespace j4d
