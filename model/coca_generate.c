// coca_generate.c: see coca_generate.h. Held by: test/test_coca.c, ids and entropies of open_clip for every setting.
#include "coca_generate.h"

#include <math.h>
#include <string.h>

#include "choose.h"
#include "io/random.h"
#include "io/thread.h"
#include "kernels.h"

CocaOptions coca_options(const Model *model) {
    const Coca *m = model->own;
    CocaOptions o = {.way = COCA_TOP_K, .seq_len = 30, .min_seq_len = 5, .max_seq_len = 77, .top_k = 1, .top_p = 0.1, .temperature = 1, .repetition_penalty = 1,
                     .beams = 6, .groups = 3, .length_penalty = 1, .sot = m->cfg.V - 2, .eos = m->cfg.V - 1, .pad = m->cfg.pad};
    if (o.seq_len > model->context + 1) o.seq_len = model->context + 1; // the last id is never fed
    return o;
}

void coca_rules(float *scores, int V, const int32_t *x, int count, const CocaOptions *o) {
    if (count < o->min_seq_len && o->eos >= 0 && o->eos < V) scores[o->eos] = -INFINITY;
    scores_penalise(scores, V, x, count, o->repetition_penalty);
}

// exp((score - largest) / temperature) of the first n of sorted scores.
static float *exps(Arena *scratch, const Choice *c, int n, double temperature) {
    float *e = take(scratch, float, (size_t)n);
    for (int i = 0; i < n; i++) e[i] = (float)(((double)c[i].score - (double)c[0].score) / temperature);
    kernels()->exp(e, e, n);
    return e;
}

// How many of the sorted scores the filter keeps: top-k with the ties of the k-th; top-p without the least likely ones that
// together have at most 1 - top_p.
static int kept_of(Arena *scratch, const Choice *c, int V, const CocaOptions *o) {
    int n = V;
    if (o->way == COCA_TOP_K) {
        n = o->top_k < V ? o->top_k : V;
        while (n < V && c[n].score == c[n - 1].score) n++;
        return n;
    }
    float *e = exps(scratch, c, V, o->temperature_first ? o->temperature : 1);
    double sum = 0, tail = 0;
    for (int i = 0; i < V; i++) sum += (double)e[i];
    while (n > 1) {
        tail += (double)e[n - 1] / sum;
        if (!(tail <= 1 - o->top_p)) break;
        n--;
    }
    return n;
}

static int32_t choose(Arena *scratch, const float *scores, int V, const CocaOptions *o, uint64_t key, int step) {
    if (o->way == COCA_TOP_K && o->top_k == 1) return scores_largest(scores, V); // of equals the reference draws one
    Choice *c = take(scratch, Choice, (size_t)V);
    for (int i = 0; i < V; i++) c[i] = (Choice){scores[i], i};
    choices_sort(c, V);
    int n = kept_of(scratch, c, V, o);
    const float *p = exps(scratch, c, n, o->temperature);
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)p[i];
    double u = rng_uniform(rng_sub(rng_of(o->seed, "coca"), key), (uint64_t)step) * sum;
    for (int i = 0; i < n; i++) {
        if (u < (double)p[i]) return c[i].id;
        u -= (double)p[i];
    }
    return c[0].id;
}

typedef struct {
    const CocaOptions *o;
    int V;
    Tensor logits;       // (active, V)
    Caption *captions;   // (R)
    const int *rows;     // (active): which caption a row of the batch belongs to
    int window;          // of how many ids the rules know
    Arena **arenas;      // one per thread
} Step;

// H = log S - (sum e d) / S with d = (z - largest) / temperature, e = exp(d), S their sum: in bits. log_sum: of exp(z).
static double entropy_of(Arena *scratch, const float *z, int V, double temperature, double *log_sum) {
    float *d = take(scratch, float, (size_t)V), *e = take(scratch, float, (size_t)V), top = z[0];
    for (int i = 1; i < V; i++) top = z[i] > top ? z[i] : top;
    for (int i = 0; i < V; i++) d[i] = z[i] - top;
    kernels()->exp(e, d, V);
    double sum = 0, weighted = 0;
    for (int i = 0; i < V; i++) sum += (double)e[i];
    *log_sum = (double)top + log_of(sum);
    if (temperature != 1) {
        for (int i = 0; i < V; i++) d[i] = (float)((double)d[i] / temperature);
        kernels()->exp(e, d, V);
        sum = 0;
        for (int i = 0; i < V; i++) sum += (double)e[i];
    }
    for (int i = 0; i < V; i++) weighted += (double)e[i] * (double)d[i];
    return (log_of(sum) - weighted / sum) / 0.69314718055994530942;
}

static void likeliest(const float *z, int V, int top, double log_sum, int32_t *ids, float *logprobs) {
    int n = 0;
    for (int i = 0; i < V; i++) {
        if (n == top && z[i] <= z[ids[n - 1]]) continue;
        int at = n < top ? n++ : n - 1;
        for (; at > 0 && z[i] > z[ids[at - 1]]; at--) ids[at] = ids[at - 1];
        ids[at] = i;
    }
    for (int i = 0; i < n; i++) logprobs[i] = (float)((double)z[ids[i]] - log_sum);
}

static void step_rows(void *arg, size_t begin, size_t end) {
    const Step *s = arg;
    const CocaOptions *o = s->o;
    for (size_t r = begin; r < end; r++) {
        Caption *c = &s->captions[s->rows[r]];
        const float *z = f32(s->logits) + r * (size_t)s->V;
        Arena *a = s->arenas[thread_index()];
        Mark mark = arena_mark(a);
        double log_sum;
        c->entropy[c->steps] = entropy_of(a, z, s->V, o->temperature, &log_sum);
        if (o->top) likeliest(z, s->V, o->top, log_sum, c->top_ids + c->steps * o->top, c->top_logprobs + c->steps * o->top);
        float *scores = take(a, float, (size_t)s->V);
        memcpy(scores, z, (size_t)s->V * sizeof *scores);
        coca_rules(scores, s->V, c->ids + c->count - s->window, s->window, o);
        int32_t id = choose(a, scores, s->V, o, o->keys ? o->keys[s->rows[r]] : (uint64_t)s->rows[r], c->steps);
        c->finished = id == o->eos || id == o->pad;
        if (s->window + 1 == o->seq_len) c->finished = c->finished && id == o->eos, id = o->eos;
        arena_release(a, mark);
        c->logprobs[c->steps++] = (float)((double)z[id] - log_sum);
        c->ids[c->count++] = id;
    }
}

Tensor coca_step(Arena *a, const Coca *m, Tensor ids, Cache *cache) {
    Run *run = run_on(a, cache->device);
    if (ids.shape[1] == 1) run_repeats(run);
    return run_read(run, coca_continue(run, m, ids, cache));
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
    Arena *scratch = arena_new("a decoding step"), **arenas = take(scratch, Arena *, (size_t)threads_count());
    int *rows = take(scratch, int, (size_t)R), stop = o->stop_length ? o->stop_length : o->seq_len, fed = 0;
    for (int r = 0; r < R; r++) rows[r] = r;
    for (int t = 0; t < threads_count(); t++) arenas[t] = arena_new("a row's choice");
    Step s = {.o = o, .V = m->cfg.V, .captions = captions, .rows = rows, .arenas = arenas};
    int active = leave(cache, rows, R, captions, o); // a prompt may end with the end token
    for (int length = 1 + o->prompt_count; active > 0; length++) {
        Mark mark = arena_mark(scratch);
        s.window = length < o->max_seq_len ? length : o->max_seq_len;
        if (length > s.window) { // the window has moved: every position is another one
            memset(cache->lengths, 0, (size_t)cache->B * sizeof *cache->lengths);
            fed = length - s.window;
        }
        cache->first = 0, cache->count = active;
        s.logits = coca_step(scratch, m, window_ids(scratch, &s, active, fed, length), cache);
        fed = length;
        parallel_for((size_t)active, 1, step_rows, &s);
        arena_release(scratch, mark);
        if (length + 1 >= stop) break;
        active = leave(cache, rows, active, captions, o);
    }
    for (int t = 0; t < threads_count(); t++) arena_free(arenas[t]);
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
        coca_beam_search(a, m, tokens, o, out);
    } else if (o->way == COCA_LATER_BEAMS) {
        coca_later_beams(a, model, tokens, o, out);
    } else {
        Arena *kept = arena_new("captions' keys and values");
        Cache *cache = coca_cache(kept, m, R, room < o->max_seq_len ? room : o->max_seq_len);
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
