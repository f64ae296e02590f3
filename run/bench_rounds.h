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

// Sets of ways, as bits: the fastest of a set counts.
#define WAY(i) (1u << (i))

// What a gate wants of a ratio: at most so much. INFINITY: no gate, but what three tries gave is said.
typedef struct {
    unsigned over, under;
    double most;
} RatioWanted;

// Medians, least and most of every way. Where the largest time of a way is over 1.5 times its least, all of it is done again; where a quiet
// try misses what is wanted, until there are three.
typedef struct {
    int ways, rounds, tries;
    bool noisy;  // every time
    bool missed; // by a quiet try
    char note[160];
    Times of[TRIES][WAYS];
} Rounds;
Rounds rounds_of(const Way *ways, int count, int rounds); // each runs once before
Rounds rounds_wanted(const Way *ways, int count, int rounds, const RatioWanted *list, int listed);
void rounds_usual(int rounds); // how many a page's head says: a note tells where it is another number

// A quiet try that misses nothing stands alone; else, of all three, the best counts for a gate (rounds_ratio: the least) and the middle one is shown.
double rounds_ratio(const Rounds *r, unsigned over, unsigned under);
const Times *rounds_shown(const Rounds *r, unsigned over, unsigned under); // of all ways; under 0: by the time itself
double rounds_fastest(const Times *of, unsigned set);                      // the least median
const char *rounds_note(const Rounds *r);                                  // "", "measured again", or of three tries what each gave

#endif
