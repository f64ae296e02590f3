// test_generate.c: texts that begin alike are read once, and the entropy of each step (model/generate.h).
//
// Several prompts with a common beginning must give the very bits that each gives alone; entropies are held against the logits
// of a plain forward over the whole text, in double. Ids against the reference: test_models.c.
//
// With bf16, where keys and values are kept in bf16 too: the same bits in a batch; entropies within those of f32's plain forward,
// and each id, by f32's numbers, no less likely than the likeliest but for the rounding. Bounds: 0.15, three times what was
// measured (0.057), which is what 2^-9 of each value does to these models' logits. Split (bf16x3), three times 8.5e-5.
// Seen red: one id too many taken for shared, half of a text moved with a beam, nats for bits, a beginning shared whose positions depend on the whole length.
#include <math.h>
#include <string.h>

#include "check.h"
#include "model/generate.h"

static const char *const in[] = {"", " in bf16", " in bf16x3"}; // by Compute
static const double allow[] = {1e-5, 0.15, 3e-4};

static double largest(const float *z, int V) {
    double top = -INFINITY;
    for (int i = 0; i < V; i++) top = fmax(top, (double)z[i]);
    return top;
}

static double log_sum(const float *z, int V) {
    double top = largest(z, V), sum = 0;
    for (int i = 0; i < V; i++) sum += exp((double)z[i] - top);
    return top + log(sum);
}

static double entropy_of(const float *z, int V) {
    double top = -INFINITY, sum = 0, weighted = 0;
    for (int i = 0; i < V; i++) top = fmax(top, (double)z[i]);
    for (int i = 0; i < V; i++) sum += exp((double)z[i] - top), weighted += exp((double)z[i] - top) * ((double)z[i] - top);
    return (log(sum) - weighted / sum) / log(2);
}

static Inputs prompt(Arena *a, const int32_t *ids, long n) {
    Tensor t = tensor_take(a, DTYPE_I32, DIMS(1, n));
    memcpy(t.data, ids, (size_t)n * sizeof *ids);
    return (Inputs){.ids = t};
}

// third: how long the third prompt is; shorter than what the others share, or not.
static void together(Arena *a, Model *m, const char *name, long third) {
    static const int32_t ids[4][14] = {{1, 20, 21, 22, 23, 24, 5, 6, 7, 8, 9, 10, 11, 12}, {1, 20, 21, 22, 23, 24, 5, 6, 7, 8, 9, 10, 40, 41},
                                      {1, 20, 21, 22, 23, 24, 5, 6, 7, 8, 9, 10, 11, 13}, {1, 20, 21, 22, 23, 24, 5, 6, 7, 8, 9, 10, 11, 12}};
    const long lengths[4] = {14, 14, third, 14};
    Inputs p[4];
    for (int i = 0; i < 4; i++) p[i] = prompt(a, ids[i], lengths[i]);
    GenerateOptions o = generate_options(a, m);
    o.max_new = 7, o.eos_count = 0;
    Generated *all = generate(a, m, p, 4, &o, NULL);
    const Compute compute = m->compute;
    double worst = 0, short_of = 0;
    bool same = true;
    for (int i = 0; i < 4; i++) {
        Generated *one = generate(a, m, &p[i], 1, &o, NULL);
        same = same && one->count == all[i].count && memcmp(one->ids, all[i].ids, (size_t)one->count * sizeof(int32_t)) == 0 &&
               memcmp(one->logprobs, all[i].logprobs, (size_t)one->count * sizeof(float)) == 0 && memcmp(one->entropies, all[i].entropies, (size_t)one->count * sizeof(double)) == 0;
        int32_t text[21];
        memcpy(text, ids[i], (size_t)lengths[i] * sizeof *text);
        memcpy(text + lengths[i], one->ids, (size_t)(one->count - 1) * sizeof *text);
        Inputs whole = prompt(a, text, lengths[i] + one->count - 1);
        m->compute = COMPUTE_F32;
        Outputs out = model_forward(run_new(a), m, &whole);
        m->compute = compute;
        for (int k = 0; k < one->count; k++) {
            const float *z = f32(out.logits) + (size_t)(lengths[i] - 1 + k) * (size_t)m->vocabulary;
            worst = fmax(worst, fabs(one->entropies[k] - entropy_of(z, m->vocabulary)));
            short_of = fmax(short_of, largest(z, m->vocabulary) - (double)z[one->ids[k]]);
        }
    }
    check(same, "%s%s: four texts that begin alike, as each alone", name, in[compute]);
    if (m->by_length) return; // a text read as a whole has other positions than one that grows
    const double far = allow[compute];
    if (compute) check(worst <= far && short_of <= far, "%s%s: entropies within %.1e bits of f32 (allow %.1g), ids %.1e short of its likeliest", name, in[compute], worst, far, short_of);
    else check(worst <= 1e-5, "%s: entropies within %.1e bits of double (allow 1e-5: the study's demand)", name, worst);
}

// A search whose beams change places: the score of what it finds is what the text's own logits say, whatever moved on the way.
static void beams(Arena *a, Model *m, const char *name) {
    static const int32_t ids[6] = {1, 20, 21, 22, 23, 24};
    Inputs p = prompt(a, ids, 6);
    GenerateOptions o = generate_options(a, m);
    o.max_new = 9, o.beams = 4, o.eos_count = 0;
    Generated *found = generate(a, m, &p, 1, &o, NULL);
    int32_t text[16];
    memcpy(text, ids, sizeof ids);
    memcpy(text + 6, found->ids, (size_t)(found->count - 1) * sizeof *text);
    Inputs whole = prompt(a, text, 6 + found->count - 1);
    Outputs out = model_forward(run_new(a), m, &whole);
    double worst = 0;
    for (int k = 0; k < found->count; k++) {
        const float *z = f32(out.logits) + (size_t)(5 + k) * (size_t)m->vocabulary;
        worst = fmax(worst, fabs((double)found->logprobs[k] - ((double)z[found->ids[k]] - log_sum(z, m->vocabulary))));
    }
    check(found->count == 9 && worst <= allow[m->compute], "%s%s: beams, log-probabilities within %.1e of the whole text's (allow %.2g)", name, in[m->compute], worst, allow[m->compute]);
}

int main(void) {
    static const char *const dirs[] = {"llama-2", "llama-3", "qwen2-small", "qwen2-dynamic", "mistral-longrope", "mistral-window", "gemma2-small"};
    for (int i = 0; i < 7; i++) {
        Arena *a = arena_new("test");
        Model *m = model_open(a, arena_print(a, "test/golden/%s", dirs[i]), false);
        for (m->compute = COMPUTE_F32; m->compute <= COMPUTE_BF16X3; m->compute++) {
            together(a, m, dirs[i], 14);
            together(a, m, dirs[i], 11);
            if (!m->by_length) beams(a, m, dirs[i]);
        }
        arena_free(a);
    }
    return check_end();
}
