// The segments of a file's header that say what its frame is (T.81 B.2).
#pragma once

#include <vector>

#include "files/frame.hpp"
#include "files/options.hpp"
#include "support/writer.hpp"

namespace j4d {

// The slot of each component's quantization table: a table that components share is written once.
std::vector<int> table_slots(const Frame& frame);

// What the options ask for right after the start of the image.
void write_application_segments(Writer& out, const WriteOptions& options);
void write_quantization_tables(Writer& out, const Frame& frame, const std::vector<int>& slots);
// `code` is that of a baseline or a progressive frame.
void write_frame_header(Writer& out, int code, const Frame& frame, const std::vector<int>& slots);

}  // namespace j4d
