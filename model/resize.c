// resize.c: see resize.h.
//
// Both resamplers go over rows and columns one after the other; each new sample is a weighted sum over the old
// ones under the filter, which is stretched when the picture shrinks. A direction whose size stays is left alone.
// Held by: test/test_resize.c, byte for byte against Pillow 13.
// Bites: the 8-bit one rounds to 8 bits between the two directions, so their order shows. Rows come first, except
// where a picture loses more than twice as many rows as columns: so it has been since Pillow 13 (measured; up to
// Pillow 12 rows always came first).
#include "resize.h"

#include <math.h>
#include <string.h>

#include "cpu.h"
#include "io/thread.h"
#include "resize_kernels.h"

// ---- filters

static double sinc(double x) {
    if (x == 0) return 1;
    x *= M_PI;
    return sin(x) / x;
}

static double kernel(ResizeFilter filter, double x) {
    double size = fabs(x);
    switch (filter) {
    case RESIZE_BOX: return x > -0.5 && x <= 0.5 ? 1 : 0;
    case RESIZE_BILINEAR: return size < 1 ? 1 - size : 0;
    case RESIZE_HAMMING: return size >= 1 ? 0 : size == 0 ? 1 : sinc(size) * (0.54f + 0.46f * cos(size * M_PI));
    case RESIZE_BICUBIC: // Keys 1981, a = -1/2
        if (size < 1) return (1.5 * size - 2.5) * size * size + 1;
        return size < 2 ? (((size - 5) * size + 8) * size - 4) * -0.5 : 0;
    case RESIZE_LANCZOS: return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
    default: return 0;
    }
}

static double support_of(ResizeFilter filter) {
    switch (filter) {
    case RESIZE_BOX: return 0.5;
    case RESIZE_BICUBIC: return 2;
    case RESIZE_LANCZOS: return 3;
    default: return 1;
    }
}

typedef ResizeTaps Taps;

static Taps taps_take(Arena *a, int to, double support) {
    need(support < 1 << 28, "resize: a picture cannot shrink that far");
    Taps t = {.most = (int)ceil(support) * 2 + 1, .first = take(a, int, to), .count = take(a, int, to)};
    return t;
}

ResizeTaps resize_taps8(Arena *a, int from, int to, ResizeFilter filter) {
    double scale = (double)from / to, stretch = scale < 1 ? 1 : scale, support = support_of(filter) * stretch, inverse = 1 / stretch;
    Taps t = taps_take(a, to, support);
    t.fixed = take(a, int32_t, size_mul((size_t)to, (size_t)t.most, "resize"));
    double *w = take(a, double, (size_t)t.most);
    for (int i = 0; i < to; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int low = (int)(centre - support + 0.5), high = (int)(centre + support + 0.5);
        if (low < 0) low = 0;
        if (high > from) high = from;
        for (int k = 0; k < high - low; k++) sum += w[k] = kernel(filter, (k + low - centre + 0.5) * inverse);
        for (int k = 0; k < high - low; k++) {
            double v = (sum != 0 ? w[k] / sum : w[k]) * (1 << RESIZE_BITS);
            t.fixed[(size_t)i * t.most + k] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
        }
        t.first[i] = low;
        t.count[i] = high - low;
    }
    return t;
}

// ---- 8 bits

static void plain_row(uint8_t *out, const uint8_t *in, int new_width, const Taps *t) {
    for (int x = 0; x < new_width; x++) {
        const int32_t *w = t->fixed + (size_t)x * t->most;
        const uint8_t *p = in + (size_t)t->first[x] * 3;
        int32_t r = 1 << (RESIZE_BITS - 1), g = r, b = r;
        for (int k = 0; k < t->count[x]; k++, p += 3) {
            r += w[k] * p[0];
            g += w[k] * p[1];
            b += w[k] * p[2];
        }
        out[3 * x] = resize_clip(r);
        out[3 * x + 1] = resize_clip(g);
        out[3 * x + 2] = resize_clip(b);
    }
}

static void plain_column(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *w, int count, int n) { resize_column_loop(out, in, stride, w, count, n); }

const ResizeKernels resize_plain_kernels = {plain_row, plain_column};

static const ResizeKernels *kernels_for_machine(void) {
#if defined(__x86_64__)
    if (cpu_level() >= CPU_AVX2) return &resize_avx2_kernels;
#endif
    return &resize_plain_kernels;
}

static void halves_make(Arena *a, Taps *t, int to) {
    t->groups = (t->most + 3) / 4;
    t->halves = take_zero(a, int16_t, size_mul((size_t)to, (size_t)t->groups * 8, "resize"));
    for (int i = 0; i < to; i++)
        for (int k = 0; k < t->count[i]; k++) {
            int16_t *group = t->halves + ((size_t)i * (size_t)t->groups + (size_t)(k / 4)) * 8 + k % 4;
            int32_t w = t->fixed[(size_t)i * t->most + k], low = w & 0x7FFF;
            group[0] = (int16_t)low;
            group[4] = (int16_t)((w - low) / 32768);
        }
}

typedef struct {
    const ResizeKernels *kernels;
    uint8_t *out;
    const uint8_t *in, *tail; // tail: a copy of the rows from `safe` on, with room behind them
    int width, safe, new_width; // pixels; of columns: bytes of a row in `width`
    Taps taps;
} Job8;

static void rows8(void *arg, size_t begin, size_t end) {
    const Job8 *j = arg;
    for (size_t y = begin; y < end; y++) {
        size_t row = (size_t)j->width * 3;
        const uint8_t *in = y < (size_t)j->safe ? j->in + y * row : j->tail + (y - (size_t)j->safe) * row;
        j->kernels->row(j->out + y * (size_t)j->new_width * 3, in, j->new_width, &j->taps);
    }
}

static void columns8(void *arg, size_t begin, size_t end) {
    const Job8 *j = arg;
    for (size_t y = begin; y < end; y++)
        j->kernels->column(j->out + y * (size_t)j->width, j->in + (size_t)j->taps.first[y] * j->width, (size_t)j->width, j->taps.fixed + y * (size_t)j->taps.most,
                           j->taps.count[y], j->width);
}

static void rows8_all(Arena *a, uint8_t *out, const uint8_t *in, int width, int height, int new_width, ResizeFilter filter) {
    size_t row = (size_t)width * 3;
    int rows = (int)(RESIZE_SPARE / row) + 1; // from where a read behind the row could leave the picture
    if (rows > height) rows = height;
    uint8_t *tail = take_zero(a, uint8_t, (size_t)rows * row + RESIZE_SPARE);
    memcpy(tail, in + (size_t)(height - rows) * row, (size_t)rows * row);
    Job8 job = {kernels_for_machine(), out, in, tail, width, height - rows, new_width, resize_taps8(a, width, new_width, filter)};
    halves_make(a, &job.taps, new_width);
    parallel_for((size_t)height, 8, rows8, &job);
}

static void columns8_all(Arena *a, uint8_t *out, const uint8_t *in, int width, int height, int new_height, ResizeFilter filter) {
    Job8 job = {.kernels = kernels_for_machine(), .out = out, .in = in, .width = 3 * width, .taps = resize_taps8(a, height, new_height, filter)};
    parallel_for((size_t)new_height, 8, columns8, &job);
}

// Pillow walks in steps of the scale and lets the rounding errors add up; so do we.
static int *nearest(Arena *a, int from, int to) {
    int *at = take(a, int, to);
    double scale = (double)from / to, position = scale * 0.5;
    for (int i = 0; i < to; i++, position += scale) at[i] = (int)position < from ? (int)position : from - 1;
    return at;
}

static void resize_nearest(Arena *a, uint8_t *out, const uint8_t *rgb, int width, int height, int new_width, int new_height) {
    const int *across = nearest(a, width, new_width), *down = nearest(a, height, new_height);
    for (int y = 0; y < new_height; y++)
        for (int x = 0; x < new_width; x++)
            memcpy(out + ((size_t)y * new_width + x) * 3, rgb + ((size_t)down[y] * width + across[x]) * 3, 3);
}

static size_t bytes_of(int width, int height) { return size_mul(size_mul((size_t)width, (size_t)height, "resize"), 3, "resize"); }

uint8_t *resize_rgb8(Arena *a, const uint8_t *rgb, int width, int height, int new_width, int new_height, ResizeFilter filter) {
    need(width > 0 && height > 0 && new_width > 0 && new_height > 0, "resize: %d x %d pixels to %d x %d", width, height, new_width, new_height);
    need(filter >= RESIZE_NEAREST && filter <= RESIZE_HAMMING, "resize: filter %d; Pillow's numbers 0 to 5 are known", (int)filter);
    uint8_t *out = take(a, uint8_t, bytes_of(new_width, new_height));
    Mark mark = arena_mark(a);
    if (filter == RESIZE_NEAREST) {
        resize_nearest(a, out, rgb, width, height, new_width, new_height);
    } else if (new_width == width && new_height == height) {
        memcpy(out, rgb, bytes_of(width, height));
    } else if (new_height == height) {
        rows8_all(a, out, rgb, width, height, new_width, filter);
    } else if (new_width == width) {
        columns8_all(a, out, rgb, width, height, new_height, filter);
    } else if (new_height < height && 2 * ((int64_t)width - new_width) < (int64_t)height - new_height) {
        uint8_t *between = take(a, uint8_t, bytes_of(width, new_height));
        columns8_all(a, between, rgb, width, height, new_height, filter);
        rows8_all(a, out, between, width, new_height, new_width, filter);
    } else {
        uint8_t *between = take(a, uint8_t, bytes_of(new_width, height));
        rows8_all(a, between, rgb, width, height, new_width, filter);
        columns8_all(a, out, between, new_width, height, new_height, filter);
    }
    arena_release(a, mark);
    return out;
}

// ---- float

// PyTorch computes places and weights in float, here and there in double; to agree in the last bits, so do we.
// Departs from it: a picture made one column wide and of another height at once comes out wrong there (2.15).
static Taps taps_real(Arena *a, int from, int to, ResizeFilter filter) {
    float scale = (float)from / (float)to, support = (float)support_of(filter), inverse = 1;
    if (scale >= 1) support *= scale, inverse = 1 / scale;
    Taps t = taps_take(a, to, support);
    t.real = take_zero(a, float, size_mul((size_t)to, (size_t)t.most, "resize"));
    for (int i = 0; i < to; i++) {
        float centre = scale * ((float)i + 0.5f), sum = 0, *w = t.real + (size_t)i * t.most;
        int low = (int)((double)(centre - support) + 0.5), high = (int)((double)(centre + support) + 0.5);
        if (low < 0) low = 0;
        if (high > from) high = from;
        if (high - low > t.most) high = low + t.most;
        for (int k = 0; k < high - low; k++) {
            float x = fabsf((float)(((double)((float)(k + low) - centre) + 0.5) * inverse));
            if (filter == RESIZE_BILINEAR) w[k] = x < 1 ? 1 - x : 0;
            else if (x < 1) w[k] = fmaf(fmaf(1.5f, x, -2.5f) * x, x, 1);
            else w[k] = x < 2 ? fmaf(fmaf(fmaf(-0.5f, x, 2.5f), x, -4), x, 2) : 0;
            sum += w[k];
        }
        for (int k = 0; k < high - low && sum != 0; k++) w[k] /= sum;
        t.first[i] = low;
        t.count[i] = high - low;
    }
    return t;
}

typedef struct {
    float *out;
    const float *in;
    int width, height, new_width, new_height;
    Taps taps;
} JobF;

static void rows_real(void *arg, size_t begin, size_t end) {
    const JobF *j = arg;
    for (size_t y = begin; y < end; y++) {
        const float *in = j->in + y * (size_t)j->width;
        float *out = j->out + y * (size_t)j->new_width;
        for (int x = 0; x < j->new_width; x++) {
            const float *w = j->taps.real + (size_t)x * j->taps.most, *p = in + j->taps.first[x];
            float sum = 0;
            for (int k = 0; k < j->taps.count[x]; k++) sum += p[k] * w[k];
            out[x] = sum;
        }
    }
}

static void columns_real(void *arg, size_t begin, size_t end) { // over channels and new rows
    const JobF *j = arg;
    for (size_t i = begin; i < end; i++) {
        size_t c = i / (size_t)j->new_height, y = i % (size_t)j->new_height;
        const float *w = j->taps.real + y * (size_t)j->taps.most;
        const float *in = j->in + (c * (size_t)j->height + (size_t)j->taps.first[y]) * (size_t)j->width;
        float *out = j->out + i * (size_t)j->width;
        for (int x = 0; x < j->width; x++) out[x] = in[x] * w[0];
        for (int k = 1; k < j->taps.count[y]; k++)
            for (int x = 0; x < j->width; x++) out[x] += in[(size_t)k * j->width + x] * w[k];
    }
}

float *resize_f32(Arena *a, const float *x, int channels, int height, int width, int new_height, int new_width, ResizeFilter filter) {
    need(channels > 0 && width > 0 && height > 0 && new_width > 0 && new_height > 0, "resize: %d x %d pixels to %d x %d", width, height, new_width, new_height);
    need(filter == RESIZE_BILINEAR || filter == RESIZE_BICUBIC, "resize: filter %d; float pictures take 2 (bilinear) or 3 (bicubic)", (int)filter);
    size_t planes = (size_t)channels, out_count = size_mul(planes, size_mul((size_t)new_height, (size_t)new_width, "resize"), "resize");
    float *out = take(a, float, out_count);
    Mark mark = arena_mark(a);
    if (new_width != width) {
        size_t rows = size_mul(planes, (size_t)height, "resize");
        float *to = new_height != height ? take(a, float, size_mul(rows, (size_t)new_width, "resize")) : out;
        JobF job = {to, x, width, height, new_width, new_height, taps_real(a, width, new_width, filter)};
        parallel_for(rows, 8, rows_real, &job);
        x = to;
    }
    if (new_height != height) {
        JobF job = {out, x, new_width, height, new_width, new_height, taps_real(a, height, new_height, filter)};
        parallel_for(planes * (size_t)new_height, 8, columns_real, &job);
    } else if (new_width == width) {
        memcpy(out, x, out_count * sizeof *out);
    }
    arena_release(a, mark);
    return out;
}
