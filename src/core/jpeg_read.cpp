// JPEG bytes to quantized coefficients: jpeg_read_coefficients, strict about damage and about what we handle.
#include <cstring>

#include "libjpeg.hpp"

namespace j4d {
namespace {

// libjpeg calls the progress monitor once per row of MCUs; ours only watches the number of scans.
struct ScanLimit {
    jpeg_progress_mgr base;  // first, so that libjpeg's pointer to it is a pointer to the whole
    int scans;
};

struct Decompressor {
    ErrorManager error{};
    jpeg_decompress_struct info{};
    ScanLimit limit{};
    jvirt_barray_ptr* arrays = nullptr;

    Decompressor() { info.err = error.install(); }
    ~Decompressor() { jpeg_destroy_decompress(&info); }
    Decompressor(const Decompressor&) = delete;
    Decompressor& operator=(const Decompressor&) = delete;
};

void watch_scans(j_common_ptr info) {
    auto* limit = reinterpret_cast<ScanLimit*>(info->progress);
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= limit->scans) return;
    auto* error = reinterpret_cast<ErrorManager*>(info->err);
    std::snprintf(error->message, sizeof error->message, "more than %d scans", limit->scans);
    std::longjmp(error->back, 1);
}

const char* colour_name(J_COLOR_SPACE space) {
    switch (space) {
        case JCS_RGB:
            return "RGB";
        case JCS_CMYK:
            return "CMYK";
        case JCS_YCCK:
            return "YCCK";
        default:
            return "unknown";
    }
}

// The sampling, or JpegError naming what we do not handle. Factors count by their ratio only.
Sampling sampling_of(const jpeg_decompress_struct& info) {
    if (info.jpeg_color_space == JCS_GRAYSCALE && info.num_components == 1) return {1, 1, 1};
    if (info.jpeg_color_space != JCS_YCbCr || info.num_components != 3) {
        throw JpegError(std::string("colour space ") + colour_name(info.jpeg_color_space) + " with " +
                        std::to_string(info.num_components) + " components; only YCbCr and gray are handled");
    }
    const jpeg_component_info* c = info.comp_info;
    const Sampling sampling{3, c[0].h_samp_factor / c[1].h_samp_factor, c[0].v_samp_factor / c[1].v_samp_factor};
    const bool exact = sampling.horizontal * c[1].h_samp_factor == c[0].h_samp_factor &&
                       sampling.vertical * c[1].v_samp_factor == c[0].v_samp_factor;
    const bool alike = c[1].h_samp_factor == c[2].h_samp_factor && c[1].v_samp_factor == c[2].v_samp_factor;
    if (!exact || !alike || !sampling.legal()) {
        std::string factors;
        for (int i = 0; i < 3; ++i) {
            factors += (i ? ", " : "") + std::to_string(c[i].h_samp_factor) + "x" + std::to_string(c[i].v_samp_factor);
        }
        throw JpegError("sampling factors " + factors + "; only 4:4:4, 4:2:2 and 4:2:0 are handled");
    }
    return sampling;
}

void copy_plane(jpeg_decompress_struct& info, jvirt_barray_ptr array, Grid grid, std::int16_t* plane) {
    const std::size_t row_size = static_cast<std::size_t>(grid.columns) * kBlockSize;
    for (int y = 0; y < grid.rows; ++y) {
        JBLOCKARRAY rows = info.mem->access_virt_barray(reinterpret_cast<j_common_ptr>(&info), array,
                                                        static_cast<JDIMENSION>(y), 1, FALSE);
        std::memcpy(plane + y * row_size, rows[0], row_size * sizeof(std::int16_t));
    }
}

}  // namespace

ReadResult read_jpeg(const std::uint8_t* data, std::size_t size, Limits limits) {
    Decompressor jpeg;
    guarded(jpeg.error, [&] {
        jpeg_create_decompress(&jpeg.info);
        jpeg_mem_src(&jpeg.info, data, static_cast<unsigned long>(size));
        jpeg_read_header(&jpeg.info, TRUE);
    });
    const jpeg_decompress_struct& info = jpeg.info;
    ReadResult result{{static_cast<int>(info.image_height), static_cast<int>(info.image_width), sampling_of(info), {}},
                      {}};
    const Frame& frame = result.frame;
    const std::int64_t pixels = std::int64_t{frame.height} * frame.width;
    if (pixels > limits.pixels) {
        throw JpegError("the picture has " + std::to_string(frame.width) + " x " + std::to_string(frame.height) +
                        " pixels, more than the limit of " + std::to_string(limits.pixels));
    }
    jpeg.limit.base.progress_monitor = watch_scans;
    jpeg.limit.scans = limits.scans;
    jpeg.info.progress = &jpeg.limit.base;
    guarded(jpeg.error, [&] { jpeg.arrays = jpeg_read_coefficients(&jpeg.info); });

    for (int i = 0; i < frame.sampling.components; ++i) {
        const JQUANT_TBL* table = info.comp_info[i].quant_table;
        if (table == nullptr) throw JpegError("component " + std::to_string(i + 1) + " is in no scan");
        result.frame.tables.emplace_back(table->quantval, table->quantval + kBlockSize);
        const Grid grid = grid_of(frame.height, frame.width, frame.sampling, i);
        const std::size_t count = static_cast<std::size_t>(grid.rows) * grid.columns * kBlockSize;
        result.planes.emplace_back(new std::int16_t[count]);
        std::int16_t* plane = result.planes.back().get();
        guarded(jpeg.error, [&] { copy_plane(jpeg.info, jpeg.arrays[i], grid, plane); });
    }
    return result;
}

}  // namespace j4d
