// A JPEG file to a smaller one without going through pixels: read, requantize in place, write.
#pragma once

#include <array>
#include <optional>

#include "files/options.hpp"
#include "files/read.hpp"
#include "indices/trellis.hpp"

namespace j4d {

struct QuantizerSettings {
    std::array<std::int32_t, kBlockSize> steps;  // 1..255, natural order
    std::array<double, kBlockSize> dead_zones;   // 0..1/2
};

struct TranscodeOptions {
    QuantizerSettings luma;  // for gray and for all three components of RGB too
    QuantizerSettings chroma;
    double sharpness;  // infinity for the deterministic limit
    std::uint64_t seed;
    std::optional<Sampling> sampling;  // of a YCbCr file; without one, the source's own
    bool progressive;
    bool strip;  // leave all APPn and COM segments out
    bool tolerate_damage;
    Limits limits;
    TrellisSettings trellis;  // only in the limit
};

// Nothing of what follows the picture in the source is in `file`.
struct Transcoded {
    std::string file;
    int height;
    int width;
    std::size_t end;  // of the picture in the source
    Oddities oddities;
    std::string damage;  // the first that was tolerated
};

// Raises UnsupportedError and JpegError.
Transcoded transcode(const std::uint8_t* data, std::size_t size, const TranscodeOptions& options);

// The same of a file that was read before, with its segments, and is used up; data and size are still the file's.
Transcoded transcode(Source source, const std::uint8_t* data, std::size_t size, const TranscodeOptions& options);

// A second one of the same file, to be used up.
Source copy_of(const Source& source);

}  // namespace j4d
