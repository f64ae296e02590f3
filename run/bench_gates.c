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

// NaN reaches nothing.
static bool reaches(const Gate *g, double wanted) { return g->at_least ? g->value >= wanted : g->value <= wanted; }

typedef enum { REACHED, SHORT, MISSED, NOT_ASKED, VERDICTS } Verdict;

static Verdict verdict(const Gate *g) {
    if (g->elsewhere) return NOT_ASKED;
    if (!reaches(g, g->bound)) return MISSED;
    return g->goal != 0 && !reaches(g, g->goal) ? SHORT : REACHED;
}

static const char *verdict_said(Arena *a, const Gate *g) {
    switch (verdict(g)) {
    case NOT_ASKED: return arena_print(a, "not asked: %s", g->elsewhere);
    case MISSED: return "MISSED";
    case SHORT: return "held, short of its goal";
    default: return g->goal != 0 ? "held and goal reached" : "held";
    }
}

static const char *value_said(Arena *a, double value) {
    return isnan(value) ? "" : value != 0 && fabs(value) < 1e-3 ? arena_print(a, "%.1e", value) : fabs(value) < 10 ? arena_print(a, "%.3f", value) : arena_print(a, "%.1f", value);
}

static const char *wanted_said(Arena *a, const Gate *g, double wanted) {
    return arena_print(a, fabs(wanted) < 1e-3 ? "%s %.0e" : "%s %.2f", g->at_least ? "≥" : "≤", wanted);
}

// ": a; b", the names of all with that verdict, those not asked with the reason; "" where there are none.
static const char *listed(Arena *a, const Gates *g, Verdict which) {
    const char *text = "";
    for (int i = 0; i < g->count; i++) {
        const Gate *k = &g->list[i];
        if (verdict(k) != which) continue;
        const char *why = which == NOT_ASKED ? arena_print(a, " (%s)", k->elsewhere) : "";
        text = arena_print(a, "%s%s %s%s", text, *text ? ";" : ":", k->what, why);
    }
    return text;
}

void gates_say(const Gates *g, Writer *w) {
    if (g->count == 0) return;
    Arena *a = arena_new("what is said of gates");
    int of[VERDICTS] = {0};
    bench_say(w, "\n| gate | wanted | goal | here | verdict |\n|---|---|---|---|---|");
    for (int i = 0; i < g->count; i++) {
        const Gate *k = &g->list[i];
        of[verdict(k)]++;
        bench_say(w, "| %s%s | %s | %s | %s | %s |", k->what, k->detail ? k->detail : "", wanted_said(a, k, k->bound), k->goal != 0 ? wanted_said(a, k, k->goal) : "", value_said(a, k->value),
                  verdict_said(a, k));
    }
    int kept = of[REACHED] + of[SHORT], asked = kept + of[MISSED];
    bench_say(w, "\n%d gate%s asked: %d held, %d missed; %d goal%s short; %d not asked.", asked, asked == 1 ? "" : "s", kept, of[MISSED], of[SHORT], of[SHORT] == 1 ? "" : "s", of[NOT_ASKED]);
    static const struct {
        Verdict which;
        const char *said;
    } lists[] = {{MISSED, "Missed"}, {SHORT, "Short of their goals"}, {NOT_ASKED, "Not asked"}};
    for (int i = 0; i < 3; i++)
        if (of[lists[i].which]) bench_say(w, "\n%s%s.", lists[i].said, listed(a, g, lists[i].which));
    arena_free(a);
}

const char *ratios_said(Arena *a, const Ratios *r) {
    return r->count ? arena_print(a, "of %d, largest %.2f (%s), geometric mean %.2f", r->count, r->largest, r->where, ratios_mean(r)) : "of none";
}

const char *ratios_elsewhere(const Ratios *r, const char *only, const char *elsewhere) { return !elsewhere && only && r->count == 0 ? "--rows names none of its rows" : elsewhere; }

double ratios_largest(const Ratios *r) { return r->count ? r->largest : NAN; }

void ratios_add(Ratios *r, double ratio, const char *where) {
    if (isnan(ratio)) return;
    if (r->count == 0 || ratio > r->largest) r->largest = ratio, r->where = where;
    r->logarithms += log(ratio);
    r->count++;
}

double ratios_mean(const Ratios *r) { return r->count ? exp(r->logarithms / r->count) : NAN; }
