#include "entropy/emission.hpp"

#include <algorithm>
#include <cstring>

namespace j4d {
namespace {

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
constexpr std::size_t kLongestSymbol = 4;  // bytes: 16 bits of code and at most 14 extra bits
using ChunkBuffer = std::array<unsigned char, kChunk * kLongestSymbol + 16>;

}  // namespace

void set_codes(EmissionTable& table, SymbolClass kind, const HuffmanCode& code, bool band) {
    for (const std::uint8_t symbol : code.symbols) {
        const int size = symbol & 15;
        const int extra = band && size == 0 && symbol != kZeroRun ? symbol >> 4 : size;
        table[kind * kSymbols + symbol] = {std::uint32_t{code.code[symbol]} << extra,
                                           std::uint32_t{code.length[symbol]} + static_cast<std::uint32_t>(extra)};
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

}  // namespace j4d
