// blocks.cu: see memory.h. Here: memory that arenas take of the GPU (io/memory.h), and whether a forward has room in it.
//
// A block that an arena gives back is kept for the next one of its size, or down to half of it; all that nobody has go back to the system
// when it has no more.
#include "memory.h"

#include <stdio.h>

#include "commands.h"
#include "weights.h"

typedef struct {
    char *begin;
    size_t size;
    bool taken;
} Block;

static struct {
    Block *blocks;
    size_t block_count, block_room;
    size_t planned; // the largest forward that was found to fit
    struct {
        size_t bytes, taken, weights; // of its results; of blocks and copies of weights when it began
        long inputs;                  // 0: none is in progress
    } forward;
} memory;

static void blocks_return(void) { // those that nobody has, to the system
    size_t n = 0;
    gpu_wait(gpu_stream());
    for (size_t i = 0; i < memory.block_count; i++) {
        if (memory.blocks[i].taken) memory.blocks[n++] = memory.blocks[i];
        else CUDA_CHECK(cudaFree(memory.blocks[i].begin));
    }
    memory.block_count = n;
}

static size_t blocks_taken(void) {
    size_t bytes = 0;
    for (size_t i = 0; i < memory.block_count; i++) bytes += memory.blocks[i].taken ? memory.blocks[i].size : 0;
    return bytes;
}

// What helps when `left` bytes are too few: a --batch for which they and those that the forward in progress has taken suffice, when all weights
// that are announced have come.
static const char *what_would_fit(size_t left) {
    static char text[64];
    const size_t had = blocks_taken() + left, other = memory.forward.taken + weights_bytes(true) - memory.forward.weights + weights_bytes(false);
    if (memory.forward.inputs == 0) return "a smaller --batch";
    const size_t each = memory.forward.bytes / (size_t)memory.forward.inputs / 4 * 5 + 1; // a quarter more: what operations send along, or need beside their results
    size_t fit = had > other ? (had - other) / each : 0;
    if (fit >= (size_t)memory.forward.inputs) fit = (size_t)memory.forward.inputs - 1; // these did not
    if (fit == 0) return "not even --batch 1 would fit; use --device cpu";
    snprintf(text, sizeof text, "--batch %zu would fit", fit);
    return text;
}

static void *block_new(size_t bytes, const char *what) {
    void *p = NULL;
    cudaError_t e = cudaMalloc(&p, bytes);
    if (e == cudaErrorMemoryAllocation && !commands_listed()) {
        (void)cudaGetLastError();
        blocks_return();
        e = cudaMalloc(&p, bytes);
    }
    if (e == cudaErrorMemoryAllocation) {
        size_t left = 0, all = 0;
        (void)cudaGetLastError();
        CUDA_CHECK(cudaMemGetInfo(&left, &all));
        die("cuda: %s: %zu MiB more are needed at or after %s, the GPU has %zu MiB free of %zu; %s", what, (bytes + (1 << 20) - 1) >> 20, gpu_operation(), left >> 20, all >> 20,
            what_would_fit(left));
    }
    CUDA_CHECK(e);
    return p;
}

static void *obtain(size_t bytes, const char *what) {
    Block *best = NULL;
    for (size_t i = 0; i < memory.block_count; i++) {
        Block *b = &memory.blocks[i];
        if (!b->taken && b->size >= bytes && b->size <= 2 * bytes && (!best || b->size < best->size)) best = b;
    }
    if (!best) {
        void *p = block_new(bytes, what); // may move the list
        if (memory.block_count == memory.block_room) {
            memory.block_room = memory.block_room ? 2 * memory.block_room : 64;
            memory.blocks = (Block *)memory_grow(memory.blocks, memory.block_room * sizeof *memory.blocks, "blocks of the GPU");
        }
        best = &memory.blocks[memory.block_count++];
        best->begin = (char *)p;
        best->size = bytes;
    }
    best->taken = true;
    return best->begin;
}

static void give(void *p) {
    for (size_t i = 0; i < memory.block_count; i++)
        if (memory.blocks[i].begin == p) memory.blocks[i].taken = false;
}

HOST bool gpu_holds(const void *p) {
    const char *c = (const char *)p;
    for (size_t i = 0; i < memory.block_count; i++)
        if (c >= memory.blocks[i].begin && c < memory.blocks[i].begin + memory.blocks[i].size) return true;
    return false;
}

static void shown(void *p, size_t count) { device_taken(p, count); }

static void hidden(void *p, size_t count) {
    if (!commands_listed()) device_released(p, count); // a listed step still has to use it
    weights_forget((const char *)p, count);
}

const MemorySource gpu_memory = {obtain, give, shown, hidden};

// ---- a forward

static size_t bytes_left(size_t *all) { // blocks that nobody has count as free
    size_t left = 0;
    CUDA_CHECK(cudaMemGetInfo(&left, all));
    for (size_t i = 0; i < memory.block_count; i++)
        if (!memory.blocks[i].taken) left += memory.blocks[i].size;
    return left;
}

HOST bool gpu_fits(size_t bytes) {
    size_t all;
    return bytes <= bytes_left(&all);
}

// Whether a forward of so many bytes has room beside the weights. No inputs: the forward has ended.
HOST void gpu_plan(size_t bytes, long inputs, const char *where) {
    memory.forward.bytes = bytes, memory.forward.inputs = inputs, memory.forward.taken = blocks_taken(), memory.forward.weights = weights_bytes(true);
    if (bytes <= memory.planned) return;
    size_t all = 0;
    const size_t left = bytes_left(&all);
    const size_t again = left + memory.planned < all ? left + memory.planned : all; // what a forward before had may be there, and is used again
    need(bytes <= again, "cuda: %s: %ld inputs need %zu MiB of the GPU's memory for themselves and their results, %zu MiB are free of %zu; %s", where, inputs,
         (bytes + (1 << 20) - 1) >> 20, again >> 20, all >> 20, what_would_fit(left));
    memory.planned = bytes;
}
