// bench_rounds.h: ways to do the same, timed in alternation: A B C A B C … Rules: performance.md 2.
#ifndef RETINA_RUN_BENCH_ROUNDS_H
#define RETINA_RUN_BENCH_ROUNDS_H

#include "bench_peer.h"

typedef struct {
    double (*seconds)(void *arg); // does it once; how long that took
    void *arg;
} Way;

// Ours: timed by the clock of bench_clock().
typedef struct {
    void (*run)(void *arg);
    void *arg;
} Work;
double work_seconds(void *work);
double bench_clock(void); // seconds; of one thread its own time, which is the peer's way, too: what other programs take does not matter then

// A peer's: the same line in every round.
typedef struct {
    Peer *peer;
    const char *line;
} Ask;
double ask_seconds(void *ask);

enum { WAYS = 8, TRIES = 3, ROUNDS_MOST = 99 };

// Medians, least and most of every way. Where the largest time of a way is over 1.5 times its least, all of it is done again.
typedef struct {
    int ways, tries;
    bool noisy; // every time
    Times of[TRIES][WAYS];
} Rounds;
Rounds rounds_of(const Way *ways, int count, int rounds); // each runs once before

// Sets of ways, as bits: the fastest of a set counts. A quiet try stands alone; of three noisy ones the best counts for a gate
// (rounds_ratio: the least) and the middle one is shown.
#define WAY(i) (1u << (i))
double rounds_ratio(const Rounds *r, unsigned over, unsigned under);
const Times *rounds_shown(const Rounds *r, unsigned over, unsigned under); // of all ways; under 0: by the time itself
double rounds_fastest(const Times *of, unsigned set);                      // the least median
const char *rounds_note(const Rounds *r);                                  // "", "measured again" or "noisy, thrice"

#endif
