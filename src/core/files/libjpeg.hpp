// libjpeg-turbo's error handling turned into C++ exceptions. libjpeg reports an error by a callback that must not
// return; throwing through its C frames is undefined, so the callback jumps back to `guarded`, which throws.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdio>
// libjpeg's headers need the above first.
#include <jerror.h>
#include <jpeglib.h>

#include <climits>
#include <string>

#include "files/frame.hpp"
#include "support/errors.hpp"

namespace j4d {

struct ErrorManager {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to the whole
    std::jmp_buf back;
    char message[JMSG_LENGTH_MAX];
    bool unsupported = false;
    bool tolerant = false;       // go on after a warning
    int markers_left = INT_MAX;  // how many segments may still come
    Oddities oddities;
    char damage[JMSG_LENGTH_MAX] = "";     // the first warning that was tolerated
    const unsigned char* begin = nullptr;  // of the file that is read

    jpeg_error_mgr* install() {
        jpeg_std_error(&base);
        base.error_exit = [](j_common_ptr info) {
            auto* self = reinterpret_cast<ErrorManager*>(info->err);
            self->base.format_message(info, self->message);
            self->name_unsupported();
            std::longjmp(self->back, 1);
        };
        base.emit_message = [](j_common_ptr info, int level) {
            auto* self = reinterpret_cast<ErrorManager*>(info->err);
            // Level -1 is a warning: the data are damaged, and what is decoded from them is a guess, or they are odd
            // where no coefficient lies. Level 1 is a trace message, of which libjpeg gives at least one for each
            // segment.
            if (level < 0 && !self->is_oddity(info)) {
                if (!self->tolerant) info->err->error_exit(info);
                if (self->damage[0] == '\0') self->base.format_message(info, self->damage);
            }
            if (level == 1 && --self->markers_left < 0) self->fail("too many marker segments");
        };
        base.output_message = [](j_common_ptr) {};
        return &base;
    }

    // Ends `guarded` with a message of ours.
    [[noreturn]] void fail(const char* reason) {
        std::snprintf(message, sizeof message, "%s", reason);
        std::longjmp(back, 1);
    }

  private:
    // Whether a warning tells of something that leaves every coefficient as it was written; notes it then.
    bool is_oddity(j_common_ptr info) {
        if (!info->is_decompressor) return false;
        const auto* jpeg = reinterpret_cast<j_decompress_ptr>(info);
        const bool header = jpeg->input_scan_number == 0;
        switch (base.msg_code) {
            case JWRN_JFIF_MAJOR:
                return oddities.jfif_version = true;
            case JWRN_ADOBE_XFORM:
                return oddities.adobe_transform = true;
            case JWRN_EXTRANEOUS_DATA:
                if (header) return oddities.junk = true;
                return zeros_before(jpeg->src->next_input_byte, base.msg_parm.i[0]) && (oddities.zeros = true);
            case JWRN_JPEG_EOF:
                // Of a scan that is cut the entropy decoder tells besides, but for an arithmetic one, which reads
                // zeros. Inside a segment the marker is still set.
                return !header && jpeg->unread_marker == 0 && !jpeg->arith_code && (oddities.no_end = true);
            default:
                return false;
        }
    }

    // libjpeg has skipped `count` bytes in front of a marker, and stands at it.
    bool zeros_before(const unsigned char* marker, int count) const {
        if (begin == nullptr || count < 0 || marker - begin < count) return false;
        for (int i = 1; i <= count; ++i) {
            if (marker[-i] != 0) return false;
        }
        return true;
    }

    // Says what kind of file it is where libjpeg names only a number.
    void name_unsupported() {
        const int detail = base.msg_parm.i[0];
        unsupported = true;
        switch (base.msg_code) {
            case JERR_SOF_UNSUPPORTED:
                std::snprintf(message, sizeof message, "%s JPEG (SOF%d) is not handled",
                              detail == 0xC3 || detail == 0xCB ? "lossless" : "hierarchical", detail - 0xC0);
                return;
            case JERR_BAD_PRECISION:
                std::snprintf(message, sizeof message, "%d bits a sample; only 8 are handled", detail);
                return;
            case JERR_NOTIMPL:  // what libjpeg-turbo 3 says of the coefficients of a lossless file
                std::snprintf(message, sizeof message, "lossless JPEG is not handled");
                return;
            case JERR_ARITH_NOTIMPL:
                return;
            default:
                unsupported = false;
        }
    }
};

// Runs `body`, which calls libjpeg. Neither `body` nor what it calls may hold an object with a destructor across a
// call of libjpeg: the jump back does not run it. State that must outlive the jump belongs to the caller.
template <typename Body>
void guarded(ErrorManager& error, Body&& body) {
    if (setjmp(error.back) != 0) {
        if (error.unsupported) throw UnsupportedError(error.message);
        throw JpegError(error.message);
    }
    body();
}

}  // namespace j4d
