// libjpeg-turbo's error handling turned into C++ exceptions. libjpeg reports an error by a callback that must not
// return; throwing through its C frames is undefined, so the callback jumps back to `guarded`, which throws.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdio>
// libjpeg's headers need the above first.
#include <jerror.h>
#include <jpeglib.h>

#include <string>

#include "jpeg_io.hpp"

namespace j4d {

struct ErrorManager {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to the whole
    std::jmp_buf back;
    char message[JMSG_LENGTH_MAX];

    jpeg_error_mgr* install() {
        jpeg_std_error(&base);
        base.error_exit = [](j_common_ptr info) {
            auto* self = reinterpret_cast<ErrorManager*>(info->err);
            self->base.format_message(info, self->message);
            std::longjmp(self->back, 1);
        };
        base.emit_message = [](j_common_ptr info, int level) {
            // Level -1 is a warning: the data are damaged, and what is decoded from them is a guess.
            if (level < 0) info->err->error_exit(info);
        };
        base.output_message = [](j_common_ptr) {};
        return &base;
    }
};

// Runs `body`, which calls libjpeg. Neither `body` nor what it calls may hold an object with a destructor across a
// call of libjpeg: the jump back does not run it. State that must outlive the jump belongs to the caller.
template <typename Body>
void guarded(ErrorManager& error, Body&& body) {
    if (setjmp(error.back) != 0) throw JpegError(error.message);
    body();
}

}  // namespace j4d
