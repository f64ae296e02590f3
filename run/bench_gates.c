// bench_gates.c: see bench_gates.h.
#include "bench_gates.h"

#include <math.h>

void gate_note(Gates *g, Gate gate) {
    if (!g) return;
    need((size_t)g->count < sizeof g->list / sizeof *g->list, "bench: more gates than there is room for");
    gate.what = arena_print(g->arena, "%s", gate.what);
    if (gate.detail) gate.detail = arena_print(g->arena, "; %s", gate.detail);
    if (gate.elsewhere) gate.elsewhere = arena_print(g->arena, "%s", gate.elsewhere);
    g->list[g->count++] = gate;
}

static bool held(const Gate *g) { return g->at_least ? g->value >= g->bound : g->value <= g->bound; }

static const char *verdict(const Gate *g) { return g->elsewhere ? "not asked" : held(g) ? "held" : "MISSED"; }

static const char *value_said(Arena *a, double value) {
    return isnan(value) ? "" : value != 0 && fabs(value) < 1e-3 ? arena_print(a, "%.1e", value) : fabs(value) < 10 ? arena_print(a, "%.3f", value) : arena_print(a, "%.1f", value);
}

// The names of those that were missed, or of those not asked, with the reason.
static const char *listed(Arena *a, const Gates *g, bool elsewhere) {
    const char *text = "";
    for (int i = 0; i < g->count; i++) {
        const Gate *k = &g->list[i];
        const char *after = *text ? "; " : "";
        if (elsewhere && k->elsewhere) text = arena_print(a, "%s%s%s (%s)", text, after, k->what, k->elsewhere);
        if (!elsewhere && !k->elsewhere && !held(k)) text = arena_print(a, "%s%s%s", text, after, k->what);
    }
    return text;
}

void gates_say(const Gates *g, Writer *w) {
    if (g->count == 0) return;
    Arena *a = arena_new("what is said of gates");
    int asked = 0, kept = 0;
    bench_say(w, "\n| gate | here | wanted | |\n|---|---|---|---|");
    for (int i = 0; i < g->count; i++) {
        const Gate *k = &g->list[i];
        asked += !k->elsewhere, kept += !k->elsewhere && held(k);
        const char *bound = fabs(k->bound) < 1e-3 ? arena_print(a, "%.0e", k->bound) : arena_print(a, "%.2f", k->bound);
        bench_say(w, "| %s%s | %s | %s %s | %s |", k->what, k->detail ? k->detail : "", value_said(a, k->value), k->at_least ? "≥" : "≤", bound, verdict(k));
    }
    const char *missed = listed(a, g, false), *others = listed(a, g, true);
    bench_say(w, "\n%d gate%s, %d held; missed: %s; not of this machine: %s", asked, asked == 1 ? "" : "s", kept, *missed ? missed : "none", *others ? others : "none");
    arena_free(a);
}

const char *ratios_said(Arena *a, const Ratios *r) {
    return r->count ? arena_print(a, "of %d, largest %.2f (%s), geometric mean %.2f", r->count, r->largest, r->where, ratios_mean(r)) : "of none";
}

double ratios_largest(const Ratios *r) { return r->count ? r->largest : NAN; }

void ratios_add(Ratios *r, double ratio, const char *where) {
    if (isnan(ratio)) return;
    if (r->count == 0 || ratio > r->largest) r->largest = ratio, r->where = where;
    r->logarithms += log(ratio);
    r->count++;
}

double ratios_mean(const Ratios *r) { return r->count ? exp(r->logarithms / r->count) : NAN; }
