#include "files/progressive.hpp"

#include <algorithm>
#include <utility>

#include "entropy/codes.hpp"
#include "entropy/emission.hpp"
#include "entropy/symbols.hpp"
#include "files/segments.hpp"
#include "kernels/kernels.hpp"
#include "kernels/zigzag.hpp"
#include "support/bits.hpp"

namespace j4d {
namespace {

// A scan of one component's frequencies `first` .. `last` in zigzag order.
struct Band {
    int component;
    int first;
    int last;
    Symbols symbols;
};

// How AC is cut: where each band ends.
using Cuts = std::vector<int>;
const Cuts kScripts[] = {{63}, {2, 63}, {5, 63}};

constexpr std::uint32_t kLongestRun = 32767;  // of ends of blocks: T.81 G.1.2.2

void flush_run(Band& band, std::uint32_t& run) {
    if (run == 0) return;
    const auto bits = static_cast<std::uint32_t>(bit_width(run)) - 1;
    band.symbols.add(kLumaAc, bits << 4, run - (1u << bits));
    run = 0;
}

void gather_band(Band& band, const std::int16_t* plane, std::size_t blocks, const std::vector<std::uint64_t>& nonzero) {
    const std::uint64_t upper = band.last == 63 ? ~std::uint64_t{0} : (std::uint64_t{1} << (band.last + 1)) - 1;
    const std::uint64_t mask = upper & ~((std::uint64_t{1} << band.first) - 1);
    std::uint32_t empty = 0;
    for (std::size_t i = 0; i < blocks; ++i) {
        const std::int16_t* block = plane + i * kBlockSize;
        int next = band.first;
        std::uint64_t left = nonzero[i] & mask;
        if (left != 0) flush_run(band, empty);
        for (; left != 0; left &= left - 1) {
            const int at = countr_zero(left);
            for (; at - next >= 16; next += 16) band.symbols.add(kLumaAc, kZeroRun, 0);
            band.symbols.add_ac(at - next, block[kZigzag[at]]);
            next = at + 1;
        }
        if (next <= band.last && ++empty == kLongestRun) flush_run(band, empty);
    }
    flush_run(band, empty);
}

Symbols gather_dc(const Frame& frame, const std::vector<const std::int16_t*>& planes, const std::vector<Grid>& grids) {
    Symbols symbols;
    int predicted[3] = {};
    visit_blocks(
        frame.height, frame.width, frame.sampling, 0, [](int) {},
        [&](int component, int row, int column) {
            const Grid grid = grids[component];
            if (row >= grid.rows || column >= grid.columns) return symbols.add_dc(component != 0, 0);
            const int dc = planes[component][(std::size_t(row) * grid.columns + column) * kBlockSize];
            const int difference = dc - std::exchange(predicted[component], dc);
            check_dc(difference);
            symbols.add_dc(component != 0, difference);
        },
        [] {});
    return symbols;
}

void write_scan(Writer& out, const std::vector<std::pair<int, int>>& components, int first, int last) {
    out.segment(kStartOfScan, 4 + 2 * components.size());
    out.byte(static_cast<int>(components.size()));
    for (const auto& [component, codes] : components) {
        out.byte(component + 1);
        out.byte(codes);
    }
    out.byte(first);
    out.byte(last);
    out.byte(0);  // all bits at once
}

// All bands of one script and the codes for them, those of a component in common.
struct Script {
    std::vector<Band> bands;
    CodeSet codes;
    std::uint64_t bits;  // of codes, bands and scan headers

    Script(const Cuts& cuts, const std::vector<const std::int16_t*>& planes, const std::vector<std::size_t>& blocks,
           const std::vector<std::vector<std::uint64_t>>& nonzero) {
        std::vector<Histogram> counts(planes.size());
        for (std::size_t i = 0; i < planes.size(); ++i) {
            int first = 1;
            for (const int last : cuts) {
                bands.push_back({static_cast<int>(i), first, last, {}});
                gather_band(bands.back(), planes[i], blocks[i], nonzero[i]);
                const Histogram more = bands.back().symbols.histogram(kLumaAc);
                for (int k = 0; k < kSymbols; ++k) counts[i][k] += more[k];
                first = last + 1;
            }
        }
        codes = best_codes(counts);
        bits = codes.bits + 8 * 10 * bands.size();
    }
};

}  // namespace

std::string write_spectral_selection(const Frame& frame, const std::vector<const std::int16_t*>& planes,
                                     const WriteOptions& options) {
    const int components = frame.sampling.components;
    std::vector<Grid> grids;
    std::vector<std::size_t> blocks;
    std::vector<std::vector<std::uint64_t>> nonzero(planes.size());
    for (int i = 0; i < components; ++i) {
        grids.push_back(grid_of(frame.height, frame.width, frame.sampling, i));
        blocks.push_back(std::size_t(grids[i].rows) * grids[i].columns);
        nonzero[i].resize(blocks[i]);
        kernels().find_nonzero(planes[i], blocks[i], nonzero[i].data());
    }
    const Symbols dc_symbols = gather_dc(frame, planes, grids);
    std::vector<Histogram> dc_counts{dc_symbols.histogram(kLumaDc)};
    if (components > 1) dc_counts.push_back(dc_symbols.histogram(kChromaDc));
    const CodeSet dc = best_codes(dc_counts);

    std::vector<Script> best;
    for (const Cuts& cuts : kScripts) {
        Script script(cuts, planes, blocks, nonzero);
        if (best.empty() || script.bits < best[0].bits) {
            best.clear();
            best.push_back(std::move(script));
        }
    }
    const Script& script = best[0];

    Writer out;
    const std::vector<int> slots = table_slots(frame);
    out.marker(kStartOfImage);
    write_application_segments(out, options);
    write_quantization_tables(out, frame, slots);
    write_frame_header(out, kProgressiveFrame, frame, slots);
    write_huffman_tables(out, dc, script.codes);

    EmissionTable table{};
    std::vector<std::pair<int, int>> scan;
    for (int i = 0; i < components; ++i) {
        set_codes(table, i == 0 ? kLumaDc : kChromaDc, dc.of(i != 0));
        scan.emplace_back(i, dc.slots[i != 0] << 4);
    }
    write_scan(out, scan, 0, 0);
    write_entropy_coded(out, dc_symbols, table);
    for (const Band& band : script.bands) {
        table = {};
        set_codes(table, kLumaAc, script.codes.of(band.component), true);
        write_scan(out, {{band.component, script.codes.slots[band.component]}}, band.first, band.last);
        write_entropy_coded(out, band.symbols, table);
    }
    out.marker(kEndOfImage);
    return std::move(out.bytes());
}

}  // namespace j4d
