// verbalize_measure.c: see verbalize_measure.h.
#include "verbalize_measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/names.h"
#include "model/unicode.h"

int layer_first(const Verbal *v) { return v->L > 1 && v->layer[0] == 0 ? 1 : 0; }

// ---- words

typedef struct {
    const char **words;
    size_t count;
} WordSet;

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// The distinct white-space words, sorted; *total: all of them.
static WordSet words_of(Arena *a, const char *caption, size_t *total) {
    size_t n = strlen(caption);
    WordSet w = {.words = take(a, const char *, n / 2 + 1)};
    *total = 0;
    for (size_t m; (m = unicode_word(&caption)); caption += m) w.words[(*total)++] = arena_text(a, caption, m);
    qsort(w.words, *total, sizeof *w.words, by_text);
    for (size_t i = 0; i < *total; i++)
        if (i == 0 || strcmp(w.words[i], w.words[w.count - 1]) != 0) w.words[w.count++] = w.words[i];
    return w;
}

static double jaccard(const WordSet *x, const WordSet *y) {
    size_t i = 0, j = 0, both = 0;
    while (i < x->count && j < y->count) {
        int order = strcmp(x->words[i], y->words[j]);
        both += order == 0;
        i += order <= 0, j += order >= 0;
    }
    size_t all = x->count + y->count - both;
    return all ? (double)both / (double)all : 1;
}

typedef struct {
    const char *text; // first: names.h
} Named;

static size_t distinct_texts(Arena *a, const char *const *texts, size_t n) {
    Named *list = take(a, Named, n + 1);
    Names names = {0};
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        list[count].text = texts[i];
        if (!names_add(&names, a, list, sizeof *list)) count++;
    }
    return count;
}

static size_t vocabulary_of(Arena *a, const WordSet *sets, size_t n) {
    size_t all = 0, at = 0;
    for (size_t i = 0; i < n; i++) all += sets[i].count;
    const char **words = take(a, const char *, all + 1);
    for (size_t i = 0; i < n; i++)
        for (size_t w = 0; w < sets[i].count; w++) words[at++] = sets[i].words[w];
    return distinct_texts(a, words, all);
}

LayerWords *measure_words(Verbalize *s, const Verbal *v, Arena *a) {
    LayerWords *out = take_zero(a, LayerWords, (size_t)v->L);
    int last = v->native >= 0 ? v->native : v->L - 1;
    WordSet *sets = take(a, WordSet, v->N + 1), *of_last = take(a, WordSet, v->N + 1);
    size_t total;
    for (size_t i = 0; i < v->N; i++) of_last[i] = words_of(a, v->captions[last][i], &total);
    for (int l = 0; l < v->L; l++) {
        LayerWords *o = &out[l];
        size_t with = 0, grammatical = 0, like = 0;
        for (size_t i = 0; i < v->N; i++) {
            sets[i] = words_of(a, v->captions[l][i], &total);
            o->words += (double)total;
            if (total) o->type_token += (double)sets[i].count / (double)total, with++;
            o->jaccard_last += jaccard(&sets[i], &of_last[i]);
            o->same_next += l + 1 < v->L && strcmp(v->captions[l][i], v->captions[l + 1][i]) == 0;
            o->at_limit += v->names[i] && !v->finished[l][i];
            like += v->mean && strcmp(v->captions[l][i], v->mean[l].text) == 0;
            if (s->from_world) grammatical += world_read(a, v->captions[l][i], NULL).grammatical;
        }
        double N = (double)v->N;
        o->words /= N, o->type_token /= with ? (double)with : NAN, o->jaccard_last /= N;
        o->like_mean = v->mean ? (double)like / N : NAN;
        o->grammatical = s->from_world ? (double)grammatical / N : NAN;
        o->distinct = distinct_texts(a, v->captions[l], v->N);
        o->vocabulary = vocabulary_of(a, sets, v->N);
        o->entropy = describe(v->entropy[l], v->N, a);
        o->entropy_mean = (Interval){NAN, NAN, NAN};
        if (o->entropy.n == v->N && v->N > 1)
            o->entropy_mean = bootstrap_mean((Resampling){.n = v->N, .replicates = 1000, .rng = rng_of((uint64_t)s->seed, "entropy bootstrap")}, v->entropy[l], a);
    }
    return out;
}

// ---- truth

typedef struct {
    const double *above, *below; // (N)
} Ratio;

static double ratio(const void *arg, const uint32_t *index, size_t n, double *scratch) {
    const Ratio *r = arg;
    double x = 0, y = 0;
    (void)scratch;
    for (size_t i = 0; i < n; i++) x += r->above[index[i]], y += r->below[index[i]];
    return y > 0 ? x / y : NAN;
}

// right, said, told, there of each picture, one fact of one layer: (4, N)
typedef double *Quad;

static double f_of(Fact fact, const double sum[4]) {
    double precision = sum[1] > 0 ? sum[0] / sum[1] : 0, recall = sum[3] > 0 ? sum[2] / sum[3] : 0;
    if (fact == FACT_RELATION) return precision;
    if (fact == FACT_COUNT) return recall;
    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

static void sums_of(double sum[4], const double *q, const uint32_t *index, size_t n, size_t N) {
    for (int w = 0; w < 4; w++) {
        sum[w] = 0;
        for (size_t i = 0; i < n; i++) sum[w] += q[(size_t)w * N + (index ? index[i] : i)];
    }
}

typedef struct {
    Fact fact;
    int L; // up to the native layer
    size_t N;
    Quad *own, *shuffled; // (L)
    const int *layer;
} Rise;

static double f_value(const void *arg, const uint32_t *index, size_t n, double *scratch) { // of the first layer
    const Rise *r = arg;
    double sum[4];
    (void)scratch;
    sums_of(sum, r->own[0], index, n, r->N);
    return f_of(r->fact, sum);
}

static double emerges(const void *arg, const uint32_t *index, size_t n, double *scratch) {
    const Rise *r = arg;
    double values[512], own[4], other[4];
    (void)scratch;
    for (int l = 0; l < r->L; l++) {
        sums_of(own, r->own[l], index, n, r->N);
        sums_of(other, r->shuffled[l], index, n, r->N);
        values[l] = f_of(r->fact, own) - f_of(r->fact, other);
    }
    int first = emergence_layer(values, r->L);
    return first < 0 ? r->layer[r->L - 1] + 1 : r->layer[first];
}

static double emerges_after(const void *arg, const uint32_t *index, size_t n, double *scratch) { // arg: two
    const Rise *r = arg;
    return emerges(&r[1], index, n, scratch) - emerges(&r[0], index, n, scratch);
}

// Captions judged against scenes: a quad per fact.
static void judge_layer(Arena *a, const char *const *captions, const WorldScene *scenes, size_t n, Quad out[FACTS]) {
    for (int k = 0; k < FACTS; k++) out[k] = take(a, double, 4 * n);
    for (size_t i = 0; i < n; i++) {
        Mark mark = arena_mark(a);
        WorldReading r = world_read(a, captions[i], &scenes[i]);
        for (int k = 0; k < FACTS; k++) {
            const int f[4] = {r.facts[k].right, r.facts[k].said, r.facts[k].told, r.facts[k].there};
            for (size_t w = 0; w < 4; w++) out[k][w * n + i] = f[w];
        }
        arena_release(a, mark);
    }
}

static void values_of(const Quad q[FACTS], size_t n, double *precision, double *recall, double *f) {
    for (int k = 0; k < FACTS; k++) {
        double sum[4];
        sums_of(sum, q[k], NULL, n, n);
        precision[k] = sum[1] > 0 ? sum[0] / sum[1] : NAN;
        recall[k] = sum[3] > 0 ? sum[2] / sum[3] : NAN;
        f[k] = f_of((Fact)k, sum);
    }
}

static Resampling resampling(const Verbalize *s, size_t n, const char *purpose) { return (Resampling){.n = n, .replicates = 1000, .rng = rng_of((uint64_t)s->seed, purpose)}; }

static Interval interval(Verbalize *s, Arena *a, const double *above, const double *below, size_t n) {
    double sum = 0, hit = 0;
    for (size_t i = 0; i < n; i++) sum += below[i], hit += above[i];
    if (sum < 1) return (Interval){NAN, NAN, NAN};
    if (n < 2) return (Interval){hit / sum, NAN, NAN};
    return bootstrap(resampling(s, n, "truth bootstrap"), ratio, &(Ratio){above, below}, a);
}

Truth *measure_truth(Verbalize *s, const Verbal *v, Arena *a) {
    size_t N = v->N;
    WorldScene *scenes = take(a, WorldScene, N + 1);
    for (size_t i = 0; i < N; i++)
        if (!verbalize_scene(s, v->names[i], &scenes[i])) return NULL;
    Truth *t = take_zero(a, Truth, 1);
    int L = v->L, until = (v->native >= 0 ? v->native : L - 1) + 1;
    need(until <= 512, "%d layers; emergence is worked out for at most 512", until);
    t->layers = take_zero(a, LayerTruth, (size_t)L);
    Quad(*own)[FACTS] = arena_take(a, (size_t)L, sizeof *own), (*shuffled)[FACTS] = arena_take(a, (size_t)L, sizeof *shuffled), mean[FACTS];
    uint32_t *other = verbalize_others(s, a, N);
    const char **moved = take(a, const char *, N + 1);
    for (int l = 0; l < L; l++) {
        LayerTruth *o = &t->layers[l];
        judge_layer(a, v->captions[l], scenes, N, own[l]);
        for (size_t i = 0; i < N; i++) moved[i] = v->captions[l][other[i]];
        judge_layer(a, moved, scenes, N, shuffled[l]);
        values_of(shuffled[l], N, o->shuffled_precision, o->shuffled_recall, o->shuffled_f);
        for (int k = 0; k < FACTS; k++) {
            const double *q = own[l][k];
            Rise one = {.fact = (Fact)k, .L = 1, .N = N, .own = &own[l][k]};
            o->precision[k] = interval(s, a, q, q + N, N);
            o->recall[k] = interval(s, a, q + 2 * N, q + 3 * N, N);
            for (size_t i = 0; i < N; i++) o->said[k] += q[N + i];
            if (N > 1) o->f[k] = bootstrap(resampling(s, N, "truth bootstrap"), f_value, &one, a);
            else o->f[k] = (Interval){f_value(&one, &(uint32_t){0}, N, NULL), NAN, NAN};
            if (k == FACT_RELATION && o->said[k] < SAID_LEAST) o->f[k] = (Interval){NAN, NAN, NAN};
            o->mean_precision[k] = o->mean_recall[k] = o->mean_f[k] = NAN;
        }
        if (!v->mean) continue;
        for (size_t i = 0; i < N; i++) moved[i] = v->mean[l].text;
        judge_layer(a, moved, scenes, N, mean);
        values_of(mean, N, o->mean_precision, o->mean_recall, o->mean_f);
    }
    Rise rise[2];
    for (int k = 0; k < FACTS; k++) {
        Rise *one = &rise[k != FACT_COLOUR]; // colours first: the others are compared with them
        *one = (Rise){.fact = (Fact)k, .L = until, .N = N, .own = take(a, Quad, (size_t)until), .shuffled = take(a, Quad, (size_t)until), .layer = v->layer};
        for (int l = 0; l < until; l++) one->own[l] = own[l][k], one->shuffled[l] = shuffled[l][k];
        t->emergence[k] = t->after_colour[k] = (Interval){NAN, NAN, NAN};
        if (k == FACT_RELATION && t->layers[until - 1].said[k] < SAID_LEAST) t->emergence[k].value = v->layer[until - 1] + 1; // never
        else if (N < 2) t->emergence[k].value = NAN;
        if (N < 2 || !isnan(t->emergence[k].value)) continue;
        t->emergence[k] = bootstrap(resampling(s, N, "emergence bootstrap"), emerges, one, a);
        if (k != FACT_COLOUR) t->after_colour[k] = bootstrap(resampling(s, N, "emergence bootstrap"), emerges_after, rise, a);
    }
    return t;
}

// ---- categories

Categories *measure_categories(Verbalize *s, const Verbal *v, Arena *a) {
    const char ***raw = verbalize_answers(s, v);
    if (!raw) return NULL;
    Categories *c = take_zero(a, Categories, 1);
    size_t L = (size_t)v->L;
    c->classes = s->map ? classes_read(a, s->map) : classes_original(a);
    c->labeller = s->labels_dir ? arena_print(a, "answers in %s", s->labels_dir) : verbalize_labeller_name(s);
    c->K = classes_count(c->classes);
    c->shares = take(a, Shares, L), c->answers = take(a, Answer *, L), c->table = take(a, double, L * (size_t)c->K);
    c->strict_ok = take_zero(a, size_t, L), c->tolerant_ok = take_zero(a, size_t, L), c->empty = take_zero(a, size_t, L);
    for (size_t l = 0; l < L; l++) {
        c->answers[l] = take(a, Answer, v->N + 1);
        for (size_t i = 0; i < v->N; i++) {
            size_t n = strlen(raw[l][i]);
            Answer strict = answer_strict(a, raw[l][i], n), tolerant = answer_tolerant(a, raw[l][i], n);
            c->strict_ok[l] += strict.sound, c->tolerant_ok[l] += tolerant.sound;
            c->answers[l][i] = s->parse == 1 ? strict : tolerant;
            c->empty[l] += c->answers[l][i].count == 0;
        }
        c->shares[l] = shares_of(a, c->classes, c->answers[l], v->N, s->weighted);
        memcpy(c->table + l * (size_t)c->K, c->shares[l].macro, (size_t)c->K * sizeof *c->table);
    }
    c->emergence = take(a, int, (size_t)c->K);
    double *values = take(a, double, L);
    for (int k = 0; k < c->K; k++) {
        int until = (v->native >= 0 ? v->native : v->L - 1) + 1;
        for (int l = 0; l < until; l++) values[l] = c->table[l * c->K + k];
        c->emergence[k] = emergence_layer(values, until);
    }
    return c;
}
