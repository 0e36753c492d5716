/* What `jpegtran -optimize -copy none` does to a file, as a function, so that bench/codec.py can time it without the
 * start of a process. bench/rivals.py compiles it against the system's libjpeg-turbo. An error ends the process, as
 * in jpegtran itself: the benchmark's own files are its only input. */
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/* Allocates *result, which `release` frees; returns its size. */
unsigned long optimize(const unsigned char *source, unsigned long size, unsigned char **result) {
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct reader;
    struct jpeg_compress_struct writer;
    unsigned long written = 0;
    reader.err = writer.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&reader);
    jpeg_create_compress(&writer);
    jpeg_mem_src(&reader, (unsigned char *)source, size);
    jpeg_read_header(&reader, TRUE);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&reader);
    jpeg_copy_critical_parameters(&reader, &writer);
    writer.optimize_coding = TRUE;
    *result = NULL;
    jpeg_mem_dest(&writer, result, &written);
    jpeg_write_coefficients(&writer, coefficients);
    jpeg_finish_compress(&writer);
    jpeg_destroy_compress(&writer);
    jpeg_finish_decompress(&reader);
    jpeg_destroy_decompress(&reader);
    return written;
}

void release(unsigned char *result) { free(result); }
