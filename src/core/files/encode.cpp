#include "files/encode.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "entropy/symbols.hpp"
#include "files/baseline.hpp"
#include "files/write.hpp"
#include "indices/quantizer.hpp"
#include "kernels/kernels.hpp"
#include "kernels/zigzag.hpp"
#include "pixels/strips.hpp"

namespace j4d {
namespace {

// Sums of squares of AC coefficients. No block's reaches 2^27: that of its samples does not reach 64 x 64 x 2^14.
void energies_of(const Group& coefficients, std::uint32_t* energies) {
    std::uint32_t sums[kLanes] = {};
    for (int f = 1; f < kBlockSize; ++f) {
        for (int lane = 0; lane < kLanes; ++lane) {
            const std::int32_t value = coefficients.values[f][lane];
            sums[lane] += static_cast<std::uint32_t>(value * value);
        }
    }
    std::copy_n(sums, kLanes, energies);
}

// The quantized blocks of one component in one row of MCUs.
struct QuantizedRows {
    Grid grid;
    int rows;  // of blocks in a row of MCUs
    int groups;
    bool keep;                        // the coefficients too
    std::vector<Group> coefficients;  // one, or as many as groups of indices
    std::vector<Group> indices;
    std::vector<std::uint64_t> nonzero;
    std::vector<std::uint32_t> energies;

    QuantizedRows(Grid g, int r, bool k) : grid(g), rows(r), groups(ceil_div(g.columns, kLanes)), keep(k) {
        indices.resize(static_cast<std::size_t>(rows) * groups);
        coefficients.resize(keep ? indices.size() : 1);
        nonzero.resize(indices.size() * kLanes);
        energies.resize(coefficients.size() * kLanes);
    }

    void load(const Strips& strips, const Quantizer& quantizer, int component, int mcu_row) {
        for (int row = 0; row < rows && mcu_row * rows + row < grid.rows; ++row) {
            const std::uint32_t first = static_cast<std::uint32_t>(mcu_row * rows + row) * grid.columns;
            for (int group = 0; group < groups; ++group) {
                const std::size_t at = static_cast<std::size_t>(row) * groups + group;
                Group& values = coefficients[keep ? at : 0];
                kernels().transform(strips.blocks(component, row) + group * kGroupSamples, strips.stride(component),
                                    values);
                const int column = group * kLanes;
                quantizer(values, first + column, std::min(kLanes, grid.columns - column), indices[at],
                          nonzero.data() + at * kLanes);
                if (keep) energies_of(values, energies.data() + at * kLanes);
            }
        }
    }
};

// One block: `index(i)` in zigzag order; where coefficients are kept `coefficient(f)` in natural order, 8 x.
struct QuantizedBlock {
    std::uint64_t nonzero;
    const std::int16_t* indices;
    const std::int16_t* coefficients;
    std::uint32_t energy;  // sum of squares of AC coefficients

    int index(int i) const { return indices[i * kLanes]; }
    int coefficient(int f) const { return coefficients[f * kLanes]; }
};

// Calls `take(component, row, column, block)` for every block of the picture in the order of the file,
// `pad(component)` for what fills MCUs up, and `restart()`.
class QuantizedPicture {
  public:
    QuantizedPicture(ImageView image, const EncodeParameters& parameters, std::uint64_t seed)
        : image_(image), sampling_(parameters.sampling), strips_(image, parameters.sampling) {
        for (int i = 0; i < sampling_.components; ++i) {
            quantizers_.emplace_back(parameters.tables[i].data(), parameters.dead_zones[i].data(), parameters.sharpness,
                                     seed, static_cast<std::uint32_t>(i));
            rows_.emplace_back(grid_of(image.height, image.width, sampling_, i), i == 0 ? sampling_.vertical : 1,
                               parameters.trellis.on());
        }
    }

    template <typename Take, typename Pad, typename Restart>
    void visit(int restart_interval, Take take, Pad pad, Restart restart) {
        const auto load = [this](int mcu_row) {
            strips_.load(mcu_row);
            for (int i = 0; i < sampling_.components; ++i) rows_[i].load(strips_, quantizers_[i], i, mcu_row);
        };
        const auto block = [&](int component, int row, int column) {
            const QuantizedRows& rows = rows_[component];
            if (row >= rows.grid.rows || column >= rows.grid.columns) return pad(component);
            const int lane = column % kLanes;
            const std::size_t at = static_cast<std::size_t>(row % rows.rows) * rows.groups + column / kLanes;
            take(component, row, column,
                 QuantizedBlock{rows.nonzero[at * kLanes + lane], &rows.indices[at].values[0][lane],
                                &rows.coefficients[rows.keep ? at : 0].values[0][lane],
                                rows.energies[(rows.keep ? at : 0) * kLanes + lane]});
        };
        visit_blocks(image_.height, image_.width, sampling_, restart_interval, load, block, restart);
    }

  private:
    ImageView image_;
    Sampling sampling_;
    Strips strips_;
    std::vector<Quantizer> quantizers_;
    std::vector<QuantizedRows> rows_;
};

struct ChosenBlock {
    std::uint64_t nonzero;
    const Choice* choice;

    int index(int i) const {
        if (i == 0) return choice->dc;
        return (nonzero >> i & 1) != 0 ? choice->values[i] : 0;
    }
};

// The same with indices that a trellis chooses, once all blocks have been seen.
class ChosenPicture {
  public:
    ChosenPicture(ImageView image, const EncodeParameters& parameters)
        : image_(image), sampling_(parameters.sampling), trellis_(parameters.trellis) {
        constexpr int units = 8;
        std::int32_t ones[kBlockSize];
        std::fill_n(ones, kBlockSize, 1);
        std::vector<StepScale> scales;
        for (const auto& table : parameters.tables) scales.emplace_back(ones, units, table.data());
        QuantizedPicture(image, parameters, 0)
            .visit(
                0,
                [&](int component, int, int, const QuantizedBlock& block) {
                    const StepScale& scale = scales[component];
                    trellis_.add(
                        component, component != 0, block.nonzero, block.coefficient(0) < 0,
                        [&](int i) { return block.index(i); },
                        [&](int i) { return scale.magnitude(kZigzag[i], block.coefficient(kZigzag[i])); },
                        [&] { return block.energy; }, units);
                },
                [](int) {}, [] {});
        trellis_.settle();
    }

    template <typename Take, typename Pad, typename Restart>
    void visit(int restart_interval, Take take, Pad pad, Restart restart) {
        Choice choice;
        const auto block = [&](int component, int row, int column) {
            const Grid grid = grid_of(image_.height, image_.width, sampling_, component);
            if (row >= grid.rows || column >= grid.columns) return pad(component);
            trellis_.next(choice);
            take(component, row, column, ChosenBlock{choice.nonzero, &choice});
        };
        visit_blocks(image_.height, image_.width, sampling_, restart_interval, [](int) {}, block, restart);
    }

  private:
    ImageView image_;
    Sampling sampling_;
    Trellis trellis_;
};

template <typename Picture>
std::string write_progressive(Picture& picture, const Frame& frame, const WriteOptions& options) {
    std::vector<std::unique_ptr<std::int16_t[]>> memory;
    std::vector<Grid> grids;
    for (int i = 0; i < frame.sampling.components; ++i) {
        grids.push_back(grid_of(frame.height, frame.width, frame.sampling, i));
        memory.emplace_back(new std::int16_t[std::size_t(grids[i].rows) * grids[i].columns * kBlockSize]);
    }
    picture.visit(
        0,
        [&](int component, int row, int column, const auto& block) {
            std::int16_t* out =
                memory[component].get() + (std::size_t(row) * grids[component].columns + column) * kBlockSize;
            for (int i = 0; i < kBlockSize; ++i) out[kZigzag[i]] = static_cast<std::int16_t>(block.index(i));
        },
        [](int) {}, [] {});
    std::vector<const std::int16_t*> planes;
    for (const auto& plane : memory) planes.push_back(plane.get());
    return write_jpeg(frame, planes, options);
}

template <typename Picture>
std::string write(Picture picture, const Frame& frame, const WriteOptions& options) {
    if (options.progressive) return write_progressive(picture, frame, options);
    Symbols symbols;
    int predicted[3] = {};
    picture.visit(
        options.restart_interval,
        [&](int component, int, int, const auto& block) {
            const int dc = block.index(0);
            symbols.add_block(component != 0, dc - std::exchange(predicted[component], dc), block.nonzero,
                              [&](int i) { return block.index(i); });
        },
        [&](int component) { symbols.add_padding(component != 0); },
        [&] {
            std::fill(predicted, predicted + 3, 0);
            symbols.add_restart();
        });
    return write_baseline(frame, symbols, options);
}

}  // namespace

std::string encode(ImageView image, const EncodeParameters& parameters, std::uint64_t seed,
                   const WriteOptions& options) {
    const Frame frame{image.height, image.width, parameters.sampling, parameters.tables};
    if (parameters.trellis.on()) return write(ChosenPicture(image, parameters), frame, options);
    return write(QuantizedPicture(image, parameters, seed), frame, options);
}

}  // namespace j4d
