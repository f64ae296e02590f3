// not_numbers.c: where a forward begins to hold what is no number: see model_refuse_nan in model.h.
#include <math.h>
#include <string.h>

#include "model.h"

typedef struct {
    const char *first; // NULL: none so far
} Found;

static void look(void *arg, const char *name, Tensor x) {
    Found *f = arg;
    const float *v = f32(x);
    for (size_t i = 0, n = f->first ? 0 : tensor_count(x); i < n && !f->first; i++)
        if (!isfinite(v[i])) f->first = name;
}

// The same forward once more, every module looked at. What only a tap needs ('#': attention probabilities and the like) is left out.
_Noreturn void model_refuse_nan(const Model *m, const Inputs *in, Taps *taps) {
    static const char what[] = "the scores of the next token are no numbers (NaN)";
    need(!tensor_given(in->pixels) || in->pixels.ndim == 4, "%s: %s", m->dir, what); // a CoCa's image tokens: no whole forward takes them
    Arena *a = arena_new("a search for NaN");
    Taps *listing = model_taps(a, m, in);
    Found found = {NULL};
    const TapInfo *list;
    size_t n = taps_listed(listing, &list);
    if (!taps) taps = taps_asking(a, listing, NULL, 0);
    for (size_t i = 0; i < n; i++)
        if (!strchr(list[i].name, '#')) taps_read(taps, list[i].name, look, &found);
    taps_begin(taps);
    Run *run = run_on(a, m->device);
    run->taps = taps;
    model_forward(run, m, in);
    need(found.first, "%s: %s", m->dir, what);
    die("%s: %s; the first tap with such a value is %s: look at its weights, its input and config.json", m->dir, what, found.first);
}
