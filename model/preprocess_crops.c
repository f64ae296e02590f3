// preprocess_crops.c: Molmo's pictures: the whole one at the size of a crop, then crops of a larger one that overlap, as patches.
//
// Source: the image_preprocessing_molmo.py that its checkpoints carry; facts: swap.md 2.1.3. Held by: test/test_preprocess.c.
// Letters: P pixels of a patch's side, S of a crop's, W of a crop's window: what it has to itself, and the margins around it.
// Bites: the masks are one crop off: the first row is the first crop's, not the whole picture's, and the last is all -1. The models were
// trained with it.
#include <math.h>
#include <string.h>

#include "preprocess.h"

typedef struct {
    int rows, columns;
} Tiling;

static int margin_of(const Preprocess *p) { return p->patch * (p->margin_before + p->margin_after); }

static bool is_smaller(Tiling x, Tiling y) { // or as small with fewer rows
    int n = x.rows * x.columns, m = y.rows * y.columns;
    return n != m ? n < m : x.rows < y.rows;
}

// The grid of windows that the picture needs to be enlarged least for, or shrunk least if all are too small; then the smallest. A picture
// that is smaller than the margins has a negative scale, and one window.
static Tiling tiling_of(const Preprocess *p, int width, int height) {
    int window = p->height - margin_of(p);
    float h = (float)(height - margin_of(p)), w = (float)(width - margin_of(p)), largest = -INFINITY, least = INFINITY;
    Tiling shrunk = {1, 1}, enlarged = {0};
    for (int i = 1; i <= p->crops; i++)
        for (int j = 1; i * j <= p->crops; j++) {
            Tiling t = {i, j};
            float down = (float)(window * i) / h, across = (float)(window * j) / w, scale = down < across ? down : across;
            if (scale > largest || (scale == largest && is_smaller(t, shrunk))) largest = scale, shrunk = t;
            if (scale >= 1 && (enlarged.rows == 0 || scale < least || (scale == least && is_smaller(t, enlarged)))) least = scale, enlarged = t;
        }
    return enlarged.rows ? enlarged : shrunk;
}

// As large as it fits into height x width, in the middle of zeros; then normalised, so that the zeros are none any more.
typedef struct {
    const float *planes; // (3, height, width)
    int height, width;
    int top, left, bottom, right; // of the picture in it
} Canvas;

static Canvas canvas_of(Arena *a, const Preprocess *p, Picture x, int height, int width) {
    float scale = fminf((float)width / (float)x.width, (float)height / (float)x.height);
    int h = (int)((float)x.height * scale), w = (int)((float)x.width * scale);
    need(h > 0 && w > 0, "%s: %d x %d pixels would become %d x %d; crop it first", x.path, x.width, x.height, w, h);
    size_t area = size_mul((size_t)x.width, (size_t)x.height, "a picture"), plane = (size_t)height * (size_t)width;
    float *in = take(a, float, size_mul(area, 3, "a picture"));
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < 3; c++) in[c * area + i] = (float)x.rgb[3 * i + c] / 255;
    const float *small = resize_f32(a, in, 3, x.height, x.width, h, w, RESIZE_BILINEAR);
    Canvas k = {.height = height, .width = width, .top = (height - h) / 2, .left = (width - w) / 2};
    k.bottom = k.top + h, k.right = k.left + w;
    float *out = take_zero(a, float, 3 * plane);
    for (int c = 0; c < 3; c++) {
        float *to = out + (size_t)c * plane;
        for (int y = 0; y < h; y++)
            for (int i = 0; i < w; i++) to[(size_t)(k.top + y) * (size_t)width + (size_t)(k.left + i)] = fminf(fmaxf(small[((size_t)c * (size_t)h + (size_t)y) * (size_t)w + (size_t)i], 0), 1);
        for (size_t i = 0; i < plane && p->normalise; i++) to[i] = (to[i] - p->mean[c]) / p->std[c];
    }
    k.planes = out;
    return k;
}

// The square at (top, left) as rows of patches, each (y, x, channel).
static void patches_put(float *out, const Preprocess *p, const Canvas *k, int top, int left) {
    size_t plane = (size_t)k->height * (size_t)k->width;
    int P = p->patch, S = p->height;
    for (int by = top; by < top + S; by += P)
        for (int bx = left; bx < left + S; bx += P)
            for (int y = by; y < by + P; y++)
                for (int x = bx; x < bx + P; x++)
                    for (size_t c = 0; c < 3; c++) *out++ = k->planes[c * plane + (size_t)y * (size_t)k->width + (size_t)x];
}

static int overlap(int begin, int end, int from, int to) {
    int a = begin > from ? begin : from, b = end < to ? end : to;
    return b > a ? b - a : 0;
}

// How much of each patch is picture: 0 to 1.
static void mask_put(float *out, const Preprocess *p, const Canvas *k, int top, int left) {
    int P = p->patch, S = p->height;
    for (int y = top; y < top + S; y += P)
        for (int x = left; x < left + S; x += P)
            *out++ = (float)(overlap(y, y + P, k->top, k->bottom) * overlap(x, x + P, k->left, k->right)) / (float)(P * P);
}

// Tokens in a row or column of crop i of n: patches of its window and of the margins that no neighbour has, two a token.
static int tokens_across(const Preprocess *p, int i, int n) {
    return (p->height / p->patch - (i > 0 ? p->margin_before : 0) - (i < n - 1 ? p->margin_after : 0) + 1) / 2;
}

// Where a crop's tokens go in the picture's text, or -100. Row after row over all crops, each row and the whole closed by a token of its own.
static void order_put(int32_t *order, const Preprocess *p, Tiling t, int i, int j, int from) {
    int side = (p->height / p->patch + 1) / 2, top = i ? p->margin_before / 2 : 0, left = j ? p->margin_before / 2 : 0, above = 0, before = 0, row = 0;
    for (int k = 0; k < i; k++) above += tokens_across(p, k, t.rows);
    for (int k = 0; k < t.columns; k++) {
        if (k < j) before += tokens_across(p, k, t.columns);
        row += tokens_across(p, k, t.columns);
    }
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            bool used = y >= top && y < top + tokens_across(p, i, t.rows) && x >= left && x < left + tokens_across(p, j, t.columns);
            *order++ = used ? from + (above + y - top) * (row + 1) + before + x - left : -100;
        }
}

Prepared preprocess_crops(Arena *a, const Preprocess *p, Picture x) {
    Tiling t = tiling_of(p, x.width, x.height);
    int margin = margin_of(p), S = p->height, W = S - margin, side = S / p->patch, tokens = (side + 1) / 2, n = t.rows * t.columns;
    size_t patches = (size_t)side * (size_t)side, values = patches * 3 * (size_t)(p->patch * p->patch), places = (size_t)tokens * (size_t)tokens;
    Prepared out = {.pixels = tensor_take(a, DTYPE_F32, DIMS(n + 1, (long)patches, 3L * p->patch * p->patch)), .mask = tensor_take(a, DTYPE_F32, DIMS(n + 1, (long)patches)),
                    .order = tensor_take(a, DTYPE_I32, DIMS(n + 1, (long)places)), .grid = tensor_take(a, DTYPE_I32, DIMS(1, 2)), .path = x.path};
    Canvas whole = canvas_of(a, p, x, S, S), large = canvas_of(a, p, x, t.rows * W + margin, t.columns * W + margin);
    patches_put(f32(out.pixels), p, &whole, 0, 0);
    order_put(i32(out.order), p, (Tiling){1, 1}, 0, 0, 1);
    int after = 1 + tokens * (tokens + 1) + 2; // begin, rows, end; begin
    for (int k = 0; k < n; k++) {
        int top = k / t.columns * W, left = k % t.columns * W;
        patches_put(f32(out.pixels) + (size_t)(k + 1) * values, p, &large, top, left);
        mask_put(f32(out.mask) + (size_t)k * patches, p, &large, top, left);
        order_put(i32(out.order) + (size_t)(k + 1) * places, p, t, k / t.columns, k % t.columns, after);
    }
    for (size_t i = 0; i < patches; i++) f32(out.mask)[(size_t)n * patches + i] = -1;
    i32(out.grid)[0] = i32(out.grid)[1] = 0;
    for (int i = 0; i < t.rows; i++) i32(out.grid)[0] += tokens_across(p, i, t.rows);
    for (int j = 0; j < t.columns; j++) i32(out.grid)[1] += tokens_across(p, j, t.columns);
    return out;
}

void preprocess_crops_size(const Preprocess *p, int width, int height, int *out_width, int *out_height) {
    Tiling t = tiling_of(p, width, height);
    int margin = margin_of(p), W = p->height - margin;
    *out_width = t.columns * W + margin, *out_height = t.rows * W + margin;
}
