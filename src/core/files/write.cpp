// Quantized coefficients to JPEG bytes. Baseline files are our own; a progressive file is the smaller of our own, by
// spectral selection, and that of libjpeg-turbo's standard script, with successive approximation.
#include "files/write.hpp"

#include "entropy/symbols.hpp"
#include "files/baseline.hpp"
#include "files/layout.hpp"
#include "files/progressive.hpp"
#include "files/write_layout.hpp"

namespace j4d {

std::string write_jpeg(const Frame& frame, const std::vector<const std::int16_t*>& planes,
                       const WriteOptions& options) {
    if (!options.progressive) {
        return write_baseline(frame, gather_symbols(frame, planes, options.restart_interval), options);
    }
    const Layout layout = layout_of(frame.height, frame.width, frame.sampling);
    for (int i = 0; i < layout.components(); ++i) {  // libjpeg checks what a progressive scan codes, shifted right
        const Grid grid = layout.grid(i);
        const std::size_t blocks = static_cast<std::size_t>(grid.rows) * grid.columns;
        for (std::size_t block = 0; block < blocks; ++block) check_ac(planes[i] + block * kBlockSize);
    }
    std::string file = write_layout(layout, frame.tables, planes, options);
    if (options.restart_interval != 0) return file;
    std::string other = write_spectral_selection(frame, planes, options);
    return other.size() <= file.size() ? other : file;
}

}  // namespace j4d
