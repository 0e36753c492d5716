// Quantized coefficients to JPEG bytes. Baseline files are our own; a progressive file is the smaller of our own, by
// spectral selection, and that of libjpeg-turbo's standard script, with successive approximation.
#include <cstdlib>
#include <cstring>

#include "baseline.hpp"
#include "libjpeg.hpp"
#include "progressive.hpp"

namespace j4d {
namespace {

// Everything libjpeg allocates for one file; released whichever way the writing ends.
struct Compressor {
    ErrorManager error{};
    jpeg_compress_struct info{};
    unsigned char* buffer = nullptr;
    unsigned long size = 0;

    Compressor() { info.err = error.install(); }
    ~Compressor() {
        jpeg_destroy_compress(&info);
        std::free(buffer);
    }
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;
};

void set_table(jpeg_compress_struct& info, int slot, const std::vector<std::int32_t>& steps) {
    JQUANT_TBL* table = jpeg_alloc_quant_table(reinterpret_cast<j_common_ptr>(&info));
    for (int i = 0; i < kBlockSize; ++i) table->quantval[i] = static_cast<UINT16>(steps[i]);
    table->sent_table = FALSE;
    info.quant_tbl_ptrs[slot] = table;
}

void set_header(jpeg_compress_struct& info, const Frame& frame, const WriteOptions& options) {
    info.image_height = static_cast<JDIMENSION>(frame.height);
    info.image_width = static_cast<JDIMENSION>(frame.width);
    info.input_components = frame.sampling.components;
    info.in_color_space = frame.sampling.components == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
    jpeg_set_defaults(&info);
    jpeg_set_colorspace(&info, info.in_color_space);
    // Without a JFIF or Adobe marker every decoder takes components 1, 2, 3 as YCbCr.
    info.write_JFIF_header = options.jfif ? TRUE : FALSE;
    info.write_Adobe_marker = FALSE;
    info.optimize_coding = TRUE;
    info.restart_interval = static_cast<unsigned int>(options.restart_interval);
    info.comp_info[0].h_samp_factor = frame.sampling.horizontal;
    info.comp_info[0].v_samp_factor = frame.sampling.vertical;

    // A table that two components share is written once.
    int slots = 0;
    for (int i = 0; i < frame.sampling.components; ++i) {
        int same = 0;
        while (frame.tables[same] != frame.tables[i]) ++same;
        if (same == i) set_table(info, slots, frame.tables[i]);
        info.comp_info[i].quant_tbl_no = same == i ? slots++ : info.comp_info[same].quant_tbl_no;
    }
    if (options.progressive) jpeg_simple_progression(&info);
}

// Virtual arrays are padded to whole MCUs; libjpeg makes the padding blocks itself while writing.
jvirt_barray_ptr* reserve_arrays(jpeg_compress_struct& info, const Frame& frame) {
    auto* common = reinterpret_cast<j_common_ptr>(&info);
    auto* arrays = static_cast<jvirt_barray_ptr*>(
        info.mem->alloc_small(common, JPOOL_IMAGE, sizeof(jvirt_barray_ptr) * frame.sampling.components));
    for (int i = 0; i < frame.sampling.components; ++i) {
        const Grid grid = grid_of(frame.height, frame.width, frame.sampling, i);
        const int across = info.comp_info[i].h_samp_factor;
        const int down = info.comp_info[i].v_samp_factor;
        arrays[i] = info.mem->request_virt_barray(
            common, JPOOL_IMAGE, TRUE, static_cast<JDIMENSION>(ceil_div(grid.columns, across) * across),
            static_cast<JDIMENSION>(ceil_div(grid.rows, down) * down), static_cast<JDIMENSION>(down));
    }
    info.mem->realize_virt_arrays(common);
    return arrays;
}

// libjpeg checks AC magnitudes as it codes them, but a progressive scan codes them shifted right.
bool ac_within_range(const std::int16_t* row, std::size_t size) {
    constexpr IndexRange range = index_range(1);
    int beyond = 0;
    for (std::size_t i = 0; i < size; ++i) {
        beyond |= i % kBlockSize != 0 && (row[i] < range.low || row[i] > range.high);
    }
    return beyond == 0;
}

void fill_array(jpeg_compress_struct& info, jvirt_barray_ptr array, Grid grid, const std::int16_t* plane) {
    const std::size_t row_size = static_cast<std::size_t>(grid.columns) * kBlockSize;
    for (int y = 0; y < grid.rows; ++y) {
        JBLOCKARRAY rows = info.mem->access_virt_barray(reinterpret_cast<j_common_ptr>(&info), array,
                                                        static_cast<JDIMENSION>(y), 1, TRUE);
        if (!ac_within_range(plane + y * row_size, row_size)) ERREXIT(&info, JERR_BAD_DCT_COEF);
        std::memcpy(rows[0], plane + y * row_size, row_size * sizeof(std::int16_t));
    }
}

constexpr int kStartOfScan = 0xDA;
constexpr int kHuffmanTables = 0xC4;
constexpr int kQuantizationTables = 0xDB;

int length_at(const unsigned char* segment) {
    return segment[2] << 8 | segment[3];
}

// libjpeg writes one segment per table. A segment may hold several: joining neighbours of a kind in the header before
// the first scan saves 4 bytes for each.
std::string join_table_segments(const unsigned char* data, std::size_t size) {
    std::string joined(reinterpret_cast<const char*>(data), 2);
    std::size_t last = 0;  // where the segment before starts in `joined`
    std::size_t at = 2;
    while (data[at + 1] != kStartOfScan) {
        const int code = data[at + 1];
        const int length = length_at(data + at);
        const auto* before = reinterpret_cast<const unsigned char*>(joined.data()) + last;
        const bool table = code == kHuffmanTables || code == kQuantizationTables;
        if (table && last != 0 && before[1] == code && length_at(before) + length - 2 <= 0xFFFF) {
            const int total = length_at(before) + length - 2;
            joined[last + 2] = static_cast<char>(total >> 8);
            joined[last + 3] = static_cast<char>(total & 0xFF);
            joined.append(reinterpret_cast<const char*>(data) + at + 4, length - 2);
        } else {
            last = joined.size();
            joined.append(reinterpret_cast<const char*>(data) + at, length + 2);
        }
        at += length + 2;
    }
    joined.append(reinterpret_cast<const char*>(data) + at, size - at);
    return joined;
}

}  // namespace

std::string write_jpeg(const Frame& frame, const std::vector<const std::int16_t*>& planes,
                       const WriteOptions& options) {
    if (!options.progressive) {
        return write_baseline(frame, gather_symbols(frame, planes, options.restart_interval), options);
    }
    Compressor jpeg;
    guarded(jpeg.error, [&] {
        jpeg_create_compress(&jpeg.info);
        jpeg_mem_dest(&jpeg.info, &jpeg.buffer, &jpeg.size);
        set_header(jpeg.info, frame, options);
        jvirt_barray_ptr* arrays = reserve_arrays(jpeg.info, frame);
        for (int i = 0; i < frame.sampling.components; ++i) {
            fill_array(jpeg.info, arrays[i], grid_of(frame.height, frame.width, frame.sampling, i), planes[i]);
        }
        jpeg_write_coefficients(&jpeg.info, arrays);
        for (const Marker& marker : options.markers) {
            jpeg_write_marker(&jpeg.info, marker.code, reinterpret_cast<const JOCTET*>(marker.payload.data()),
                              static_cast<unsigned int>(marker.payload.size()));
        }
        jpeg_finish_compress(&jpeg.info);
    });
    std::string file = join_table_segments(jpeg.buffer, jpeg.size);
    if (options.restart_interval != 0) return file;
    std::string other = write_spectral_selection(frame, planes, options);
    return other.size() <= file.size() ? other : file;
}

}  // namespace j4d
