// generate.c: greedy, drawn and beam-searched text. See generate.h.
//
// Held by: test/test_models.c, ids equal to the reference's generate() for each setting.
// The order of the processors is the reference's: repetition penalty, repeated n-grams, banned words, least length, banned ids;
// then, when drawing, temperature, top-k, top-p.
#include "generate.h"

#include <math.h>
#include <string.h>

#include "beams.h"
#include "choose.h"
#include "io/random.h"
#include "io/thread.h"
#include "kernels.h"

static void ban(float *scores, int V, const int32_t *ids, int count) {
    for (int i = 0; i < count; i++)
        if (ids[i] >= 0 && ids[i] < V) scores[ids[i]] = -INFINITY;
}

void generate_process(float *scores, int V, const int32_t *sequence, int length, int new_count, const GenerateOptions *o) {
    scores_penalise(scores, V, sequence, length, o->repetition_penalty);
    int n = o->no_repeat_ngram;
    if (n > 0 && length + 1 >= n)
        for (int i = 0; i + n <= length; i++)
            if (memcmp(sequence + i, sequence + length - (n - 1), (size_t)(n - 1) * sizeof *sequence) == 0) scores[sequence[i + n - 1]] = -INFINITY;
    for (int i = 0; i < o->word_count; i++) {
        const BannedWord *w = &o->words[i];
        bool begun = w->count <= length && memcmp(sequence + length - (w->count - 1), w->ids, (size_t)(w->count - 1) * sizeof *sequence) == 0;
        if (w->count == 1 || begun) ban(scores, V, w->ids + w->count - 1, 1);
    }
    if (new_count < o->min_new || length < o->min_length) ban(scores, V, o->eos, o->eos_count);
    ban(scores, V, o->banned, o->banned_count);
    if (new_count == 0) ban(scores, V, o->banned_first, o->banned_first_count);
}

bool generate_ends(const GenerateOptions *o, int32_t id) {
    for (int i = 0; i < o->eos_count; i++)
        if (o->eos[i] == id) return true;
    return false;
}

// log of the sum of exp; *entropy, if not NULL: of the softmax, in bits: (log sum - sum of p z) / ln 2.
static double log_sum_of(Arena *scratch, const float *scores, int V, double *entropy) {
    Mark mark = arena_mark(scratch);
    float *e = take(scratch, float, (size_t)V), *shift = take(scratch, float, (size_t)V), top = scores_top(scores, V);
    for (int i = 0; i < V; i++) shift[i] = scores[i] - top;
    kernels()->exp(e, shift, V);
    if (entropy) {
        enum { LANES = 8 };
        double sums[LANES] = {0}, weights[LANES] = {0};
        for (int i = 0; i < V; i += LANES)
            for (int k = 0; k < LANES && i + k < V; k++) {
                sums[k] += (double)e[i + k];
                weights[k] += e[i + k] == 0 ? 0 : (double)e[i + k] * (double)shift[i + k]; // a score of -inf would make NaN of nothing
            }
        for (int k = 1; k < LANES; k++) sums[0] += sums[k], weights[0] += weights[k];
        double bits = (log_fixed(sums[0]) - weights[0] / sums[0]) / 0.69314718055994531;
        *entropy = bits > 0 ? bits : 0;
    }
    double sum = log_of((double)kernels()->sum(e, V)) + (double)top;
    arena_release(scratch, mark);
    return sum;
}

double generate_log_sum(Arena *scratch, const float *scores, int V) { return log_sum_of(scratch, scores, V, NULL); }

// temperature, top-k, top-p, then one uniform number against the running sum of probabilities, largest first.
static int32_t draw(Arena *scratch, const float *scores, int V, const GenerateOptions *o, int text, int step) {
    Mark mark = arena_mark(scratch);
    Choice *c = take(scratch, Choice, (size_t)V);
    for (int i = 0; i < V; i++) c[i] = (Choice){scores[i] / (float)o->temperature, i};
    choices_sort(c, V);
    int keep = o->top_k > 0 && o->top_k < V ? o->top_k : V;
    while (keep < V && o->top_k > 0 && c[keep].score == c[keep - 1].score) keep++; // the reference keeps ties of the k-th
    while (keep > 1 && c[keep - 1].score == -INFINITY) keep--;
    double *p = take(scratch, double, (size_t)keep), sum = 0, running = 0;
    for (int i = 0; i < keep; i++) {
        float e = c[i].score - c[0].score;
        kernels()->exp(&e, &e, 1);
        sum += p[i] = (double)e;
    }
    int nucleus = keep;
    if (o->top_p < 1) // the smallest set whose probability reaches top_p, at least one
        for (nucleus = 0; nucleus < keep && (nucleus == 0 || running < o->top_p);) running += p[nucleus++] / sum;
    sum = 0;
    for (int i = 0; i < nucleus; i++) sum += p[i];
    double u = rng_uniform(rng_sub(rng_of(o->seed, "sample"), (uint64_t)text), (uint64_t)step) * sum;
    int32_t id = c[nucleus - 1].id;
    for (int i = 0; i < nucleus; i++) {
        if (u < p[i]) {
            id = c[i].id;
            break;
        }
        u -= p[i];
    }
    arena_release(scratch, mark);
    return id;
}

typedef struct {
    int32_t *sequence; // prompt and answer
    int length;
    bool done;
} Text;

// What the next id of one text is to be, found by any thread; the logits are changed.
typedef struct {
    int32_t id;
    double log_sum, entropy;
} Chosen;

static Chosen choose(Arena *scratch, const Text *t, const Generated *g, float *logits, int V, const GenerateOptions *o, int text) {
    Chosen c;
    Mark mark = arena_mark(scratch);
    c.log_sum = log_sum_of(scratch, logits, V, &c.entropy);
    float *scores = take(scratch, float, (size_t)V);
    memcpy(scores, logits, (size_t)V * sizeof *scores);
    generate_process(scores, V, t->sequence, t->length, g->count, o);
    c.id = o->sample ? draw(scratch, scores, V, o, text, g->count) : scores_largest(scores, V);
    arena_release(scratch, mark);
    return c;
}

static void keep_choice(Text *t, Generated *g, const Chosen *c, const float *logits, const GenerateOptions *o, int text) {
    g->entropies[g->count] = c->entropy;
    g->logprobs[g->count] = (float)((double)logits[c->id] - c->log_sum);
    g->ids[g->count++] = c->id;
    t->sequence[t->length++] = c->id;
    if (generate_ends(o, c->id)) t->done = true, g->stopped = "eos";
    else if (o->heard && !o->heard(o->arg, text, c->id)) t->done = true, g->stopped = "stop";
    else if (g->count == o->max_new) t->done = true, g->stopped = "length";
}

// What one call works on: `count` texts with their answers so far, in the rows of one cache.
typedef struct {
    const Model *m;
    const GenerateOptions *o;
    Arena *kept, *scratch; // for the whole call; for one step
    Cache *cache;
    Text *texts;
    Generated *out;
    int count;
} Session;

// Ids [from, to) of one text.
static Tensor ids_from(Tensor ids, long from, long to) { return tensor_of(i32(ids) + from, DTYPE_I32, DIMS(1, to - from)); }

// How many ids all prompts begin with, at least one left to each; 0 where pictures or masks are in. A question that is asked
// of many texts is read once; each row of a forward is computed by itself, so no bit changes.
static int shared_prefix(const Inputs *prompts, int count) {
    if (count < 2) return 0;
    int n = (int)prompts[0].ids.shape[1] - 1;
    for (int i = 0; i < count; i++) {
        const Inputs *in = &prompts[i];
        if (tensor_given(in->pixels) || tensor_given(in->mask) || tensor_given(in->types)) return 0;
        if (in->ids.shape[1] - 1 < n) n = (int)in->ids.shape[1] - 1;
        int same = 0;
        while (same < n && i32(in->ids)[same] == i32(prompts[0].ids)[same]) same++;
        n = same;
    }
    return n > 0 ? n : 0;
}

// The first `shared` ids into every row of the cache.
static void prefix_read(const Session *s, Tensor ids, int shared) {
    Mark mark = arena_mark(s->scratch);
    s->cache->first = 0, s->cache->count = 1;
    model_next(run_on(s->scratch, s->m->device), s->m, &(Inputs){.ids = ids_from(ids, 0, shared)}, s->cache);
    for (int i = 1; i < s->count; i++) cache_copy(s->cache, i, 0);
    arena_release(s->scratch, mark);
}

// Text i: its prompt behind the shared ids, and the first new id.
static void prompt_read(const Session *s, Arena *a, Inputs prompt, int i, int shared, Taps *taps) {
    Text *t = &s->texts[i];
    Generated *g = &s->out[i];
    size_t most = (size_t)s->o->max_new;
    t->length = (int)prompt.ids.shape[1];
    t->sequence = take(s->kept, int32_t, (size_t)t->length + most);
    memcpy(t->sequence, prompt.ids.data, (size_t)t->length * sizeof(int32_t));
    *g = (Generated){.ids = take(a, int32_t, most), .logprobs = take(a, float, most), .entropies = take(a, double, most)};
    s->cache->first = i, s->cache->count = 1;
    Mark mark = arena_mark(s->scratch);
    Run *run = run_on(s->scratch, s->m->device);
    run->taps = taps;
    if (taps) taps_begin(taps);
    if (shared) prompt.ids = ids_from(prompt.ids, shared, t->length);
    float *logits = f32(run_read(run, model_next(run, s->m, &prompt, s->cache)));
    Chosen c = choose(s->scratch, t, g, logits, s->m->vocabulary, s->o, i);
    keep_choice(t, g, &c, logits, s->o, i);
    arena_release(s->scratch, mark);
}

// One step of all texts that are not done: chosen on all threads, noted in order.
typedef struct {
    const Session *session;
    float *logits;   // (count, V)
    Arena **scratch; // one a thread
    Chosen *chosen;
} Step;

static void choose_job(void *arg, size_t begin, size_t end) {
    const Step *step = arg;
    const Session *s = step->session;
    int V = s->m->vocabulary;
    for (size_t i = begin; i < end; i++)
        if (!s->texts[i].done) step->chosen[i] = choose(step->scratch[thread_index()], &s->texts[i], &s->out[i], step->logits + i * (size_t)V, V, s->o, (int)i);
}

static bool all_done(const Session *s) {
    for (int i = 0; i < s->count; i++)
        if (!s->texts[i].done) return false;
    return true;
}

static void texts_continue(const Session *s) {
    int threads = threads_count();
    Step step = {.session = s, .scratch = take(s->kept, Arena *, (size_t)threads), .chosen = take(s->kept, Chosen, (size_t)s->count)};
    for (int i = 0; i < threads; i++) step.scratch[i] = arena_new("a choice");
    s->cache->first = 0, s->cache->count = s->count;
    while (!all_done(s)) {
        Mark mark = arena_mark(s->scratch);
        Run *run = run_on(s->scratch, s->m->device);
        Tensor ids = tensor_take(s->scratch, DTYPE_I32, DIMS(s->count, 1));
        for (int i = 0; i < s->count; i++) {
            i32(ids)[i] = s->texts[i].sequence[s->texts[i].length - 1];
            if (s->texts[i].done) s->cache->lengths[i] = 0; // its row is computed along and ignored
        }
        run_repeats(run);
        step.logits = f32(run_read(run, model_next(run, s->m, &(Inputs){.ids = ids}, s->cache)));
        parallel_for((size_t)s->count, 1, choose_job, &step);
        for (int i = 0; i < s->count; i++)
            if (!s->texts[i].done) keep_choice(&s->texts[i], &s->out[i], &step.chosen[i], step.logits + (size_t)i * (size_t)s->m->vocabulary, s->o, i);
        arena_release(s->scratch, mark);
    }
    for (int i = 0; i < threads; i++) arena_free(step.scratch[i]);
}

Generated *generate(Arena *a, const Model *m, const Inputs *prompts, int count, const GenerateOptions *o, Taps *const *taps) {
    need(m->family->next, "%s: models of the family %s do not generate text", m->dir, m->family->name);
    need(o->max_new >= 1 && count >= 1, "generate: at least one new token of one prompt is wanted");
    need(!o->sample || !o->not_drawn, "%s: generation_config.json sets %s, with which text cannot be drawn; take it out, or leave out --sample", m->dir, o->not_drawn);
    need(!o->sample || (o->temperature > 0 && o->top_p > 0 && o->top_k >= 0), "%s: temperature %g, top_p %g and top_k %d, with which text cannot be drawn", m->dir, o->temperature, o->top_p, o->top_k);
    need(o->beams <= 1 || !o->not_searched, "%s: generation_config.json sets %s, with which beams cannot be searched; take it out, or --beams 1", m->dir, o->not_searched);
    Session s = {.m = m, .o = o, .count = count, .out = take_zero(a, Generated, (size_t)count)};
    s.kept = arena_new("the text's keys and values"), s.scratch = arena_new("generation");
    if (o->beams > 1) {
        for (int i = 0; i < count; i++) s.out[i] = beam_search(a, s.kept, s.scratch, m, &prompts[i], o, taps ? taps[i] : NULL);
    } else {
        int longest = 0;
        for (int i = 0; i < count; i++)
            if (prompts[i].ids.shape[1] > longest) longest = (int)prompts[i].ids.shape[1];
        s.cache = m->family->cache(s.kept, m, count, longest + o->max_new);
        s.texts = take_zero(s.kept, Text, (size_t)count);
        int shared = taps || m->by_length ? 0 : shared_prefix(prompts, count);
        if (shared) prefix_read(&s, prompts[0].ids, shared);
        for (int i = 0; i < count; i++) prompt_read(&s, a, prompts[i], i, shared, taps ? taps[i] : NULL);
        texts_continue(&s);
    }
    arena_free(s.scratch);
    arena_free(s.kept);
    return s.out;
}
