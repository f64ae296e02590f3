// coca_beams.c: the beam search of OpenCLIP up to 3.x, with the scorer of transformers 4.31 to 4.56 (verbalize.md 3.6): sums of raw
// logits, divided by the length. Its groups have no diversity term, so all do the same: one group of beams/groups is computed.
// At the end, the one of later versions, which is transformers' own (beams.h).
#include <math.h>
#include <string.h>

#include "coca_generate.h"
#include "generate.h"

typedef struct {
    int32_t *ids;
    int count;
    double score;
} Hypothesis;

// One picture's search: G running beams, and the store of its finished texts.
typedef struct {
    int32_t *ids, *old; // (G, room)
    float *scores;      // (G)
    Hypothesis *store;  // (G + 1), in the order of arrival
    int stored;
    bool done;
} Search;

static void store(Search *s, int G, const int32_t *ids, int count, double score) {
    double worst = INFINITY;
    for (int i = 0; i < s->stored; i++) worst = s->store[i].score < worst ? s->store[i].score : worst;
    if (s->stored == G && !(score > worst)) return;
    Hypothesis *h = &s->store[s->stored++];
    memcpy(h->ids, ids, (size_t)count * sizeof *ids);
    h->count = count, h->score = score;
    if (s->stored <= G) return;
    int drop = 0; // of equals the earliest
    for (int i = 1; i < s->stored; i++)
        if (s->store[i].score < s->store[drop].score) drop = i;
    Hypothesis freed = s->store[drop];
    memmove(s->store + drop, s->store + drop + 1, (size_t)(s->stored - drop - 1) * sizeof *s->store);
    s->store[--s->stored] = freed;
}

static double worst_of(const Search *s) {
    double worst = INFINITY;
    for (int i = 0; i < s->stored; i++) worst = s->store[i].score < worst ? s->store[i].score : worst;
    return worst;
}

// The best 2 G of each beam of each picture, in order, of which the picture's first 2 G count.
static Candidate *best_of(Arena *a, Run *run, const Search *searches, Tensor logits, int V, int G, int length, int room, const CocaOptions *o) {
    const int n = (int)tensor_rows(logits);
    Rules *rules = take_zero(a, Rules, (size_t)n);
    float *plus = take(a, float, (size_t)n);
    for (int i = 0; i < n; i++) {
        plus[i] = searches[i / G].scores[i % G];
        coca_rules(a, &rules[i], V, searches[i / G].ids + i % G * room, length, o);
    }
    return choose_beams(a, run, logits, (Choosing){.temperature = 1, .penalty = (float)o->repetition_penalty, .plus = plus, .best = 2 * G}, rules, G);
}

// One step of a picture whose beams hold `length` ids. from (G): the parent of each new beam.
static void advance(Search *s, const Candidate *best, int G, int length, int room, const CocaOptions *o, int *from) {
    memcpy(s->old, s->ids, (size_t)(G * room) * sizeof *s->ids);
    int taken = 0;
    for (int rank = 0; rank < 2 * G && taken < G; rank++) {
        Candidate c = best[rank];
        const int32_t *parent = s->old + c.beam * room;
        if (c.id == o->eos) {
            if (rank < G) store(s, G, parent, length, (double)c.score / (length + 1));
            continue;
        }
        memcpy(s->ids + taken * room, parent, (size_t)length * sizeof *parent);
        s->ids[taken * room + length] = c.id;
        s->scores[taken] = c.score;
        from[taken++] = c.beam;
    }
    if (s->stored == G && worst_of(s) >= (double)best[0].score / (length + 1)) s->done = true;
}

// Beams that are still open count with their sum over their length; the best of all is the answer, of equals the last.
static void answer(Search *s, int G, int length, int room, int most, const CocaOptions *o, Caption *c) {
    for (int k = 0; k < G && !s->done; k++) store(s, G, s->ids + k * room, length, (double)s->scores[k] / length);
    int top = 0;
    for (int i = 1; i < s->stored; i++)
        if (s->store[i].score >= s->store[top].score) top = i;
    const Hypothesis *h = &s->store[top];
    memcpy(c->ids, h->ids, (size_t)h->count * sizeof *h->ids);
    c->count = h->count;
    if (c->count < most) c->ids[c->count++] = o->eos, c->finished = true;
}

void coca_beam_search(Arena *a, const Model *model, Tensor tokens, const CocaOptions *o, Caption *out) {
    (void)a;
    need(o->groups >= 1 && o->beams > 1 && o->beams % o->groups == 0, "beam search: %d beams in %d groups", o->beams, o->groups);
    need(o->prompt_count == 0, "beam search begins with the start token alone, as in OpenCLIP; a prompt goes with the other ways");
    const Coca *m = model->own;
    Arena *kept = arena_new("beams"), *scratch = arena_new("a step of the beams");
    int R = (int)tokens.shape[0], G = o->beams / o->groups, V = m->cfg.V, stop = o->stop_length ? o->stop_length : o->seq_len, room = stop > o->seq_len ? stop : o->seq_len;
    need(2 * G <= V, "beam search: %d beams of a vocabulary of %d", G, V);
    Cache *cache = coca_cache(kept, m, model_device(model), R * G, room);
    coca_look_all(m, tokens, cache, G);
    Search *searches = take_zero(kept, Search, (size_t)R);
    for (int r = 0; r < R; r++) {
        Search *s = &searches[r];
        s->ids = take(kept, int32_t, (size_t)(G * room)), s->old = take(kept, int32_t, (size_t)(G * room));
        s->scores = take(kept, float, (size_t)G);
        s->store = take_zero(kept, Hypothesis, (size_t)G + 1);
        for (int k = 0; k <= G; k++) s->store[k].ids = take(kept, int32_t, (size_t)room);
        for (int k = 0; k < G; k++) s->ids[k * room] = o->sot, s->scores[k] = k ? -1e9f : 0;
    }
    int *from = take(kept, int, (size_t)(R * G)), length = 1;
    cache->first = 0, cache->count = R * G;
    for (bool all = false; !all;) {
        Mark mark = arena_mark(scratch);
        Tensor ids = tensor_take(scratch, DTYPE_I32, DIMS(R * G, 1));
        for (int i = 0; i < R * G; i++) i32(ids)[i] = searches[i / G].ids[i % G * room + length - 1];
        Run *run = run_on(scratch, cache->device);
        const Candidate *best = best_of(scratch, run, searches, coca_step(run, m, ids, cache), V, G, length, room, o);
        all = true;
        for (int r = 0; r < R; r++) {
            Search *s = &searches[r];
            for (int k = 0; k < G; k++) from[r * G + k] = k;
            if (!s->done) coca_need_number((double)best[r * 2 * G * G].logprob);
            if (!s->done) advance(s, best + r * 2 * G * G, G, length, room, o, from + r * G);
            for (int k = 0; k < G; k++) {
                if (s->done) s->ids[k * room + length] = o->pad;
                from[r * G + k] += r * G;
            }
            all = all && s->done;
        }
        arena_release(scratch, mark);
        length++;
        if (all || length >= stop) break;
        cache_gather(cache, scratch, from);
    }
    for (int r = 0; r < R; r++) answer(&searches[r], G, length, room, stop, o, &out[r]);
    arena_free(scratch);
    arena_free(kept);
}

void coca_later_beams(Arena *a, const Model *model, Tensor tokens, const CocaOptions *o, Caption *out) {
    long R = tokens.shape[0], Q = tokens.shape[1], E = tokens.shape[2];
    int given = out[0].count;
    GenerateOptions g = {.max_new = o->seq_len - given, .min_new = o->min_seq_len > given ? o->min_seq_len - given : 0, .beams = o->beams, .length_penalty = o->length_penalty,
                         .temperature = 1, .top_p = 1, .repetition_penalty = o->repetition_penalty, .eos = &o->eos, .eos_count = 1};
    need(g.max_new >= 1, "beam search: %d ids are given, and a text holds %d", given, o->seq_len);
    for (long r = 0; r < R; r++) {
        Inputs in = {.ids = tensor_of(out[r].ids, DTYPE_I32, DIMS(1, given)), .pixels = tensor_of(f32(tokens) + r * Q * E, DTYPE_F32, DIMS(1, Q, E))};
        Generated *said = generate(a, model, &in, 1, &g, NULL);
        memcpy(out[r].ids + given, said->ids, (size_t)said->count * sizeof *said->ids);
        out[r].count += said->count, out[r].steps = said->count, out[r].logprobs = said->logprobs;
        out[r].finished = strcmp(said->stopped, "eos") == 0;
    }
}
