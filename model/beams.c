// beams.c: beam search as transformers 5 runs it: the running beams and the finished ones
// are two lists; a finished text counts only when it stood among the best o->beams of its step; the search ends
// when no running beam can still beat the worst finished one.
#include "beams.h"

#include <math.h>
#include <string.h>

#define NEVER -1e9f // the reference's score of what is not there

typedef struct {
    int32_t *ids; // the answer so far
    float *logprobs;
    float score; // running: the sum; finished: over length^penalty
    int count;
    bool there;
} Beam;

typedef struct {
    const GenerateOptions *o;
    int V, K, keep, prompt; // beams, candidates of a step, ids of the prompt
    int32_t *sequence;      // room for prompt and answer of one beam
    Beam *running, *fresh, *finished, ended; // (K) each: of this step, of the next, the best that ended; one that ends now
    int *from;              // (K): which running beam each fresh one continues
    bool hope;              // a running beam may still beat a finished one: decided by the step before, as in the reference
} Search;

static Beam beam_room(Arena *a, int max_new) { return (Beam){.ids = take(a, int32_t, (size_t)max_new), .logprobs = take(a, float, (size_t)max_new), .score = NEVER}; }

static void beam_copy(Beam *to, const Beam *from) {
    int32_t *ids = to->ids;
    float *logprobs = to->logprobs;
    memcpy(ids, from->ids, (size_t)from->count * sizeof *ids);
    memcpy(logprobs, from->logprobs, (size_t)from->count * sizeof *logprobs);
    *to = *from;
    to->ids = ids;
    to->logprobs = logprobs;
}

// The best `keep` continuations of all running beams, or as many as there are. Each beam gives its own best, which are sorted.
static Candidate *candidates(const Search *s, Run *run, Arena *scratch, Tensor logits, int step, int *count) {
    const int each = s->keep < s->V ? s->keep : s->V, n = each * s->K;
    Rules *rules = take_zero(scratch, Rules, (size_t)s->K);
    float *plus = take(scratch, float, (size_t)s->K);
    for (int k = 0; k < s->K; k++) {
        plus[k] = s->running[k].score;
        memcpy(s->sequence + s->prompt, s->running[k].ids, (size_t)step * sizeof(int32_t));
        generate_rules(scratch, &rules[k], s->V, s->sequence, s->prompt + step, step, s->o);
    }
    *count = n < s->keep ? n : s->keep;
    return choose_beams(scratch, run, logits, (Choosing){.temperature = 1, .normalised = true, .penalty = (float)s->o->repetition_penalty, .plus = plus, .best = each}, rules, s->K);
}

static void extend(Beam *to, const Beam *from, const Candidate *c) {
    beam_copy(to, from);
    to->ids[to->count] = c->id;
    to->logprobs[to->count++] = c->logprob;
    to->score = c->score;
    to->there = true;
}

// Finished candidates among the first K enter the list of the K best finished texts.
static void finish(Search *s, const Beam *ended, float score) {
    int worst = 0;
    for (int k = 1; k < s->K; k++)
        if (s->finished[k].score < s->finished[worst].score) worst = k;
    if (score <= s->finished[worst].score) return;
    beam_copy(&s->finished[worst], ended);
    s->finished[worst].score = score;
    s->finished[worst].there = true;
}

// Whether a running beam could still beat the worst finished text, at its present length or at the longest allowed.
static bool hopeful(const Search *s, int length) {
    if (s->o->early == EARLY_NEVER && s->o->length_penalty > 0) length = s->o->max_new;
    float best = s->running[0].score;
    for (int k = 1; k < s->K; k++) best = s->running[k].score > best ? s->running[k].score : best;
    best = best / (float)pow((double)length, s->o->length_penalty);
    for (int k = 0; k < s->K; k++)
        if (best > (s->finished[k].there ? s->finished[k].score : NEVER)) return true;
    return false;
}

static bool all_there(const Search *s) {
    for (int k = 0; k < s->K; k++)
        if (!s->finished[k].there) return false;
    return true;
}

static Search search_open(Arena *kept, const Model *m, const Inputs *prompt, const GenerateOptions *o) {
    int K = o->beams, P = (int)prompt->ids.shape[1];
    Search s = {.o = o, .V = m->vocabulary, .K = K, .keep = (o->eos_count + 1 > 2 ? o->eos_count + 1 : 2) * K, .prompt = P, .hope = true};
    s.sequence = take(kept, int32_t, (size_t)(P + o->max_new));
    memcpy(s.sequence, prompt->ids.data, (size_t)P * sizeof(int32_t));
    s.running = take(kept, Beam, (size_t)K), s.fresh = take(kept, Beam, (size_t)K), s.finished = take(kept, Beam, (size_t)K), s.from = take(kept, int, (size_t)K);
    s.ended = beam_room(kept, o->max_new);
    for (int k = 0; k < K; k++) {
        s.running[k] = beam_room(kept, o->max_new), s.fresh[k] = beam_room(kept, o->max_new), s.finished[k] = beam_room(kept, o->max_new);
        s.running[k].score = k ? NEVER : 0;
    }
    return s;
}

// The candidates of a step become running or finished texts; false: the search is over.
static bool advance(Search *s, const Candidate *best, int count, int step) {
    int taken = 0;
    bool all_end = true;
    for (int i = 0; i < count; i++) {
        Candidate c = best[i];
        bool end = generate_ends(s->o, c.id) || step + 1 == s->o->max_new;
        all_end = all_end && end;
        if (end && i < s->K && s->hope) {
            extend(&s->ended, &s->running[c.beam], &c);
            finish(s, &s->ended, c.score / (float)pow((double)(step + 1), s->o->length_penalty));
        }
        if (!end && taken < s->K) {
            extend(&s->fresh[taken], &s->running[c.beam], &c);
            s->from[taken++] = c.beam;
        }
    }
    if (all_end || taken < s->K) return false;
    Beam *t = s->running;
    s->running = s->fresh;
    s->fresh = t;
    s->hope = s->hope && hopeful(s, step + 1);
    return s->hope && !(s->o->early == EARLY_FIRST && all_there(s));
}

static Generated answer(Arena *a, const Search *s) {
    int top = 0;
    for (int k = 1; k < s->K; k++)
        if (s->finished[k].score > s->finished[top].score) top = k;
    const Beam *b = &s->finished[top];
    Generated g = {.count = b->count, .ids = take(a, int32_t, (size_t)s->o->max_new), .logprobs = take(a, float, (size_t)s->o->max_new)};
    memcpy(g.ids, b->ids, (size_t)b->count * sizeof *g.ids);
    memcpy(g.logprobs, b->logprobs, (size_t)b->count * sizeof *g.logprobs);
    g.stopped = b->count && generate_ends(s->o, g.ids[b->count - 1]) ? "eos" : "length";
    return g;
}

Generated beam_search(Arena *a, Arena *kept, Arena *scratch, const Model *m, const Inputs *prompt, const GenerateOptions *o, Taps *taps) {
    Mark whole = arena_mark(kept), mark = arena_mark(scratch);
    Search s = search_open(kept, m, prompt, o);
    Cache *cache = m->family->cache(kept, m, s.K, s.prompt + o->max_new);
    cache->first = 0, cache->count = 1;
    Run *run = run_on(scratch, m->device);
    run->taps = taps;
    if (taps) taps_begin(taps);
    Tensor first = model_next(run, m, prompt, cache), logits = run_tensor(run, DTYPE_F32, DIMS(s.K, s.V)); // at first they are all the same
    for (int k = 0; k < s.K; k++) run_copy(run, tensor_of(f32(logits) + (size_t)k * (size_t)s.V, DTYPE_F32, DIMS(1, s.V)), first);
    for (int k = 1; k < s.K; k++) cache_copy(cache, k, 0);
    cache->count = s.K;
    for (int step = 0;; step++) {
        int count;
        const Candidate *best = candidates(&s, run, scratch, logits, step, &count);
        if (isnan(best->logprob)) model_refuse_nan(m, prompt, taps);
        if (!advance(&s, best, count, step)) break;
        arena_release(scratch, mark);
        cache_gather(cache, scratch, s.from);
        Tensor ids = tensor_take(scratch, DTYPE_I32, DIMS(s.K, 1));
        for (int k = 0; k < s.K; k++) i32(ids)[k] = s.running[k].ids[s.running[k].count - 1];
        run = run_on(scratch, m->device);
        run_repeats(run);
        logits = model_next(run, m, &(Inputs){.ids = ids}, cache);
    }
    Generated g = answer(a, &s);
    arena_release(scratch, mark);
    arena_release(kept, whole);
    return g;
}
