// bench_table.h: rows of a table of times: ours and peers in alternating rounds, beside what the machine allows.
#ifndef RETINA_RUN_BENCH_TABLE_H
#define RETINA_RUN_BENCH_TABLE_H

#include "bench_gates.h"
#include "bench_given.h"
#include "bench_rounds.h"
#include "io/file.h"
#include "io/memory.h"

typedef struct {
    double f32, bf16;  // operations a second: f32's out of registers, bf16's the fastest way that products take
    double tile, dot;  // our tile of f32 on data in L1; dot products of bf16 out of registers, 0 where there are none
    double l2, memory; // bytes a second, read
} Ceilings;
double registers_f32(void), registers_dot(void); // out of registers alone; 0: not known here
double ceilings_tile(Arena *a); // of bf16's products out of L1 alone: a fifth of a second
Ceilings ceilings_measure(Arena *a);
void ceilings_again(Arena *a, Ceilings *c); // of operations: the most of the run counts, for a probe may meet another program
void ceilings_reads(Arena *a, Ceilings *c); // of reads, likewise
void ceilings_say(const Ceilings *c, Writer *w);
float *random_floats(Arena *a, size_t n, const char *what); // of [-1, 1), of bench_seed()
const char *threads_said(Arena *a); // "2 threads"; one thread's times are its own

// What a kind of `retina bench` is asked for.
typedef struct {
    Arena *arena;
    const char *venv; // of the peers; NULL: ours alone
    const char *rows; // only rows whose name holds it; NULL: all
    int rounds;
    bool packed; // products, speed, forward: our weights stay packed
    bool *found; // a row of that name
    Writer *out; // NULL: only printed
} BenchAsk;

typedef struct {
    Arena *arena;
    Peer *peer, *blas; // NULL: none
    const char *blas_name;
    Writer *w; // NULL: only printed
    int rounds, threads; // threads: when it was opened, as the ceilings are
    Ceilings *top;
    const char *only; // rows whose name holds it; NULL: all
    bool *found;      // one of them
    bool packed;      // weights of products, before they are timed
    Gates *gates;
} Table;
Table table_open(const BenchAsk *ask, const char *script, const char *argument); // script: of the peer; argument: its own, or NULL
void table_with_blas(Table *t, const BenchAsk *ask);                             // OpenBLAS beside it
void table_close(Table *t);                                                      // says the gates

typedef struct {
    char text[80]; // a row's errors, "" without a check
} Errors;

typedef enum { NO_PEAK, PEAK_F32, PEAK_BF16, PEAK_F64_ONE } Peak; // the last: doubles, half as many in a register, on one thread

typedef struct {
    const char *name, *ask; // ask: the line for the peer; NULL: it has nothing like this
    const char *ask_blas;   // for OpenBLAS
    void (*work)(void *arg);
    void *arg;
    double operations, bytes; // of one call
    Peak peak;                // of its operations
    // Moves plain_bytes as plainly as can be, in every round beside `work`: what memory gives changes from second to second, and so the
    // floor of `bytes` is taken from these times. NULL: from the ceiling.
    void (*plain)(void *arg);
    double plain_bytes;
    Work beside; // something else of ours in every round, for a ratio; .run NULL: nothing
    // What gates want of the row's own numbers (Measured); 0: nothing. A row that misses is measured thrice.
    double most, most_blas, most_beside, least_of_floor; // the last where `plain` is
    Given given[GIVEN_MOST]; // to the peers
    Check check;             // of answers: ours is there before the row
} Row;

// For gates, so of three noisy tries the best. NaN: not measured.
typedef struct {
    double ours, beside;          // medians, seconds
    double ratio, ratio_blas;     // ours over the fastest peer's, over OpenBLAS's alone
    double of_floor, over_beside; // a fraction; ours over `beside`
} Measured;

void plain_read(const void *bytes, size_t size); // by all threads, from memory; size: a multiple of 64 KiB

// For the head of a page.
#define TABLE_SAID "All work on the same numbers, which are in the caches unless the row says \"from memory\"; error: of each one's result against double, ours first, before it is timed."

// Products by this weight keep its panels, if it is to be packed, until the arena is freed.
void weight_kept(bool packed, Arena *a, const void *weight, size_t size);
bool table_wants(const Table *t, const char *name);
void table_head(const Table *t, const char *what);
Measured table_row(const Table *t, const Row *r);
// What a row measured elsewhere does in its time: operations or bytes, and the seconds that the machine's ceilings want for them. 0: not said.
typedef struct {
    double amount, floor;
} Done;
void table_times(const Table *t, const char *name, Times ours, const Times *peer, Done done, const Errors *errors, const char *note); // peer, errors may be NULL
double table_floor(const Table *t, double operations, Peak peak); // seconds at the ceiling
// What `check` finds, before anything is timed: of ours, of PyTorch that is asked `ask` and of OpenBLAS, where they are there.
Errors table_errors(const Table *t, const char *name, const Given *given, const Check *check, const char *ask, const char *ask_blas);

#endif
