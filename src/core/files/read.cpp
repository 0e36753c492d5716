// JPEG bytes to quantized coefficients: jpeg_read_coefficients into memory of our own, so that a picture's
// coefficients exist once.
#include "files/read.hpp"

#include <cstring>

#include "files/decompressor.hpp"

namespace j4d {
namespace {

// libjpeg keeps a picture's coefficients in "virtual arrays" that its memory manager makes and opens row by row. The
// manager is a table of functions; the three below put the arrays where we can take them over without a copy. Memory
// comes zeroed and untouched: rows that no scan reaches cost nothing.
class Arrays {
  public:
    explicit Arrays(jpeg_decompress_struct& info) {
        info.client_data = this;
        info.mem->request_virt_barray = request;
        info.mem->access_virt_barray = access;
    }

    std::vector<BlockRows> planes{3};

  private:
    struct Array {
        JBLOCKARRAY rows;
        JDIMENSION count;
    };
    Array arrays_[3]{};
    int used_ = 0;

    static jvirt_barray_ptr request(j_common_ptr info, int, boolean, JDIMENSION columns, JDIMENSION rows, JDIMENSION) {
        auto* self = static_cast<Arrays*>(info->client_data);
        if (self->used_ == 3) ERREXIT(info, JERR_BAD_VIRTUAL_ACCESS);
        BlockRows& plane = self->planes[self->used_];
        plane.stride = columns;
        plane.values.reset(static_cast<std::int16_t*>(std::calloc(std::size_t{columns} * rows, sizeof(JBLOCK))));
        Array& array = self->arrays_[self->used_++];
        array.rows = static_cast<JBLOCKARRAY>(info->mem->alloc_large(info, JPOOL_IMAGE, sizeof(JBLOCKROW) * rows));
        array.count = rows;
        if (!plane.values) ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
        for (JDIMENSION y = 0; y < rows; ++y) {
            array.rows[y] = reinterpret_cast<JBLOCKROW>(plane.block(static_cast<int>(y), 0));
        }
        return reinterpret_cast<jvirt_barray_ptr>(&array);
    }

    static JBLOCKARRAY access(j_common_ptr info, jvirt_barray_ptr pointer, JDIMENSION start, JDIMENSION count,
                              boolean) {
        const auto* array = reinterpret_cast<const Array*>(pointer);
        if (start > array->count || count > array->count - start) ERREXIT(info, JERR_BAD_VIRTUAL_ACCESS);
        return array->rows + start;
    }
};

// Whether every coefficient was sent to its last bit; -1 stands for one that was never sent.
bool complete(const jpeg_decompress_struct& info) {
    for (int i = 0; info.progressive_mode && i < info.num_components; ++i) {
        for (int k = 0; k < kBlockSize; ++k) {
            if (info.coef_bits[i][k] != 0) return false;
        }
    }
    return true;
}

std::string factors_of(const Layout& layout) {
    std::string text;
    for (const Factors f : layout.factors) {
        text += (text.empty() ? "" : ", ") + std::to_string(f.horizontal) + "x" + std::to_string(f.vertical);
    }
    return text;
}

}  // namespace

Source read_source(const std::uint8_t* data, std::size_t size, const ReadOptions& options) {
    Decompressor jpeg(data, size, options);
    Source source{jpeg.layout(), {}, {}, {}, {}, 0, {}, {}};
    Arrays arrays(jpeg.info);
    guarded(jpeg.error, [&] { jpeg_read_coefficients(&jpeg.info); });
    if (jpeg.error.oddities.no_end && !options.tolerate_damage && !complete(jpeg.info)) {
        throw JpegError("the file ends before the last scan of its picture");
    }
    for (int i = 0; i < source.layout.components(); ++i) {
        const JQUANT_TBL* table = jpeg.info.comp_info[i].quant_table;
        if (table == nullptr) throw JpegError("component " + std::to_string(i + 1) + " is in no scan");
        source.tables.emplace_back(table->quantval, table->quantval + kBlockSize);
    }
    arrays.planes.resize(source.layout.components());
    source.planes = std::move(arrays.planes);
    int left = jpeg.header_segments;
    for (const jpeg_marker_struct* marker = jpeg.info.marker_list; marker != nullptr; marker = marker->next) {
        std::vector<Marker>& kept = left-- > 0 ? source.segments : source.late;
        kept.push_back({marker->marker, std::string(reinterpret_cast<const char*>(marker->data), marker->data_length)});
    }
    source.oddities = jpeg.error.oddities;
    source.damage = jpeg.error.damage;
    source.end = source.oddities.no_end ? size : size - jpeg.info.src->bytes_in_buffer;
    return source;
}

ReadResult read_jpeg(const std::uint8_t* data, std::size_t size, Limits limits) {
    Source source = read_source(data, size, {limits});
    const Layout& layout = source.layout;
    const std::optional<Sampling> sampling = layout.sampling();
    if (!sampling) {
        if (layout.colour == Colour::rgb) throw JpegError("colour space RGB; only YCbCr and gray are handled");
        throw JpegError("sampling factors " + factors_of(layout) + "; only 4:4:4, 4:2:2 and 4:2:0 are handled");
    }
    ReadResult result{{layout.height, layout.width, *sampling, source.tables}, {}};
    for (int i = 0; i < layout.components(); ++i) {
        const Grid grid = layout.grid(i);
        const std::size_t row_size = static_cast<std::size_t>(grid.columns) * kBlockSize;
        result.planes.emplace_back(new std::int16_t[row_size * grid.rows]);
        for (int y = 0; y < grid.rows; ++y) {
            std::memcpy(result.planes[i].get() + y * row_size, source.planes[i].block(y, 0),
                        row_size * sizeof(std::int16_t));
        }
        source.planes[i] = {};
    }
    return result;
}

}  // namespace j4d
