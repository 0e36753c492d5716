// Transcoding for Python: one object holds the checked settings, its two verbs work without the interpreter's lock.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <new>

#include "bindings/arrays.hpp"
#include "bindings/module.hpp"
#include "files/decompressor.hpp"
#include "files/transcode.hpp"
#include "support/errors.hpp"
#include "support/memory_gate.hpp"

namespace j4d {
namespace {

QuantizerSettings to_table(const Table& steps, const PerFrequency& dead_zones, double sharpness) {
    check_quantizer(steps, dead_zones, sharpness);
    QuantizerSettings table;
    std::copy_n(steps.data(), kBlockSize, table.steps.begin());
    std::copy_n(dead_zones.data(), kBlockSize, table.dead_zones.begin());
    return table;
}

const std::uint8_t* data_of(const nb::bytes& bytes) {
    return reinterpret_cast<const std::uint8_t*>(bytes.c_str());
}

// What is odd, in words.
nb::list to_words(const Oddities& oddities) {
    nb::list words;
    if (oddities.jfif_version) words.append("a JFIF header of an unknown version");
    if (oddities.adobe_transform) words.append("an Adobe segment with an unknown code");
    if (oddities.junk) words.append("bytes between the segments of the header");
    if (oddities.zeros) words.append("zeros after a scan");
    if (oddities.no_end) words.append("no marker at the end of the picture");
    return words;
}

nb::tuple to_tuple(const Transcoded& result) {
    return nb::make_tuple(nb::bytes(result.file.data(), result.file.size()), result.height, result.width, result.end,
                          to_words(result.oddities), result.damage);
}

// Pixels, bytes of memory, scans and segments.
using LimitArguments = std::tuple<std::int64_t, std::int64_t, int, int>;

Limits to_limits(const LimitArguments& arguments) {
    const auto [pixels, memory, scans, markers] = arguments;
    return {pixels, scans, markers, memory};
}

// What `Limits::memory` is compared with, before anything of that size is allocated.
std::int64_t memory_needed(const std::uint8_t* data, std::size_t size) {
    const Decompressor jpeg(data, size, {{INT64_MAX, INT_MAX}, true});
    return memory_of(jpeg.layout(), size);
}

// Waits until there is room for a file; what is to be given back. A damaged one waits for nothing: who reads it is
// told.
std::int64_t enter(MemoryGate& gate, const std::uint8_t* data, std::size_t size) {
    try {
        return gate.enter(memory_needed(data, size));
    } catch (const JpegError&) {
        return 0;
    }
}

// A file that was read once, to be transcoded more than once.
class Opened {
  public:
    Opened(nb::bytes data, bool tolerate_damage, LimitArguments limits) : data_(std::move(data)) {
        const std::uint8_t* bytes = data_of(data_);
        const std::size_t size = data_.size();
        nb::gil_scoped_release unlocked;
        source_ = read_source(bytes, size, {to_limits(limits), tolerate_damage, true});
    }

    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;

    Transcoded transcoded(const TranscodeOptions& options) const {
        const std::uint8_t* bytes = data_of(data_);
        const std::size_t size = data_.size();
        nb::gil_scoped_release unlocked;
        return transcode(copy_of(source_), bytes, size, options);
    }

  private:
    nb::bytes data_;
    Source source_;
};

// One file's result, or why there is none.
struct Outcome {
    Transcoded result;
    std::string error;
    bool unsupported = false;
};

class Transcoder {
  public:
    Transcoder(Table luma, Table chroma, PerFrequency luma_dead_zones, PerFrequency chroma_dead_zones, double sharpness,
               std::uint64_t seed, std::optional<SamplingFactors> factors, bool progressive, bool strip,
               bool tolerate_damage, LimitArguments limits, TrellisArguments trellis)
        : options_{to_table(luma, luma_dead_zones, sharpness),
                   to_table(chroma, chroma_dead_zones, sharpness),
                   sharpness,
                   seed,
                   std::nullopt,
                   progressive,
                   strip,
                   tolerate_damage,
                   to_limits(limits),
                   to_trellis(trellis, sharpness)} {
        if (factors) options_.sampling = to_sampling(*factors);
    }

    nb::tuple one(nb::bytes data) const {
        Transcoded result;
        {
            nb::gil_scoped_release unlocked;
            result = transcode(data_of(data), data.size(), options_);
        }
        return to_tuple(result);
    }

    nb::tuple opened(const Opened& source) const { return to_tuple(source.transcoded(options_)); }

    nb::list many(std::vector<nb::bytes> datas, int threads) const {
        require(threads > 0, "threads start at 1");
        std::vector<Outcome> outcomes(datas.size());
        std::vector<std::pair<const std::uint8_t*, std::size_t>> inputs;
        for (const nb::bytes& data : datas) inputs.emplace_back(data_of(data), data.size());
        MemoryGate gate(options_.limits.memory);
        on_threads_unlocked(inputs.size(), threads, [&](std::size_t i) {
            const std::int64_t bytes = enter(gate, inputs[i].first, inputs[i].second);
            outcomes[i] = outcome(inputs[i].first, inputs[i].second);
            gate.leave(bytes);
        });
        nb::list results;
        for (Outcome& outcome : outcomes) {
            if (outcome.error.empty()) {
                results.append(to_tuple(outcome.result));
            } else {
                results.append(nb::make_tuple(outcome.error, outcome.unsupported));
            }
            outcome = {};
        }
        return results;
    }

  private:
    TranscodeOptions options_;

    Outcome outcome(const std::uint8_t* data, std::size_t size) const {
        try {
            return {transcode(data, size, options_), {}};
        } catch (const UnsupportedError& error) {
            return {{}, error.what(), true};
        } catch (const std::bad_alloc&) {
            return {{}, "there is not enough memory for its picture"};
        } catch (const std::exception& error) {
            return {{}, error.what()};
        }
    }
};

}  // namespace

void add_transcoder(nb::module_& module, const nb::handle& jpeg_error) {
    using namespace nb::literals;
    nb::exception<UnsupportedError>(module, "UnsupportedError", jpeg_error.ptr());
    module.def("memory_needed", [](nb::bytes data) { return memory_needed(data_of(data), data.size()); }, "data"_a);
    nb::class_<MemoryGate>(module, "MemoryGate")
        .def(nb::init<std::int64_t>(), "limit"_a)
        .def(
            "enter",
            [](MemoryGate& gate, nb::bytes data) {
                const std::uint8_t* bytes = data_of(data);
                const std::size_t size = data.size();
                nb::gil_scoped_release unlocked;
                return enter(gate, bytes, size);
            },
            "data"_a)
        .def("leave", &MemoryGate::leave, "bytes"_a);
    nb::class_<Opened>(module, "Opened")
        .def(nb::init<nb::bytes, bool, LimitArguments>(), "data"_a, nb::kw_only(), "tolerate_damage"_a, "limits"_a);
    nb::class_<Transcoder>(module, "Transcoder")
        .def(nb::init<Table, Table, PerFrequency, PerFrequency, double, std::uint64_t, std::optional<SamplingFactors>,
                      bool, bool, bool, LimitArguments, TrellisArguments>(),
             nb::kw_only(), "luma"_a, "chroma"_a, "luma_dead_zones"_a, "chroma_dead_zones"_a, "sharpness"_a, "seed"_a,
             "sampling"_a.none(), "progressive"_a, "strip"_a, "tolerate_damage"_a, "limits"_a, "trellis"_a)
        .def("one", &Transcoder::one, "data"_a)
        .def("opened", &Transcoder::opened, "source"_a)
        .def("many", &Transcoder::many, "datas"_a, "threads"_a);
}

}  // namespace j4d
