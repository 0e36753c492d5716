#include "indices/joint_planes.hpp"

#include "kernels/kernels.hpp"
#include "kernels/zigzag.hpp"

namespace j4d {

void JointPlanes::add(int component, bool chroma, const std::int16_t* values, const StepScale& scale, int units,
                      std::int16_t* indices, std::size_t count) {
    rows_.emplace_back(indices, count);
    nonzero_.resize(count);
    kernels().find_nonzero(indices, count, nonzero_.data());
    for (std::size_t i = 0; i < count; ++i, values += kBlockSize, indices += kBlockSize) {
        trellis_.add(
            component, chroma, nonzero_[i], values[0] < 0, [&](int place) { return indices[kZigzag[place]]; },
            [&](int place) { return scale.magnitude(kZigzag[place], values[kZigzag[place]]); },
            [&] { return scale.energy(values); }, units);
    }
}

void JointPlanes::choose() {
    trellis_.settle();
    Choice choice;
    for (const auto& [row, count] : rows_) {
        std::int16_t* block = row;
        for (std::size_t i = 0; i < count; ++i, block += kBlockSize) {
            trellis_.next(choice);
            block[0] = static_cast<std::int16_t>(choice.dc);
            for (int place = 1; place < kBlockSize; ++place) {
                const bool nonzero = (choice.nonzero >> place & 1) != 0;
                block[kZigzag[place]] = nonzero ? choice.values[place] : std::int16_t{0};
            }
        }
    }
}

}  // namespace j4d
