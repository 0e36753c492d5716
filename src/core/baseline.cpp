// Baseline sequential files (T.81 annexes B, C and F). Every kind of table is one segment, quantization tables that are
// equal are written once, and luma and chroma share a Huffman code where the file is smaller so.
#include "baseline.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace j4d {
namespace {

enum Marker8 : int {
    kStartOfFrame = 0xC0,
    kHuffmanTables = 0xC4,
    kRestart = 0xD0,
    kStartOfImage = 0xD8,
    kEndOfImage = 0xD9,
    kStartOfScan = 0xDA,
    kQuantizationTables = 0xDB,
    kRestartInterval = 0xDD,
    kJfif = 0xE0,
};

// -- gathering ---------------------------------------------------------------------------------------------------

constexpr std::array<std::uint8_t, kBlockSize> invert(const std::array<std::uint8_t, kBlockSize>& order) {
    std::array<std::uint8_t, kBlockSize> inverse{};
    for (int i = 0; i < kBlockSize; ++i) inverse[order[i]] = static_cast<std::uint8_t>(i);
    return inverse;
}

constexpr std::array<std::uint8_t, kBlockSize> kZigzagPlace = invert(kZigzag);

// Bit i is set where the i-th index in zigzag order is not 0; `block` is in natural order.
std::uint64_t nonzero_in_zigzag(const std::int16_t* block) {
    std::uint8_t flags[kBlockSize];
    for (int i = 0; i < kBlockSize; ++i) flags[i] = block[i] != 0;
    std::uint64_t mask = 0;
    for (int row = 0; row < kBlock; ++row) {
        // Eight bytes of 0 or 1 to eight bits, the first to the lowest: each product bit has one way to arise.
        std::uint64_t packed = 0;
        for (int i = 0; i < kBlock; ++i) packed |= std::uint64_t{flags[row * kBlock + i]} << (8 * i);
        std::uint64_t bits = packed * 0x0102040810204080u >> 56;
        for (; bits != 0; bits &= bits - 1) {
            mask |= std::uint64_t{1} << kZigzagPlace[row * kBlock + countr_zero(bits)];
        }
    }
    return mask;
}

void check_ac(const std::int16_t* block) {
    constexpr IndexRange range = index_range(1);
    int beyond = 0;
    for (int i = 1; i < kBlockSize; ++i) beyond |= (block[i] < range.low) | (block[i] > range.high);
    if (beyond == 0) return;
    for (int i = 1;; ++i) {
        if (block[i] >= range.low && block[i] <= range.high) continue;
        throw JpegError("index " + std::to_string(block[i]) + " at frequency (" + std::to_string(i / kBlock) + ", " +
                        std::to_string(i % kBlock) + ") is outside " + std::to_string(range.low) + ".." +
                        std::to_string(range.high));
    }
}

void check_dc(int difference) {
    constexpr int limit = 2047;
    if (difference >= -limit && difference <= limit) return;
    throw JpegError("difference " + std::to_string(difference) + " of neighbouring DC indices is outside -" +
                    std::to_string(limit) + ".." + std::to_string(limit));
}

// -- headers -----------------------------------------------------------------------------------------------------

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

// The slot of each component's quantization table: a table that components share is written once.
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

void write_frame_header(Writer& out, const Frame& frame, const std::vector<int>& slots) {
    out.segment(kStartOfFrame, 6 + 3 * slots.size());
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

// -- codes -------------------------------------------------------------------------------------------------------

// The codes of one file. codes[i]: DC for i = 0, AC for i = 1; one code for all components, or luma's and chroma's.
struct Codes {
    std::vector<HuffmanCode> codes[2];

    // Which of codes[kind] a component uses.
    int slot(int kind, bool chroma) const { return chroma && codes[kind].size() > 1 ? 1 : 0; }
};

std::vector<HuffmanCode> best_codes(const Histogram& luma, const Histogram& chroma, bool gray) {
    std::vector<HuffmanCode> apart{optimal_code(luma)};
    if (gray) return apart;
    apart.push_back(optimal_code(chroma));
    Histogram both = luma;
    for (int i = 0; i < kSymbols; ++i) both[i] += chroma[i];
    std::vector<HuffmanCode> shared{optimal_code(both)};
    const auto cost_apart =
        apart[0].bits(luma) + apart[1].bits(chroma) + 8 * apart[1].header_bytes() + 8 * apart[0].header_bytes();
    const auto cost_shared = shared[0].bits(both) + 8 * shared[0].header_bytes();
    return cost_shared <= cost_apart ? shared : apart;
}

Codes make_codes(const Symbols& symbols, bool gray) {
    Codes result;
    for (int i = 0; i < 2; ++i) {
        result.codes[i] = best_codes(symbols.histogram(static_cast<SymbolClass>(kLumaDc + i)),
                                     symbols.histogram(static_cast<SymbolClass>(kChromaDc + i)), gray);
    }
    return result;
}

void write_huffman_tables(Writer& out, const Codes& codes) {
    std::size_t payload = 0;
    for (const auto& kind : codes.codes) {
        for (const HuffmanCode& code : kind) payload += code.header_bytes();
    }
    out.segment(kHuffmanTables, payload);
    for (int kind = 0; kind < 2; ++kind) {
        for (std::size_t slot = 0; slot < codes.codes[kind].size(); ++slot) {
            const HuffmanCode& code = codes.codes[kind][slot];
            out.byte(kind << 4 | static_cast<int>(slot));
            for (int length = 1; length <= kLongestCode; ++length) out.byte(code.lengths[length]);
            for (const std::uint8_t symbol : code.symbols) out.byte(symbol);
        }
    }
}

void write_scan_header(Writer& out, const Frame& frame, const Codes& codes) {
    out.segment(kStartOfScan, 4 + 2 * static_cast<std::size_t>(frame.sampling.components));
    out.byte(frame.sampling.components);
    for (int i = 0; i < frame.sampling.components; ++i) {
        out.byte(i + 1);
        out.byte(codes.slot(0, i != 0) << 4 | codes.slot(1, i != 0));
    }
    out.byte(0);  // the scan holds all frequencies
    out.byte(63);
    out.byte(0);
}

// -- entropy-coded bytes -----------------------------------------------------------------------------------------

// For each symbol of each class its code, shifted to leave room for the extra bits, and the bits of both together.
struct Emission {
    std::uint32_t code;
    std::uint32_t length;
};

using EmissionTable = std::array<Emission, kSymbolClasses * kSymbols>;

EmissionTable emission_table(const Codes& codes, bool gray) {
    EmissionTable table{};
    for (int kind = 0; kind < (gray ? kChromaDc : kSymbolClasses); ++kind) {
        const HuffmanCode& code = codes.codes[kind & 1][codes.slot(kind & 1, kind >= kChromaDc)];
        for (const std::uint8_t symbol : code.symbols) {
            const int extra = symbol & 15;
            table[kind * kSymbols + symbol] = {std::uint32_t{code.code[symbol]} << extra,
                                               std::uint32_t{code.length[symbol]} + extra};
        }
    }
    return table;
}

void store_big_endian(unsigned char* out, std::uint64_t word) {
    for (int i = 0; i < 8; ++i) out[i] = static_cast<unsigned char>(word >> (56 - 8 * i));
}

// Bits on their way to bytes. The lowest `filled` of `bits` are still to be written, those above have been.
struct BitBuffer {
    std::uint64_t bits = 0;
    std::uint32_t filled = 0;  // below 8 between symbols

    // Writes whole bytes of the symbols `from` .. `to`, without stuffing, and up to 8 bytes past the end it returns:
    // storing a fixed number of bytes and moving on by those that are full takes no branch.
    unsigned char* emit(const std::uint32_t* from, const std::uint32_t* to, const EmissionTable& table,
                        unsigned char* out) {
        for (; from != to; ++from) {
            const Emission emission = table[*from & Symbols::kKeyMask];
            bits = bits << emission.length | emission.code | *from >> 16;
            filled += emission.length;
            store_big_endian(out, bits << (64 - filled));
            out += filled >> 3;
            filled &= 7;
        }
        return out;
    }

    // Fills the last byte up with ones.
    unsigned char* finish(unsigned char* out) {
        if (filled != 0) *out++ = static_cast<unsigned char>(bits << (8 - filled) | 0xFFu >> filled);
        *this = {};
        return out;
    }
};

// After a byte of ones goes a zero, so that it is not taken for a marker.
void append_stuffed(std::string& file, const unsigned char* from, const unsigned char* to) {
    while (from != to) {
        const void* ones = std::memchr(from, 0xFF, static_cast<std::size_t>(to - from));
        const auto* end = ones == nullptr ? to : static_cast<const unsigned char*>(ones) + 1;
        file.append(reinterpret_cast<const char*>(from), static_cast<std::size_t>(end - from));
        if (ones != nullptr) file.push_back('\0');
        from = end;
    }
}

constexpr std::size_t kChunk = 4096;       // symbols that go through a buffer at a time: only the file itself grows
constexpr std::size_t kLongestSymbol = 4;  // bytes: 16 bits of code and at most 11 extra bits
using ChunkBuffer = std::array<unsigned char, kChunk * kLongestSymbol + 16>;

void write_entropy_coded(Writer& out, const Symbols& symbols, const EmissionTable& table) {
    ChunkBuffer buffer;
    BitBuffer bits;
    const std::vector<std::size_t>& restarts = symbols.restarts();
    std::size_t at = 0;
    for (std::size_t interval = 0; interval <= restarts.size(); ++interval) {
        const std::size_t end = interval < restarts.size() ? restarts[interval] : symbols.size();
        while (at < end) {
            const std::uint32_t* from = symbols.begin() + at;
            const std::size_t count = std::min(kChunk, end - at);
            append_stuffed(out.bytes(), buffer.data(), bits.emit(from, from + count, table, buffer.data()));
            at += count;
        }
        append_stuffed(out.bytes(), buffer.data(), bits.finish(buffer.data()));
        if (interval < restarts.size()) out.marker(kRestart + static_cast<int>(interval % 8));
    }
}

std::uint64_t scan_bits(const Symbols& symbols, const EmissionTable& table) {
    std::uint64_t bits = 0;
    for (int kind = 0; kind < kSymbolClasses; ++kind) {
        const Histogram counts = symbols.histogram(static_cast<SymbolClass>(kind));
        for (int i = 0; i < kSymbols; ++i) bits += counts[i] * table[kind * kSymbols + i].length;
    }
    return bits;
}

}  // namespace

Symbols gather_symbols(const Frame& frame, const std::vector<const std::int16_t*>& planes, int restart_interval) {
    Symbols symbols;
    Grid grids[3];
    for (int i = 0; i < frame.sampling.components; ++i) {
        grids[i] = grid_of(frame.height, frame.width, frame.sampling, i);
    }
    int predicted[3] = {};
    visit_blocks(
        frame.height, frame.width, frame.sampling, restart_interval, [](int) {},
        [&](int component, int row, int column) {
            if (row >= grids[component].rows || column >= grids[component].columns) {
                symbols.add_padding(component != 0);
                return;
            }
            const std::int16_t* block =
                planes[component] + (static_cast<std::size_t>(row) * grids[component].columns + column) * kBlockSize;
            const int difference = block[0] - std::exchange(predicted[component], block[0]);
            check_dc(difference);
            check_ac(block);
            symbols.add_block(component != 0, difference, nonzero_in_zigzag(block),
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
    const Codes codes = make_codes(symbols, gray);
    const EmissionTable table = emission_table(codes, gray);
    Writer out;
    const std::size_t bytes = scan_bits(symbols, table) / 8;
    out.bytes().reserve(bytes + bytes / 64 + 2048 + 3 * symbols.restarts().size());

    out.marker(kStartOfImage);
    write_application_segments(out, options);
    write_quantization_tables(out, frame, slots);
    write_frame_header(out, frame, slots);
    write_huffman_tables(out, codes);
    if (options.restart_interval != 0) {
        out.segment(kRestartInterval, 2);
        out.word(options.restart_interval);
    }
    write_scan_header(out, frame, codes);
    write_entropy_coded(out, symbols, table);
    out.marker(kEndOfImage);
    return std::move(out.bytes());
}

}  // namespace j4d
