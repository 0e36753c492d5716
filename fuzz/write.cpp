// Any coefficients, written and read back: JpegError where an index is beyond what Huffman codes hold, the same
// coefficients else. tests/test_hostile.py replays such inputs. What can be written is then put through the trellis,
// which takes indices nearer zero and nothing else.
#include <algorithm>
#include <cstring>

#include "files/write.hpp"
#include "fuzz.hpp"
#include "indices/joint_planes.hpp"

namespace {

void choose(std::vector<std::vector<std::int16_t>> planes, const j4d::Frame& frame,
            const j4d::TrellisSettings& settings) {
    std::int32_t ones[j4d::kBlockSize];
    std::fill_n(ones, j4d::kBlockSize, 1);
    const j4d::StepScale scale(ones, 1, ones);
    const std::vector<std::vector<std::int16_t>> nearest = planes;
    j4d::JointPlanes joint(settings);
    for (std::size_t i = 0; i < planes.size(); ++i) {
        const auto component = static_cast<int>(i);
        joint.add(component, i != 0, nearest[i].data(), scale, 1, planes[i].data(), planes[i].size() / j4d::kBlockSize);
    }
    joint.set_grid(0, j4d::grid_of(frame.height, frame.width, frame.sampling, 0), frame.sampling.horizontal,
                   frame.sampling.vertical);
    joint.choose();
    for (std::size_t i = 0; i < planes.size(); ++i) {
        for (std::size_t j = 0; j < planes[i].size(); ++j) {
            const int before = nearest[i][j], after = planes[i][j];
            if (j % j4d::kBlockSize == 0) {
                expect(std::abs(after - before) <= (settings.dc > 0.0) && -1024 <= after && after <= 1023);
                continue;
            }
            expect(after == before || (after * before >= 0 && (after == 0 || std::abs(before) - std::abs(after) == 1)));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kHead = 5;
    if (size < kHead) return 0;
    constexpr j4d::Sampling kSamplings[] = {{1, 1, 1}, {3, 1, 1}, {3, 2, 1}, {3, 2, 2}};
    j4d::Frame frame{1 + data[1] % 64, 1 + data[2] % 64, kSamplings[data[0] % 4], {}};
    const j4d::WriteOptions options{(data[3] & 1) != 0, (data[3] & 2) != 0, data[4], {}};
    std::size_t left = (size - kHead) / 2;
    const std::uint8_t* values = data + kHead;
    std::vector<std::vector<std::int16_t>> planes;
    std::vector<const std::int16_t*> pointers;
    bool small = true;
    for (int i = 0; i < frame.sampling.components; ++i) {
        const j4d::Grid grid = j4d::grid_of(frame.height, frame.width, frame.sampling, i);
        planes.emplace_back(static_cast<std::size_t>(grid.rows) * grid.columns * j4d::kBlockSize);
        const std::size_t count = std::min(left, planes.back().size());
        std::memcpy(planes.back().data(), values, 2 * count);
        values += 2 * count;
        left -= count;
        for (const int value : planes.back()) small = small && -1023 <= value && value <= 1023;
        frame.tables.emplace_back(j4d::kBlockSize, i == 0 ? 1 : 1 + data[3] / 4);
    }
    for (const auto& plane : planes) pointers.push_back(plane.data());
    std::string file;
    try {
        file = j4d::write_jpeg(frame, pointers, options);
    } catch (const j4d::JpegError&) {
        expect(!small);
        return 0;
    }
    const j4d::ReadResult result =
        j4d::read_jpeg(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), kLimits);
    for (std::size_t i = 0; i < planes.size(); ++i) {
        expect(std::equal(planes[i].begin(), planes[i].end(), result.planes[i].get()));
    }
    if (!small) return 0;
    j4d::TrellisSettings settings{options.restart_interval / 4.0, data[3] & 4 ? HUGE_VAL : 1.0 + data[1]};
    if ((data[3] & 32) != 0 && settings.mu > 0.0) settings.dc = 0.25 + data[2] / 8.0;
    if ((data[3] & 8) != 0) settings.luma = weights_from(data, size);
    if ((data[3] & 16) != 0) settings.chroma = weights_from(data, size / 2);
    choose(planes, frame, settings);
    return 0;
}
