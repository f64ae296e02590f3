// generate.c: `retina generate`: text from a model, streamed on a terminal.
#include "generate.h"
#include "device.h"
#include "generate_captions.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/gather.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/thread.h"
#include "model/generate.h"
#include "model/preprocess.h"
#include "model/prompt.h"
#include "model/ready.h"

typedef struct {
    Arena *arena;
    const Tokenizer *tokenizer; // NULL: ids only
    TokenStream *stream;
    const char *stop; // text that ends the answer
    char *text;       // heard so far
    size_t length;
    bool print;
} Listener;

static bool hear(void *arg, int text, int32_t id) {
    Listener *l = arg;
    (void)text;
    if (!l->stream) return true;
    const char *piece = stream_put(l->stream, id);
    size_t n = strlen(piece);
    l->text = arena_grow(l->arena, l->text, l->length, l->length + n + 1, 1);
    memcpy(l->text + l->length, piece, n + 1);
    l->length += n;
    if (l->print) {
        fputs(piece, stdout);
        fflush(stdout);
    }
    return !l->stop || !strstr(l->text, l->stop);
}

static void print_json(Arena *a, const Generated *g, const char *text) {
    JsonOut *o = json_out(a, 0);
    json_open(o, NULL, '{');
    if (text) json_put_text(o, "text", text);
    else json_put_null(o, "text");
    json_open(o, "ids", '[');
    for (int i = 0; i < g->count; i++) json_put_int(o, NULL, g->ids[i]);
    json_close(o);
    json_open(o, "logprobs", '[');
    for (int i = 0; i < g->count; i++) json_put_real(o, NULL, (double)g->logprobs[i]);
    json_close(o);
    json_put_text(o, "stopped", g->stopped);
    json_close(o);
    printf("%s\n", json_done(o, NULL));
}

static Taps *replacements(Arena *a, const Model *m, const Inputs *in, const TextList *list) {
    if (list->count == 0) return NULL;
    Taps *t = taps_asking(a, model_taps(a, m, in), m->family->aliases, m->family->alias_count);
    for (size_t i = 0; i < list->count; i++) {
        const char *name;
        Tensor with = ready_replacement(a, list->items[i], &name);
        taps_replace(t, name, with);
    }
    return t;
}

// pixel_values of a file, or of pictures of one size; NO_TENSOR when neither is given.
static Tensor pixels_of(Arena *a, const Model *m, const char *file, const TextList *images, const PictureOptions *options, const char *const **names) {
    if (file) {
        Tensors *t = tensors_open(a, file);
        tensors_need(t, "pixel_values");
        return ready_tensor(a, t, "pixel_values", DTYPE_F32);
    }
    if (images->count == 0) return NO_TENSOR;
    need(m->family->takes_images, "%s: a %s model takes no pictures", m->dir, m->family->name);
    Preprocess p = preprocess_read(a, m->dir);
    Gathering list = pictures_gather(a, images->items, images->count);
    ImageOptions o = picture_options(options);
    Tensor all = NO_TENSOR;
    const char **paths = take(a, const char *, list.count);
    *names = paths;
    for (size_t i = 0; i < list.count; i++) {
        paths[i] = list.items[i].path;
        Image image = gathered_read(a, &list.items[i], &o);
        if (image.damage) note("%s: %s", list.items[i].path, image.damage);
        Tensor x = preprocess_picture(a, &p, picture_from(&image));
        if (i == 0) all = tensor_take(a, DTYPE_F32, DIMS((long)list.count, 3, x.shape[1], x.shape[2]));
        need(tensor_count(x) * list.count == tensor_count(all), "%s: has another size than the first picture", list.items[i].path);
        memcpy(f32(all) + i * tensor_count(x), x.data, tensor_bytes(x));
    }
    return all;
}

// The prompt's ids, or those given. A directory without a tokenizer still takes ids; then *tokenizer stays NULL.
static Tensor ids_of(Arena *a, const Model *m, const char *prompt, const char *ids, int pictures, bool raw, const Tokenizer **tokenizer) {
    if (prompt) {
        Prompter p = prompter_load(a, m);
        *tokenizer = p.tokenizer;
        return prompt_ids(a, &p, prompt, pictures, raw);
    }
    Tensor mask, types, x = ready_ids(a, ids, &mask, &types);
    need(x.ndim == 2 && x.shape[0] == 1, "--ids: one text is wanted, not %ld", x.shape[0]);
    Trap trap;
    if (trap_set(&trap)) {
        *tokenizer = tokenizer_load(a, m->dir, false);
        trap_end(&trap);
    }
    return x;
}

int run_generate(int argc, char **argv) {
    const char *dir = NULL, *pixels = NULL, *prompt = NULL, *ids = NULL, *stop = NULL;
    TextList images = {0}, replace = {0};
    PictureOptions picture = {0};
    bool raw = false, sample = false, json = false;
    int max_new = -1, min_new = -1, beams = 0, groups = 0, decode = 0, top_k = 0, ngram = -1, threads = 0, device = 0, dtype = 0;
    double length_penalty = 1, temperature = 1, top_p = 1, repetition = -1;
    int64_t seed = 0;
    Option options[] = {{"model", OPT_TEXT, &dir, "model directory", NULL},
                        {"image", OPT_LIST, &images, "picture; repeatable", NULL},
                        {"pixels", OPT_TEXT, &pixels, "a file with pixel_values instead", NULL},
                        {"prompt", OPT_TEXT, &prompt, "the user's words", NULL},
                        {"ids", OPT_TEXT, &ids, "token ids instead: 1,2,3 or a file with input_ids", NULL},
                        {"raw", OPT_FLAG, &raw, "the prompt as it is, without the chat template", NULL},
                        PICTURE_OPTIONS(picture),
                        {"max-new-tokens", OPT_INT, &max_new, "at most; -1: 64, or as OpenCLIP for a CoCa (29)", NULL},
                        {"min-new-tokens", OPT_INT, &min_new, "at least; -1: 0, or as OpenCLIP for a CoCa (4)", NULL},
                        {"beams", OPT_INT, &beams, "beam search; 0 or 1: greedy", NULL},
                        {"decode", OPT_CHOICE, &decode, "CoCa: beam-legacy is OpenCLIP's own search up to 3.x (6 beams), beam that of transformers", "auto|beam-legacy|beam"},
                        {"beam-groups", OPT_INT, &groups, "CoCa, beam-legacy: as in OpenCLIP; 0: 3", NULL},
                        {"length-penalty", OPT_REAL, &length_penalty, "of beams", NULL},
                        {"sample", OPT_FLAG, &sample, "draw instead of taking the likeliest", NULL},
                        {"temperature", OPT_REAL, &temperature, "of drawing", NULL},
                        {"top-k", OPT_INT, &top_k, "of drawing; 0: off", NULL},
                        {"top-p", OPT_REAL, &top_p, "of drawing; 1: off", NULL},
                        {"repetition-penalty", OPT_REAL, &repetition, "1: off; -1: as generation_config.json says", NULL},
                        {"no-repeat-ngram", OPT_INT, &ngram, "0: off; -1: as generation_config.json says", NULL},
                        {"stop", OPT_TEXT, &stop, "text that ends the answer", NULL},
                        {"seed", OPT_LONG, &seed, "of drawing", NULL},
                        {"replace", OPT_LIST, &replace, "NAME=F.safetensors[:TENSOR] in the tap's place; repeatable", NULL},
                        {"json", OPT_FLAG, &json, "text, ids, logprobs and why it stopped", NULL},
                        {"threads", OPT_INT, &threads, "0: every core of this process", NULL},
                        {"device", OPT_CHOICE, &device, "where to compute", "auto|cpu|cuda"},
                        {"dtype", OPT_CHOICE, &dtype, "of the computation; f32 is the reference", "f32|bf16"},
                        {"quiet", OPT_FLAG, &quiet, "no notes", NULL}};
    options_parse("retina generate --model DIR [--image PATH] [--prompt TEXT] [options]", "Text from a model.", options, sizeof options / sizeof *options, argc,
                  argv, NULL);
    if (!dir) die_usage("generate: --model is wanted");
    if (prompt && ids) die_usage("generate: --prompt or --ids, not both");
    if (pixels && images.count) die_usage("generate: --image or --pixels, not both");
    const struct {
        const char *option;
        int value, least;
    } counts[] = {{"max-new-tokens", max_new, -1}, {"min-new-tokens", min_new, -1}, {"beams", beams, 0}, {"beam-groups", groups, 0}, {"top-k", top_k, 0}, {"no-repeat-ngram", ngram, -1}, {"threads", threads, 0}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].value < counts[i].least) die_usage("--%s %d: %d is the least that is possible", counts[i].option, counts[i].value, counts[i].least);
    if (max_new == 0) die_usage("--max-new-tokens 0: one at least");
    if (repetition <= 0 && repetition != -1) die_usage("--repetition-penalty %g: above 0; 1 is off, -1 as generation_config.json says", repetition);
    if (temperature <= 0 || top_p <= 0 || top_p > 1) die_usage("generate: --temperature is above 0, --top-p above 0 and at most 1");
    if (beams > 1 && sample) die_usage("generate: --beams or --sample, not both");
    if (beams > 1 && stop) die_usage("generate: --stop goes with greedy or drawn text");
    if (threads) threads_set(threads);
    device_pick(device);
    Arena *a = arena_new("generate");
    Model *m = model_open(a, dir, false);
    m->bf16 = dtype == 1;
    need(m->family->generates, "%s: a %s model does not generate text", dir, m->family->name);
    bool coca = strcmp(m->family->name, "coca") == 0;
    if (!coca && !prompt && !ids) die_usage("generate: --prompt (or --ids) is wanted");
    if (!coca && decode) die_usage("generate: --decode is for a CoCa; --beams 4 searches with a %s", m->family->name);
    const char *const *pictures = NULL;
    Inputs in = {.pixels = pixels_of(a, m, pixels, &images, &picture, &pictures)};
    if (coca) {
        captions_print(a, m, &(CaptionWish){.pixels = in.pixels, .names = pictures, .prompt = prompt, .ids = ids, .stop = stop, .replace = &replace, .sample = sample,
                       .decode = decode ? decode : beams > 1 ? 2 : 0, .json = json, .max_new = max_new, .min_new = min_new, .beams = beams, .groups = groups, .top_k = top_k,
                       .top_p = top_p, .temperature = temperature, .repetition_penalty = repetition, .length_penalty = length_penalty, .seed = (uint64_t)seed});
        arena_free(a);
        return 0;
    }
    Listener listener = {.arena = a, .stop = stop, .text = arena_text(a, "", 0)};
    in.ids = ids_of(a, m, prompt, ids, tensor_given(in.pixels) ? (int)in.pixels.shape[0] : 0, raw, &listener.tokenizer);
    if (stop && !listener.tokenizer) die("--stop: %s has no tokenizer that could be read", dir);
    if (!listener.tokenizer && !json) die("%s has no tokenizer that could be read; --json prints the ids", dir);
    GenerateOptions o = generate_options(a, m);
    o.max_new = max_new > 0 ? max_new : 64, o.min_new = min_new > 0 ? min_new : 0, o.beams = beams > 1 ? beams : 1, o.length_penalty = length_penalty, o.sample = sample, o.temperature = temperature;
    o.top_k = top_k, o.top_p = top_p, o.seed = (uint64_t)seed;
    if (repetition > 0) o.repetition_penalty = repetition;
    if (ngram >= 0) o.no_repeat_ngram = ngram;
    if (listener.tokenizer) {
        listener.stream = stream_new(listener.tokenizer, a, false);
        listener.print = !json && beams <= 1 && isatty(1);
        o.heard = hear;
        o.arg = &listener;
    }
    Taps *taps = replacements(a, m, &in, &replace);
    Generated *g = generate(a, m, &in, 1, &o, taps ? &taps : NULL);
    const char *text = NULL;
    if (listener.tokenizer) {
        size_t length;
        char *all = tokenizer_decode(listener.tokenizer, a, g->ids, (size_t)g->count, false, &length), *cut = stop ? strstr(all, stop) : NULL;
        if (cut) *cut = 0;
        text = all;
    }
    if (json) print_json(a, g, text);
    else if (listener.print) printf("%s\n", stream_end(listener.stream));
    else printf("%s\n", text);
    arena_free(a);
    return 0;
}
