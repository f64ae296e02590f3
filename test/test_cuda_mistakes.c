// test_cuda_mistakes.c: the emulator sees each mistake that mistakes.cu makes, and nothing in the right form of it.
#include <stdio.h>

#include "check.h"
#include "cuda/device.h"
#include "cuda_emu/mistakes.h"

int main(void) {
    static const struct {
        const char *name, *message;
    } expected[MISTAKES] = {
        {"a missing barrier", "race in shared memory"},
        {"a missing barrier at the end of a round", "race in shared memory"},
        {"one step beyond an allocation", "outside every allocation"},
        {"one step beyond a shared array", "outside its array"},
        {"one step beyond dynamic shared memory", "of dynamic shared memory"},
        {"a barrier that half a block reaches", "divergent barrier"},
        {"two barriers for one", "divergent barrier"},
        {"shared memory that nobody wrote", "nobody has written"},
        {"blocks that write one place", "by another block"},
        {"a missing barrier in a warp", "race in shared memory"},
        {"a shuffle without a lane", "has ended"},
        {"a copy that has not landed", "has not landed"},
        {"a copy that nobody waits for", "never waited for"},
        {"a count without an atomic", "race in device memory"},
        {"a named barrier that is passed by", "race in shared memory"},
        {"a tile that nobody waits for", "has not landed"},
        {"a wait for the phase before", "has not landed"},
        {"an arrival too many", "one arrival more"},
        {"a product without a fence", "without wgmma_fence"},
        {"a product that nobody waits for", "never waited for"},
        {"a tile replaced under a product", "has not landed"},
        {"a matrix that begins inside a pattern", "base offset"},
    };
    float *out, *x, host[300];
    int *count, zero = 0;
    for (int i = 0; i < 300; i++) host[i] = 0.1f * (float)i;
    CUDA_CHECK(cudaMalloc(&count, sizeof zero));
    for (int backwards = 0; backwards < 2; backwards++) {
        emu_backwards(backwards);
        for (int m = 0; m < MISTAKES; m++) {
            size_t floats = m == 2 ? MISTAKE_FLOATS : 300;
            CUDA_CHECK(cudaMalloc(&x, floats * sizeof(float)));
            CUDA_CHECK(cudaMalloc(&out, floats * sizeof(float)));
            CUDA_CHECK(cudaMemcpy(x, host, floats * sizeof(float), cudaMemcpyHostToDevice));
            CUDA_CHECK(cudaMemcpy(count, &zero, sizeof zero, cudaMemcpyHostToDevice));
            emu_forget();
            mistake_run(m, false, out, x, count);
            check(emu_reports() == 0, "right without %s: %s", expected[m].name, emu_reports() ? emu_first_report() : "nothing to say");
            emu_forget();
            emu_silent(true);
            mistake_run(m, true, out, x, count);
            emu_silent(false);
            check(emu_said(expected[m].message), "%s: %s", expected[m].name, emu_first_report());
            CUDA_CHECK(cudaFree(x));
            CUDA_CHECK(cudaFree(out));
        }
    }
    emu_forget();
    emu_silent(true);
    CUDA_CHECK(cudaMalloc(&out, 300 * sizeof(float)));
    mistake_run(2, false, out, host, count);
    check(emu_said("the host's?"), "a pointer to the host's memory: %s", emu_first_report());
    emu_forget();
    CUDA_CHECK(cudaMalloc(&x, 300 * sizeof(float)));
    mistake_run(2, false, out, x, count);
    check(emu_said("nobody has written"), "device memory that nobody wrote: %s", emu_first_report());
    return check_end();
}
