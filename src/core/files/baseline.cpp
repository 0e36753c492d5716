// Baseline sequential files (T.81 annexes B, C and F). Every kind of table is one segment, quantization tables that are
// equal are written once, and luma and chroma share a Huffman code where the file is smaller so.
#include "files/baseline.hpp"

#include <algorithm>
#include <utility>

#include "entropy/codes.hpp"
#include "entropy/emission.hpp"
#include "files/segments.hpp"
#include "kernels/kernels.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {
namespace {

CodeSet codes_of(const Symbols& symbols, SymbolClass luma, SymbolClass chroma, bool gray) {
    std::vector<Histogram> counts{symbols.histogram(luma)};
    if (!gray) counts.push_back(symbols.histogram(chroma));
    return best_codes(counts);
}

// The blocks of one component in one row of MCUs, looked over.
struct PlaneRows {
    const std::int16_t* plane;
    Grid grid;
    int rows;  // of blocks in a row of MCUs
    int first = 0;
    const std::int16_t* blocks = nullptr;
    bool beyond = false;  // some index may be one that has no symbol
    std::vector<std::uint64_t> nonzero;

    PlaneRows(const std::int16_t* p, Grid g, int r) : plane(p), grid(g), rows(r) {
        nonzero.resize(static_cast<std::size_t>(rows) * grid.columns);
    }

    void load(int mcu_row) {
        first = mcu_row * rows;
        blocks = plane + static_cast<std::size_t>(first) * grid.columns * kBlockSize;
        const std::size_t count = static_cast<std::size_t>(std::min(rows, grid.rows - first)) * grid.columns;
        kernels().find_nonzero(blocks, count, nonzero.data());
        beyond = kernels().any_beyond(blocks, count * kBlockSize, index_range(1).high);
    }
};

void write_scan_header(Writer& out, const Frame& frame, const CodeSet& dc, const CodeSet& ac) {
    out.segment(kStartOfScan, 4 + 2 * static_cast<std::size_t>(frame.sampling.components));
    out.byte(frame.sampling.components);
    for (int i = 0; i < frame.sampling.components; ++i) {
        const int user = i != 0;
        out.byte(i + 1);
        out.byte(dc.slots[user] << 4 | ac.slots[user]);
    }
    out.byte(0);  // the scan holds all frequencies
    out.byte(63);
    out.byte(0);
}

}  // namespace

Symbols gather_symbols(const Frame& frame, const std::vector<const std::int16_t*>& planes, int restart_interval) {
    Symbols symbols;
    std::vector<PlaneRows> rows;
    for (int i = 0; i < frame.sampling.components; ++i) {
        rows.emplace_back(planes[i], grid_of(frame.height, frame.width, frame.sampling, i),
                          i == 0 ? frame.sampling.vertical : 1);
    }
    int predicted[3] = {};
    visit_blocks(
        frame.height, frame.width, frame.sampling, restart_interval,
        [&](int mcu_row) {
            for (PlaneRows& plane : rows) plane.load(mcu_row);
        },
        [&](int component, int row, int column) {
            const PlaneRows& plane = rows[component];
            if (row >= plane.grid.rows || column >= plane.grid.columns) return symbols.add_padding(component != 0);
            const std::size_t at = static_cast<std::size_t>(row - plane.first) * plane.grid.columns + column;
            const std::int16_t* block = plane.blocks + at * kBlockSize;
            const int difference = block[0] - std::exchange(predicted[component], block[0]);
            check_dc(difference);
            if (plane.beyond) check_ac(block);
            symbols.add_block(component != 0, difference, plane.nonzero[at],
                              [block](int i) { return block[kZigzag[i]]; });
        },
        [&] {
            std::fill(predicted, predicted + 3, 0);
            symbols.add_restart();
        });
    return symbols;
}

std::string write_baseline(const Frame& frame, const Symbols& symbols, const WriteOptions& options) {
    const bool gray = frame.sampling.components == 1;
    const std::vector<int> slots = table_slots(frame);
    const CodeSet dc = codes_of(symbols, kLumaDc, kChromaDc, gray);
    const CodeSet ac = codes_of(symbols, kLumaAc, kChromaAc, gray);
    EmissionTable table{};
    set_codes(table, kLumaDc, dc.of(0));
    set_codes(table, kLumaAc, ac.of(0));
    if (!gray) {
        set_codes(table, kChromaDc, dc.of(1));
        set_codes(table, kChromaAc, ac.of(1));
    }
    Writer out;
    const std::size_t bytes = scan_bits(symbols, table) / 8;
    out.bytes().reserve(bytes + bytes / 64 + 2048 + 3 * symbols.restarts().size());

    out.marker(kStartOfImage);
    write_application_segments(out, options);
    write_quantization_tables(out, frame, slots);
    write_frame_header(out, kBaselineFrame, frame, slots);
    write_huffman_tables(out, dc, ac);
    if (options.restart_interval != 0) {
        out.segment(kRestartInterval, 2);
        out.word(options.restart_interval);
    }
    write_scan_header(out, frame, dc, ac);
    write_entropy_coded(out, symbols, table);
    out.marker(kEndOfImage);
    return std::move(out.bytes());
}

}  // namespace j4d
