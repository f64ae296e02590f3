// peer_jpeg.c: libjpeg-turbo itself as a peer of `retina bench jpeg`; built and called by peer_pictures.py. Never part of retina.
#include <stdio.h>
#include <time.h>

#include <jpeglib.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// The whole file to RGB, sixteen rows a call, with the decoder's default settings. rgb holds (height, width, 3).
double peer_decode(const unsigned char *file, unsigned long size, unsigned char *rgb) {
    double start = seconds();
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    d.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, (unsigned char *)file, size);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d);
    while (d.output_scanline < d.output_height) {
        JSAMPROW rows[16];
        for (unsigned i = 0; i < 16; i++) rows[i] = rgb + (size_t)(d.output_scanline + i) * d.output_width * 3;
        jpeg_read_scanlines(&d, rows, d.output_height - d.output_scanline < 16 ? d.output_height - d.output_scanline : 16);
    }
    jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    return seconds() - start;
}
