// Any bytes, transcoded with settings that the input's length and last byte choose (they follow the picture, where
// libjpeg does not look): JpegError, or a file that the strict reader reads, of the same size.
#include "fuzz.hpp"

namespace {

j4d::QuantizerSettings table(int step, double dead_zone) {
    j4d::QuantizerSettings table;
    for (int i = 0; i < j4d::kBlockSize; ++i) {
        table.steps[i] = 1 + (step + 3 * i) % 255;
        table.dead_zones[i] = dead_zone;
    }
    return table;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const unsigned choice = size == 0 ? 0 : data[size - 1] * 7u + static_cast<unsigned>(size);
    constexpr double kSharpness[] = {HUGE_VAL, 8.0, 0.1, 1e9};
    j4d::TranscodeOptions options{
        table(choice % 200, 0.0), table(choice % 100, 0.25), kSharpness[choice % 4], choice,  std::nullopt,
        choice % 3 == 0,          choice % 5 == 0,           choice % 2 == 0,        kLimits, {}};
    constexpr double kMu[] = {0.0, 0.5, 19.0, 1000.0};
    constexpr double kMasking[] = {HUGE_VAL, 1.0, 302.0};
    if (choice % 4 == 0) {
        options.trellis.mu = kMu[choice / 4 % 4];
        options.trellis.masking = kMasking[choice / 16 % 3];
        if (options.trellis.mu > 0.0 && choice / 192 % 2 != 0) options.trellis.dc = kMu[1 + choice / 384 % 3];
        if (choice / 48 % 2 != 0) options.trellis.luma = weights_from(data, size);
        if (choice / 96 % 2 != 0) options.trellis.chroma = weights_from(data, size / 2);
    }
    constexpr j4d::Sampling kSamplings[] = {{3, 1, 1}, {3, 2, 1}, {3, 2, 2}, {1, 1, 1}};
    if (choice % 7 < 3) options.sampling = kSamplings[choice / 7 % 4];
    j4d::Transcoded result;
    try {
        result = j4d::transcode(data, size, options);
    } catch (const j4d::JpegError&) {
        return 0;
    }
    const auto* file = reinterpret_cast<const std::uint8_t*>(result.file.data());
    const j4d::Source again = j4d::read_source(file, result.file.size(), {kLimits, false, false});
    expect(again.layout.height == result.height && again.layout.width == result.width);
    return 0;
}
