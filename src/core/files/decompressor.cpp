// Opening untrusted JPEG bytes: which kinds are refused, and the limits on pixels, scans and segments.
#include "files/decompressor.hpp"

#include <algorithm>

namespace j4d {
namespace {

constexpr unsigned int kWhole = 0xFFFF;  // of a segment

// Scans times pixels. A scan costs time over the whole picture and can be a few bytes short; the standard progressive
// script has ten, so that the largest pictures keep room for half as many again.
constexpr std::int64_t kScannedPixels = std::int64_t{1} << 32;

const char* colour_name(const jpeg_decompress_struct& info) {
    switch (info.jpeg_color_space) {
        case JCS_CMYK:
            return "CMYK";
        case JCS_YCCK:
            return "YCCK";
        default:
            return "unknown";
    }
}

bool handled(const jpeg_decompress_struct& info) {
    switch (info.jpeg_color_space) {
        case JCS_GRAYSCALE:
            return info.num_components == 1;
        case JCS_YCbCr:
        case JCS_RGB:
            return info.num_components == 3;
        default:
            return false;
    }
}

int count_of(const jpeg_marker_struct* marker) {
    int count = 0;
    for (; marker != nullptr; marker = marker->next) ++count;
    return count;
}

// A Huffman code has at least one bit, and a block at least one code: the difference of its DC index, in a sequential
// file and in the first scan of a progressive one. So a picture of more blocks than the file has bits is damaged, which
// is told before memory is taken. An arithmetic coder can say as much in no bits at all.
void must_hold(const Layout& layout, std::size_t size) {
    std::int64_t blocks = 0;
    for (int i = 0; i < layout.components(); ++i) {
        const Grid grid = layout.grid(i);
        blocks += std::int64_t{grid.rows} * grid.columns;
    }
    if (blocks / 8 > static_cast<std::int64_t>(size)) {
        throw JpegError("the header says " + std::to_string(layout.width) + " x " + std::to_string(layout.height) +
                        " pixels, " + std::to_string(blocks) + " blocks, more than " + std::to_string(size) +
                        " bytes can hold");
    }
}

}  // namespace

void Decompressor::watch_scans(j_common_ptr info) {
    const auto* limit = reinterpret_cast<const ScanLimit*>(info->progress);
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= limit->scans) return;
    char reason[64];
    std::snprintf(reason, sizeof reason, "more than %d scans", limit->scans);
    reinterpret_cast<ErrorManager*>(info->err)->fail(reason);
}

Decompressor::Decompressor(const std::uint8_t* data, std::size_t size, const ReadOptions& options) {
    info.err = error.install();
    error.tolerant = options.tolerate_damage;
    error.markers_left = options.limits.markers;
    error.begin = data;
    // jpeg_destroy is harmless on a zeroed structure, but the destructor of an object whose constructor throws does
    // not run: from here on every exception passes the catch below.
    try {
        guarded(error, [&] {
            jpeg_create_decompress(&info);
            if (options.segments) {
                for (int i = 0; i < 16; ++i) jpeg_save_markers(&info, JPEG_APP0 + i, kWhole);
                jpeg_save_markers(&info, JPEG_COM, kWhole);
            }
            jpeg_mem_src(&info, data, static_cast<unsigned long>(size));
            jpeg_read_header(&info, TRUE);
        });
        if (info.data_precision != 8) {
            throw UnsupportedError(std::to_string(info.data_precision) + " bits a sample; only 8 are handled");
        }
        if (!handled(info)) {
            throw UnsupportedError(std::string("colour space ") + colour_name(info) + " with " +
                                   std::to_string(info.num_components) +
                                   " components; only YCbCr, RGB and gray are handled");
        }
        const std::int64_t pixels = std::int64_t{info.image_width} * info.image_height;
        if (pixels > options.limits.pixels) {
            throw JpegError("the picture has " + std::to_string(info.image_width) + " x " +
                            std::to_string(info.image_height) + " pixels, more than the limit of " +
                            std::to_string(options.limits.pixels));
        }
        const std::int64_t memory = memory_of(layout(), size);
        if (memory > options.limits.memory) {
            throw JpegError("the picture takes " + std::to_string(memory) +
                            " bytes of memory, more than the limit of " + std::to_string(options.limits.memory));
        }
        if (!options.tolerate_damage && !info.arith_code) must_hold(layout(), size);
        header_segments = count_of(info.marker_list);
        limit_.base.progress_monitor = watch_scans;
        limit_.scans = static_cast<int>(std::min<std::int64_t>(options.limits.scans, kScannedPixels / pixels));
        info.progress = &limit_.base;
    } catch (...) {
        jpeg_destroy_decompress(&info);
        throw;
    }
}

Layout Decompressor::layout() const {
    const Colour colour = info.num_components == 1           ? Colour::gray
                          : info.jpeg_color_space == JCS_RGB ? Colour::rgb
                                                             : Colour::ycbcr;
    Layout layout{static_cast<int>(info.image_height), static_cast<int>(info.image_width), colour, {}};
    for (int i = 0; i < info.num_components; ++i) {
        layout.factors.push_back({info.comp_info[i].h_samp_factor, info.comp_info[i].v_samp_factor});
    }
    return layout;
}

}  // namespace j4d
