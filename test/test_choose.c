// test_choose.c: the next ids of rows of scores by the CPU (model/choose_cpu.c) against plain definitions: every id sorted, sums in double.
//
// Bounds: sums 1e-12 relative to themselves or a bit; what is taken: the same ids, unless a probability lies within 1e-6 of where it is cut.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/random.h"
#include "model/device.h"

static Arena *arena;
static const float *sorted_by;

static int by_score(const void *a, const void *b) {
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    if (sorted_by[i] != sorted_by[j]) return sorted_by[i] > sorted_by[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int32_t *sorted(const float *scores, int V) {
    int32_t *ids = take(arena, int32_t, (size_t)V);
    for (int i = 0; i < V; i++) ids[i] = i;
    sorted_by = scores;
    qsort(ids, (size_t)V, sizeof *ids, by_score);
    return ids;
}

static float *numbers(int V, double steps, uint64_t seed) {
    float *x = take(arena, float, (size_t)V);
    for (int i = 0; i < V; i++) x[i] = (float)(nearbyint(rng_normal((Rng){seed, 3}, (uint64_t)i) * 2 * steps) / steps);
    return x;
}

static Chosen chosen(float *x, int V, const Choosing *how) { return choose(run_new(arena), tensor_of(x, DTYPE_F32, DIMS(1, V)), how); }

static void distributions(int V, double temperature) {
    float *x = numbers(V, 1000, (uint64_t)V);
    double top = (double)x[sorted(x, V)[0]], sum = 0, warm = 0, weighted = 0;
    for (int i = 0; i < V; i++) sum += exp((double)x[i] - top), warm += exp(((double)x[i] - top) / temperature), weighted += exp(((double)x[i] - top) / temperature) * ((double)x[i] - top) / temperature;
    Chosen c = chosen(x, V, &(Choosing){.temperature = temperature, .asked = V / 2, .best = 1});
    const double log_sum = log(sum) + top, entropy = (log(warm) - weighted / warm) / log(2);
    check(fabs(c.rows->log_sum - log_sum) <= 1e-6 && fabs(c.rows->entropy - entropy) <= 2e-6 * (1 + entropy) && (float)c.rows->asked == x[V / 2],
          "%d scores at %g: log sum off by %.1e, entropy by %.1e bits (allow 1e-6 and 2e-6: exp is of floats)", V, temperature, c.rows->log_sum - log_sum, c.rows->entropy - entropy);
}

static void rules(int V) {
    float *x = numbers(V, 4, 5), *y = take(arena, float, (size_t)V), plus = -3.25f;
    int32_t sequence[] = {V - 1, 2, V - 1, V + 4, -1, 2, 1}, bans[] = {0, V, 3, 0, -7};
    Rules r = {0};
    rules_penalise(arena, &r, V, sequence, 7);
    rules_ban(arena, &r, V, bans, 5);
    const int most = V < 24 ? V : 24;
    Choosing how = {.temperature = 1, .normalised = true, .penalty = 1.7f, .plus = &plus, .best = most, .likeliest = most};
    choosing_rules(&how, arena, &r, 1);
    Chosen c = chosen(x, V, &how);
    for (int i = 0; i < V; i++) {
        y[i] = x[i] - (float)c.rows->log_sum;
        if (i == V - 1 || i == 2 || i == 1) y[i] = y[i] < 0 ? y[i] * 1.7f : y[i] / 1.7f;
        if (i == 0 || i == 3) y[i] = -INFINITY;
        y[i] += plus;
    }
    int32_t *want = sorted(y, V), *raw = sorted(x, V);
    bool same = true;
    for (int i = 0; i < most; i++)
        same = same && c.best[i].id == want[i] && c.best[i].score == y[want[i]] && c.best[i].logit == x[want[i]] && c.likeliest[i].id == raw[i] && c.likeliest[i].score == x[raw[i]];
    check(same, "%d scores: penalised, banned, raised: the best %d, and the likeliest", V, most);
}

// By the definition: sorted, cut, and a running sum in double. *near: a cut, or the number drawn, lies where rounding decides.
static int32_t drawn(const float *x, int V, const Drawing *o, bool *near) {
    int32_t *ids = sorted(x, V);
    int n = o->top_k > 0 && o->top_k < V ? o->top_k : V;
    while (n < V && x[ids[n]] == x[ids[n - 1]]) n++;
    double sum = 0, running = 0;
    for (int i = 0; i < n; i++) sum += exp(((double)x[ids[i]] - (double)x[ids[0]]) / o->filter_temperature);
    int kept = 0;
    while (kept < n && (kept == 0 || running < o->top_p * sum)) {
        running += exp(((double)x[ids[kept++]] - (double)x[ids[0]]) / o->filter_temperature);
        *near = *near || (o->top_p < 1 && fabs(running - o->top_p * sum) < 1e-6 * sum);
    }
    if (o->top_p >= 1) kept = n;
    sum = 0, running = 0;
    for (int i = 0; i < kept; i++) sum += exp(((double)x[ids[i]] - (double)x[ids[0]]) / o->temperature);
    for (int i = 0; i < kept; i++) {
        running += exp(((double)x[ids[i]] - (double)x[ids[0]]) / o->temperature);
        *near = *near || fabs(running - *o->uniform * sum) < 1e-6 * sum;
        if (*o->uniform * sum < running) return ids[i];
    }
    return ids[kept - 1];
}

static void draws(int V, double steps) {
    int wrong = 0, unsure = 0, different = 0;
    int32_t last = -1;
    for (int n = 0; n < 200; n++) {
        float *x = numbers(V, steps, (uint64_t)(n + 1000));
        double uniform = n == 0 ? 0 : n == 1 ? 0x1.fffffffffffffp-1 : rng_uniform((Rng){1, 1}, (uint64_t)n);
        Drawing o = {.uniform = &uniform, .top_k = (const int[]){0, 1, 5, V / 2}[n % 4], .top_p = (const double[]){1, 0.9, 0.3}[n % 3], .filter_temperature = n % 5 ? 1 : 0.6, .temperature = n % 2 ? 1 : 1.7};
        bool near = false;
        int32_t want = drawn(x, V, &o, &near), got = chosen(x, V, &(Choosing){.temperature = 1, .best = 1, .draw = o}).best->id;
        wrong += want != got && !near, unsure += near, different += got != last, last = got;
    }
    check(wrong == 0 && unsure < 20 && (V == 1 || different > 20), "%d scores in steps of 1/%g: 200 draws, %d other than by sorting, %d within rounding, %d changes", V, steps, wrong, unsure, different);
}

static void odd(void) {
    float all[] = {-INFINITY, NAN, -INFINITY}, infinite[] = {1, INFINITY, INFINITY, NAN}, none[] = {NAN, NAN}, zeros[] = {-0.0f, 0, -1};
    double uniform = 0.99;
    Drawing o = {.uniform = &uniform, .top_p = 0.5, .filter_temperature = 1, .temperature = 1};
    Choosing greedy = {.temperature = 1, .best = 1}, draw = {.temperature = 1, .best = 1, .draw = o};
    check(chosen(all, 3, &greedy).best->id == 0 && chosen(infinite, 4, &greedy).best->id == 1 && chosen(none, 2, &greedy).best->id == 0 && chosen(zeros, 3, &greedy).best->id == 0, "greedy of -inf, inf, NaN, two zeros");
    check(chosen(all, 3, &draw).best->id == 0 && chosen(infinite, 4, &draw).best->id == 1 && chosen(none, 2, &draw).best->id == 0, "drawn from no probability at all: the first of the largest");
}

int main(void) {
    arena = arena_new("test");
    for (int k = 0; k < 8; k++) {
        int V = (const int[]){1, 2, 31, 255, 257, 4095, 4097, 32003}[k];
        distributions(V, 1), distributions(V, 0.7);
        if (V > 4) rules(V);
        if (V < 5000) draws(V, 1000), draws(V, 1);
    }
    odd();
    arena_free(arena);
    return check_end();
}
