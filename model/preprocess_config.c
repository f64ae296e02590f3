// preprocess_config.c: see preprocess.h. What the files say, in the words of transformers 4 and 5 and of OpenCLIP.
//
// A key that is missing takes the default of its processor's class (transformers 5.24); null does not: a step is off
// then, a setting is missing. Names end in ImageProcessor or FeatureExtractor, with Fast or Pil behind it: the part
// before is the class. Departs from the reference: "Fast" processors are computed as their Pillow twins.
#include <math.h>
#include <string.h>

#include "preprocess.h"

static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f}, imagenet_std[3] = {0.229f, 0.224f, 0.225f};
static const float half[3] = {0.5f, 0.5f, 0.5f};

typedef struct {
    const char *name;
    PreprocessKind kind;
    SizeRule rule; // of the default size, which is `least`, or least x least for SIZE_EXACT
    int64_t least, most;
    bool number_is_square; // a bare number as size; else it is the shorter side
    bool crops;            // unless told otherwise
    int crop;              // default side; 0: there is none
    ResizeFilter filter;
    const float *mean, *std;
} Class;

static const Class classes[] = {
    {"CLIP", PREPROCESS_WHOLE, SIZE_SHORT, 224, 0, false, true, 224, RESIZE_BICUBIC, clip_mean, clip_std},
    {"Llava", PREPROCESS_WHOLE, SIZE_SHORT, 224, 0, false, true, 224, RESIZE_BICUBIC, clip_mean, clip_std},
    {"Bit", PREPROCESS_WHOLE, SIZE_SHORT, 224, 0, false, true, 224, RESIZE_BICUBIC, clip_mean, clip_std},
    {"Siglip", PREPROCESS_WHOLE, SIZE_EXACT, 224, 0, false, false, 0, RESIZE_BICUBIC, half, half},
    {"ViT", PREPROCESS_WHOLE, SIZE_EXACT, 224, 0, true, false, 0, RESIZE_BILINEAR, half, half},
    {"EfficientNet", PREPROCESS_WHOLE, SIZE_EXACT, 346, 0, true, false, 289, RESIZE_BICUBIC, half, half},
    {"DINOv3ViT", PREPROCESS_FLOAT, SIZE_EXACT, 224, 0, true, false, 0, RESIZE_BILINEAR, imagenet_mean, imagenet_std},
    {"Idefics2", PREPROCESS_PIECES, SIZE_CLAMPED, 378, 980, false, false, 0, RESIZE_BILINEAR, half, half},
    {"Qwen2VL", PREPROCESS_PATCHES, SIZE_AREA, 56 * 56, 28 * 28 * 1280, false, false, 0, RESIZE_BICUBIC, clip_mean, clip_std},
    {"Molmo", PREPROCESS_CROPS, SIZE_EXACT, 336, 0, false, false, 0, RESIZE_BILINEAR, clip_mean, clip_std},
    {"Qwen2_5_VL", PREPROCESS_PATCHES, SIZE_AREA, 56 * 56, 28 * 28 * 1280, false, false, 0, RESIZE_BICUBIC, clip_mean, clip_std}, // first files of 2.5
};

// The class of models whose files name no processor.
static const char *const class_of_model[][2] = {
    {"clip", "CLIP"}, {"llava", "Llava"}, {"siglip", "Siglip"}, {"dinov2", "Bit"}, {"dinov2_with_registers", "Bit"}, {"dinov3_vit", "DINOv3ViT"},
    {"idefics2", "Idefics2"}, {"qwen2_vl", "Qwen2VL"}, {"qwen2_5_vl", "Qwen2VL"}, {"qwen3_vl", "Qwen2VL"}, {"qwen3_5", "Qwen2VL"},
    {"molmo", "Molmo"}, {"align", "EfficientNet"}, {"vit", "ViT"}, {"clip_vision_model", "CLIP"}, {"siglip_vision_model", "Siglip"},
};

// ---- which file

typedef struct {
    const char *path;
    const Json *config; // NULL: the directory has none
    bool open_clip;
} Source;

static Source source_of(Arena *a, const char *dir) {
    const char *nested = path_join(a, dir, "processor_config.json"), *own = path_join(a, dir, "preprocessor_config.json");
    const char *open = path_join(a, dir, "open_clip_config.json");
    bool other = file_exists(open) && !file_exists(path_join(a, dir, "config.json"));
    if (!other && file_exists(nested)) {
        const Json *j = json_get(json_read(a, nested), "image_processor");
        if (j) return (Source){.path = nested, .config = j};
    }
    if (!other && file_exists(own)) return (Source){.path = own, .config = json_read(a, own)};
    if (file_exists(open)) return (Source){.path = open, .config = json_read(a, open), .open_clip = true};
    // OpenCLIP's weights without any configuration, as two of the four published CoCa are: its defaults.
    static const Json defaults = {.kind = JSON_OBJECT, .source = "OpenCLIP's defaults"};
    static const char *const weights[] = {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"};
    for (int i = 0; i < 3; i++)
        if (file_exists(path_join(a, dir, weights[i])) && !file_exists(path_join(a, dir, "config.json")))
            return (Source){.path = path_join(a, dir, weights[i]), .config = &defaults, .open_clip = true};
    return (Source){0};
}

static bool is_diffusers(Arena *a, const char *dir) { return file_exists(path_join(a, dir, "model_index.json")); }

bool preprocess_there(Arena *a, const char *dir) { return is_diffusers(a, dir) || source_of(a, dir).config != NULL; }

// ---- values

static bool flag(const Json *j, const char *key, bool otherwise) { return json_find(j, key, strlen(key)) ? json_bool_or(j, key, false) : otherwise; }

static void not_null(const Json *j, const char *key, const char *step, const char *path) {
    const Json *v = json_find(j, key, strlen(key));
    need(!v || v->kind != JSON_NULL, "%s: \"%s\" is null, and %s is on", path, key, step);
}

// A number of pixels or of patches: whole, above zero, and nothing that a picture could not have.
static int64_t whole(const Json *v, const char *key, const char *path) {
    need(v && v->kind == JSON_NUMBER && v->number >= 1 && v->number <= 1e12 && v->number == floor(v->number), "%s: \"%s\": a whole number above zero is wanted", path, key);
    return (int64_t)v->number;
}

static int side(const Json *v, const char *key, const char *path) {
    int64_t n = whole(v, key, path);
    need(n <= 65536, "%s: \"%s\": %lld pixels a side; at most 65536 make sense", path, key, (long long)n);
    return (int)n;
}

// Three numbers, or one for all.
static void three(float out[3], const Json *v, const char *key, const float otherwise[3], const char *path) {
    for (int i = 0; i < 3; i++) out[i] = otherwise[i];
    if (!v) return;
    bool list = v->kind == JSON_ARRAY;
    need(list ? v->count == 3 : v->kind == JSON_NUMBER, "%s: \"%s\": three numbers are wanted, or one", path, key);
    for (int i = 0; i < 3; i++) {
        const Json *n = list ? &v->items[i] : v;
        need(n->kind == JSON_NUMBER, "%s: \"%s\": number %d is none", path, key, i + 1);
        out[i] = (float)n->number;
    }
}

static void deviation_checked(const float std[3], const char *path) {
    for (int i = 0; i < 3; i++) need(std[i] != 0, "%s: a deviation of 0, by which nothing can be divided", path);
}

// [height, width] or one number for both.
static void height_and_width(int *height, int *width, const Json *v, const char *key, const char *path) {
    bool list = v->kind == JSON_ARRAY, object = v->kind == JSON_OBJECT;
    need(!list || v->count == 2, "%s: \"%s\": [height, width] is wanted, not %zu numbers", path, key, v->count);
    *height = side(list ? &v->items[0] : object ? json_get(v, "height") : v, key, path);
    *width = side(list ? &v->items[1] : object ? json_get(v, "width") : v, key, path);
    need((int64_t)*height * *width <= IMAGE_PIXELS_MAX, "%s: \"%s\": %d x %d pixels; at most %u are possible", path, key, *height, *width, IMAGE_PIXELS_MAX);
}

static void pixel_count(int64_t *out, const Json *size, const char *key, const char *other, const char *path) {
    const Json *v = json_get(size, key);
    if (!v) v = json_get(size, other);
    if (v) *out = whole(v, key, path);
}

// Every form in which files write a size: a number, [height, width], or an object with one of these sets of keys.
static void size_read(Preprocess *p, const Json *v, const Class *c, const char *path) {
    const Json *shorter = json_get(v, "shortest_edge"), *longer = json_get(v, "longest_edge");
    if (v->kind == JSON_NUMBER && !c->number_is_square) {
        p->rule = SIZE_SHORT;
        p->least = side(v, "size", path);
    } else if (v->kind == JSON_NUMBER || v->kind == JSON_ARRAY || json_get(v, "height") || json_get(v, "width")) {
        p->rule = SIZE_EXACT;
        height_and_width(&p->height, &p->width, v, "size", path);
    } else if (shorter) {
        p->rule = longer ? SIZE_CAPPED : SIZE_SHORT;
        p->least = side(shorter, "shortest_edge", path);
        if (longer) p->most = side(longer, "longest_edge", path);
    } else {
        need(json_get(v, "max_height"), "%s: \"size\": height and width, shortest_edge, or max_height and max_width are wanted", path);
        p->rule = SIZE_WITHIN;
        p->height = side(json_get(v, "max_height"), "max_height", path);
        p->width = side(json_get(v, "max_width"), "max_width", path);
    }
    if (c->kind == PREPROCESS_PIECES && p->rule == SIZE_CAPPED) p->rule = SIZE_CLAMPED;
    need(c->kind != PREPROCESS_PIECES || p->rule == SIZE_CLAMPED || p->rule == SIZE_EXACT, "%s: \"size\": shortest_edge and longest_edge are wanted", path);
}

// Qwen's shortest_edge and longest_edge are numbers of pixels in all; files before transformers 4.50 say min_pixels and max_pixels.
static void area_read(Preprocess *p, const Json *j, const char *path) {
    const Json *size = json_get(j, "size");
    if (size) {
        need(size->kind == JSON_OBJECT, "%s: \"size\": shortest_edge and longest_edge, both numbers of pixels, are wanted", path);
        p->least = p->most = 0;
        pixel_count(&p->least, size, "shortest_edge", "min_pixels", path);
        pixel_count(&p->most, size, "longest_edge", "max_pixels", path);
    }
    if (json_get(j, "min_pixels")) p->least = whole(json_get(j, "min_pixels"), "min_pixels", path);
    if (json_get(j, "max_pixels")) p->most = whole(json_get(j, "max_pixels"), "max_pixels", path);
    need(p->least > 0 && p->most > 0, "%s: \"size\": shortest_edge and longest_edge, both numbers of pixels, are wanted", path);
    static const char *const sides[] = {"patch_size", "merge_size", "temporal_patch_size"};
    for (int i = 0; i < 3; i++) not_null(j, sides[i], "cutting into patches", path);
    p->patch = json_get(j, "patch_size") ? side(json_get(j, "patch_size"), "patch_size", path) : 14;
    p->merge = json_get(j, "merge_size") ? side(json_get(j, "merge_size"), "merge_size", path) : 2;
    p->frames = json_get(j, "temporal_patch_size") ? side(json_get(j, "temporal_patch_size"), "temporal_patch_size", path) : 2;
    need((int64_t)p->patch * p->merge <= 65536 && p->frames <= 64, "%s: patches of %d pixels by blocks of %d, %d frames; no model has those", path, p->patch,
         p->merge, p->frames);
}

// ---- transformers

static const Class *class_named(const char *type, size_t n) {
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == n && strncmp(classes[i].name, type, n) == 0) return &classes[i];
    return NULL;
}

// "CLIPImageProcessorFast" -> CLIP
static const Class *class_of(const char *type) {
    static const char *const ends[] = {"Fast", "Pil", "ImageProcessor", "FeatureExtractor"};
    size_t n = strlen(type);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);
        if (n > m && strncmp(type + n - m, ends[i], m) == 0) n -= m;
    }
    return class_named(type, n);
}

static const Class *class_from_model(Arena *a, const char *dir) {
    const char *path = path_join(a, dir, "config.json");
    const char *model = file_exists(path) ? json_text_or(json_read(a, path), "model_type", "") : "";
    for (size_t i = 0; i < sizeof class_of_model / sizeof *class_of_model; i++)
        if (strcmp(class_of_model[i][0], model) == 0) return class_named(class_of_model[i][1], strlen(class_of_model[i][1]));
    return NULL;
}

static void crop_read(Preprocess *p, const Json *j, const Class *c, const char *path) {
    p->crop = flag(j, "do_center_crop", c->crops);
    p->crop_rule = c->kind == PREPROCESS_FLOAT ? CROP_TORCHVISION : CROP_PILLOW;
    p->crop_height = p->crop_width = c->crop;
    if (!p->crop) return;
    const Json *v = json_get(j, "crop_size");
    not_null(j, "crop_size", "do_center_crop", path);
    need(v || c->crop, "%s: do_center_crop without a crop_size", path);
    if (v) height_and_width(&p->crop_height, &p->crop_width, v, "crop_size", path);
}

static Preprocess from_class(const Json *j, const Class *c, const char *type, const char *path) {
    Preprocess p = {.type = type, .kind = c->kind, .rule = c->rule, .least = c->least, .most = c->most};
    p.height = p.width = (int)c->least;
    p.resize = flag(j, "do_resize", true);
    p.rescale = flag(j, "do_rescale", true);
    p.normalise = flag(j, "do_normalize", true);
    if (p.resize && c->kind != PREPROCESS_PATCHES) not_null(j, "size", "do_resize", path);
    if (c->kind == PREPROCESS_PATCHES) area_read(&p, j, path);
    else if (json_get(j, "size")) size_read(&p, json_get(j, "size"), c, path);
    if (c->kind == PREPROCESS_WHOLE || c->kind == PREPROCESS_FLOAT) crop_read(&p, j, c, path);
    if (p.resize) not_null(j, "resample", "do_resize", path);
    int64_t filter = json_int_or(j, "resample", c->filter);
    need(filter >= 0 && filter <= 5, "%s: \"resample\" is %lld; 0 to 5 are known", path, (long long)filter);
    p.filter = (ResizeFilter)filter;
    if (p.rescale) not_null(j, "rescale_factor", "do_rescale", path);
    p.factor = json_real_or(j, "rescale_factor", 1.0 / 255);
    if (p.normalise) not_null(j, "image_mean", "do_normalize", path), not_null(j, "image_std", "do_normalize", path);
    three(p.mean, json_get(j, "image_mean"), "image_mean", c->mean, path);
    three(p.std, json_get(j, "image_std"), "image_std", c->std, path);
    return p;
}

// What single classes have beyond the others.
static void extras_read(Preprocess *p, const Json *j, const Class *c, const char *path) {
    bool pad = flag(j, "do_pad", c->kind == PREPROCESS_PIECES);
    if (strcmp(c->name, "Llava") == 0) p->square = pad;
    else if (strcmp(c->name, "EfficientNet") != 0) p->pad = pad && c->kind != PREPROCESS_FLOAT && c->kind != PREPROCESS_PATCHES;
    const Json *size = json_get(j, "pad_size");
    if (p->pad && size && c->kind == PREPROCESS_WHOLE) height_and_width(&p->pad_height, &p->pad_width, size, "pad_size", path);
    if (c->kind == PREPROCESS_PIECES) p->split = flag(j, "do_image_splitting", false);
    if (strcmp(c->name, "CLIP") == 0 && flag(j, "use_square_size", false)) p->rule = SIZE_EXACT, p->height = p->width = 224; // Kosmos-2
    if (strcmp(c->name, "EfficientNet") == 0) {
        p->offset = flag(j, "rescale_offset", false);
        p->divide_again = flag(j, "include_top", true);
        if (p->divide_again) not_null(j, "image_std", "include_top", path);
    }
    if (c->kind != PREPROCESS_FLOAT) return;
    p->rescale_rule = RESCALE_FLOAT;
    need(p->rescale, "%s: do_rescale is off; DINOv3's processor resizes numbers from 0 to 1", path);
    need(!p->resize || p->filter == RESIZE_BILINEAR || p->filter == RESIZE_BICUBIC, "%s: \"resample\" is %d; DINOv3's processor resizes with 2 (bilinear) or 3 (bicubic)",
         path, (int)p->filter);
}

// ---- Molmo: keys of its own

static int margin(const Json *pair, int i, const char *path) {
    const Json *n = &pair->items[i];
    need(n->kind == JSON_NUMBER && n->integral && n->integer >= 0 && n->integer <= 65536 && n->integer % 2 == 0, "%s: \"overlap_margins\": two even numbers of patches are wanted", path);
    return (int)n->integer;
}

static Preprocess from_molmo(const Json *j, const Class *c, const char *type, const char *path) {
    Preprocess p = {.type = type, .kind = c->kind, .rescale = true, .rescale_rule = RESCALE_DIVIDE, .factor = 1.0 / 255, .filter = c->filter, .patch = 14, .crops = 12, .margin_before = 4, .margin_after = 4};
    p.normalise = flag(j, "do_normalize", true);
    p.height = p.width = (int)c->least;
    if (json_get(j, "base_image_input_size")) height_and_width(&p.height, &p.width, json_get(j, "base_image_input_size"), "base_image_input_size", path);
    if (json_get(j, "image_patch_size")) p.patch = side(json_get(j, "image_patch_size"), "image_patch_size", path);
    if (json_get(j, "max_crops")) p.crops = side(json_get(j, "max_crops"), "max_crops", path);
    const Json *margins = json_get(j, "overlap_margins");
    need(!margins || (margins->kind == JSON_ARRAY && margins->count == 2), "%s: \"overlap_margins\": two even numbers of patches are wanted", path);
    if (margins) p.margin_before = margin(margins, 0, path), p.margin_after = margin(margins, 1, path);
    three(p.mean, json_get(j, "image_mean"), "image_mean", c->mean, path);
    three(p.std, json_get(j, "image_std"), "image_std", c->std, path);
    int64_t shared = (int64_t)p.patch * (p.margin_before + p.margin_after);
    int tokens = (p.height / p.patch + 1) / 2;
    need(p.height == p.width && p.height % p.patch == 0 && shared < p.height, "%s: crops of %d x %d pixels, patches of %d, margins of %d and %d patches; squares of whole patches, wider than their margins, are wanted",
         path, p.width, p.height, p.patch, p.margin_before, p.margin_after);
    static const char *const lengths[] = {"image_token_length_h", "image_token_length_w"};
    for (int i = 0; i < 2; i++) need(json_int_or(j, lengths[i], tokens) == tokens, "%s: \"%s\" is %lld; crops of these patches have %d", path, lengths[i], (long long)json_int(j, lengths[i]), tokens);
    need((p.crops + 1.0) * p.height * p.width <= IMAGE_PIXELS_MAX, "%s: %d crops of %d pixels a side; no model has those", path, p.crops, p.height);
    return p;
}

// ---- diffusion models: model_index.json beside folders; the numbers of their VAE (models.md 5.4)

static Preprocess from_diffusers(Arena *a, const char *dir) {
    const char *const networks[] = {"unet", "transformer"};
    const char *path = NULL;
    for (int i = 0; i < 2 && !path; i++) {
        path = arena_print(a, "%s/%s/config.json", dir, networks[i]);
        if (!file_exists(path)) path = NULL;
    }
    need(path, "%s: has neither unet/config.json nor transformer/config.json, which say how large pictures are", dir);
    const Json *v = json_read(a, arena_print(a, "%s/vae/config.json", dir)), *levels = json_get(v, "block_out_channels");
    need(levels && levels->kind == JSON_ARRAY && levels->count >= 1 && levels->count <= 8, "%s: \"block_out_channels\": one to eight numbers are wanted", v->source);
    int64_t pixels = (int64_t)side(json_get(json_read(a, path), "sample_size"), "sample_size", path) << (levels->count - 1); // of latents, which each level but the first halves
    need(pixels <= 13000, "%s: \"sample_size\": pictures of %lld x %lld pixels", path, (long long)pixels, (long long)pixels);
    Preprocess p = {.type = "diffusers", .resize = true, .rule = SIZE_EXACT, .height = (int)pixels, .width = (int)pixels, .filter = RESIZE_BICUBIC, .rescale = true, .rescale_rule = RESCALE_DIVIDE,
                    .factor = 1.0 / 255, .normalise = true};
    for (int i = 0; i < 3; i++) p.mean[i] = p.std[i] = 0.5f; // (x - 1/2) * 2, exactly
    return p;
}

// ---- OpenCLIP: {"model_cfg", "preprocess_cfg"}, or the model's configuration alone

static Preprocess from_open_clip(const Json *j, const char *path) {
    const Json *model = json_get(j, "model_cfg") ? json_get(j, "model_cfg") : j, *own = json_get(j, "preprocess_cfg");
    Preprocess p = {.type = "open_clip", .resize = true, .rescale = true, .normalise = true, .rescale_rule = RESCALE_DIVIDE, .crop_rule = CROP_OPEN_CLIP, .factor = 1.0 / 255};
    const Json *size = json_path(model, "vision_cfg.image_size"); // it wins: the reference takes the size of the model that it built
    if (!size && !json_get(model, "vision_cfg")) size = json_get(own, "size");
    p.height = p.width = 224;
    if (size) height_and_width(&p.height, &p.width, size, "image_size", path);
    three(p.mean, json_get(own, "mean"), "mean", clip_mean, path);
    three(p.std, json_get(own, "std"), "std", clip_std, path);
    const char *filter = json_text_or(own, "interpolation", "bicubic"), *mode = json_text_or(own, "resize_mode", "shortest");
    bool bilinear = strcmp(filter, "bilinear") == 0, shortest = strcmp(mode, "shortest") == 0, longest = strcmp(mode, "longest") == 0;
    need(bilinear || strcmp(filter, "bicubic") == 0 || strcmp(filter, "random") == 0, "%s: \"interpolation\" is %s; bicubic, bilinear and random are known", path, filter);
    need(shortest || longest || strcmp(mode, "squash") == 0, "%s: \"resize_mode\" is %s; shortest, longest and squash are known", path, mode);
    need(strcmp(json_text_or(own, "mode", "RGB"), "RGB") == 0, "%s: \"mode\" is %s; RGB is known", path, json_text(own, "mode"));
    int64_t fill = json_int_or(own, "fill_color", 0);
    need(fill >= 0 && fill <= 255, "%s: \"fill_color\" is %lld; 0 to 255 are possible", path, (long long)fill);
    bool oblong = p.height != p.width;
    p.rule = longest ? SIZE_FIT : !shortest ? SIZE_EXACT : oblong ? SIZE_COVER : SIZE_SHORT;
    p.least = p.height;
    p.filter = bilinear && !(shortest && oblong) ? RESIZE_BILINEAR : RESIZE_BICUBIC; // SIZE_COVER is given no filter there
    p.crop = shortest || longest;
    p.crop_height = p.height, p.crop_width = p.width;
    p.fill = longest ? (int)fill : 0;
    return p;
}

Preprocess preprocess_read(Arena *a, const char *dir) {
    if (is_diffusers(a, dir)) return from_diffusers(a, dir);
    Source s = source_of(a, dir);
    need(s.config, "%s: has no preprocessor_config.json, so pictures cannot be prepared for it; give ready tensors with --pixels", dir);
    need(s.config->kind == JSON_OBJECT, "%s: an object with the processor's settings is wanted", s.path);
    Preprocess p;
    if (s.open_clip) {
        p = from_open_clip(s.config, s.path);
    } else {
        const char *type = json_text_or(s.config, "image_processor_type", json_text_or(s.config, "feature_extractor_type", NULL));
        const Class *c = type ? class_of(type) : class_from_model(a, dir);
        need(c, "%s: the image processor %s is not known here; CLIP, LLaVA, SigLIP, ViT, Bit (DINOv2), DINOv3, Idefics2, Qwen2-VL, Molmo, EfficientNet (ALIGN) and OpenCLIP are",
             s.path, type ? type : "that it does not name");
        bool crops = c->kind == PREPROCESS_CROPS;
        p = (crops ? from_molmo : from_class)(s.config, c, type ? type : c->name, s.path);
        if (!crops) extras_read(&p, s.config, c, s.path);
    }
    if (p.normalise || p.divide_again) deviation_checked(p.std, s.path);
    return p;
}
