// libjpeg's own optimizing coder, straight from our planes.
#include "files/write_layout.hpp"

#include <algorithm>
#include <cstdlib>

#include "files/libjpeg.hpp"
#include "support/writer.hpp"

namespace j4d {
namespace {

constexpr int kAdobe = JPEG_APP0 + 14;
constexpr int kBlocksInMcu = 10;  // T.81 B.2.3: of an interleaved scan

struct PlaneRows {
    std::vector<JBLOCKROW> rows;
};

struct Compressor {
    ErrorManager error{};
    jpeg_compress_struct info{};
    unsigned char* buffer = nullptr;
    unsigned long size = 0;
    PlaneRows planes[3];
    jvirt_barray_ptr arrays[3];
    jpeg_scan_info scans[3]{};

    Compressor() { info.err = error.install(); }
    ~Compressor() {
        jpeg_destroy_compress(&info);
        std::free(buffer);
    }
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;
};

JBLOCKARRAY access_rows(j_common_ptr, jvirt_barray_ptr array, JDIMENSION start, JDIMENSION, boolean) {
    return reinterpret_cast<PlaneRows*>(array)->rows.data() + start;
}

// libjpeg asks for the rows of a whole MCU and leaves those beyond the picture alone; their pointers must exist.
void point_at(PlaneRows& plane, const std::int16_t* values, Grid grid, int padding) {
    plane.rows.assign(static_cast<std::size_t>(grid.rows) + padding, nullptr);
    for (int y = 0; y < grid.rows; ++y) {
        const std::size_t at = static_cast<std::size_t>(y) * grid.columns * kBlockSize;
        plane.rows[y] = reinterpret_cast<JBLOCKROW>(const_cast<std::int16_t*>(values + at));
    }
}

void set_table(jpeg_compress_struct& info, int slot, const std::vector<std::int32_t>& steps) {
    JQUANT_TBL* table = jpeg_alloc_quant_table(reinterpret_cast<j_common_ptr>(&info));
    for (int i = 0; i < kBlockSize; ++i) table->quantval[i] = static_cast<UINT16>(steps[i]);
    table->sent_table = FALSE;
    info.quant_tbl_ptrs[slot] = table;
}

// As libjpeg's reader recognizes it.
bool has_adobe(const std::vector<Marker>& markers) {
    return std::any_of(markers.begin(), markers.end(), [](const Marker& marker) {
        return marker.code == kAdobe && marker.payload.size() >= 12 && marker.payload.compare(0, 5, "Adobe") == 0;
    });
}

void set_header(Compressor& jpeg, const Layout& layout, const std::vector<std::vector<std::int32_t>>& tables,
                const WriteOptions& options) {
    jpeg_compress_struct& info = jpeg.info;
    info.image_height = static_cast<JDIMENSION>(layout.height);
    info.image_width = static_cast<JDIMENSION>(layout.width);
    info.input_components = layout.components();
    info.in_color_space = layout.colour == Colour::gray  ? JCS_GRAYSCALE
                          : layout.colour == Colour::rgb ? JCS_RGB
                                                         : JCS_YCbCr;
    jpeg_set_defaults(&info);
    // For RGB this names the components R, G, B and asks for an Adobe marker without transform: some decoders look
    // at the one, some at the other.
    jpeg_set_colorspace(&info, info.in_color_space);
    // Without a JFIF or Adobe marker every decoder takes components 1, 2, 3 as YCbCr.
    info.write_JFIF_header = options.jfif ? TRUE : FALSE;
    if (has_adobe(options.markers)) info.write_Adobe_marker = FALSE;  // the source's own says the same
    info.optimize_coding = TRUE;
    info.restart_interval = static_cast<unsigned int>(options.restart_interval);
    int slots = 0;
    int blocks = 0;
    for (int i = 0; i < layout.components(); ++i) {
        jpeg_component_info& component = info.comp_info[i];
        component.h_samp_factor = layout.factors[i].horizontal;
        component.v_samp_factor = layout.factors[i].vertical;
        blocks += component.h_samp_factor * component.v_samp_factor;
        int same = 0;  // a table that two components share is written once
        while (tables[same] != tables[i]) ++same;
        if (same == i) set_table(info, slots, tables[i]);
        component.quant_tbl_no = same == i ? slots++ : info.comp_info[same].quant_tbl_no;
        jpeg.scans[i] = {1, {i, 0, 0, 0}, 0, kBlockSize - 1, 0, 0};
    }
    if (layout.components() > 1 && blocks > kBlocksInMcu) {  // no interleaved scan holds them, progressive or not
        info.scan_info = jpeg.scans;
        info.num_scans = layout.components();
    } else if (options.progressive) {
        jpeg_simple_progression(&info);
    }
}

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

std::string write_layout(const Layout& layout, const std::vector<std::vector<std::int32_t>>& tables,
                         const std::vector<const std::int16_t*>& planes, const WriteOptions& options) {
    Compressor jpeg;
    for (int i = 0; i < layout.components(); ++i) {
        point_at(jpeg.planes[i], planes[i], layout.grid(i), layout.factors[i].vertical);
        jpeg.arrays[i] = reinterpret_cast<jvirt_barray_ptr>(&jpeg.planes[i]);
    }
    guarded(jpeg.error, [&] {
        jpeg_create_compress(&jpeg.info);
        jpeg.info.mem->access_virt_barray = access_rows;
        jpeg_mem_dest(&jpeg.info, &jpeg.buffer, &jpeg.size);
        set_header(jpeg, layout, tables, options);
        jpeg_write_coefficients(&jpeg.info, jpeg.arrays);
        for (const Marker& marker : options.markers) {
            jpeg_write_marker(&jpeg.info, marker.code, reinterpret_cast<const JOCTET*>(marker.payload.data()),
                              static_cast<unsigned int>(marker.payload.size()));
        }
        jpeg_finish_compress(&jpeg.info);
    });
    return join_table_segments(jpeg.buffer, jpeg.size);
}

}  // namespace j4d
