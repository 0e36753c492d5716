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

#include "jpeg_io.hpp"

namespace j4d {

struct ErrorManager {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to the whole
    std::jmp_buf back;
    char message[JMSG_LENGTH_MAX];
    bool unsupported = false;
    bool tolerant = false;       // go on after a warning
    int markers_left = INT_MAX;  // how many segments may still come

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
            // Level -1 is a warning: the data are damaged, and what is decoded from them is a guess. Level 1 is a
            // trace message, of which libjpeg gives at least one for each segment.
            if (level < 0 && !self->tolerant) info->err->error_exit(info);
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
