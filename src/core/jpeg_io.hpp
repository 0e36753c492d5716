// Quantized coefficients to JPEG bytes and back, in memory, through libjpeg-turbo's transcoding interface. Knows
// nothing of pixels and nothing of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "geometry.hpp"

namespace j4d {

// Bytes that are no JPEG file we read, or coefficients that no JPEG file holds.
class JpegError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A JPEG file of a kind that we do not handle.
class UnsupportedError : public JpegError {
  public:
    using JpegError::JpegError;
};

// What a JPEG file says of its picture, apart from the indices.
struct Frame {
    int height;
    int width;
    Sampling sampling;
    std::vector<std::vector<std::int32_t>> tables;  // 64 steps per component, natural order
};

// An APPn or COM segment: `code` is 0xE0..0xEF or 0xFE, `payload` at most 65533 bytes.
struct Marker {
    int code;
    std::string payload;
};

// What is odd in a file and does no harm: every coefficient is as it was written.
struct Oddities {
    bool jfif_version = false;     // a JFIF header of an unknown version
    bool adobe_transform = false;  // an Adobe segment with an unknown code
    bool junk = false;             // bytes between the segments of the header
    bool zeros = false;            // zeros between a scan and the next marker
    bool no_end = false;           // the marker of the picture's end is missing
};

struct WriteOptions {
    bool progressive = false;
    bool jfif = false;
    int restart_interval = 0;  // in MCUs; 0 for none
    std::vector<Marker> markers;
};

// `planes[i]` holds grid_of(...) blocks of 64 indices in natural order.
std::string write_jpeg(const Frame& frame, const std::vector<const std::int16_t*>& planes, const WriteOptions& options);

struct Limits {
    std::int64_t pixels;                          // height x width, checked before anything of that size is allocated
    int scans;                                    // each scan of a progressive file costs time over the whole picture
    int markers = 4096;                           // segments before, between and after the scans
    std::int64_t memory = std::int64_t{1} << 50;  // bytes of the picture's coefficients, checked as pixels are
};

struct ReadResult {
    Frame frame;
    std::vector<std::unique_ptr<std::int16_t[]>> planes;
};

// Anything that libjpeg warns of (corrupt data, a premature end) is an error here.
ReadResult read_jpeg(const std::uint8_t* data, std::size_t size, Limits limits);

}  // namespace j4d
