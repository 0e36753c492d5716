// Bytes and marker segments (T.81 annex B) on their way to a file.
#pragma once

#include <cstddef>
#include <string>

namespace j4d {

enum MarkerCode : int {
    kBaselineFrame = 0xC0,
    kProgressiveFrame = 0xC2,
    kHuffmanTables = 0xC4,
    kRestart = 0xD0,
    kStartOfImage = 0xD8,
    kEndOfImage = 0xD9,
    kStartOfScan = 0xDA,
    kQuantizationTables = 0xDB,
    kRestartInterval = 0xDD,
    kJfif = 0xE0,
};

class Writer {
  public:
    void byte(int value) { bytes_.push_back(static_cast<char>(value)); }
    void word(int value) {
        byte(value >> 8);
        byte(value & 0xFF);
    }
    void marker(int code) {
        byte(0xFF);
        byte(code);
    }
    // A marker and the length of what follows, which counts itself.
    void segment(int code, std::size_t payload) {
        marker(code);
        word(static_cast<int>(payload + 2));
    }
    std::string& bytes() { return bytes_; }

  private:
    std::string bytes_;
};

}  // namespace j4d
