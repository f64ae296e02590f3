// bench_given.h: the same work on the same numbers. What a peer is given, and what it answers, are files in a folder of this run, there while they
// are read; either's answer is compared, with double or with our own in f32, before anything is timed.
#ifndef RETINA_RUN_BENCH_GIVEN_H
#define RETINA_RUN_BENCH_GIVEN_H

#include "bench_peer.h"

enum { GIVEN_MOST = 4 };

typedef struct {
    const char *name; // of the file; NULL: no more
    const void *data; // as it lies
    size_t bytes;
} Given;

typedef struct {
    double (*error)(const void *arg, const float *answer); // of an answer, on what was given; NULL: nothing is compared
    const void *arg;
    const float *answer; // ours; NULL: it is what others are compared with
    size_t count;        // floats of an answer
    double allowed, allowed_peer;
} Check;

const char *bench_folder(void); // the one, which is gone when the program ends, and when a signal ends it

// Of what is drawn in this run, inputs and places that are checked: another one every time, or RETINA_BENCH_SEED.
uint64_t bench_seed(void);
enum { PLACES = 4 };
void places_drawn(size_t place[PLACES], const char *what, size_t n); // rows or columns of n: some, and the last

void given_write(Arena *a, const Given *given); // GIVEN_MOST of them
void given_remove(Arena *a, const Given *given);

double check_ours(const Check *c, const char *name); // its error; dies where that is more than allowed
// The same of the peer that is asked `line`: it reads what is given, works once and writes its answer.
double check_peer(Arena *a, const Check *c, Peer *peer, const char *line, const char *name);

// ---- errors

void poison(float *x, size_t n);          // NaN, for results: what is not written is seen
float *poisoned(Arena *a, size_t n);
double worse(double worst, double error); // the larger; NaN stays
// A whole model has no double beside it: an answer's distance from our own in f32, ‖x - y‖ / ‖y‖.
typedef struct {
    const float *y;
    size_t n;
} Reference;
double relative_distance(const void *reference, const float *x);

#endif
