// bench_rounds.c: see bench_rounds.h.
#include "bench_rounds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/progress.h"
#include "io/thread.h"

#define NOISY 1.5 // largest over smallest time

double bench_clock(void) { return threads_count() == 1 ? cpu_seconds() : seconds_now(); }

double work_seconds(void *work) {
    const Work *w = work;
    double start = bench_clock();
    w->run(w->arg);
    return bench_clock() - start;
}

double ask_seconds(void *ask) {
    const Ask *a = ask;
    return peer_ask(a->peer, "%s\n", a->line);
}

// Whether all of it was quiet.
static bool once(Times *of, const Way *ways, int count, int rounds) {
    double t[WAYS][ROUNDS_MOST];
    bool calm = true;
    for (int k = 0; k < count; k++) ways[k].seconds(ways[k].arg);
    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < count; k++) {
            t[k][i] = ways[k].seconds(ways[k].arg);
            need(isfinite(t[k][i]) && t[k][i] >= 0, "bench: something took %g seconds", t[k][i]);
        }
    for (int k = 0; k < count; k++) {
        of[k] = times_of(t[k], rounds);
        calm = calm && of[k].most <= NOISY * of[k].least;
    }
    return calm;
}

double rounds_fastest(const Times *of, unsigned set) {
    double least = INFINITY;
    for (int k = 0; k < WAYS; k++)
        if (set & WAY(k)) least = fmin(least, of[k].median);
    return least;
}

static double ratio(const Times *of, unsigned over, unsigned under) { return rounds_fastest(of, over) / (under ? rounds_fastest(of, under) : 1); }

// ---- tries

static const RatioWanted *first_missed(const Times *of, const RatioWanted *list, int listed) {
    for (int i = 0; i < listed; i++)
        if (!(ratio(of, list[i].over, list[i].under) <= list[i].most)) return &list[i];
    return NULL;
}

static int usual;

void rounds_usual(int rounds) { usual = rounds; }

// Of three tries: what each gave of `w`, which was missed or, where all were noisy, is the first that is wanted; NULL: nothing is.
static void note_tries(Rounds *r, const char *why, const RatioWanted *w) {
    size_t at = (size_t)snprintf(r->note, sizeof r->note, "%s, thrice", why);
    for (int i = 0; w && i < r->tries; i++) at += (size_t)snprintf(r->note + at, sizeof r->note - at, "%s %.2f", i ? "," : ":", ratio(r->of[i], w->over, w->under));
    if (w && isfinite(w->most)) snprintf(r->note + at, sizeof r->note - at, " (wanted: ≤ %.2f)", w->most);
}

Rounds rounds_wanted(const Way *ways, int count, int rounds, const RatioWanted *list, int listed) {
    need(count <= WAYS, "bench: %d ways at once", count);
    need(rounds >= 1 && rounds <= ROUNDS_MOST, "bench: %d rounds", rounds);
    Rounds r = {.ways = count, .rounds = rounds};
    const RatioWanted *missed = NULL;
    for (bool calm = false; r.tries < TRIES && !(calm && !missed);) {
        Times *of = r.of[r.tries++];
        calm = once(of, ways, count, rounds);
        r.noisy = !calm && !missed;
        if (calm && !missed) missed = first_missed(of, list, listed);
    }
    r.missed = missed != NULL;
    if (r.missed) note_tries(&r, "missed", missed);
    else if (r.noisy) note_tries(&r, "noisy", listed ? list : NULL);
    else if (r.tries > 1) snprintf(r.note, sizeof r.note, "measured again");
    size_t at = strlen(r.note);
    if (usual && usual != rounds) snprintf(r.note + at, sizeof r.note - at, "%s%d rounds", at ? "; " : "", rounds);
    return r;
}

Rounds rounds_of(const Way *ways, int count, int rounds) { return rounds_wanted(ways, count, rounds, NULL, 0); }

const char *rounds_note(const Rounds *r) { return r->note; }

// ---- which counts

static bool of_three(const Rounds *r) { return r->noisy || r->missed; }

double rounds_ratio(const Rounds *r, unsigned over, unsigned under) {
    double best = INFINITY;
    for (int i = of_three(r) ? 0 : r->tries - 1; i < r->tries; i++) best = fmin(best, ratio(r->of[i], over, under));
    return best;
}

const Times *rounds_shown(const Rounds *r, unsigned over, unsigned under) {
    for (int i = 0; of_three(r) && i < TRIES; i++) { // the middle one
        int below = 0;
        for (int k = 0; k < TRIES; k++) {
            double x = ratio(r->of[k], over, under), y = ratio(r->of[i], over, under);
            below += x < y || (x == y && k < i);
        }
        if (below == TRIES / 2) return r->of[i];
    }
    return r->of[r->tries - 1];
}
