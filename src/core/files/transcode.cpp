// The steps of transcoding in order. The coefficients exist once: read into one array per component, and requantized
// where they lie.
#include "files/transcode.hpp"

#include <cstring>
#include <new>

#include "files/resample.hpp"
#include "files/write.hpp"
#include "files/write_layout.hpp"
#include "indices/joint_planes.hpp"
#include "indices/requantize.hpp"
#include "support/errors.hpp"
#include "support/writer.hpp"

namespace j4d {
namespace {

const QuantizerSettings& table_for(const TranscodeOptions& options, Colour colour, int component) {
    return component == 0 || colour == Colour::rgb ? options.luma : options.chroma;
}

// Requantizes planes in place. With a trellis, indices are final after `choose`.
class PlaneRequantizer {
  public:
    explicit PlaneRequantizer(const TranscodeOptions& options) : options_(options), joint_(options.trellis) {}

    // All planes that the source still has. Rows move together as their padding falls away.
    void planes(Source& source) {
        const Colour colour = source.layout.colour;
        for (int i = 0; i < static_cast<int>(source.planes.size()); ++i) {
            const QuantizerSettings& table = table_for(options_, colour, i);
            if (i == 0 || source.tables[i] != source.tables[i - 1] || &table != &table_for(options_, colour, i - 1)) {
                set(source.tables[i].data(), 1, table);
            }
            BlockRows& plane = source.planes[i];
            const Grid grid = source.layout.grid(i);
            const auto columns = static_cast<std::size_t>(grid.columns);
            std::int16_t* out = plane.values.get();
            for (int y = 0; y < grid.rows; ++y, out += columns * kBlockSize) {
                row(plane.block(y, 0), columns, i, static_cast<std::uint32_t>(y * columns), &table == &options_.chroma,
                    out);
            }
            plane.stride = columns;
        }
    }

    // What `forward_dct` gave for a chroma component.
    void chroma(std::int16_t* values, Grid grid, int component) {
        std::int32_t ones[kBlockSize];
        std::fill_n(ones, kBlockSize, 1);
        set(ones, 8, options_.chroma);
        row(values, static_cast<std::size_t>(grid.rows) * grid.columns, component, 0, true, values);
    }

    // layout: of the file that is written.
    void choose(const Layout& layout) {
        if (!options_.trellis.on()) return;
        for (int i = 0; i < layout.components() && layout.components() > 1; ++i) {
            joint_.set_grid(i, layout.grid(i), layout.factors[i].horizontal, layout.factors[i].vertical);
        }
        joint_.choose();
    }

  private:
    void set(const std::int32_t* sources, int units, const QuantizerSettings& table) {
        requantizer_.emplace(sources, table.steps.data(), table.dead_zones.data(), options_.sharpness, units);
        scale_.emplace(sources, units, table.steps.data());
        units_ = units;
    }

    // `count` blocks, the first of which is number `block`.
    void row(const std::int16_t* in, std::size_t count, int component, std::uint32_t block, bool chroma,
             std::int16_t* out) {
        if (options_.trellis.on()) {
            source_.assign(in, in + count * kBlockSize);
            in = source_.data();
        }
        (*requantizer_)(in, count, options_.seed, static_cast<std::uint32_t>(component), block, out);
        if (options_.trellis.on()) joint_.add(component, chroma, in, *scale_, units_, out, count);
    }

    const TranscodeOptions& options_;
    JointPlanes joint_;
    std::optional<Requantizer> requantizer_;
    std::optional<StepScale> scale_;
    int units_ = 1;
    std::vector<std::int16_t> source_;  // a row before it is quantized
};

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

// Segments that stood between or behind the scans come after the last one: in front of the first, decoders would heed
// what they never saw before.
void insert_before_end(std::string& file, const std::vector<Marker>& segments) {
    if (segments.empty()) return;
    Writer writer;
    for (const Marker& segment : segments) {
        writer.segment(segment.code, segment.payload.size());
        writer.bytes() += segment.payload;
    }
    file.insert(file.size() - 2, writer.bytes());
}

}  // namespace

Transcoded transcode(const std::uint8_t* data, std::size_t size, const TranscodeOptions& options) {
    return transcode(read_source(data, size, {options.limits, options.tolerate_damage, !options.strip}), data, size,
                     options);
}

Source copy_of(const Source& source) {
    Source copy{source.layout, source.tables,   {},           source.segments, source.late,
                source.end,    source.oddities, source.damage};
    for (int i = 0; i < static_cast<int>(source.planes.size()); ++i) {
        const BlockRows& plane = source.planes[i];
        const std::size_t bytes = source.layout.grid(i).rows * plane.stride * kBlockSize * sizeof(std::int16_t);
        BlockRows& rows = copy.planes.emplace_back();
        rows.values.reset(static_cast<std::int16_t*>(std::malloc(bytes)));
        if (!rows.values) throw std::bad_alloc();
        std::memcpy(rows.values.get(), plane.values.get(), bytes);
        rows.stride = plane.stride;
    }
    return copy;
}

Transcoded transcode(Source source, const std::uint8_t* data, std::size_t size, const TranscodeOptions& options) {
    const Layout layout = target_layout(source.layout, options.sampling);
    std::array<std::unique_ptr<std::int16_t[]>, 2> chroma;
    PlaneRequantizer requantizer(options);
    if (layout.factors != source.layout.factors) {
        source.planes.resize(1);
        if (layout.components() == 3) {
            chroma = resampled_chroma(data, size, *options.sampling, {options.limits, options.tolerate_damage});
            for (int i = 0; i < 2; ++i) requantizer.chroma(chroma[i].get(), layout.grid(1 + i), 1 + i);
        }
    }
    requantizer.planes(source);
    requantizer.choose(layout);

    std::vector<const std::int16_t*> planes;
    std::vector<std::vector<std::int32_t>> tables;
    for (int i = 0; i < layout.components(); ++i) {
        planes.push_back(i > 0 && chroma[0] ? chroma[i - 1].get() : source.planes[i].values.get());
        const QuantizerSettings& table = table_for(options, layout.colour, i);
        tables.emplace_back(table.steps.begin(), table.steps.end());
    }
    if (options.strip) {
        source.segments.clear();
        source.late.clear();
    }
    const WriteOptions writing{options.progressive, false, 0, std::move(source.segments)};
    const std::optional<Sampling> sampling = layout.sampling();
    std::string file = sampling ? write_jpeg({layout.height, layout.width, *sampling, tables}, planes, writing)
                                : write_layout(layout, tables, planes, writing);
    insert_before_end(file, source.late);
    return {std::move(file), layout.height, layout.width, source.end, source.oddities, std::move(source.damage)};
}

}  // namespace j4d
