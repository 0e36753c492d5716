// The steps of transcoding in order. The coefficients exist once: read into one array per component, and requantized
// where they lie.
#include "transcode.hpp"

#include "requantize.hpp"
#include "resample.hpp"
#include "write_layout.hpp"

namespace j4d {
namespace {

const QuantizerSettings& table_for(const TranscodeOptions& options, Colour colour, int component) {
    return component == 0 || colour == Colour::rgb ? options.luma : options.chroma;
}

// In place; rows move together as their padding falls away.
void requantize_plane(BlockRows& plane, Grid grid, Requantizer& requantizer, std::uint64_t seed, int component) {
    std::int16_t* out = plane.values.get();
    std::uint32_t block = 0;
    for (int y = 0; y < grid.rows; ++y) {
        requantizer(plane.block(y, 0), static_cast<std::size_t>(grid.columns), seed,
                    static_cast<std::uint32_t>(component), block, out);
        out += static_cast<std::size_t>(grid.columns) * kBlockSize;
        block += static_cast<std::uint32_t>(grid.columns);
    }
    plane.stride = static_cast<std::size_t>(grid.columns);
}

// All planes that the source still has.
void requantize(Source& source, const TranscodeOptions& options) {
    const Colour colour = source.layout.colour;
    std::optional<Requantizer> requantizer;
    for (int i = 0; i < static_cast<int>(source.planes.size()); ++i) {
        const QuantizerSettings& table = table_for(options, colour, i);
        if (i == 0 || source.tables[i] != source.tables[i - 1] || &table != &table_for(options, colour, i - 1)) {
            requantizer.emplace(source.tables[i].data(), table.steps.data(), table.dead_zones.data(),
                                options.sharpness);
        }
        requantize_plane(source.planes[i], source.layout.grid(i), *requantizer, options.seed, i);
    }
}

// What `forward_dct` gave for a chroma component, quantized in place.
void quantize(std::int16_t* values, Grid grid, const TranscodeOptions& options, std::uint32_t component) {
    std::int32_t ones[kBlockSize];
    std::fill_n(ones, kBlockSize, 1);
    Requantizer quantizer(ones, options.chroma.steps.data(), options.chroma.dead_zones.data(), options.sharpness, 8.0);
    quantizer(values, static_cast<std::size_t>(grid.rows) * grid.columns, options.seed, component, 0, values);
}

// What is written: the source's layout, or a YCbCr one whose chroma changes. Gray has no chroma, and RGB none apart.
Layout target_layout(const Layout& layout, const std::optional<Sampling>& wanted) {
    if (!wanted || layout.colour != Colour::ycbcr) return layout;
    const std::optional<Sampling> own = layout.sampling();
    if (own && own->components == wanted->components && own->horizontal == wanted->horizontal &&
        own->vertical == wanted->vertical) {
        return layout;
    }
    if (!(layout.factors[0] == layout.largest())) {
        throw UnsupportedError("luma is not the largest component, so the sampling cannot be changed; keep it");
    }
    return layout_of(layout.height, layout.width, *wanted);
}

}  // namespace

Transcoded transcode(const std::uint8_t* data, std::size_t size, const TranscodeOptions& options) {
    Source source = read_source(data, size, {options.limits, options.tolerate_damage, !options.strip});
    const Layout layout = target_layout(source.layout, options.sampling);
    std::array<std::unique_ptr<std::int16_t[]>, 2> chroma;
    if (layout.factors != source.layout.factors) {
        source.planes.resize(1);
        if (layout.components() == 3) {
            chroma = resampled_chroma(data, size, *options.sampling, {options.limits, options.tolerate_damage});
            for (int i = 0; i < 2; ++i) quantize(chroma[i].get(), layout.grid(1 + i), options, 1 + i);
        }
    }
    requantize(source, options);

    std::vector<const std::int16_t*> planes;
    std::vector<std::vector<std::int32_t>> tables;
    for (int i = 0; i < layout.components(); ++i) {
        planes.push_back(i > 0 && chroma[0] ? chroma[i - 1].get() : source.planes[i].values.get());
        const QuantizerSettings& table = table_for(options, layout.colour, i);
        tables.emplace_back(table.steps.begin(), table.steps.end());
    }
    const WriteOptions writing{options.progressive, false, 0, std::move(source.metadata)};
    const std::optional<Sampling> sampling = layout.sampling();
    std::string file = sampling ? write_jpeg({layout.height, layout.width, *sampling, tables}, planes, writing)
                                : write_layout(layout, tables, planes, writing);
    return {std::move(file), layout.height, layout.width};
}

}  // namespace j4d
