// choose_cpu.c: the CPU's way of choosing (choose.h). Held by: test/test_choose.c.
//
// Twin of: cuda/choose.cu. Sums over a vocabulary are in double, 256 running sums in pieces of 4096, so that a GPU's threads can share them.
#include <math.h>
#include <string.h>

#include "choose.h"
#include "io/exact.h"
#include "io/thread.h"
#include "kernels.h"

enum { SUMS_OF_PIECE = 256, PIECE = 4096 };

// In lanes: one chain of comparisons would take longer than a GPU's whole step.
float scores_top(const float *scores, int V) {
    enum { LANES = 32 };
    float top[LANES];
    for (int k = 0; k < LANES; k++) top[k] = -INFINITY;
    int i = 0;
    for (; i + LANES <= V; i += LANES)
        for (int k = 0; k < LANES; k++) top[k] = scores[i + k] > top[k] ? scores[i + k] : top[k];
    for (; i < V; i++) top[0] = scores[i] > top[0] ? scores[i] : top[0];
    for (int k = 1; k < LANES; k++) top[0] = top[k] > top[0] ? top[k] : top[0];
    return top[0];
}

int32_t scores_largest(const float *scores, int V) {
    const float top = scores_top(scores, V);
    for (int i = 0; i < V; i++)
        if (scores[i] == top) return i;
    return 0;
}

// Sum of e, or of e times d: within a piece element i goes to sum i mod 256, the sums are folded in halves, pieces are added in order.
static double sum_of(const float *e, const float *d, int V) {
    double all = 0;
    for (int from = 0; from < V; from += PIECE) {
        double sums[SUMS_OF_PIECE] = {0};
        const int to = V - from < PIECE ? V : from + PIECE;
        for (int i = from; i < to; i += SUMS_OF_PIECE)
            for (int k = 0; k < SUMS_OF_PIECE && i + k < to; k++)
                sums[k] += !d ? (double)e[i + k] : e[i + k] == 0 ? 0 : (double)e[i + k] * (double)d[i + k]; // a score of -inf would make NaN of nothing
        for (int half = SUMS_OF_PIECE / 2; half; half /= 2)
            for (int k = 0; k < half; k++) sums[k] += sums[k + half];
        all += sums[0];
    }
    return all;
}

// d = (score - top) / temperature, e = exp(d).
static void exps(float *e, float *d, const float *scores, float top, double temperature, int V) {
    if (temperature == 1)
        for (int i = 0; i < V; i++) d[i] = scores[i] - top;
    else
        for (int i = 0; i < V; i++) d[i] = (float)(((double)scores[i] - (double)top) / temperature);
    kernels()->exp(e, d, V);
}

// H = log S - (sum of e d) / S, S the sum of e.
Distribution scores_distribution(Arena *scratch, const float *logits, int V, double temperature) {
    Mark mark = arena_mark(scratch);
    float *e = take(scratch, float, (size_t)V), *d = take(scratch, float, (size_t)V), top = scores_top(logits, V);
    exps(e, d, logits, top, 1, V);
    double sum = sum_of(e, NULL, V), warm = sum;
    Distribution r = {.log_sum = log_of(sum) + (double)top};
    if (temperature != 1) {
        exps(e, d, logits, top, temperature, V);
        warm = sum_of(e, NULL, V);
    }
    double bits = (log_of(warm) - sum_of(e, d, V) / warm) / 0.69314718055994531;
    r.entropy = bits > 0 ? bits : 0;
    arena_release(scratch, mark);
    return r;
}

// ---- the best

static bool before(const Choice *a, const Choice *b) {
    uint32_t x = exact_rank(a->score), y = exact_rank(b->score);
    return x != y ? x > y : a->id < b->id;
}

static void best_of(Choice *best, int most, const float *scores, const float *logits, int V) {
    int n = 0;
    if (most == 0) return;
    for (int i = 0; i < V; i++) {
        Choice c = {scores[i], logits[i], i};
        if (n == most && (scores[i] <= best[n - 1].score || !before(&c, &best[n - 1]))) continue;
        int at = n < most ? n++ : n - 1;
        for (; at > 0 && before(&c, &best[at - 1]); at--) best[at] = best[at - 1];
        best[at] = c;
    }
}

// ---- drawn

typedef struct {
    uint32_t rank;   // of the score whose share of the sum holds the number asked for
    uint64_t before; // the sum of larger scores
} Place;

// Weights add up from the largest score on; those of ranks below `least` are none. NULL: one each. By digits of eight bits of the rank.
static Place place_of(const uint32_t *ranks, const uint64_t *weights, uint32_t least, int V, uint64_t number) {
    Place p = {0, 0};
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint64_t bins[256] = {0};
        for (int i = 0; i < V; i++)
            if (ranks[i] >= least && (uint64_t)ranks[i] >> (shift + 8) == p.rank) bins[ranks[i] >> shift & 255] += weights ? weights[i] : 1;
        int bin = 255;
        for (; bin > 0 && p.before + bins[bin] <= number; bin--) p.before += bins[bin];
        p.rank = p.rank << 8 | (uint32_t)bin;
    }
    return p;
}

static void weigh(uint64_t *weights, Arena *scratch, const float *scores, float top, double temperature, int V) {
    Mark mark = arena_mark(scratch);
    float *e = take(scratch, float, (size_t)V), *d = take(scratch, float, (size_t)V);
    exps(e, d, scores, top, temperature, V);
    for (int i = 0; i < V; i++) weights[i] = e[i] > 0 ? (uint64_t)((double)e[i] * 0x1p40) : 0;
    arena_release(scratch, mark);
}

static int32_t nth_of(const uint32_t *ranks, uint32_t rank, uint64_t n, int V) {
    for (int i = 0; i < V; i++)
        if (ranks[i] == rank && n-- == 0) return i;
    return 0;
}

static uint64_t weight_at(const uint32_t *ranks, const uint64_t *weights, uint32_t rank, int V) { return weights[nth_of(ranks, rank, 0, V)]; }

static int32_t drawn_of(Arena *scratch, const float *scores, int32_t largest, int V, const Drawing *o, double uniform) {
    const float top = scores[largest];
    uint32_t *ranks = take(scratch, uint32_t, (size_t)V), least = 0;
    uint64_t *weights = take(scratch, uint64_t, (size_t)V), sum = 0;
    for (int i = 0; i < V; i++) ranks[i] = exact_rank(scores[i]);
    if (o->top_k > 0 && o->top_k < V) least = place_of(ranks, NULL, 0, V, (uint64_t)o->top_k - 1).rank;
    uint32_t last = least; // of the nucleus
    uint64_t ties = (uint64_t)V; // of the last that belong to it
    if (o->top_p < 1) {
        weigh(weights, scratch, scores, top, o->filter_temperature, V);
        for (int i = 0; i < V; i++) sum += ranks[i] >= least ? weights[i] : 0;
        if (sum == 0) return largest;
        const double goal = ceil(o->top_p * (double)sum); // the sum before the last of them is less
        const uint64_t reached = goal > 1 ? (uint64_t)goal - 1 : 0;
        Place p = place_of(ranks, weights, least, V, reached);
        last = p.rank;
        const uint64_t each = weight_at(ranks, weights, last, V);
        if (each > 0) ties = (reached - p.before) / each + 1;
    }
    weigh(weights, scratch, scores, top, o->temperature, V);
    sum = 0;
    for (int i = 0; i < V; i++) {
        const bool in = ranks[i] > last || (ranks[i] == last && ties > 0);
        if (in && ranks[i] == last) ties--;
        sum += in ? weights[i] : 0;
    }
    if (sum == 0) return largest;
    uint64_t number = (uint64_t)(uniform * (double)sum);
    if (number >= sum) number = sum - 1;
    Place p = place_of(ranks, weights, last, V, number);
    return nth_of(ranks, p.rank, (number - p.before) / weight_at(ranks, weights, p.rank, V), V);
}

// ---- rows

static void apply_rules(float *scores, const Choosing *how, size_t row) {
    const int32_t *penalised = how->penalised + row * (size_t)how->penalised_room, *banned = how->banned + row * (size_t)how->banned_room;
    for (int k = 0; k < how->penalised_room && penalised[k] >= 0; k++) {
        float *s = &scores[penalised[k]];
        *s = *s < 0 ? *s * how->penalty : *s / how->penalty;
    }
    for (int k = 0; k < how->banned_room && banned[k] >= 0; k++) scores[banned[k]] = -INFINITY;
}

typedef struct {
    const Choosing *how;
    const float *logits;
    int V;
    Distribution *rows;
    Choice *best, *likeliest;
} Work;

static void choose_job(void *arg, size_t begin, size_t end) {
    const Work *w = arg;
    const Choosing *how = w->how;
    Arena *scratch = arena_new("a choice");
    float *scores = take(scratch, float, (size_t)w->V);
    for (size_t r = begin; r < end; r++) {
        Mark mark = arena_mark(scratch);
        const float *z = w->logits + r * (size_t)w->V;
        w->rows[r] = scores_distribution(scratch, z, w->V, how->temperature);
        w->rows[r].asked = (double)z[how->asked];
        best_of(w->likeliest + r * (size_t)how->likeliest, how->likeliest, z, z, w->V);
        const float less = how->normalised ? (float)w->rows[r].log_sum : 0;
        for (int i = 0; i < w->V; i++) scores[i] = z[i] - less;
        apply_rules(scores, how, r);
        for (int i = 0; how->plus && i < w->V; i++) scores[i] += how->plus[r];
        Choice *best = w->best + r * (size_t)how->best;
        best_of(best, how->best, scores, z, w->V);
        if (how->draw.uniform) {
            int32_t id = drawn_of(scratch, scores, best->id, w->V, &how->draw, how->draw.uniform[r]);
            *best = (Choice){scores[id], z[id], id};
        }
        if (how->next) how->next[r] = best->id;
        arena_release(scratch, mark);
    }
    arena_free(scratch);
}

void cpu_choose(Tensor out, Tensor logits, const Choosing *how) {
    const size_t R = (size_t)tensor_rows(logits);
    Work w = {.how = how, .logits = f32(logits), .V = (int)tensor_last(logits), .rows = out.data};
    w.best = (Choice *)(w.rows + R), w.likeliest = w.best + R * (size_t)how->best;
    parallel_for(R, 1, choose_job, &w);
}
