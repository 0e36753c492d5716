// The symbols of a baseline scan (T.81 F.1.2), gathered once in file order, with their extra bits, and counted. The
// counts make the Huffman codes; emitting the file is then one pass over the symbols, and the coefficients they came
// from need not be kept.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "entropy/huffman.hpp"
#include "support/bits.hpp"
#include "support/geometry.hpp"

namespace j4d {

// Who gets a Huffman code of its own at most: DC and AC, of luma and of chroma.
enum SymbolClass { kLumaDc, kLumaAc, kChromaDc, kChromaAc, kSymbolClasses };

constexpr std::uint32_t kEndOfBlock = 0x00;
constexpr std::uint32_t kZeroRun = 0xF0;  // sixteen zeros

class Symbols {
  public:
    // One symbol is a word: its byte, then two bits of its class, and in the upper half its extra bits, as many as the
    // low four bits of the byte say.
    static constexpr std::uint32_t kKeyMask = kSymbolClasses * kSymbols - 1;

    // The indices of one block. `nonzero`: bit i is set where the i-th index in zigzag order is not 0; bit 0 does not
    // count. `index_at(i)` gives that index, -1023..1023. `dc_difference`: -2047..2047.
    template <typename IndexAt>
    void add_block(bool chroma, int dc_difference, std::uint64_t nonzero, IndexAt index_at) {
        if (capacity_ - size_ < 2 * kBlockSize) grow();
        add_dc(chroma, dc_difference);
        const std::uint32_t dc = chroma ? kChromaDc : kLumaDc;
        std::uint64_t* counts = counts_.data() + (dc + 1) * kSymbols;
        const std::uint32_t ac_class = (dc + 1) << 8;
        std::uint32_t* out = words_.get() + size_;

        int next = 1;  // where the run of zeros before an index would start
        for (nonzero &= ~std::uint64_t{1}; nonzero != 0; nonzero &= nonzero - 1) {
            const int at = countr_zero(nonzero);
            int run = at - next;
            next = at + 1;
            for (; run >= 16; run -= 16) {
                ++counts[kZeroRun];
                *out++ = kZeroRun | ac_class;
            }
            const std::uint32_t word = size_and_extra(index_at(at)) | static_cast<std::uint32_t>(run) << 4;
            ++counts[word & 0xFF];
            *out++ = word | ac_class;
        }
        if (next != kBlockSize) {
            ++counts[kEndOfBlock];
            *out++ = kEndOfBlock | ac_class;
        }
        size_ = static_cast<std::size_t>(out - words_.get());
    }

    // The DC index of a block alone.
    void add_dc(bool chroma, int difference) {
        const std::uint32_t word = size_and_extra(difference);
        add(chroma ? kChromaDc : kLumaDc, word & 15, word >> 16);
    }

    // One AC index of a band, after `run` zeros, 0 .. 15.
    void add_ac(int run, int index) {
        const std::uint32_t word = size_and_extra(index);
        add(kLumaAc, static_cast<std::uint32_t>(run) << 4 | (word & 15), word >> 16);
    }

    void add(SymbolClass kind, std::uint32_t symbol, std::uint32_t extra) {
        if (size_ == capacity_) grow();
        ++counts_[kind * kSymbols + symbol];
        words_[size_++] = symbol | static_cast<std::uint32_t>(kind) << 8 | extra << 16;
    }

    // A block beyond the picture, which fills up an MCU: no decoder shows it, so it is the cheapest there is.
    void add_padding(bool chroma) {
        add_block(chroma, 0, 0, [](int) { return 0; });
    }

    // The next block starts a restart interval.
    void add_restart() { restarts_.push_back(size_); }

    const std::uint32_t* begin() const { return words_.get(); }
    std::size_t size() const { return size_; }
    const std::vector<std::size_t>& restarts() const { return restarts_; }  // positions among the words

    Histogram histogram(SymbolClass kind) const {
        Histogram result;
        for (int i = 0; i < kSymbols; ++i) result[i] = counts_[kind * kSymbols + i];
        return result;
    }

  private:
    // The number of bits of the magnitude, and above bit 16 those bits: of the value, or of the value - 1 where it is
    // below 0.
    static std::uint32_t size_and_extra(int value) {
        if (value == 0) return 0;
        const int sign = value >> 31;
        const int size = bit_width(static_cast<std::uint32_t>((value ^ sign) - sign));
        const std::uint32_t extra = static_cast<std::uint32_t>(value + sign) & ((1u << size) - 1);
        return static_cast<std::uint32_t>(size) | extra << 16;
    }

    void grow() {
        const std::size_t wanted = capacity_ == 0 ? 1 << 14 : 2 * capacity_;
        auto* moved = static_cast<std::uint32_t*>(std::realloc(words_.get(), wanted * sizeof(std::uint32_t)));
        if (moved == nullptr) throw std::bad_alloc();
        static_cast<void>(words_.release());
        words_.reset(moved);
        capacity_ = wanted;
    }

    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };

    std::unique_ptr<std::uint32_t[], Free> words_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
    std::vector<std::size_t> restarts_;
    std::array<std::uint64_t, kSymbolClasses * kSymbols> counts_{};
};

// JpegError where an index of the block, in natural order, or a difference of DC indices has no symbol.
void check_ac(const std::int16_t* block);
void check_dc(int difference);

// Calls `block(component, row, column)` for each block in the order of the file and `restart()` where a restart
// interval begins. A block outside the component's grid fills up an MCU (T.81 A.2.3). One component makes MCUs of one
// block. `row_begins(mcu_row)` is called before the first block of each row of MCUs.
template <typename RowBegins, typename Block, typename Restart>
void visit_blocks(int height, int width, Sampling sampling, int restart_interval, RowBegins row_begins, Block block,
                  Restart restart) {
    const Grid luma = grid_of(height, width, sampling, 0);
    const int rows = ceil_div(luma.rows, sampling.vertical);
    const int columns = ceil_div(luma.columns, sampling.horizontal);
    int until_restart = restart_interval;
    for (int y = 0; y < rows; ++y) {
        row_begins(y);
        for (int x = 0; x < columns; ++x) {
            if (restart_interval != 0 && until_restart-- == 0) {
                restart();
                until_restart = restart_interval - 1;
            }
            for (int v = 0; v < sampling.vertical; ++v) {
                for (int h = 0; h < sampling.horizontal; ++h) {
                    block(0, y * sampling.vertical + v, x * sampling.horizontal + h);
                }
            }
            for (int component = 1; component < sampling.components; ++component) block(component, y, x);
        }
    }
}

}  // namespace j4d
