#include "pixels/strips.hpp"

#include <algorithm>
#include <cstring>

namespace j4d {
namespace {

constexpr std::size_t kChunk = 64;  // pixels that a kernel takes at a time

constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

void extend_right(std::uint8_t* row, std::size_t known, std::size_t width) {
    if (known < width) std::memset(row + known, row[known - 1], width - known);
}

}  // namespace

Strips::Strips(ImageView image, Sampling sampling) : image_(image), sampling_(sampling), full_stride_(0) {
    for (int i = 0; i < sampling.components; ++i) {
        const auto columns = static_cast<std::size_t>(grid_of(image.height, image.width, sampling, i).columns);
        strides_[i] = round_up(columns * kBlock, kGroupSamples);
        components_[i].resize(strides_[i] * kBlock * (i == 0 ? sampling.vertical : 1));
    }
    if (sampling.horizontal == 2) {
        full_stride_ = 2 * strides_[1];
        for (auto& rows : full_chroma_) rows.resize(2 * full_stride_);
    }
    // A gray picture made of colours throws its chroma away.
    if (sampling.components == 1 && image.channels == 3) full_chroma_[0].resize(strides_[0]);
    tail_.resize(6 * kChunk);
}

void Strips::convert_row(int y, std::uint8_t* luma, std::uint8_t* blue, std::uint8_t* red) {
    const auto width = static_cast<std::size_t>(image_.width);
    const std::uint8_t* pixels = image_.samples + static_cast<std::size_t>(y) * width * image_.channels;
    if (image_.channels == 1) {
        std::memcpy(luma, pixels, width);
    } else {
        const std::size_t whole = width / kChunk * kChunk;
        const std::size_t rest = width - whole;
        kernels().convert_colour(pixels, whole, luma, blue, red);
        if (rest != 0) {
            std::uint8_t* copy = tail_.data() + 3 * kChunk;
            std::memcpy(copy, pixels + 3 * whole, 3 * rest);
            kernels().convert_colour(copy, kChunk, tail_.data(), tail_.data() + kChunk, tail_.data() + 2 * kChunk);
            std::memcpy(luma + whole, tail_.data(), rest);
            std::memcpy(blue + whole, tail_.data() + kChunk, rest);
            std::memcpy(red + whole, tail_.data() + 2 * kChunk, rest);
        }
    }
    extend_right(luma, width, strides_[0]);
}

// Row `row` of the chroma strip and the one or two rows of luma that go with it; y is the first of those.
void Strips::load_pair(int y, int row) {
    std::uint8_t* upper[2] = {full_chroma_[0].data(), full_chroma_[1].data()};
    std::uint8_t* lower[2] = {upper[0] + full_stride_, upper[1] + full_stride_};
    std::uint8_t* luma = components_[0].data() + static_cast<std::size_t>(row) * sampling_.vertical * strides_[0];
    const auto width = static_cast<std::size_t>(image_.width);
    convert_row(y, luma, upper[0], upper[1]);
    if (sampling_.vertical == 2) {
        if (y + 1 < image_.height) {
            convert_row(y + 1, luma + strides_[0], lower[0], lower[1]);
        } else {
            std::memcpy(luma + strides_[0], luma, strides_[0]);
            for (int i = 0; i < 2; ++i) std::memcpy(lower[i], upper[i], width);
        }
    }
    for (int i = 0; i < 2; ++i) {
        std::uint8_t* out = components_[1 + i].data() + static_cast<std::size_t>(row) * strides_[1 + i];
        extend_right(upper[i], width, full_stride_);
        if (sampling_.vertical == 2) {
            extend_right(lower[i], width, full_stride_);
            kernels().halve_both(upper[i], lower[i], strides_[1 + i], out);
        } else {
            kernels().halve(upper[i], strides_[1 + i], out);
        }
    }
}

void Strips::load(int mcu_row) {
    const int rows = kBlock * sampling_.vertical;
    const int top = mcu_row * rows;
    const int known = std::min(rows, image_.height - top);
    // Each kind of row below the picture repeats the last one that the picture reaches. For 4:2:0 a mean of repeated
    // rows would round differently.
    const auto extend_down = [this](int component, int from) {
        std::uint8_t* first = components_[component].data();
        const std::size_t stride = strides_[component];
        const int all = component == 0 ? kBlock * sampling_.vertical : kBlock;
        for (int y = from; y < all; ++y) std::memcpy(first + y * stride, first + (from - 1) * stride, stride);
    };
    if (sampling_.horizontal == 2) {
        const int pairs = ceil_div(known, sampling_.vertical);
        for (int row = 0; row < pairs; ++row) load_pair(top + row * sampling_.vertical, row);
        extend_down(0, pairs * sampling_.vertical);
        extend_down(1, pairs);
        extend_down(2, pairs);
        return;
    }
    const bool colour = sampling_.components == 3;
    for (int y = 0; y < known; ++y) {
        std::uint8_t* out[3];
        for (int i = 0; i < 3; ++i) {
            out[i] = i == 0 || colour ? components_[i].data() + y * strides_[i] : full_chroma_[0].data();
        }
        convert_row(top + y, out[0], out[1], out[2]);
        for (int i = 1; i < sampling_.components; ++i) {
            extend_right(out[i], static_cast<std::size_t>(image_.width), strides_[i]);
        }
    }
    for (int i = 0; i < sampling_.components; ++i) extend_down(i, known);
}

}  // namespace j4d
