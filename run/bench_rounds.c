// bench_rounds.c: see bench_rounds.h.
#include "bench_rounds.h"

#include <math.h>

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
        for (int k = 0; k < count; k++) t[k][i] = ways[k].seconds(ways[k].arg);
    for (int k = 0; k < count; k++) {
        of[k] = times_of(t[k], rounds);
        calm = calm && of[k].most <= NOISY * of[k].least;
    }
    return calm;
}

Rounds rounds_of(const Way *ways, int count, int rounds) {
    Rounds r = {.ways = count};
    need(count <= WAYS, "bench: %d ways at once", count);
    if (rounds > ROUNDS_MOST) rounds = ROUNDS_MOST;
    bool calm = false;
    while (!calm && r.tries < TRIES) calm = once(r.of[r.tries++], ways, count, rounds);
    r.noisy = !calm;
    return r;
}

double rounds_fastest(const Times *of, unsigned set) {
    double least = INFINITY;
    for (int k = 0; k < WAYS; k++)
        if (set & WAY(k)) least = fmin(least, of[k].median);
    return least;
}

static double ratio(const Times *of, unsigned over, unsigned under) { return rounds_fastest(of, over) / (under ? rounds_fastest(of, under) : 1); }

static int first_counted(const Rounds *r) { return r->noisy ? 0 : r->tries - 1; }

double rounds_ratio(const Rounds *r, unsigned over, unsigned under) {
    double best = INFINITY;
    for (int i = first_counted(r); i < r->tries; i++) best = fmin(best, ratio(r->of[i], over, under));
    return best;
}

const Times *rounds_shown(const Rounds *r, unsigned over, unsigned under) {
    for (int i = 0; r->noisy && i < TRIES; i++) { // the middle one of three
        int below = 0;
        for (int k = 0; k < TRIES; k++) {
            double x = ratio(r->of[k], over, under), y = ratio(r->of[i], over, under);
            below += x < y || (x == y && k < i);
        }
        if (below == TRIES / 2) return r->of[i];
    }
    return r->of[r->tries - 1];
}

const char *rounds_note(const Rounds *r) { return r->noisy ? "noisy, thrice" : r->tries > 1 ? "measured again" : ""; }
