// generate_captions.c: see generate_captions.h.
#include "generate_captions.h"

#include <stdio.h>
#include <string.h>

#include "model/ready.h"

enum { AT_ONCE = 32 }; // pictures in one pass of the tower

static CocaOptions options_of(Arena *a, const Model *m, const CaptionWish *w, const Tokenizer *t) {
    CocaOptions o = coca_options(m);
    if (w->ids) {
        Tensor mask, types, x = ready_ids(a, w->ids, &mask, &types);
        need(x.ndim == 2 && x.shape[0] == 1, "--ids: one text is wanted, not %ld", x.shape[0]);
        o.sot = i32(x)[0], o.prompt = i32(x) + 1, o.prompt_count = (int)x.shape[1] - 1;
    }
    if (w->prompt) {
        need(t, "--prompt: %s has no tokenizer that could be read; --ids takes ids", m->dir);
        Ids ids = tokenizer_encode(t, a, w->prompt, strlen(w->prompt), false);
        o.prompt = ids.ids, o.prompt_count = (int)ids.count;
    }
    int most = m->context + 1, given = 1 + o.prompt_count; // the last id is never fed
    need(given < most, "%d ids are given; the decoder holds %d", given, m->context);
    if (w->max_new > 0) o.seq_len = given + w->max_new;
    if (w->min_new >= 0) o.min_seq_len = given + w->min_new;
    need(o.seq_len <= most, "--max-new-tokens %d: with what is given, %s holds %d", w->max_new, m->dir, most - given);
    need(o.seq_len > o.min_seq_len, "--min-new-tokens: at least %d ids and at most %d in all; the end token needs one more", o.min_seq_len, o.seq_len);
    o.way = w->decode == 2 ? COCA_LATER_BEAMS : w->decode ? COCA_BEAMS : w->sample && w->top_p < 1 ? COCA_TOP_P : COCA_TOP_K;
    if (w->sample) o.top_k = w->top_k > 0 ? w->top_k : m->vocabulary;
    o.top_p = w->top_p, o.temperature = w->temperature, o.seed = w->seed;
    if (w->repetition_penalty > 0) o.repetition_penalty = w->repetition_penalty;
    if (w->beams) o.beams = w->beams;
    o.length_penalty = w->length_penalty;
    o.groups = w->groups ? w->groups : o.beams % 3 == 0 ? 3 : 1;
    return o;
}

static Taps *replacements(Arena *a, const Model *m, Tensor pixels, const TextList *list) {
    if (!list || list->count == 0) return NULL;
    Taps *t = taps_asking(a, model_taps(a, m, &(Inputs){.pixels = pixels}), m->family->aliases, m->family->alias_count);
    for (size_t i = 0; i < list->count; i++) {
        const char *name;
        Tensor with = ready_replacement(a, list, i, &name);
        taps_replace(t, name, with);
    }
    return t;
}

// Image tokens of all pictures, a few at a time; replaced taps want all at once, as their tensors hold all.
static Tensor tokens_of(Arena *a, const Model *m, const CaptionWish *w) {
    const Coca *c = m->own;
    long B = w->pixels.shape[0], each = (long)tensor_count(w->pixels) / B, Q = c->cfg.Q - 1, E = c->cfg.E;
    Tensor all = tensor_take(a, DTYPE_F32, DIMS(B, Q, E));
    Taps *taps = replacements(a, m, w->pixels, w->replace);
    long step = taps ? B : AT_ONCE;
    Arena *scratch = arena_new("pictures");
    for (long b = 0; b < B; b += step) {
        long n = B - b < step ? B - b : step;
        Tensor some = tensor_of(f32(w->pixels) + b * each, DTYPE_F32, DIMS(n, w->pixels.shape[1], w->pixels.shape[2], w->pixels.shape[3]));
        Run *run = run_on(scratch, m->device);
        Mark mark = arena_mark(scratch);
        run->taps = taps;
        if (taps) taps_begin(taps);
        Tensor tokens = coca_image_tokens(run, c, coca_pool(run, c, coca_tower(run, c, some, NULL, NULL)));
        memcpy(f32(all) + b * Q * E, run_read(run, tokens).data, tensor_bytes(tokens));
        arena_release(scratch, mark);
    }
    arena_free(scratch);
    return all;
}

static void json_line(Arena *a, const CaptionWish *w, const CocaOptions *o, const Caption *c, long b, const char *text) {
    JsonOut *out = json_out(a, 0);
    json_open(out, NULL, '{');
    if (w->names) json_put_text(out, "image", w->names[b]);
    if (text) json_put_text(out, "text", text);
    else json_put_null(out, "text");
    json_open(out, "ids", '[');
    for (int i = 1 + o->prompt_count; i < c->count; i++) json_put_int(out, NULL, c->ids[i]);
    json_close(out);
    json_open(out, "logprobs", '[');
    for (int i = 0; i < c->steps; i++) json_put_real(out, NULL, (double)c->logprobs[i]);
    json_close(out);
    if (c->entropy) { // bits
        json_put_real(out, "entropy", c->mean_entropy);
        json_open(out, "entropies", '[');
        for (int i = 0; i < c->steps; i++) json_put_real(out, NULL, c->entropy[i]);
        json_close(out);
    }
    json_put_text(out, "stopped", c->finished ? "eos" : "length");
    json_close(out);
    printf("%s\n", json_done(out, NULL));
}

void captions_print(Arena *a, const Model *m, const CaptionWish *w) {
    need(tensor_given(w->pixels) && w->pixels.ndim == 4 && w->pixels.shape[0] > 0, "%s: a CoCa captions pictures; give --image or --pixels", m->dir);
    const Tokenizer *t = NULL;
    Trap trap;
    if (trap_set(&trap)) {
        t = tokenizer_load(a, m->dir, false);
        trap_end(&trap);
    } else if (!w->json) {
        die("%s has no tokenizer that could be read (%s); --json prints the ids", m->dir, trap.message);
    }
    CocaOptions o = options_of(a, m, w, t);
    Caption *c = coca_generate(a, m, tokens_of(a, m, w), &o);
    for (long b = 0; b < w->pixels.shape[0]; b++) {
        char *text = t ? coca_words(a, t, &o, &c[b]) : NULL, *cut = w->stop && text ? strstr(text, w->stop) : NULL;
        if (cut) *cut = 0;
        if (w->json) json_line(a, w, &o, &c[b], b, text);
        else printf("%s\n", text);
    }
}
