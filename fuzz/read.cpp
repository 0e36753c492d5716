// Any bytes, read strictly and tolerantly: JpegError or coefficients, nothing else.
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for (const bool tolerate_damage : {false, true}) {
        try {
            const j4d::Source source = j4d::read_source(data, size, {kLimits, tolerate_damage, true});
            long sum = 0;  // of every coefficient, so that each is touched
            for (int i = 0; i < source.layout.components(); ++i) {
                const j4d::Grid grid = source.layout.grid(i);
                for (int y = 0; y < grid.rows; ++y) {
                    for (int k = 0; k < grid.columns * j4d::kBlockSize; ++k) sum += source.planes[i].block(y, 0)[k];
                }
            }
            volatile long sink = sum;
            (void)sink;
        } catch (const j4d::JpegError&) {
        }
    }
    try {
        j4d::read_jpeg(data, size, kLimits);
    } catch (const j4d::JpegError&) {
    }
    return 0;
}
