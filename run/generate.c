// generate.c: `retina generate`: text from a model, streamed on a terminal.
#include "generate.h"
#include "device.h"
#include "generate_captions.h"

#include <math.h>
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

static void print_json(Arena *a, const Generated *g, const char *text, size_t length) {
    JsonOut *o = json_out(a, 0);
    json_open(o, NULL, '{');
    if (text) json_put_text_n(o, "text", text, length); // it may hold zero bytes
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
        Tensor with = ready_replacement(a, list, i, &name);
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
        paths[i] = gathered_name(a, &list.items[i]);
        Image image = gathered_read(a, &list.items[i], &o);
        if (image.damage) note("%s: %s", paths[i], image.damage);
        Tensor x = preprocess_picture(a, &p, picture_from(&image));
        if (i == 0) all = tensor_take(a, DTYPE_F32, DIMS((long)list.count, 3, x.shape[1], x.shape[2]));
        need(x.shape[1] == all.shape[2] && x.shape[2] == all.shape[3], "%s: has another size than the first picture", paths[i]);
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

typedef struct { // as the options name them
    CaptionWish wish; // what a CoCa's captions take, and most of it every model
    const char *dir, *pixels;
    TextList images, replace;
    PictureOptions picture;
    bool raw;
    int ngram, threads, device, dtype;
    bool packed;
    int64_t seed;
} Given;

static void check_options(const Given *g) {
    const CaptionWish *w = &g->wish;
    if (!g->dir) die_usage("generate: --model is wanted");
    if (w->prompt && w->ids) die_usage("generate: --prompt or --ids, not both");
    if (g->pixels && g->images.count) die_usage("generate: --image or --pixels, not both");
    const OptionCount counts[] = {{"max-new-tokens", w->max_new, -1}, {"min-new-tokens", w->min_new, -1}, {"beams", w->beams, 0}, {"beam-groups", w->groups, 0}, {"top-k", w->top_k, -1},
                                  {"no-repeat-ngram", g->ngram, -1}, {"threads", g->threads, 0}};
    options_bounded(counts, sizeof counts / sizeof *counts);
    if (w->max_new == 0) die_usage("--max-new-tokens 0: one at least");
    if (w->repetition_penalty <= 0 && w->repetition_penalty != -1) die_usage("--repetition-penalty %g: above 0; 1 is off, -1 as generation_config.json says", w->repetition_penalty);
    if (w->temperature <= 0 || w->top_p <= 0 || w->top_p > 1) die_usage("generate: --temperature is above 0, --top-p above 0 and at most 1");
    if (w->beams > 1 && w->sample) die_usage("generate: --beams or --sample, not both");
    if (w->beams > 1 && w->stop) die_usage("generate: --stop goes with greedy or drawn text");
}

// What was given on the command line, or what holds otherwise.
static double or_else(double given, double otherwise) { return isnan(given) ? otherwise : given; }

static void answer_print(Arena *a, const Model *m, const Given *g, Inputs in) {
    const CaptionWish *w = &g->wish;
    Listener listener = {.arena = a, .stop = w->stop, .text = arena_text(a, "", 0)};
    in.ids = ids_of(a, m, w->prompt, w->ids, tensor_given(in.pixels) ? (int)in.pixels.shape[0] : 0, g->raw, &listener.tokenizer);
    if (w->stop && !listener.tokenizer) die("--stop: %s has no tokenizer that could be read", g->dir);
    if (!listener.tokenizer && !w->json) die("%s has no tokenizer that could be read; --json prints the ids", g->dir);
    GenerateOptions o = generate_options(a, m);
    if (w->max_new > 0) o.max_new = w->max_new;
    if (w->min_new >= 0) o.min_new = w->min_new, o.min_length = 0;
    o.beams = w->beams ? w->beams : w->sample || w->stop ? 1 : o.beams_told;
    o.length_penalty = or_else(w->length_penalty, o.length_penalty), o.temperature = or_else(w->temperature, o.temperature), o.top_p = or_else(w->top_p, o.top_p);
    if (w->top_k >= 0) o.top_k = w->top_k;
    o.sample = w->sample, o.seed = w->seed;
    if (w->repetition_penalty > 0) o.repetition_penalty = w->repetition_penalty;
    if (g->ngram >= 0) o.no_repeat_ngram = g->ngram;
    if (listener.tokenizer) {
        listener.stream = stream_new(listener.tokenizer, a, false);
        listener.print = !w->json && o.beams <= 1 && isatty(1);
        o.heard = hear;
        o.arg = &listener;
    }
    Taps *taps = replacements(a, m, &in, &g->replace);
    Generated *said = generate(a, m, &in, 1, &o, taps ? &taps : NULL);
    const char *text = NULL;
    size_t length = 0;
    if (listener.tokenizer) {
        text = tokenizer_decode(listener.tokenizer, a, said->ids, (size_t)said->count, false, &length);
        const char *cut = w->stop ? strstr(text, w->stop) : NULL;
        if (cut) length = (size_t)(cut - text);
    }
    if (w->json) print_json(a, said, text, length);
    else if (listener.print) printf("%s\n", stream_end(listener.stream));
    else fwrite(text, 1, length, stdout), printf("\n");
}

int run_generate(int argc, char **argv) {
    Given given = {.ngram = -1, .wish = {.max_new = -1, .min_new = -1, .top_k = -1, .top_p = NAN, .temperature = NAN, .repetition_penalty = -1, .length_penalty = NAN}}, *g = &given;
    CaptionWish *w = &g->wish;
    Option options[] = {{"model", OPT_TEXT, &g->dir, "model directory", NULL},
                        {"image", OPT_LIST, &g->images, "picture; repeatable", NULL},
                        {"pixels", OPT_TEXT, &g->pixels, "a file with pixel_values instead", NULL},
                        {"prompt", OPT_TEXT, &w->prompt, "the user's words", NULL},
                        {"ids", OPT_TEXT, &w->ids, "token ids instead: 1,2,3 or a file with input_ids", NULL},
                        {"raw", OPT_FLAG, &g->raw, "the prompt as it is, without the chat template", NULL},
                        PICTURE_OPTIONS(g->picture),
                        {"max-new-tokens", OPT_INT, &w->max_new, "at most; -1: 64, or as OpenCLIP for a CoCa (29)", NULL},
                        {"min-new-tokens", OPT_INT, &w->min_new, "at least; -1: as generation_config.json says, or as OpenCLIP for a CoCa (4)", NULL},
                        {"beams", OPT_INT, &w->beams, "beam search; 1: greedy; 0: as generation_config.json says (num_beams), else greedy", NULL},
                        {"decode", OPT_CHOICE, &w->decode, "CoCa: beam-legacy is OpenCLIP's own search up to 3.x (6 beams), beam that of transformers", "auto|beam-legacy|beam"},
                        {"beam-groups", OPT_INT, &w->groups, "CoCa, beam-legacy: as in OpenCLIP; 0: 3", NULL},
                        {"length-penalty", OPT_REAL, &w->length_penalty, "of beams; not given: as generation_config.json says, else 1", NULL},
                        {"sample", OPT_FLAG, &w->sample, "draw instead of taking the likeliest", NULL},
                        {"temperature", OPT_REAL, &w->temperature, "of drawing; not given: as generation_config.json says, else 1", NULL},
                        {"top-k", OPT_INT, &w->top_k, "of drawing; 0: off; -1: as generation_config.json says", NULL},
                        {"top-p", OPT_REAL, &w->top_p, "of drawing; 1: off; not given: as generation_config.json says", NULL},
                        {"repetition-penalty", OPT_REAL, &w->repetition_penalty, "1: off; -1: as generation_config.json says", NULL},
                        {"no-repeat-ngram", OPT_INT, &g->ngram, "0: off; -1: as generation_config.json says", NULL},
                        {"stop", OPT_TEXT, &w->stop, "text that ends the answer", NULL},
                        {"seed", OPT_LONG, &g->seed, "of drawing", NULL},
                        {"replace", OPT_LIST, &g->replace, "NAME=F.safetensors[:TENSOR] in the tap's place; repeatable", NULL},
                        {"json", OPT_FLAG, &w->json, "text, ids, logprobs and why it stopped", NULL},
                        {"threads", OPT_INT, &g->threads, "0: every core of this process", NULL},
                        {"device", OPT_CHOICE, &g->device, "where to compute", "auto|cpu|cuda"},
                        {"dtype", OPT_CHOICE, &g->dtype, "of the computation; f32 is the reference", COMPUTE_CHOICES},
                        {"packed", OPT_FLAG, &g->packed, PACKED_HELP, NULL},
                        {"quiet", OPT_FLAG, &quiet, "no notes", NULL}};
    options_parse("retina generate --model DIR [--image PATH] [--prompt TEXT] [options]", "Text from a model.", options, sizeof options / sizeof *options, argc,
                  argv, NULL);
    check_options(g);
    w->replace = &g->replace, w->seed = (uint64_t)g->seed;
    if (g->threads) threads_set(g->threads);
    device_pick(g->device, g->packed, (Compute)g->dtype);
    Arena *a = arena_new("generate");
    Model *m = model_open(a, g->dir, false);
    m->compute = (Compute)g->dtype;
    need(m->family->generates, "%s: a %s model does not generate text", g->dir, m->family->name);
    bool coca = strcmp(m->family->name, "coca") == 0;
    if (!coca && !w->prompt && !w->ids) die_usage("generate: --prompt (or --ids) is wanted");
    if (!coca && w->decode) die_usage("generate: --decode is for a CoCa; --beams 4 searches with a %s", m->family->name);
    if (!w->decode && w->beams > 1) w->decode = 2; // transformers' beams
    w->pixels = pixels_of(a, m, g->pixels, &g->images, &g->picture, &w->names);
    if (coca) {
        w->top_p = or_else(w->top_p, 1), w->temperature = or_else(w->temperature, 1), w->length_penalty = or_else(w->length_penalty, 1);
        captions_print(a, m, w);
    }
    else answer_print(a, m, g, (Inputs){.pixels = w->pixels});
    arena_free(a);
    return 0;
}
