// bench_table.h: rows of a table of times: ours and a peer in alternating rounds, beside what the machine allows.
#ifndef RETINA_RUN_BENCH_TABLE_H
#define RETINA_RUN_BENCH_TABLE_H

#include "bench_peer.h"
#include "io/file.h"
#include "io/memory.h"

typedef struct {
    double f32, bf16;  // operations a second out of registers and L1
    double l2, memory; // bytes a second, read
} Ceilings;
Ceilings ceilings_measure(Arena *a);
double ceiling_f32(Arena *a); // that one alone
double table_clock(void);     // seconds; of one thread its own time
float *random_floats(Arena *a, size_t n, const char *what); // of [-1, 1), the same in every run
const char *threads_said(Arena *a); // "2 threads"; one thread's times are its own

typedef struct {
    Peer *peer; // NULL: none
    Writer *w;  // NULL: only printed
    int rounds;
    Ceilings top;
    const char *only; // rows whose name holds it; NULL: all
} Table;

typedef struct {
    const char *name, *ask; // ask: the line for the peer; NULL: it has nothing like this
    void (*work)(void *arg);
    void *arg;
    double operations, bytes, peak; // of one call; peak: operations a second; 0: no floor is known
    // Moves plain_bytes as plainly as can be, in every round beside `work`: what memory gives changes from second to second, and so the
    // floor of `bytes` is taken from these times. NULL: from the ceiling.
    void (*plain)(void *arg);
    double plain_bytes;
} Row;

void plain_read(const void *bytes, size_t size); // by all threads, from memory; size: a multiple of 64 KiB

bool table_wants(const Table *t, const char *name);
void table_head(const Table *t, const char *what);
double table_row(const Table *t, const Row *r); // the median, seconds

#endif
