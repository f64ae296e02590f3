// coca_generate.c: see coca_generate.h. Held by: test/test_coca.c, ids and entropies of open_clip for every setting.
#include "coca_generate.h"

#include <math.h>
#include <string.h>

#include "io/random.h"

CocaOptions coca_options(const Model *model) {
    const Coca *m = model->own;
    CocaOptions o = {.way = COCA_TOP_K, .seq_len = 30, .min_seq_len = 5, .max_seq_len = 77, .top_k = 1, .top_p = 0.1, .temperature = 1, .repetition_penalty = 1,
                     .beams = 6, .groups = 3, .length_penalty = 1, .sot = m->cfg.V - 2, .eos = m->cfg.V - 1, .pad = m->cfg.said_pad};
    if (o.seq_len > model->context + 1) o.seq_len = model->context + 1; // the last id is never fed
    return o;
}

void coca_rules(Arena *a, Rules *r, int V, const int32_t *x, int count, const CocaOptions *o) {
    if (count < o->min_seq_len) rules_ban(a, r, V, &o->eos, 1);
    if (o->repetition_penalty != 1) rules_penalise(a, r, V, x, count);
}

void coca_need_number(double score) {
    need(!isnan(score), "the scores of a caption's next id are no numbers (NaN); look at the weights, and at the image tokens that the decoder was given");
}

typedef struct {
    const CocaOptions *o;
    int V;
    Caption *captions;   // (R)
    const int *rows;     // (active): which caption a row of the batch belongs to
    int window;          // of how many ids the rules know
} Step;

// What each active row gets: of equally likely ids a greedy choice takes the first, where the reference draws one.
static Choosing choosing_of(const Step *s, Arena *a, int active) {
    const CocaOptions *o = s->o;
    Rules *rules = take_zero(a, Rules, (size_t)active);
    double *uniform = take(a, double, (size_t)active);
    for (int r = 0; r < active; r++) {
        const Caption *c = &s->captions[s->rows[r]];
        coca_rules(a, &rules[r], s->V, c->ids + c->count - s->window, s->window, o);
        uniform[r] = rng_uniform(rng_sub(rng_of(o->seed, "coca"), o->keys ? o->keys[s->rows[r]] : (uint64_t)s->rows[r]), (uint64_t)c->steps);
    }
    Choosing how = {.temperature = o->temperature, .asked = o->eos, .penalty = (float)o->repetition_penalty, .best = 1, .likeliest = o->top};
    if (o->way != COCA_TOP_K || o->top_k > 1)
        how.draw = (Drawing){.uniform = uniform, .top_k = o->way == COCA_TOP_K ? o->top_k : 0, .top_p = o->way == COCA_TOP_P ? o->top_p : 1,
                             .filter_temperature = o->temperature_first ? o->temperature : 1, .temperature = o->temperature};
    choosing_rules(&how, a, rules, active);
    return how;
}

static void keep_choice(const Step *s, Caption *c, const Choice *best, const Choice *likeliest, const Distribution *d) {
    const CocaOptions *o = s->o;
    Choice taken = *best;
    coca_need_number(d->log_sum);
    c->entropy[c->steps] = d->entropy;
    for (int i = 0; i < o->top; i++) {
        c->top_ids[c->steps * o->top + i] = likeliest[i].id;
        c->top_logprobs[c->steps * o->top + i] = (float)((double)likeliest[i].logit - d->log_sum);
    }
    c->finished = taken.id == o->eos || taken.id == o->pad;
    if (s->window + 1 == o->seq_len) c->finished = c->finished && taken.id == o->eos, taken = (Choice){.id = o->eos, .logit = (float)d->asked};
    c->logprobs[c->steps++] = (float)((double)taken.logit - d->log_sum);
    c->ids[c->count++] = taken.id;
}

Tensor coca_step(Run *run, const Coca *m, Tensor ids, Cache *cache) {
    if (ids.shape[1] == 1) run_repeats(run);
    return coca_continue(run, m, ids, cache);
}

void coca_look_all(const Coca *m, Tensor tokens, Cache *cache, int copies) {
    enum { AT_ONCE = 16 }; // rows whose keys and values are computed together
    long R = tokens.shape[0], each = tokens.shape[1] * tokens.shape[2];
    Arena *scratch = arena_new("what is looked at");
    for (long r = 0; r < R; r += copies > 1 ? 1 : AT_ONCE) {
        long n = copies > 1 ? 1 : R - r < AT_ONCE ? R - r : AT_ONCE;
        Mark mark = arena_mark(scratch);
        cache->first = (int)r * copies, cache->count = (int)n;
        coca_look(run_on(scratch, cache->device), m, tensor_of(f32(tokens) + r * each, DTYPE_F32, DIMS(n, tokens.shape[1], tokens.shape[2])), cache);
        for (int k = 1; k < copies; k++) cache_copy(cache, (int)r * copies + k, (int)r * copies);
        arena_release(scratch, mark);
    }
    arena_free(scratch);
}

static void options_check(const Coca *m, const CocaOptions *o, Tensor tokens) {
    need(o->seq_len > o->min_seq_len, "a caption of at most %d ids, of which the end may come after %d: the first must be larger", o->seq_len, o->min_seq_len);
    need(o->max_seq_len >= 1 && o->temperature > 0 && o->top_k >= 1 && o->repetition_penalty > 0, "captions: a window, temperature, top-k or penalty that is not positive");
    need(tokens.ndim == 3 && tokens.shape[1] == m->cfg.Q - 1 && tokens.shape[2] == m->cfg.E, "captions: image tokens (rows, %d, %d) are wanted", m->cfg.Q - 1, m->cfg.E);
    need(o->sot >= 0 && o->sot < m->cfg.V, "captions: the start token %d is outside the vocabulary of %d", o->sot, m->cfg.V);
    need(o->eos >= 0 && o->eos < m->cfg.V, "captions: the end token %d is outside the vocabulary of %d", o->eos, m->cfg.V);
}

// The ids of the window of every active row, as one batch.
static Tensor window_ids(Arena *a, const Step *s, int active, int from, int to) {
    Tensor ids = tensor_take(a, DTYPE_I32, DIMS(active, to - from));
    for (int r = 0; r < active; r++) memcpy(i32(ids) + r * (to - from), s->captions[s->rows[r]].ids + from, (size_t)(to - from) * sizeof(int32_t));
    return ids;
}

// Rows that have ended make room: the last one moves into the gap.
static int leave(Cache *cache, int *rows, int active, const Caption *captions, const CocaOptions *o) {
    for (int r = active - 1; r >= 0; r--) {
        const Caption *c = &captions[rows[r]];
        int32_t last = c->ids[c->count - 1];
        if (last != o->eos && last != o->pad) continue;
        active--;
        cache_copy(cache, r, active);
        rows[r] = rows[active];
    }
    return active;
}

static void decode_rows(const Coca *m, Cache *cache, Caption *captions, int R, const CocaOptions *o) {
    Arena *scratch = arena_new("a decoding step");
    int *rows = take(scratch, int, (size_t)R), stop = o->stop_length ? o->stop_length : o->seq_len, fed = 0;
    for (int r = 0; r < R; r++) rows[r] = r;
    Step s = {.o = o, .V = m->cfg.V, .captions = captions, .rows = rows};
    int active = leave(cache, rows, R, captions, o); // a prompt may end with the end token
    for (int length = 1 + o->prompt_count; active > 0; length++) {
        Mark mark = arena_mark(scratch);
        s.window = length < o->max_seq_len ? length : o->max_seq_len;
        if (length > s.window) { // the window has moved: every position is another one
            memset(cache->lengths, 0, (size_t)cache->B * sizeof *cache->lengths);
            fed = length - s.window;
        }
        cache->first = 0, cache->count = active;
        Run *run = run_on(scratch, cache->device);
        Choosing how = choosing_of(&s, scratch, active);
        Chosen chosen = choose(run, coca_step(run, m, window_ids(scratch, &s, active, fed, length), cache), &how);
        for (int r = 0; r < active; r++) keep_choice(&s, &captions[rows[r]], &chosen.best[r], chosen.likeliest + r * o->top, &chosen.rows[r]);
        fed = length;
        arena_release(scratch, mark);
        if (length + 1 >= stop) break;
        active = leave(cache, rows, active, captions, o);
    }
    arena_free(scratch);
}

static int larger(int a, int b) { return a > b ? a : b; }

Caption *coca_generate(Arena *a, const Model *model, Tensor tokens, const CocaOptions *o) {
    const Coca *m = model->own;
    options_check(m, o, tokens);
    int R = (int)tokens.shape[0], stop = o->stop_length ? o->stop_length : o->seq_len, room = larger(larger(stop, o->seq_len), 2 + o->prompt_count);
    bool searches = o->way == COCA_BEAMS || o->way == COCA_LATER_BEAMS;
    Caption *out = take_zero(a, Caption, (size_t)R);
    for (int r = 0; r < R; r++) {
        Caption *c = &out[r];
        c->ids = take(a, int32_t, (size_t)room);
        c->ids[c->count++] = o->sot;
        for (int i = 0; i < o->prompt_count; i++) c->ids[c->count++] = o->prompt[i];
        if (searches) continue;
        c->logprobs = take(a, float, (size_t)room);
        c->entropy = take(a, double, (size_t)room);
        c->top_ids = take(a, int32_t, (size_t)(room * o->top));
        c->top_logprobs = take(a, float, (size_t)(room * o->top));
    }
    if (o->way == COCA_BEAMS) {
        coca_beam_search(a, model, tokens, o, out);
    } else if (o->way == COCA_LATER_BEAMS) {
        coca_later_beams(a, model, tokens, o, out);
    } else {
        Arena *kept = arena_new("captions' keys and values");
        Cache *cache = coca_cache(kept, m, model_device(model), R, room < o->max_seq_len ? room : o->max_seq_len);
        coca_look_all(m, tokens, cache, 1);
        decode_rows(m, cache, out, R, o);
        arena_free(kept);
    }
    int longest = 0;
    for (int r = 0; r < R; r++) longest = larger(longest, out[r].count);
    if (o->fixed_length) longest = larger(longest, searches ? o->seq_len : stop);
    for (int r = 0; r < R; r++) {
        Caption *c = &out[r];
        c->length = longest;
        for (int i = c->count; i < longest; i++) c->ids[i] = o->pad;
        for (int i = 0; i < c->steps && c->entropy; i++) c->mean_entropy += c->entropy[i] / c->steps;
    }
    return out;
}

char *coca_words(Arena *a, const Tokenizer *t, const CocaOptions *o, const Caption *c) {
    int from = 1, to = c->count;
    for (int i = to - 1; i >= from; i--) // what stands behind the first end token is no part of the text
        if (c->ids[i] == o->eos) to = i;
    if (to > from && c->ids[to - 1] == o->pad) to--;
    return tokenizer_caption(t, a, c->ids + from, (size_t)(to - from), true);
}
