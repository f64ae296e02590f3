// cuda.h: `make bench_cuda`: one row is one kernel on one shape, timed beside its peers in alternation, and beside the machine.
#ifndef RETINA_TEST_BENCH_CUDA_H
#define RETINA_TEST_BENCH_CUDA_H

#include "cuda/kernels.h"
#include "cuda/light.h"
#include "io/file.h"
#include "run/bench_peer.h"

typedef void Work(void *arg, int turn); // one call is put on the stream; every turn reads other inputs, or the cache would serve

typedef struct {
    const char *area, *shape;
    Work *ours, *library; // library: the same by cuBLAS, or NULL
    const char *ask;      // the same by PyTorch: a line for peer_cuda.py, or NULL
    void *arg;
    double flops, peak;   // peak: flops a second of the unit that does them; 0: bound by memory
    double bytes;         // that must be moved: each input once, each result once
    double gate, goal;    // of performance.md 4.2, as fractions of the peer's speed, or of the machine's where no peer is; 0: none
    double error, allow;  // against double precision on sampled results, found before timing
} Contest;

typedef struct {
    Writer *page;
    Peer *torch; // NULL: not here
    double copy, bf16, f32; // bytes and flops a second: a large copy, cuBLAS at 8192, the multiprocessors' own
    double ends;            // seconds_now() at which no row is begun any more
    int rows, wrong, below, skipped;
} Bench;

bool bench_late(const Bench *b); // no row is begun any more
// Is this row to be timed? Not when time is up, or when RETINA_BENCH holds words between commas ("attention bf16,ViT,4096 x 4096") and none of them
// is in "AREA SHAPE".
bool bench_begins(Bench *b, const char *area, const char *shape);
typedef struct {
    double ours, library, torch; // seconds of a call; 0: not timed
} Took;
Took contest(Bench *b, const Contest *c);
double time_of(Work *work, void *arg); // seconds of one call

// Random normal numbers on the GPU, at another place each turn. Read only.
const float *floats_at(size_t count, int turn, int which);
const uint16_t *halves_at(size_t count, int turn, int which);
void *result_at(size_t bytes, int turn); // room for results

void bench_products(Bench *b);
void bench_hopper(Bench *b); // on compute capability 9.0
void bench_attention(Bench *b);
void bench_light(Bench *b);
void bench_training(Bench *b);
void bench_searches(Bench *b);
void bench_pipeline(Bench *b, const char *folder, double gpu); // pictures for a forward of so many seconds; `folder` to put them in
void bench_whole(Bench *b, const char *models); // a folder with vit/ and llama/

// cuda_blas.c: cuBLAS, if the library is found when the program runs
bool blas_open(void);
void blas_f32(const Gemm *g); // A Wᵀ
void blas_bf16(const GemmBf16 *g);

#endif
