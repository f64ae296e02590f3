// preprocess.c: see preprocess.h. A picture through the steps. Held by: test/test_preprocess.c against transformers' PIL
// image processors and OpenCLIP's transform.
//
// Everything up to the crop is whole numbers from 0 to 255, so what comes after is a table of 256 floats a channel.
// DINOv3 is the exception: it resizes the floats.
#include "preprocess.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static size_t bytes_of(int width, int height) { return size_mul(size_mul((size_t)width, (size_t)height, "a picture"), 3, "a picture"); }

// ---- whole numbers

static Picture squared(Arena *a, const Preprocess *p, Picture x) {
    if (x.width == x.height) return x;
    int side = x.width > x.height ? x.width : x.height;
    need((int64_t)side * side <= IMAGE_PIXELS_MAX, "%s: %d x %d pixels would become a square of more than %u; crop it first", x.path, x.width, x.height, IMAGE_PIXELS_MAX);
    uint8_t *rgb = take(a, uint8_t, bytes_of(side, side));
    for (size_t i = 0; i < (size_t)side * (size_t)side; i++)
        for (int c = 0; c < 3; c++) rgb[i * 3 + (size_t)c] = (uint8_t)(int)((double)p->mean[c] * 255);
    int top = (side - x.height) / 2, left = (side - x.width) / 2;
    for (int y = 0; y < x.height; y++)
        memcpy(rgb + ((size_t)(y + top) * (size_t)side + (size_t)left) * 3, x.rgb + (size_t)y * (size_t)x.width * 3, (size_t)x.width * 3);
    return (Picture){.rgb = rgb, .width = side, .height = side, .path = x.path};
}

static Picture resized(Arena *a, const Preprocess *p, Picture x) {
    if (!p->resize) return x;
    int w, h;
    preprocess_resized(p, x, &w, &h);
    bool empty = x.width == 0 || x.height == 0; // a quarter of a line
    const uint8_t *rgb = empty ? take_zero(a, uint8_t, bytes_of(w, h)) : resize_rgb8(a, x.rgb, x.width, x.height, w, h, p->filter);
    return (Picture){.rgb = rgb, .width = w, .height = h, .path = x.path};
}

// Where the crop begins in a direction of n pixels; negative where the picture is too small.
static int crop_from(CropRule rule, int n, int wanted) {
    int spare = n - wanted;
    if (spare < 0) return rule == CROP_PILLOW ? -((1 - spare) / 2) : -(-spare / 2);
    return rule == CROP_OPEN_CLIP ? (int)rint(spare / 2.0) : spare / 2;
}

// The part of a crop's row (or column) that the picture covers: places [*begin, *end).
static void covered(int from, int n, int wanted, int *begin, int *end) {
    *begin = from < 0 ? -from : 0;
    *end = n - from < wanted ? n - from : wanted;
}

static Picture cropped(Arena *a, const Preprocess *p, Picture x) {
    int h = p->crop_height, w = p->crop_width;
    if (!p->crop || (x.width == w && x.height == h)) return x;
    uint8_t *rgb = take(a, uint8_t, bytes_of(w, h));
    memset(rgb, p->fill, bytes_of(w, h));
    int top = crop_from(p->crop_rule, x.height, h), left = crop_from(p->crop_rule, x.width, w), y0, y1, x0, x1;
    covered(top, x.height, h, &y0, &y1);
    covered(left, x.width, w, &x0, &x1);
    for (int y = y0; y < y1; y++)
        memcpy(rgb + ((size_t)y * w + x0) * 3, x.rgb + ((size_t)(y + top) * x.width + x0 + left) * 3, (size_t)(x1 - x0) * 3);
    return (Picture){.rgb = rgb, .width = w, .height = h, .path = x.path};
}

// ---- to floats

static float rescaled(const Preprocess *p, int v) {
    if (!p->rescale) return (float)v;
    if (p->rescale_rule == RESCALE_DIVIDE) return (float)v / 255;
    float f = p->rescale_rule == RESCALE_FLOAT ? (float)v * (float)p->factor : (float)(v * p->factor);
    return p->offset ? f - 1 : f;
}

static float normalised(const Preprocess *p, int channel, float v) {
    if (p->normalise) v = (v - p->mean[channel]) / p->std[channel];
    return p->divide_again ? v / p->std[channel] : v;
}

typedef struct {
    float of[3][256];
} Values;

static void values_make(Values *v, const Preprocess *p) {
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) v->of[c][i] = normalised(p, c, rescaled(p, i));
}

// The picture into the upper left corner of planes (3, height, width).
static void planes_put(float *out, int height, int width, const Values *v, Picture x) {
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < x.height; y++) {
            const uint8_t *in = x.rgb + (size_t)y * (size_t)x.width * 3 + c;
            float *row = out + ((size_t)c * (size_t)height + (size_t)y) * (size_t)width;
            for (int i = 0; i < x.width; i++) row[i] = v->of[c][in[3 * (size_t)i]];
        }
}

static Prepared whole(Arena *a, const Preprocess *p, Picture x) {
    if (p->square) x = squared(a, p, x);
    x = cropped(a, p, resized(a, p, x));
    int h = x.height, w = x.width;
    if (p->pad && p->pad_height) {
        h = p->pad_height, w = p->pad_width;
        need(x.height <= h && x.width <= w, "%s: becomes %d x %d pixels, more than pad_size %d x %d", x.path, x.width, x.height, w, h);
    }
    Prepared out = {.pixels = tensor_take(a, DTYPE_F32, DIMS(1, 3, h, w))};
    if (h > x.height || w > x.width) memset(out.pixels.data, 0, tensor_bytes(out.pixels));
    Values v;
    values_make(&v, p);
    planes_put(f32(out.pixels), h, w, &v, x);
    return out;
}

// Rescaled, resized, cropped, normalised, all in float.
static Prepared floats(Arena *a, const Preprocess *p, Picture x) {
    float *planes = take(a, float, bytes_of(x.width, x.height));
    Values v;
    Preprocess first = *p;
    first.normalise = false;
    values_make(&v, &first);
    planes_put(planes, x.height, x.width, &v, x);
    int w = x.width, h = x.height;
    if (p->resize) {
        preprocess_resized(p, x, &w, &h);
        planes = resize_f32(a, planes, 3, x.height, x.width, h, w, p->filter);
    }
    int out_h = p->crop ? p->crop_height : h, out_w = p->crop ? p->crop_width : w, y0, y1, x0, x1;
    int top = crop_from(p->crop_rule, h, out_h), left = crop_from(p->crop_rule, w, out_w);
    covered(top, h, out_h, &y0, &y1);
    covered(left, w, out_w, &x0, &x1);
    Prepared out = {.pixels = tensor_take(a, DTYPE_F32, DIMS(1, 3, out_h, out_w))};
    float *to = f32(out.pixels);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < out_h; y++)
            for (int i = 0; i < out_w; i++) {
                bool inside = y >= y0 && y < y1 && i >= x0 && i < x1;
                *to++ = normalised(p, c, inside ? planes[((size_t)c * h + (size_t)(y + top)) * w + (size_t)(i + left)] : 0);
            }
    return out;
}

// ---- Idefics2

static Picture part(Arena *a, Picture x, int left, int top, int right, int bottom) {
    int w = right - left, h = bottom - top;
    uint8_t *rgb = take(a, uint8_t, bytes_of(w, h));
    for (int y = 0; y < h; y++) memcpy(rgb + (size_t)y * w * 3, x.rgb + ((size_t)(y + top) * x.width + left) * 3, (size_t)w * 3);
    return (Picture){.rgb = rgb, .width = w, .height = h, .path = x.path};
}

// Of a line, two quarters are empty; the reference resizes them to black ones, unless it divides by their height.
static Prepared pieces(Arena *a, const Preprocess *p, Picture x) {
    Picture piece[5] = {x};
    int n = 1, h = 0, w = 0, middle_x = x.width / 2, middle_y = x.height / 2;
    if (p->split) {
        for (int i = 0; i < 4; i++)
            piece[i] = part(a, x, i % 2 ? middle_x : 0, i / 2 ? middle_y : 0, i % 2 ? x.width : middle_x, i / 2 ? x.height : middle_y);
        piece[4] = x, n = 5;
    }
    for (int i = 0; i < n; i++) {
        piece[i] = resized(a, p, piece[i]);
        need(p->pad || (piece[i].width == piece[0].width && piece[i].height == piece[0].height), "%s: its pieces differ in size, and do_pad is off", x.path);
        if (piece[i].height > h) h = piece[i].height;
        if (piece[i].width > w) w = piece[i].width;
    }
    Prepared out = {.pixels = tensor_take(a, DTYPE_F32, DIMS(n, 3, h, w))};
    memset(out.pixels.data, 0, tensor_bytes(out.pixels));
    Values v;
    values_make(&v, p);
    for (int i = 0; i < n; i++) planes_put(f32(out.pixels) + (size_t)i * 3 * (size_t)h * (size_t)w, h, w, &v, piece[i]);
    if (!p->pad) return out;
    out.mask = tensor_take(a, DTYPE_U8, DIMS(n, h, w));
    uint8_t *mask = memset(out.mask.data, 0, tensor_bytes(out.mask));
    for (int i = 0; i < n; i++)
        for (int y = 0; y < piece[i].height; y++) memset(mask + ((size_t)i * h + (size_t)y) * w, 1, (size_t)piece[i].width);
    return out;
}

// ---- Qwen-VL

// Rows: blocks from left to right and from top to bottom, in each block its patches likewise, so that those which will
// be merged are neighbours. A row: channel, frame, y, x; the frames are the same picture again.
static Prepared patches(Arena *a, const Preprocess *p, Picture x) {
    x = resized(a, p, x);
    int P = p->patch, block = P * p->merge, across = x.width / P, down = x.height / P;
    need(x.width % block == 0 && x.height % block == 0, "%s: %d x %d pixels are not whole blocks of %d; resize it (do_resize)", x.path, x.width, x.height, block);
    Prepared out = {.pixels = tensor_take(a, DTYPE_F32, DIMS((long)across * down, 3L * p->frames * P * P)), .grid = tensor_take(a, DTYPE_I32, DIMS(1, 3))};
    i32(out.grid)[0] = 1, i32(out.grid)[1] = down, i32(out.grid)[2] = across;
    Values v;
    values_make(&v, p);
    float *to = f32(out.pixels);
    for (int by = 0; by < x.height; by += block)
        for (int bx = 0; bx < x.width; bx += block)
            for (int i = 0; i < p->merge * p->merge; i++) {
                int top = by + i / p->merge * P, left = bx + i % p->merge * P;
                for (int c = 0; c < 3; c++) {
                    const float *once = to;
                    for (int y = 0; y < P; y++) {
                        const uint8_t *in = x.rgb + ((size_t)(top + y) * x.width + left) * 3 + c;
                        for (int k = 0; k < P; k++) *to++ = v.of[c][in[3 * k]];
                    }
                    for (int f = 1; f < p->frames; f++, to += P * P) memcpy(to, once, (size_t)P * P * sizeof *to);
                }
            }
    return out;
}

// ---- one picture, many pictures

Prepared preprocess_prepare(Arena *a, const Preprocess *p, Picture x) {
    if (!x.path) x.path = "a picture";
    need(x.width > 0 && x.height > 0, "%s: has no pixels", x.path);
    Prepared out;
    switch (p->kind) {
    case PREPROCESS_FLOAT: out = floats(a, p, x); break;
    case PREPROCESS_PIECES: out = pieces(a, p, x); break;
    case PREPROCESS_PATCHES: out = patches(a, p, x); break;
    case PREPROCESS_CROPS: out = preprocess_crops(a, p, x); break;
    default: out = whole(a, p, x);
    }
    out.path = x.path;
    return out;
}

Tensor preprocess_picture(Arena *a, const Preprocess *p, Picture x) {
    need(p->kind == PREPROCESS_WHOLE || p->kind == PREPROCESS_FLOAT, "%s makes pieces, patches or crops of a picture; one tensor (3, height, width) is wanted here", p->type);
    Tensor t = preprocess_prepare(a, p, x).pixels;
    return tensor_view(t, 3, t.shape + 1);
}

static const Tensor *member_of(const Prepared *x, size_t offset) { return (const Tensor *)((const char *)x + offset); }

// One tensor of each picture, the member at this offset, after the other along their first axis.
static Tensor rows_join(Arena *a, const Prepared *list, size_t count, size_t member) {
    Tensor out = *member_of(&list[0], member);
    for (size_t i = 1; i < count; i++) out.shape[0] += member_of(&list[i], member)->shape[0];
    out = tensor_take(a, out.dtype, out.ndim, out.shape);
    char *to = out.data;
    for (size_t i = 0; i < count; i++) {
        const Tensor *t = member_of(&list[i], member);
        memcpy(to, t->data, tensor_bytes(*t));
        to += tensor_bytes(*t);
    }
    return out;
}

// Planes of (height, width) into the upper left corners of larger ones.
static void corners(char *out, int height, int width, const Tensor *t, size_t size, long count) {
    long h = t->shape[t->ndim - 2], w = t->shape[t->ndim - 1];
    const char *in = t->data;
    for (long i = 0; i < count; i++)
        for (long y = 0; y < h; y++, in += (size_t)w * size) memcpy(out + (((size_t)i * height + (size_t)y) * width) * size, in, (size_t)w * size);
}

Prepared preprocess_join(Arena *a, const Preprocess *p, const Prepared *list, size_t count) {
    need(count > 0, "%s: no pictures", p->type);
    Prepared rows = {.path = list[0].path};
    if (p->kind == PREPROCESS_PATCHES || p->kind == PREPROCESS_CROPS) {
        rows.pixels = rows_join(a, list, count, offsetof(Prepared, pixels));
        rows.grid = rows_join(a, list, count, offsetof(Prepared, grid));
        if (p->kind == PREPROCESS_PATCHES) return rows;
        rows.mask = rows_join(a, list, count, offsetof(Prepared, mask));
        rows.order = rows_join(a, list, count, offsetof(Prepared, order));
        return rows;
    }
    long n = 0, h = 0, w = 0;
    for (size_t i = 0; i < count; i++) {
        const long *s = list[i].pixels.shape;
        need(p->pad || (s[2] == list[0].pixels.shape[2] && s[3] == list[0].pixels.shape[3]),
             "%s: becomes %ld x %ld pixels, the first picture %ld x %ld; give pictures of one size, or one at a time", list[i].path, s[3], s[2],
             list[0].pixels.shape[3], list[0].pixels.shape[2]);
        n += s[0];
        if (s[2] > h) h = s[2];
        if (s[3] > w) w = s[3];
    }
    Prepared out = {.pixels = tensor_take(a, DTYPE_F32, DIMS(n, 3, h, w))};
    memset(out.pixels.data, 0, tensor_bytes(out.pixels));
    if (tensor_given(list[0].mask)) {
        out.mask = tensor_take(a, DTYPE_U8, DIMS(n, h, w));
        memset(out.mask.data, 0, tensor_bytes(out.mask));
    }
    size_t at = 0, plane = (size_t)h * (size_t)w;
    for (size_t i = 0; i < count; i++) {
        long k = list[i].pixels.shape[0];
        corners((char *)(f32(out.pixels) + at * 3 * plane), (int)h, (int)w, &list[i].pixels, sizeof(float), 3 * k);
        if (tensor_given(out.mask)) corners((char *)out.mask.data + at * plane, (int)h, (int)w, &list[i].mask, 1, k);
        at += (size_t)k;
    }
    return out;
}
