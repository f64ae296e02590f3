// info.c: `retina info`: what is in a model directory, and the name and shape of every tap, from config.json alone.
#include "info.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "io/number.h"
#include "io/option.h"
#include "io/stamp.h"
#include "model/cache.h"
#include "model/chat.h"
#include "model/model.h"
#include "model/preprocess.h"
#include "model/tokenizer.h"

// Bytes of keys and values that a text of so many tokens keeps, in the computation's type.
static double kept_bytes(Arena *a, const Model *m, Compute compute, int tokens) {
    Mark mark = arena_mark(a);
    Model as = *m;
    as.compute = compute;
    double bytes = (double)cache_bytes(m->family->cache(a, &as, 1, tokens));
    arena_release(a, mark);
    return bytes;
}

// What a text that is being generated keeps for each of its tokens, and for what it looks at besides.
static void print_kept(Arena *a, const Model *m) {
    double token[2], rest[2];
    for (Compute c = COMPUTE_F32; c <= COMPUTE_BF16; c++) token[c] = kept_bytes(a, m, c, 2) - kept_bytes(a, m, c, 1), rest[c] = kept_bytes(a, m, c, 1) - token[c];
    printf("cache         %.1f KB a token of a text, %.1f KB with --dtype bf16", token[0] / 1000, token[1] / 1000);
    if (rest[0] > 0) printf("; its picture %.1f KB, %.1f KB", rest[0] / 1000, rest[1] / 1000);
    printf("\n");
}

static void shape_json(JsonOut *o, const TapInfo *t) {
    json_open(o, NULL, '{');
    json_put_text(o, "name", t->name);
    json_open(o, "shape", '[');
    for (int d = 0; d < t->shape.ndim; d++) json_put_int(o, NULL, t->shape.shape[d]);
    json_close(o);
    json_close(o);
}

// Stored types and bytes, from the headers of the weight files; "" when there are none.
static const char *stored(Arena *a, const char *dir, uint64_t *bytes) {
    *bytes = 0;
    if (!tensors_there(a, dir)) return "no weight files";
    Tensors *t = tensors_open(a, dir);
    uint64_t by_type[DTYPE_COUNT] = {0};
    for (size_t i = 0; i < tensors_count(t); i++) by_type[tensors_at(t, i)->dtype] += tensors_at(t, i)->size, *bytes += tensors_at(t, i)->size;
    char *text = arena_print(a, "%zu tensors", tensors_count(t));
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (by_type[d]) text = arena_print(a, "%s, %s", text, dtype_name((Dtype)d));
    return text;
}

static void print_human(Arena *a, const Model *m) {
    uint64_t bytes;
    const char *types = stored(a, m->dir, &bytes);
    char t[32];
    printf("family        %s (%s)\n", m->family->name, json_text_or(m->config, "model_type", "OpenCLIP"));
    printf("parameters    %llu\n", (unsigned long long)weights_parameters(m->weights));
    printf("weights       %s, %s MB\n", types, real_text((double)(bytes / 10000) / 100, t));
    Blake2b sum;
    blake2b_start(&sum, 16, NULL, 0);
    stamp_model(&sum, m->dir);
    printf("checksum      %s\n", stamp_text(&sum, a));
    if (m->vocabulary) printf("text          vocabulary %d, context %d tokens\n", m->vocabulary, m->context);
    if (m->image_tokens) printf("picture       %d tokens each\n", m->image_tokens);
    Trap trap;
    if (trap_set(&trap)) {
        if (m->family->takes_text) {
            const Tokenizer *k = tokenizer_load(a, m->dir, false);
            printf("tokenizer     %s, %zu tokens\n", tokenizer_kind(k), tokenizer_size(k));
        }
        trap_end(&trap);
    } else {
        printf("tokenizer     none that can be read: %s\n", trap.message);
    }
    if (m->family->takes_images) {
        if (preprocess_there(a, m->dir)) {
            Preprocess p = preprocess_read(a, m->dir);
            int w, h;
            preprocess_size(&p, 640, 480, &w, &h);
            printf("pictures      %s: 640 x 480 becomes %d x %d\n", p.type, w, h);
        } else {
            printf("pictures      no preprocessor_config.json\n");
        }
    }
    if (m->family->generates && m->config && json_get(m->config, "model_type")) printf("chat          %s\n", chat_family_name(chat_load(a, m->dir).family));
    Inputs in = m->family->example(a, m, 0, 0, 0);
    printf("scratch       %s MB for one forward of one input\n", real_text((double)(model_scratch(a, m, &in) / 10000) / 100, t));
    if (m->family->cache) print_kept(a, m);
    printf("studies       %s\n", m->image_token >= 0 ? "connectors, verbalize" : strcmp(m->family->name, "coca") == 0 ? "verbalize" : strcmp(m->family->name, "clip") == 0 ? "ex2 (scorer), verbalize, connectors (reference)" : "");
}

static void size_parse(const char *text, int *height, int *width) {
    char first[12];
    size_t n = strcspn(text, "x");
    snprintf(first, sizeof first, "%.*s", n < sizeof first ? (int)n : 0, text);
    int64_t h, w;
    bool good = text[n] && int_parse(first, &h) && int_parse(text + n + 1, &w) && h >= 1 && w >= 1 && h <= INT32_MAX && w <= INT32_MAX;
    if (!good) die_usage("--image-size %s: HEIGHTxWIDTH is wanted, as 336x336", text);
    *height = (int)h, *width = (int)w;
}

// Many towers have positions for pictures of one size only.
static void size_check(const Model *m, const char *text, Tensor pixels, int height, int width) {
    if (!tensor_given(pixels)) die_usage("--image-size %s: a %s model takes no pictures", text, m->family->name);
    if (pixels.shape[2] != height || pixels.shape[3] != width)
        die_usage("--image-size %s: this %s takes pictures of %ldx%ld", text, m->family->name, pixels.shape[2], pixels.shape[3]);
}

int run_info(int argc, char **argv) {
    const char *taps = NULL, *size = NULL;
    int tokens = 0;
    bool json = false;
    Option options[] = {{"taps", OPT_OPTIONAL, &taps, "list every tap, or those that match the pattern: name<TAB>shape", NULL},
                        {"image-size", OPT_TEXT, &size, "HxW of the pictures for --taps", NULL},
                        {"tokens", OPT_INT, &tokens, "length of the text for --taps", NULL},
                        {"json", OPT_FLAG, &json, "one JSON object", NULL},
                        {"quiet", OPT_FLAG, &quiet, "no notes", NULL}};
    TextList rest;
    options_parse("retina info DIR [--taps[=GLOB]] [--image-size HxW] [--tokens N] [--json]",
                  "What is in a model directory. With --taps, only config.json is read.", options, sizeof options / sizeof *options, argc, argv, &rest);
    if (rest.count != 1) die_usage("info: one model directory is wanted; usage: retina info DIR [--taps]");
    if ((size || tokens) && !taps && !json) die_usage("info: --image-size and --tokens go with --taps or --json");
    int height = 0, width = 0;
    if (size) size_parse(size, &height, &width);
    if (tokens < 0) die_usage("--tokens %d: a positive number is wanted", tokens);
    Arena *a = arena_new("info");
    Model *m = model_open(a, rest.items[0], true);
    if (!taps && !json) {
        print_human(a, m);
        arena_free(a);
        return 0;
    }
    Inputs in = m->family->example(a, m, height, width, tokens);
    if (size) size_check(m, size, in.pixels, height, width);
    if (tokens && !tensor_given(in.ids)) die_usage("--tokens %d: a %s model takes no text", tokens, m->family->name);
    const TapInfo *list;
    size_t n = taps_listed(model_taps(a, m, &in), &list), shown = 0;
    const char *pattern = taps && *taps ? taps : "*";
    JsonOut *o = json_out(a, 1);
    if (json) {
        json_open(o, NULL, '{');
        json_put_text(o, "family", m->family->name);
        json_put_int(o, "parameters", (int64_t)weights_parameters(m->weights));
        json_put_int(o, "vocabulary", m->vocabulary);
        json_put_int(o, "context", m->context);
        json_open(o, "taps", '[');
    }
    for (size_t i = 0; i < n; i++) {
        if (fnmatch(pattern, list[i].name, 0) != 0) continue;
        char text[128];
        shown++;
        if (json) shape_json(o, &list[i]);
        else printf("%s\t%s\n", list[i].name, tensor_shape_text(list[i].shape, text));
    }
    if (json) {
        json_close(o);
        json_close(o);
        printf("%s\n", json_done(o, NULL));
    }
    if (shown == 0 && taps && *taps) die_usage("--taps=%s: no tap matches; `retina info %s --taps` lists all %zu", taps, rest.items[0], n);
    arena_free(a);
    return 0;
}
