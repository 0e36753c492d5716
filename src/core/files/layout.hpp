// The shape of any JPEG picture that transcoding reads: colour model and sampling factors per component, as the frame
// header states them. `Sampling` (support/geometry.hpp) is the narrow case that the encoder writes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "support/geometry.hpp"

namespace j4d {

enum class Colour { gray, ycbcr, rgb };

// Samples of a component relative to the others: 1..4 along each axis (T.81 A.1.1).
struct Factors {
    int horizontal;
    int vertical;

    bool operator==(Factors other) const { return horizontal == other.horizontal && vertical == other.vertical; }
    bool operator!=(Factors other) const { return !(*this == other); }
};

struct Layout {
    int height;
    int width;
    Colour colour;
    std::vector<Factors> factors;  // one per component

    int components() const { return static_cast<int>(factors.size()); }

    Factors largest() const {
        Factors most{1, 1};
        for (const Factors f : factors) {
            most = {std::max(most.horizontal, f.horizontal), std::max(most.vertical, f.vertical)};
        }
        return most;
    }

    // Blocks of a component that hold picture, without the padding to whole MCUs.
    Grid grid(int component) const {
        const Factors most = largest();
        const Factors own = factors[component];
        return {ceil_div(height * own.vertical, most.vertical * kBlock),
                ceil_div(width * own.horizontal, most.horizontal * kBlock)};
    }

    // Bytes of all coefficients, with the padding to whole MCUs, as a decoder holds them.
    std::int64_t coefficient_bytes() const {
        const Factors most = largest();
        const std::int64_t mcus =
            std::int64_t{ceil_div(height, most.vertical * kBlock)} * ceil_div(width, most.horizontal * kBlock);
        std::int64_t blocks = 0;
        for (const Factors f : factors) blocks += mcus * f.vertical * f.horizontal;
        return blocks * kBlockSize * static_cast<std::int64_t>(sizeof(std::int16_t));
    }

    // The encoder's sampling of the same ratios, where there is one.
    std::optional<Sampling> sampling() const {
        if (colour == Colour::gray) return Sampling{1, 1, 1};
        if (colour == Colour::rgb) return std::nullopt;
        const Factors luma = factors[0];
        const Factors chroma = factors[1];
        const Sampling found{3, luma.horizontal / chroma.horizontal, luma.vertical / chroma.vertical};
        const bool exact = found.horizontal * chroma.horizontal == luma.horizontal &&
                           found.vertical * chroma.vertical == luma.vertical;
        if (!exact || !(chroma == factors[2]) || !found.legal()) return std::nullopt;
        return found;
    }
};

// The layout of a picture in one of the encoder's samplings.
inline Layout layout_of(int height, int width, Sampling s) {
    if (s.components == 1) return {height, width, Colour::gray, {{1, 1}}};
    return {height, width, Colour::ycbcr, {{s.horizontal, s.vertical}, {1, 1}, {1, 1}}};
}

}  // namespace j4d
