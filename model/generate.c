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
#include "device.h"
#include "io/random.h"

void generate_rules(Arena *a, Rules *r, int V, const int32_t *sequence, int length, int new_count, const GenerateOptions *o) {
    if (o->repetition_penalty != 1) rules_penalise(a, r, V, sequence, length);
    int n = o->no_repeat_ngram;
    if (n > 0 && length + 1 >= n)
        for (int i = 0; i + n <= length; i++)
            if (memcmp(sequence + i, sequence + length - (n - 1), (size_t)(n - 1) * sizeof *sequence) == 0) rules_ban(a, r, V, sequence + i + n - 1, 1);
    for (int i = 0; i < o->word_count; i++) {
        const BannedWord *w = &o->words[i];
        bool begun = w->count <= length && memcmp(sequence + length - (w->count - 1), w->ids, (size_t)(w->count - 1) * sizeof *sequence) == 0;
        if (w->count == 1 || begun) rules_ban(a, r, V, w->ids + w->count - 1, 1);
    }
    if (new_count < o->min_new || length < o->min_length) rules_ban(a, r, V, o->eos, o->eos_count);
    rules_ban(a, r, V, o->banned, o->banned_count);
    if (new_count == 0) rules_ban(a, r, V, o->banned_first, o->banned_first_count);
}

bool generate_ends(const GenerateOptions *o, int32_t id) {
    for (int i = 0; i < o->eos_count; i++)
        if (o->eos[i] == id) return true;
    return false;
}

typedef struct {
    int32_t *sequence; // prompt and answer
    int prompt;
    bool done;
} Text;

// What one call works on: `count` texts with their answers so far, in the rows of one cache.
typedef struct {
    const Model *m;
    const GenerateOptions *o;
    const Inputs *prompts;
    Taps *const *taps; // what acts while each prompt is read, or NULL
    Arena *kept, *scratch; // for the whole call; for one step
    Cache *cache;
    Text *texts;
    Generated *out;
    int count;
    Tensor ids, chosen; // where results lie: the last id of every text (count, 1), and what a step chose
} Session;

// Of the text so far, or of its prompt, of whose shapes replaced taps and masks are.
static _Noreturn void refuse_nan(const Session *s, int i) {
    Inputs in = s->prompts[i];
    Taps *taps = s->taps ? s->taps[i] : NULL;
    if (!taps && !tensor_given(in.mask) && !tensor_given(in.types)) in.ids = tensor_of(s->texts[i].sequence, DTYPE_I32, DIMS(1, s->texts[i].prompt + s->out[i].count));
    model_refuse_nan(s->m, &in, taps);
}

// Text i gets its next id.
static void keep_choice(const Session *s, int i, const Choice *c, const Distribution *d) {
    Text *t = &s->texts[i];
    Generated *g = &s->out[i];
    if (isnan(d->log_sum)) refuse_nan(s, i);
    g->entropies[g->count] = d->entropy;
    g->logprobs[g->count] = (float)((double)c->logit - d->log_sum);
    t->sequence[t->prompt + g->count] = c->id;
    g->ids[g->count++] = c->id;
    if (generate_ends(s->o, c->id)) t->done = true, g->stopped = "eos";
    else if (s->o->heard && !s->o->heard(s->o->arg, i, c->id)) t->done = true, g->stopped = "stop";
    else if (g->count == s->o->max_new) t->done = true, g->stopped = "length";
}

// How the next ids of texts [first, first + n) are chosen, by their rules, when each has `count` new ones.
static Choosing choosing_of(const Session *s, int first, int n, int count) {
    const GenerateOptions *o = s->o;
    Rules *rules = take_zero(s->scratch, Rules, (size_t)n);
    double *uniform = take_zero(s->scratch, double, (size_t)n);
    for (int i = 0; i < n; i++) {
        const Text *t = &s->texts[first + i];
        if (t->done) continue;
        generate_rules(s->scratch, &rules[i], s->m->vocabulary, t->sequence, t->prompt + count, count, o);
        if (o->sample) uniform[i] = rng_uniform(rng_sub(rng_of(o->seed, "sample"), (uint64_t)(first + i)), (uint64_t)count);
    }
    Choosing how = {.temperature = 1, .penalty = (float)o->repetition_penalty, .best = 1, .next = i32(s->ids) + first};
    if (o->sample) how.draw = (Drawing){.uniform = uniform, .top_k = o->top_k, .top_p = o->top_p, .filter_temperature = o->temperature, .temperature = o->temperature};
    choosing_rules(&how, s->scratch, rules, n);
    return how;
}

// Whether the rules of a step can be told before the ids of the step before are known.
static bool rules_foreseen(const GenerateOptions *o) {
    for (int i = 0; i < o->word_count; i++)
        if (o->words[i].count > 1) return false;
    return o->repetition_penalty == 1 && o->no_repeat_ngram <= 0;
}

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
    t->prompt = (int)prompt.ids.shape[1];
    t->sequence = take(s->kept, int32_t, (size_t)t->prompt + most);
    memcpy(t->sequence, prompt.ids.data, (size_t)t->prompt * sizeof(int32_t));
    *g = (Generated){.ids = take(a, int32_t, most), .logprobs = take(a, float, most), .entropies = take(a, double, most)};
    s->cache->first = i, s->cache->count = 1;
    Mark mark = arena_mark(s->scratch);
    Run *run = run_on(s->scratch, s->m->device);
    run->taps = taps;
    if (taps) taps_begin(taps);
    if (shared) prompt.ids = ids_from(prompt.ids, shared, t->prompt);
    Choosing how = choosing_of(s, i, 1, 0);
    Chosen c = choose(run, model_next(run, s->m, &prompt, s->cache), &how);
    keep_choice(s, i, c.best, c.rows);
    arena_release(s->scratch, mark);
}

static bool all_done(const Session *s) {
    for (int i = 0; i < s->count; i++)
        if (!s->texts[i].done) return false;
    return true;
}

// Step n: the last id of every text is read and its next one chosen, on the device; says how the result is waited for.
static unsigned long step_begin(const Session *s, int n) {
    Mark mark = arena_mark(s->scratch);
    Run *run = run_on(s->scratch, s->m->device);
    for (int i = 0; i < s->count; i++)
        if (s->texts[i].done) s->cache->lengths[i] = 0; // its row is computed along and ignored
    run_repeats(run);
    Tensor logits = model_next(run, s->m, &(Inputs){.ids = s->ids}, s->cache);
    Choosing how = choosing_of(s, 0, s->count, n + 1);
    unsigned long begun = choose_begin(run, s->chosen, logits, &how);
    arena_release(s->scratch, mark);
    return begun;
}

static void step_end(const Session *s, unsigned long begun) {
    Mark mark = arena_mark(s->scratch);
    Chosen c = choose_end(run_on(s->scratch, s->m->device), s->chosen, begun, (size_t)s->count, &(Choosing){.best = 1});
    for (int i = 0; i < s->count; i++)
        if (!s->texts[i].done) keep_choice(s, i, &c.best[i], &c.rows[i]);
    arena_release(s->scratch, mark);
}

// A device that works beside this program gets a step before the result of the one before it is read here, so that it never waits. That a text has
// ended is then known a step late, and what that step chose for it is not looked at.
static void texts_continue(const Session *s) {
    const int ahead = rules_foreseen(s->o) ? s->m->device->ahead : 0, most = s->o->max_new - 1;
    unsigned long begun[2];
    s->cache->first = 0, s->cache->count = s->count;
    for (int next = 0, last = 0; !all_done(s);) { // to be begun, to be ended
        if (next <= last + ahead && next < most) begun[next % 2] = step_begin(s, next), next++;
        else step_end(s, begun[last % 2]), last++;
    }
}

Generated *generate(Arena *a, const Model *m, const Inputs *prompts, int count, const GenerateOptions *o, Taps *const *taps) {
    need(m->family->next, "%s: models of the family %s do not generate text", m->dir, m->family->name);
    need(o->max_new >= 1 && count >= 1, "generate: at least one new token of one prompt is wanted");
    need(!o->sample || !o->not_drawn, "%s: generation_config.json sets %s, with which text cannot be drawn; take it out, or leave out --sample", m->dir, o->not_drawn);
    need(!o->sample || (o->temperature > 0 && o->top_p > 0 && o->top_k >= 0), "%s: temperature %g, top_p %g and top_k %d, with which text cannot be drawn", m->dir, o->temperature, o->top_p, o->top_k);
    need(o->beams <= 1 || !o->not_searched, "%s: generation_config.json sets %s, with which beams cannot be searched; take it out, or --beams 1", m->dir, o->not_searched);
    int longest = 0;
    for (int i = 0; i < count; i++)
        if (prompts[i].ids.shape[1] > longest) longest = (int)prompts[i].ids.shape[1];
    need(o->max_new <= INT32_MAX - longest, "generate: %d new tokens after a prompt of %d are more than can be counted; ask for fewer", o->max_new, longest);
    need(o->beams <= INT32_MAX / (o->eos_count + 2), "generate: %d beams are more than can be counted; ask for fewer", o->beams);
    Session s = {.m = m, .o = o, .prompts = prompts, .taps = taps, .count = count, .out = take_zero(a, Generated, (size_t)count)};
    s.kept = arena_new("the text's keys and values"), s.scratch = arena_new("generation");
    if (o->beams > 1) {
        for (int i = 0; i < count; i++) s.out[i] = beam_search(a, s.kept, s.scratch, m, &prompts[i], o, taps ? taps[i] : NULL);
    } else {
        s.cache = m->family->cache(s.kept, m, count, longest + o->max_new);
        s.texts = take_zero(s.kept, Text, (size_t)count);
        s.ids = tensor_take_on(s.kept, m->device, DTYPE_I32, DIMS(count, 1));
        s.chosen = tensor_take_on(s.kept, m->device, DTYPE_U8, DIMS((long)choose_bytes((size_t)count, &(Choosing){.best = 1})));
        int shared = taps || m->by_length ? 0 : shared_prefix(prompts, count);
        if (shared) prefix_read(&s, prompts[0].ids, shared);
        for (int i = 0; i < count; i++) prompt_read(&s, a, prompts[i], i, shared, taps ? taps[i] : NULL);
        texts_continue(&s);
    }
    arena_free(s.scratch);
    arena_free(s.kept);
    return s.out;
}
