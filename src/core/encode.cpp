#include "encode.hpp"

#include <memory>
#include <utility>

#include "baseline.hpp"
#include "quantizer.hpp"
#include "strips.hpp"
#include "symbols.hpp"

namespace j4d {
namespace {

// The quantized blocks of one component in one row of MCUs.
struct QuantizedRows {
    Grid grid;
    int rows;  // of blocks in a row of MCUs
    int groups;
    std::vector<Group> indices;
    std::vector<std::uint64_t> nonzero;

    QuantizedRows(Grid g, int r) : grid(g), rows(r), groups(ceil_div(g.columns, kLanes)) {
        indices.resize(static_cast<std::size_t>(rows) * groups);
        nonzero.resize(indices.size() * kLanes);
    }

    void load(const Strips& strips, const Quantizer& quantizer, int component, int mcu_row) {
        for (int row = 0; row < rows && mcu_row * rows + row < grid.rows; ++row) {
            const std::uint32_t first = static_cast<std::uint32_t>(mcu_row * rows + row) * grid.columns;
            for (int group = 0; group < groups; ++group) {
                Group coefficients;
                kernels().transform(strips.blocks(component, row) + group * kGroupSamples, strips.stride(component),
                                    coefficients);
                const std::size_t at = static_cast<std::size_t>(row) * groups + group;
                const int column = group * kLanes;
                quantizer(coefficients, first + column, std::min(kLanes, grid.columns - column), indices[at],
                          nonzero.data() + at * kLanes);
            }
        }
    }
};

// Calls `take(component, row, column, nonzero, index_at)` for every block of the picture in the order of the file,
// `pad(component)` for what fills MCUs up, and `restart()`.
class QuantizedPicture {
  public:
    QuantizedPicture(ImageView image, const EncodeParameters& parameters, std::uint64_t seed)
        : image_(image), sampling_(parameters.sampling), strips_(image, parameters.sampling) {
        for (int i = 0; i < sampling_.components; ++i) {
            quantizers_.emplace_back(parameters.tables[i].data(), parameters.dead_zones[i].data(), parameters.sharpness,
                                     seed, static_cast<std::uint32_t>(i));
            rows_.emplace_back(grid_of(image.height, image.width, sampling_, i), i == 0 ? sampling_.vertical : 1);
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
            const std::int16_t* indices = &rows.indices[at].values[0][lane];
            take(component, row, column, rows.nonzero[at * kLanes + lane],
                 [indices](int i) { return indices[i * kLanes]; });
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

}  // namespace

std::string encode(ImageView image, const EncodeParameters& parameters, std::uint64_t seed,
                   const WriteOptions& options) {
    const Frame frame{image.height, image.width, parameters.sampling, parameters.tables};
    QuantizedPicture picture(image, parameters, seed);
    if (options.progressive) {
        std::vector<std::unique_ptr<std::int16_t[]>> memory;
        std::vector<Grid> grids;
        for (int i = 0; i < frame.sampling.components; ++i) {
            grids.push_back(grid_of(frame.height, frame.width, frame.sampling, i));
            memory.emplace_back(new std::int16_t[std::size_t(grids[i].rows) * grids[i].columns * kBlockSize]);
        }
        picture.visit(
            0,
            [&](int component, int row, int column, std::uint64_t, auto index_at) {
                std::int16_t* out =
                    memory[component].get() + (std::size_t(row) * grids[component].columns + column) * kBlockSize;
                for (int i = 0; i < kBlockSize; ++i) out[kZigzag[i]] = index_at(i);
            },
            [](int) {}, [] {});
        std::vector<const std::int16_t*> planes;
        for (const auto& plane : memory) planes.push_back(plane.get());
        return write_jpeg(frame, planes, options);
    }
    Symbols symbols;
    int predicted[3] = {};
    picture.visit(
        options.restart_interval,
        [&](int component, int, int, std::uint64_t nonzero, auto index_at) {
            const int dc = index_at(0);
            symbols.add_block(component != 0, dc - std::exchange(predicted[component], dc), nonzero, index_at);
        },
        [&](int component) { symbols.add_padding(component != 0); },
        [&] {
            std::fill(predicted, predicted + 3, 0);
            symbols.add_restart();
        });
    return write_baseline(frame, symbols, options);
}

}  // namespace j4d
