// bench_gates.h: the gates of performance.md 4.1: each is one number beside its bound and its goal, with a verdict.
#ifndef RETINA_RUN_BENCH_GATES_H
#define RETINA_RUN_BENCH_GATES_H

#include "bench_peer.h"

typedef struct {
    const char *what, *detail; // detail: beside its number in the table, or NULL
    double value, bound;
    double goal;           // what is aimed for, in the direction of `bound`; 0: nothing
    bool at_least;         // so much is wanted; else at most so much
    const char *elsewhere; // why this machine or run is not asked; NULL: it is
} Gate;

typedef struct {
    Arena *arena; // what is noted is copied into it
    Gate list[64];
    int count;
} Gates;

void gate_note(Gates *g, Gate gate); // g may be NULL: nobody listens. A value that is no number is a gate missed, unless it is not asked.
void gates_say(const Gates *g, Writer *w);

// Several ratios that one gate is about.
typedef struct {
    double largest, logarithms;
    int count;
    const char *where; // the largest was found
} Ratios;
void ratios_add(Ratios *r, double ratio, const char *where); // NaN, of a row without a peer, is left out; `where` is kept by pointer
double ratios_largest(const Ratios *r); // NaN: there are none
double ratios_mean(const Ratios *r);    // geometric
const char *ratios_said(Arena *a, const Ratios *r);
// Why a gate about them is not asked: `elsewhere`, or that --rows (`only`; NULL: all rows) names none of theirs; NULL: it is.
const char *ratios_elsewhere(const Ratios *r, const char *only, const char *elsewhere);

#endif
