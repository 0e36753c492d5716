#include "files/segments.hpp"

#include "kernels/zigzag.hpp"

namespace j4d {

std::vector<int> table_slots(const Frame& frame) {
    std::vector<int> slots;
    int used = 0;
    for (int i = 0; i < frame.sampling.components; ++i) {
        int same = 0;
        while (frame.tables[same] != frame.tables[i]) ++same;
        slots.push_back(same == i ? used++ : slots[same]);
    }
    return slots;
}

void write_application_segments(Writer& out, const WriteOptions& options) {
    if (options.jfif) {
        out.segment(kJfif, 14);
        out.bytes().append("JFIF\0\1\1\0\0\1\0\1\0\0", 14);  // version 1.01, square pixels, no thumbnail
    }
    for (const Marker& marker : options.markers) {
        out.segment(marker.code, marker.payload.size());
        out.bytes() += marker.payload;
    }
}

void write_quantization_tables(Writer& out, const Frame& frame, const std::vector<int>& slots) {
    int written = 0;
    for (const int slot : slots) written = slot + 1 > written ? slot + 1 : written;
    out.segment(kQuantizationTables, static_cast<std::size_t>(written) * (1 + kBlockSize));
    written = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i] != written) continue;
        out.byte(written++);
        for (const int natural : kZigzag) out.byte(frame.tables[i][natural]);
    }
}

void write_frame_header(Writer& out, int code, const Frame& frame, const std::vector<int>& slots) {
    out.segment(code, 6 + 3 * slots.size());
    out.byte(8);  // bits per sample
    out.word(frame.height);
    out.word(frame.width);
    out.byte(frame.sampling.components);
    for (int i = 0; i < frame.sampling.components; ++i) {
        out.byte(i + 1);
        out.byte(i == 0 ? frame.sampling.horizontal << 4 | frame.sampling.vertical : 0x11);
        out.byte(slots[i]);
    }
}

}  // namespace j4d
