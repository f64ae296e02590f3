// resize.cu: pictures of 8 bits to another width, or another height, with Pillow's arithmetic.
//
// Twin of: rows8() and columns8() in model/resize.c; the same bytes: weights in 22-bit fixed point, rounded to 8 bits
// after each direction. The caller makes the tables (resize_taps8) and takes the directions in resize_rgb8's order.
// Floor: old and new bytes moved once; across, a line of `most` neighbours comes from the cache.
// Allow: nothing.    Needs: no alignment; pictures of one size in a batch.
//   version
//   0  one thread a sample     in use: JPEG decoding, on the CPU, takes a hundred times as long
#include "device.h"
#include "kernels.h"

#define THREADS 256

static __global__ __launch_bounds__(THREADS) void resample(CudaResize r) {
    int row_bytes = 3 * (r.across ? r.to : r.width), rows = r.across ? r.height : r.to, e = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (e >= row_bytes) return;
    for (long line = blockIdx.y; line < r.count * rows; line += gridDim.y) {
        long picture = line / rows, y = line % rows;
        const uint8_t *in = r.in + picture * r.height * r.width * 3;
        int at = r.across ? e / 3 : (int)y, step = r.across ? 3 : 3 * r.width;
        const uint8_t *p = r.across ? in + (y * r.width + r.first[at]) * 3 + e % 3 : in + (long)r.first[at] * r.width * 3 + e;
        const int32_t *w = r.fixed + (long)at * r.most;
        int32_t sum = 1 << (RESIZE_BITS - 1);
        for (int k = 0; k < r.taps[at]; k++) sum += w[k] * p[(long)k * step];
        int32_t v = sum >> RESIZE_BITS;
        r.out[line * row_bytes + e] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

HOST void cuda_resize8(const CudaResize *r, cudaStream_t stream) {
    long rows = r->count * (r->across ? r->height : r->to);
    need(r->width > 0 && r->height > 0 && r->to > 0, "cuda: resize: %d x %d pixels to %d", r->width, r->height, r->to);
    if (rows == 0) return;
    LAUNCH(resample, DIM3((3 * (r->across ? r->to : r->width) + THREADS - 1) / THREADS, rows < 65535 ? rows : 65535, 1), DIM3(THREADS, 1, 1), 0, stream, *r);
}
