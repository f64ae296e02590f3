// test_generate.c: texts that begin alike are read once, and the entropy of each step (model/generate.h).
//
// Several prompts with a common beginning must give the very bits that each gives alone; entropies are held against the logits
// of a plain forward over the whole text, in double. Ids against the reference: test_models.c.
// Seen red: one id too many taken for shared, nats for bits, a beginning shared whose positions depend on the whole length.
#include <math.h>
#include <string.h>

#include "check.h"
#include "model/generate.h"

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
    double worst = 0;
    bool same = true;
    for (int i = 0; i < 4; i++) {
        Generated *one = generate(a, m, &p[i], 1, &o, NULL);
        same = same && one->count == all[i].count && memcmp(one->ids, all[i].ids, (size_t)one->count * sizeof(int32_t)) == 0 &&
               memcmp(one->logprobs, all[i].logprobs, (size_t)one->count * sizeof(float)) == 0 && memcmp(one->entropies, all[i].entropies, (size_t)one->count * sizeof(double)) == 0;
        int32_t text[21];
        memcpy(text, ids[i], (size_t)lengths[i] * sizeof *text);
        memcpy(text + lengths[i], one->ids, (size_t)(one->count - 1) * sizeof *text);
        Inputs whole = prompt(a, text, lengths[i] + one->count - 1);
        Outputs out = model_forward(run_new(a), m, &whole);
        for (int k = 0; k < one->count; k++)
            worst = fmax(worst, fabs(one->entropies[k] - entropy_of(f32(out.logits) + (size_t)(lengths[i] - 1 + k) * (size_t)m->vocabulary, m->vocabulary)));
    }
    check(same, "%s: four texts that begin alike, as each alone", name);
    if (m->by_length) return; // a text read as a whole has other positions than one that grows
    check(worst <= 1e-5, "%s: entropies within %.1e bits of double (allow 1e-5: the study's demand)", name, worst);
}

int main(void) {
    static const char *const dirs[] = {"llama-2", "llama-3", "qwen2-small", "qwen2-dynamic", "mistral-longrope"};
    for (int i = 0; i < 5; i++) {
        Arena *a = arena_new("test");
        Model *m = model_open(a, arena_print(a, "test/golden/%s", dirs[i]), false);
        together(a, m, dirs[i], 14);
        together(a, m, dirs[i], 11);
        arena_free(a);
    }
    return check_end();
}
