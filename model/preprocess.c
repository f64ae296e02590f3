// preprocess.c: see preprocess.h. Held by: test/test_preprocess.c against transformers' PIL image processors.
#include "preprocess.h"

#include <math.h>
#include <string.h>

static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f}, imagenet_std[3] = {0.229f, 0.224f, 0.225f};

static const Json *config_of(Arena *a, const char *dir, const char **path) {
    *path = path_join(a, dir, "preprocessor_config.json");
    if (file_exists(*path)) return json_read(a, *path);
    *path = path_join(a, dir, "processor_config.json");
    if (!file_exists(*path)) return NULL;
    return json_get(json_read(a, *path), "image_processor");
}

bool preprocess_there(Arena *a, const char *dir) {
    const char *path;
    return config_of(a, dir, &path) != NULL;
}

static void three(float out[3], const Json *j, const char *key, const float otherwise[3], const char *path) {
    const Json *v = json_get(j, key);
    for (int i = 0; i < 3; i++) out[i] = otherwise[i];
    if (!v) return;
    if (v->kind == JSON_NUMBER) {
        for (int i = 0; i < 3; i++) out[i] = (float)v->number;
        return;
    }
    need(v->kind == JSON_ARRAY && v->count == 3, "%s: \"%s\": three numbers are wanted", path, key);
    for (int i = 0; i < 3; i++) out[i] = (float)v->items[i].number;
}

// {"height", "width"}, {"shortest_edge"}, or a bare number: the short edge for CLIP's kin, a square for others.
static void size_read(const Json *v, bool bare_is_short, int *short_edge, int *height, int *width, const char *path) {
    *short_edge = *height = *width = 0;
    if (!v) return;
    if (v->kind == JSON_NUMBER) {
        if (bare_is_short) *short_edge = (int)v->number;
        else *height = *width = (int)v->number;
    } else if (json_get(v, "height")) {
        *height = (int)json_int(v, "height");
        *width = (int)json_int(v, "width");
    } else {
        *short_edge = (int)json_int(v, "shortest_edge");
        need(!json_get(v, "longest_edge"), "%s: a size with longest_edge belongs to another family's processor", path);
    }
    need(*short_edge > 0 || (*height > 0 && *width > 0), "%s: a size that is not positive", path);
}

Preprocess preprocess_read(Arena *a, const char *dir) {
    const char *path;
    const Json *j = config_of(a, dir, &path);
    need(j, "%s: has no preprocessor_config.json, so pictures cannot be prepared for it; give ready tensors with --pixels", dir);
    const char *type = json_text_or(j, "image_processor_type", json_text_or(j, "feature_extractor_type", "CLIPImageProcessor"));
    bool clip = strncmp(type, "CLIP", 4) == 0, llava = strncmp(type, "LlavaImage", 10) == 0, bit = strncmp(type, "Bit", 3) == 0;
    bool siglip = strncmp(type, "Siglip", 6) == 0, vit = strncmp(type, "ViTImage", 8) == 0;
    need(clip || llava || bit || siglip || vit, "%s: the image processor %s is not known", path, type);
    Preprocess p = {.type = type};
    int square = siglip || vit;
    p.pad = llava && json_bool_or(j, "do_pad", false);
    p.resize = json_bool_or(j, "do_resize", true);
    p.crop = json_bool_or(j, "do_center_crop", !square);
    p.rescale = json_bool_or(j, "do_rescale", true);
    p.normalise = json_bool_or(j, "do_normalize", true);
    static const Json d224 = {.kind = JSON_NUMBER, .integral = true, .integer = 224, .number = 224};
    const Json *size = json_get(j, "size"), *crop = json_get(j, "crop_size");
    size_read(size ? size : &d224, !square, &p.short_edge, &p.height, &p.width, path);
    int crop_short;
    size_read(crop ? crop : &d224, false, &crop_short, &p.crop_height, &p.crop_width, path);
    if (crop_short) p.crop_height = p.crop_width = crop_short;
    int64_t filter = json_int_or(j, "resample", vit ? RESIZE_BILINEAR : RESIZE_BICUBIC);
    need(filter >= 0 && filter <= 5, "%s: \"resample\" is %lld; 0 to 5 are known", path, (long long)filter);
    p.filter = (ResizeFilter)filter;
    p.factor = json_real_or(j, "rescale_factor", 1.0 / 255);
    const float half[3] = {0.5f, 0.5f, 0.5f};
    three(p.mean, j, "image_mean", siglip || vit ? half : bit ? imagenet_mean : clip_mean, path);
    three(p.std, j, "image_std", siglip || vit ? half : bit ? imagenet_std : clip_std, path);
    return p;
}

void preprocess_size(const Preprocess *p, int width, int height, int *w, int *h) {
    if (p->pad) width = height = width > height ? width : height;
    if (p->resize) {
        if (p->short_edge > 0) { // the longer side is cut to a whole number, as int() does
            int shorter = width < height ? width : height, longer = width < height ? height : width;
            int follows = (int)((double)p->short_edge * longer / shorter);
            int new_width = width <= height ? p->short_edge : follows;
            height = width <= height ? follows : p->short_edge;
            width = new_width;
        } else {
            width = p->width, height = p->height;
        }
    }
    if (p->crop) width = p->crop_width, height = p->crop_height;
    *w = width, *h = height;
}

// LLaVA's own way: the picture in the middle of a square of the mean colour.
static Picture padded(Arena *a, const Preprocess *p, Picture x) {
    if (x.width == x.height) return x;
    int side = x.width > x.height ? x.width : x.height;
    uint8_t *rgb = take(a, uint8_t, size_mul(size_mul((size_t)side, (size_t)side, "a square"), 3, "a square"));
    for (size_t i = 0; i < (size_t)side * (size_t)side; i++)
        for (int c = 0; c < 3; c++) rgb[i * 3 + (size_t)c] = (uint8_t)(int)((double)p->mean[c] * 255);
    int top = (side - x.height) / 2, left = (side - x.width) / 2;
    for (int y = 0; y < x.height; y++)
        memcpy(rgb + ((size_t)(y + top) * (size_t)side + (size_t)left) * 3, x.rgb + (size_t)y * (size_t)x.width * 3, (size_t)x.width * 3);
    return (Picture){.rgb = rgb, .width = side, .height = side};
}

// The middle of the picture; zeros around it where it is smaller (then its place is rounded up, as the reference does).
static Picture cropped(Arena *a, const Preprocess *p, Picture x) {
    int h = p->crop_height, w = p->crop_width;
    if (x.width == w && x.height == h) return x;
    uint8_t *rgb = take_zero(a, uint8_t, size_mul(size_mul((size_t)h, (size_t)w, "a crop"), 3, "a crop"));
    int top = (x.height - h) / 2, left = (x.width - w) / 2;
    if (x.height < h || x.width < w) {
        int high = x.height > h ? x.height : h, wide = x.width > w ? x.width : w;
        int at_y = (high - x.height + 1) / 2, at_x = (wide - x.width + 1) / 2; // place of the picture in the padded one
        top = (high - h) / 2 - at_y, left = (wide - w) / 2 - at_x;
    }
    for (int y = 0; y < h; y++)
        for (int i = 0; i < w; i++) {
            int from_y = y + top, from_x = i + left;
            if (from_y < 0 || from_y >= x.height || from_x < 0 || from_x >= x.width) continue;
            memcpy(rgb + ((size_t)y * (size_t)w + (size_t)i) * 3, x.rgb + ((size_t)from_y * (size_t)x.width + (size_t)from_x) * 3, 3);
        }
    return (Picture){.rgb = rgb, .width = w, .height = h};
}

Tensor preprocess_picture(Arena *a, const Preprocess *p, Picture x) {
    need(x.width > 0 && x.height > 0, "a picture without pixels");
    if (p->pad) x = padded(a, p, x);
    if (p->resize) {
        Preprocess only = *p;
        only.pad = only.crop = false;
        int w, h;
        preprocess_size(&only, x.width, x.height, &w, &h);
        need(w > 0 && h > 0, "a picture of %d x %d pixels becomes one of %d x %d", x.width, x.height, w, h);
        x.rgb = resize_rgb8(a, x.rgb, x.width, x.height, w, h, p->filter);
        x.width = w, x.height = h;
    }
    if (p->crop) x = cropped(a, p, x);
    Tensor t = tensor_take(a, DTYPE_F32, DIMS(3, x.height, x.width));
    float value[3][256]; // a picture holds 256 different values a channel
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) {
            float v = p->rescale ? (float)((double)i * p->factor) : (float)i;
            value[c][i] = p->normalise ? (v - p->mean[c]) / p->std[c] : v;
        }
    size_t n = (size_t)x.width * (size_t)x.height;
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++) f32(t)[(size_t)c * n + i] = value[c][x.rgb[i * 3 + (size_t)c]];
    return t;
}
