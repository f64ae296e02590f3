// test_preprocess.c: pictures prepared as the reference's image processors prepare them (test/reference/preprocess.py).
//
// Bounds: before rescaling bit for bit; after it 2e-6 absolute (float rounding of (v - mean) / std), relative where numbers
// leave 1. Caught when broken on purpose: bilinear for bicubic, crop rounded the other way, BGR, pad for crop, long side
// rounded up, patches in plain rows, quarters in another order, a mask over the padding.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/checksum.h"
#include "io/image.h"
#include "io/safetensors.h"
#include "model/preprocess.h"
#include "scratch.h"

// "wide+near": the pictures, prepared together.
static Prepared prepared(Arena *a, const Preprocess *p, const char *names) {
    Prepared each[8];
    size_t n = 0;
    for (const char *c = names; *c;) {
        size_t m = strcspn(c, "+");
        Image image = image_read(a, arena_print(a, "test/golden/preprocess/%.*s.png", (int)m, c), NULL);
        each[n++] = preprocess_prepare(a, p, picture_from(&image));
        c += m + (c[m] == '+');
    }
    return n == 1 ? each[0] : preprocess_join(a, p, each, n);
}

// Shapes end alike: the reference puts an axis of one sample before Idefics2's pieces.
static bool shaped(const TensorEntry *want, const char *thinned, Tensor got) {
    int64_t shape[TENSOR_RANK_MAX];
    int n = want->ndim;
    for (int d = 0; d < n; d++) shape[d] = want->shape[d];
    if (thinned) n = sscanf(thinned, "[%ld, %ld, %ld, %ld, %ld]", &shape[0], &shape[1], &shape[2], &shape[3], &shape[4]);
    if (n < got.ndim) return false;
    for (int d = 1; d <= n; d++)
        if (shape[n - d] != (d <= got.ndim ? got.shape[got.ndim - d] : 1)) return false;
    return true;
}

static void check_pixels(Arena *a, Tensors *golden, const char *name, Tensor got) {
    const TensorEntry *want = tensors_need(golden, name);
    const char *every_text = tensors_metadata(golden, arena_print(a, "%s#every", name));
    size_t every = every_text ? (size_t)atol(every_text) : 1, n = want->size / 4, bad = 0;
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        float w;
        memcpy(&w, want->bytes + i * 4, 4);
        double d = i * every < tensor_count(got) ? fabs((double)f32(got)[i * every] - (double)w) / fmax(1, fabs((double)w)) : INFINITY;
        if (!(d <= 2e-6)) bad++;
        if (!(d <= worst)) worst = d;
    }
    char shape[128];
    bool sized = n > 0 && shaped(want, tensors_metadata(golden, arena_print(a, "%s#shape", name)), got);
    check(sized && bad == 0, "%s %s within 2e-6: worst %.1e", name, tensor_shape_text(got, shape), worst);
}

static void check_bytes(Arena *a, Tensors *golden, const char *name, const Preprocess *p, const char *pictures) {
    const char *crc = tensors_metadata(golden, arena_print(a, "%s#bytes", name));
    if (!crc) return;
    Preprocess raw = *p;
    raw.rescale = raw.normalise = raw.divide_again = false;
    Tensor got = prepared(a, &raw, pictures).pixels;
    uint8_t *bytes = take(a, uint8_t, tensor_count(got));
    for (size_t i = 0; i < tensor_count(got); i++) bytes[i] = (uint8_t)f32(got)[i];
    check(crc32_of(0, bytes, tensor_count(got)) == (uint32_t)strtoul(crc, NULL, 10), "%s: 8-bit values the same", name);
}

static void check_whole(Arena *a, Tensors *golden, const char *name, const char *what, Tensor got) {
    const TensorEntry *want = tensors_find(golden, arena_print(a, "%s#%s", name, what));
    check(!want == !tensor_given(got), "%s: %s is there, or not, as in the reference", name, what);
    if (!want || !tensor_given(got)) return;
    bool same = shaped(want, NULL, got);
    for (size_t i = 0; i < tensor_count(got) && same; i++) {
        int64_t wide = 0;
        if (want->dtype == DTYPE_I64) memcpy(&wide, want->bytes + 8 * i, 8);
        same = want->dtype == DTYPE_I64 ? wide == i32(got)[i] : want->bytes[i] == ((uint8_t *)got.data)[i];
    }
    check(same, "%s: %s the same", name, what);
}

static void one(Arena *a, Tensors *golden, const char *name) {
    Trap trap;
    Mark mark = arena_mark(a);
    if (!trap_set(&trap)) {
        arena_release(a, mark);
        check(false, "%s: %s", name, trap.message);
        return;
    }
    const char *slash = strchr(name, '/'), *pictures = slash + 1;
    Preprocess p = preprocess_read(a, arena_print(a, "test/golden/preprocess/%.*s", (int)(slash - name), name));
    Prepared got = prepared(a, &p, pictures);
    check_pixels(a, golden, name, got.pixels);
    check_bytes(a, golden, name, &p, pictures);
    check_whole(a, golden, name, "pixel_attention_mask", got.mask);
    check_whole(a, golden, name, "image_grid_thw", got.grid);
    trap_end(&trap);
    arena_release(a, mark);
}

static void test_golden(void) {
    Arena *a = arena_new("test");
    Tensors *golden = tensors_open(a, "test/golden/preprocess/golden.safetensors");
    size_t count = 0;
    for (size_t i = 0; i < tensors_count(golden); i++) {
        const char *name = tensors_at(golden, i)->name;
        if (strchr(name, '#')) continue;
        one(a, golden, name);
        count++;
    }
    check(count > 200, "%zu pictures through the image processors", count);
    tensors_close(golden);
    arena_free(a);
}

// Molmo's crops, their masks and the places of their tokens, against the original (test/reference/preprocess_crops.py).
static void test_crops(void) {
    Arena *a = arena_new("test");
    Tensors *golden = tensors_open(a, "test/golden/preprocess_crops/golden.safetensors");
    for (size_t i = 0; i < tensors_count(golden); i++) {
        const char *name = tensors_at(golden, i)->name, *slash = strchr(name, '/');
        if (strchr(name, '#')) continue;
        Preprocess p = preprocess_read(a, arena_print(a, "test/golden/preprocess_crops/%.*s", (int)(slash - name), name));
        Prepared got = prepared(a, &p, slash + 1);
        check_pixels(a, golden, name, got.pixels);
        const TensorEntry *mask = tensors_need(golden, arena_print(a, "%s#image_masks", name)), *order = tensors_need(golden, arena_print(a, "%s#image_input_idx", name));
        bool same = shaped(mask, NULL, got.mask) && memcmp(mask->bytes, got.mask.data, mask->size) == 0;
        check(same, "%s: masks the same", name);
        same = shaped(order, NULL, got.order) && memcmp(order->bytes, got.order.data, order->size) == 0;
        int32_t last = 0; // of the picture's tokens: it ends a row, behind which stand the row's end and the picture's
        for (size_t k = 0; same && k < tensor_count(got.order); k++) last = i32(got.order)[k] > last ? i32(got.order)[k] : last;
        int side = (p.height / p.patch + 1) / 2;
        check(same && last == 1 + side * (side + 1) + 2 + i32(got.grid)[0] * (i32(got.grid)[1] + 1) - 2, "%s: the places of %d x %d tokens the same", name, i32(got.grid)[0], i32(got.grid)[1]);
    }
    Preprocess p = preprocess_read(a, "test/golden/preprocess_crops/molmo");
    Prepared one = prepared(a, &p, "wide"), two = prepared(a, &p, "tall+wide");
    size_t before = tensor_count(two.pixels) - tensor_count(one.pixels);
    check(before > 0 && memcmp(f32(two.pixels) + before, one.pixels.data, tensor_bytes(one.pixels)) == 0 && two.grid.shape[0] == 2 && two.order.shape[0] == two.pixels.shape[0], "two pictures' crops one after the other");
    tensors_close(golden);
    // swap.md 2.1.3: tokens of the crops, and how large the picture that is cut becomes
    Preprocess full = preprocess_read(a, "test/golden/preprocess_crops/molmo-default");
    static const int sizes[][4] = {{300, 300, 336, 336}, {640, 480, 784, 560}, {1296, 968, 1008, 784}, {500, 375, 560, 560}};
    for (int i = 0; i < 4; i++) {
        int w, h;
        preprocess_size(&full, sizes[i][0], sizes[i][1], &w, &h);
        check(w == sizes[i][2] && h == sizes[i][3], "Molmo: %d x %d becomes %d x %d (is %d x %d)", sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], w, h);
    }
    arena_free(a);
}

// Sizes of models.md 5.3, 5.5 and 5.6.
static void test_sizes(void) {
    Preprocess clip = {.resize = true, .rule = SIZE_SHORT, .least = 224}, idefics2 = {.resize = true, .rule = SIZE_CLAMPED, .least = 378, .most = 980};
    Preprocess qwen2 = {.resize = true, .rule = SIZE_AREA, .least = 3136, .most = 12845056, .patch = 14, .merge = 2};
    Preprocess qwen3 = {.resize = true, .rule = SIZE_AREA, .least = 65536, .most = 16777216, .patch = 16, .merge = 2};
    static const int cases[][5] = {{0, 480, 640, 224, 298}, {0, 427, 640, 224, 335}, {0, 500, 333, 336, 224}, {0, 1080, 1920, 224, 398},
        {1, 480, 640, 480, 640}, {1, 1080, 1920, 551, 980}, {1, 240, 320, 378, 378}, {1, 500, 2000, 378, 980},
        {2, 480, 640, 476, 644}, {2, 427, 640, 420, 644}, {2, 1080, 1920, 1092, 1932}, {2, 14, 14, 56, 56}, {2, 30, 400, 28, 392}, {2, 4000, 6000, 2912, 4368}, {2, 336, 336, 336, 336},
        {3, 480, 640, 480, 640}, {3, 427, 640, 416, 640}, {3, 1080, 1920, 1088, 1920}, {3, 14, 14, 256, 256}, {3, 30, 400, 96, 960}, {3, 4000, 6000, 3328, 4992}, {3, 336, 336, 320, 320}};
    const Preprocess *all[] = {&clip, &idefics2, &qwen2, &qwen3};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int *c = cases[i];
        int w, h;
        preprocess_size(all[c[0]], c[2], c[1], &w, &h);
        check(h == c[3] && w == c[4], "rule %d: %d x %d becomes %d x %d (is %d x %d)", c[0], c[1], c[2], c[3], c[4], h, w);
    }
}

// A directory of its own with this file in it.
static Preprocess written(Arena *a, const char *file, const char *text) {
    static int count;
    const char *dir = arena_print(a, "%d", count++);
    scratch_file(a, path_join(a, dir, file), text, strlen(text));
    return preprocess_read(a, scratch_path(a, dir));
}

// Each with the place that its sentence must name.
static void test_refused(void) {
    Arena *a = arena_new("test");
    static const char *const cases[][3] = {
        {"preprocessor_config.json", "{\"image_processor_type\": \"SamImageProcessor\"}", "SamImageProcessor is not known"},
        {"preprocessor_config.json", "{}", "does not name"},
        {"preprocessor_config.json", "[1]", "an object"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": 0}", "\"size\": a whole number"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"shortest_edge\": 1e9}}", "at most 65536"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"height\": 4}}", "\"size\""},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"resample\": 6}", "\"resample\" is 6"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"image_mean\": [1, 2]}", "three numbers"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"image_std\": [1, \"a\", 2]}", "number 2"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"image_std\": 0}", "deviation of 0"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"SiglipImageProcessor\", \"do_center_crop\": true}", "without a crop_size"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"Qwen2VLImageProcessor\", \"size\": {\"shortest_edge\": 4}}", "numbers of pixels"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"Idefics2ImageProcessor\", \"size\": {\"shortest_edge\": 4}}", "longest_edge are wanted"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"DINOv3ViTImageProcessorFast\", \"resample\": 1}", "\"resample\" is 1"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"crop_size\": 65536}", "65536 x 65536 pixels"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"CLIPImageProcessor\", \"resample\": null}", "\"resample\" is null"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"BitImageProcessor\", \"image_mean\": null}", "\"image_mean\" is null"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"MolmoImageProcessor\", \"overlap_margins\": [12, 12]}", "wider than their margins"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"MolmoImageProcessor\", \"image_patch_size\": 65536, \"overlap_margins\": [65536, 65536]}", "wider than their margins"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"MolmoImageProcessor\", \"overlap_margins\": [1, 2]}", "two even numbers"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"MolmoImageProcessor\", \"image_token_length_w\": 11}", "\"image_token_length_w\" is 11"},
        {"preprocessor_config.json", "{\"image_processor_type\": \"MolmoImageProcessor\", \"max_crops\": 60000}", "no model has those"},
        {"open_clip_config.json", "{\"vision_cfg\": {\"image_size\": [1, 2, 3]}}", "[height, width]"},
        {"open_clip_config.json", "{\"preprocess_cfg\": {\"interpolation\": \"nearest\"}}", "interpolation"},
        {"open_clip_config.json", "{\"preprocess_cfg\": {\"resize_mode\": \"crop\"}}", "resize_mode"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_dies(cases[i][1], cases[i][2]) { written(a, cases[i][0], cases[i][1]); }
        check_dies(cases[i][1], cases[i][0]) { written(a, cases[i][0], cases[i][1]); }
    }
    uint8_t rgb[300 * 3] = {0};
    Picture line = {.rgb = rgb, .width = 1, .height = 300, .path = "line.png"};
    Preprocess qwen = written(a, "preprocessor_config.json", "{\"image_processor_type\": \"Qwen2VLImageProcessor\"}");
    check_dies("Qwen refuses lines", "line.png: a picture of 1 x 300") { preprocess_prepare(a, &qwen, line); }
    Preprocess clip = {.resize = true, .rule = SIZE_SHORT, .least = 60000, .type = "CLIP"};
    check_dies("beyond all pixels", "line.png: 1 x 300 pixels would become 60000 x 18000000") { preprocess_prepare(a, &clip, line); }
    Preprocess square = {.square = true, .type = "LLaVA"};
    Picture thread = {.rgb = rgb, .width = 1, .height = 65500, .path = "thread.png"};
    check_dies("a thread makes no square", "thread.png: 1 x 65500 pixels would become a square") { preprocess_prepare(a, &square, thread); }
    Preprocess split = {.kind = PREPROCESS_PIECES, .split = true, .resize = true, .rule = SIZE_CLAMPED, .least = 3, .most = 9, .pad = true, .type = "Idefics2"};
    Picture row = {.rgb = rgb, .width = 300, .height = 1, .path = "row.png"};
    check_dies("a row has no quarters", "row.png: a picture of one row") { preprocess_prepare(a, &split, row); }
    arena_free(a);
}

int main(void) {
    test_golden();
    test_crops();
    test_sizes();
    test_refused();
    return check_end();
}
