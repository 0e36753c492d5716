// A libjpeg decompressor with our limits: opened on bytes in memory, header read and judged, nothing large allocated
// yet. The coefficient reader and the chroma resampler both start from here, so that they refuse the same files.
#pragma once

#include "files/layout.hpp"
#include "files/libjpeg.hpp"
#include "files/options.hpp"

namespace j4d {

// Bytes that transcoding a file of `size` bytes takes at most: two copies of its coefficients and a half, and the
// symbols of what is written, which follow the file's size. Measured on photographs and on noise (docs/transcoding.md).
inline std::int64_t memory_of(const Layout& layout, std::size_t size) {
    return 5 * layout.coefficient_bytes() / 2 + 8 * static_cast<std::int64_t>(size);
}

struct Decompressor {
    ErrorManager error{};
    jpeg_decompress_struct info{};
    int header_segments = 0;  // of those kept, before the first scan

    // Reads the header. Raises JpegError and UnsupportedError.
    Decompressor(const std::uint8_t* data, std::size_t size, const ReadOptions& options);
    ~Decompressor() { jpeg_destroy_decompress(&info); }
    Decompressor(const Decompressor&) = delete;
    Decompressor& operator=(const Decompressor&) = delete;

    Layout layout() const;

  private:
    // libjpeg calls the progress monitor once per row of MCUs; ours only watches the number of scans.
    struct ScanLimit {
        jpeg_progress_mgr base;  // first, as in ErrorManager
        int scans;
    };
    ScanLimit limit_{};

    static void watch_scans(j_common_ptr info);
};

}  // namespace j4d
