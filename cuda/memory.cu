// memory.cu: see memory.h.
//
// Three kinds of memory on the GPU. Results lie in blocks that arenas take (io/memory.h) and that are kept for the next arena when
// one is freed. Weights get a copy when an operation first meets them, in their stored type, and lose it with the arena that they
// were announced with. Everything else that an operation reads (ids, positions, masks, pictures) is sent along with it, into
// memory that the next operation may overwrite: commands of one stream run in order.
//
// Bytes go up, and come down, through two pinned buffers in turn: one is filled while the other is copied. What a listed step reads of the
// program's memory goes up in one copy before its first kernel, to a place that stays, so that its graph is the same at every step.
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands.h"

#ifdef __cplusplus
extern "C" {
#endif
#include "io/thread.h"
#ifdef __cplusplus
}
#endif

#define PIN ((size_t)8 << 20) // bytes of one pinned buffer

typedef struct {
    char *begin;
    size_t size;
    bool taken;
} Block;

// Weights of one owner share memory that goes when the last of them goes.
typedef struct Slab {
    Arena *owner, *far;
    size_t count;
    struct Slab *next, *next_open;
} Slab;

typedef struct {
    const char *begin; // in the program's memory
    size_t size;
    void *copy;        // NULL: not met yet
    const char *token; // a piece of the owner's arena on the GPU: when it is given back, so is this
    Slab *slab;
} Kept;

// A result on its way to the program.
typedef struct {
    void *bytes; // pinned
    size_t room;
    cudaEvent_t there;
} Reading;

static struct {
    bool open;
    char why[512], name[400];
    cudaStream_t stream, loading; // loading: weights that a step meets late
    Block *blocks;
    size_t block_count, block_room;
    Kept *kept; // by address
    size_t kept_count, kept_room;
    Slab *slabs;
    Arena *transit, *across; // scratch of one operation, and of several
    unsigned long operations;
    char *pinned[2];
    cudaEvent_t free[2]; // the copies out of this buffer are done
    int half;
    size_t used;
    char *inputs; // of a listed step, on the GPU: as large as a pinned buffer
    Reading readings[2];
    unsigned long readings_begun;
    const char *what; // the operation in progress, for messages
    Tensor shape;
    size_t planned; // the largest forward that was found to fit
    struct {
        size_t bytes, taken, weights; // of its results; of blocks and copies of weights when it began
        long inputs;                  // 0: none is in progress
    } forward;
    bool warm; // the first step that repeats has run
} gpu;

// ---- opening, errors

// The runtime calls a driver that is not there too old.
static void why_the_driver(void) {
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        snprintf(gpu.why, sizeof gpu.why, "there is no NVIDIA driver");
        return;
    }
    (void)cudaRuntimeGetVersion(&runtime);
    snprintf(gpu.why, sizeof gpu.why, "the driver is for CUDA %d.%d, and this program was built with %d.%d", driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

bool gpu_open(const char **why) {
    if (!gpu.open) {
        int count = 0;
        cudaError_t e = cudaGetDeviceCount(&count);
        if (e == cudaErrorInsufficientDriver) why_the_driver();
        else if (e != cudaSuccess) snprintf(gpu.why, sizeof gpu.why, "%s", cudaGetErrorString(e));
        else if (count == 0) snprintf(gpu.why, sizeof gpu.why, "there is none");
        (void)cudaGetLastError(); // a driver that is missing is no error of a later call
        if (e == cudaSuccess && count > 0) {
            struct cudaDeviceProp p;
            CUDA_CHECK(cudaSetDevice(0));
            CUDA_CHECK(cudaGetDeviceProperties(&p, 0));
            need(p.major >= 8, "cuda: %s has compute capability %d.%d; 8.0 and later are supported; use --device cpu", p.name, p.major, p.minor);
            snprintf(gpu.name, sizeof gpu.name, "%s, %d multiprocessors, %zu GiB", p.name, p.multiProcessorCount, (size_t)p.totalGlobalMem >> 30);
            CUDA_CHECK(cudaStreamCreateWithFlags(&gpu.stream, cudaStreamNonBlocking));
            CUDA_CHECK(cudaStreamCreateWithFlags(&gpu.loading, cudaStreamNonBlocking));
            for (int i = 0; i < 2; i++) {
                void *p_ = NULL;
                CUDA_CHECK(cudaMallocHost(&p_, PIN));
                gpu.pinned[i] = (char *)p_;
                CUDA_CHECK(cudaEventCreateWithFlags(&gpu.free[i], cudaEventDisableTiming));
                CUDA_CHECK(cudaEventCreateWithFlags(&gpu.readings[i].there, cudaEventDisableTiming));
            }
            gpu.transit = arena_new("what is sent along");
            gpu.across = arena_new("what several operations share");
            gpu.open = true;
        }
    }
    *why = gpu.why;
    return gpu.open;
}

const char *gpu_name(void) { return gpu.name; }
cudaStream_t gpu_stream(void) { return gpu.stream; }

HOST const char *gpu_operation(void) {
    static char name[200];
    char t[128];
    if (!gpu.what) return "the first operation";
    snprintf(name, sizeof name, "%s %s", gpu.what, tensor_shape_text(gpu.shape, t));
    return name;
}

// A kernel that fails does so after its launch has returned: the operation named is the last one that was handed over.
HOST void gpu_done(cudaError_t e) {
    if (e != cudaSuccess) die("cuda: %s, at or before %s; CUDA_LAUNCH_BLOCKING=1 names the very one", cudaGetErrorString(e), gpu_operation());
}

static void wait_for(cudaStream_t s) { gpu_done(cudaStreamSynchronize(s)); }

// ---- blocks

static void blocks_return(void) { // those that nobody has, to the system
    size_t n = 0;
    wait_for(gpu.stream);
    for (size_t i = 0; i < gpu.block_count; i++) {
        if (gpu.blocks[i].taken) gpu.blocks[n++] = gpu.blocks[i];
        else CUDA_CHECK(cudaFree(gpu.blocks[i].begin));
    }
    gpu.block_count = n;
}

static size_t blocks_taken(void) {
    size_t bytes = 0;
    for (size_t i = 0; i < gpu.block_count; i++) bytes += gpu.blocks[i].taken ? gpu.blocks[i].size : 0;
    return bytes;
}

static size_t weights_bytes(bool copied) { // of those that are on the GPU, or will be
    size_t bytes = 0;
    for (size_t i = 0; i < gpu.kept_count; i++) bytes += (gpu.kept[i].copy != NULL) == copied ? gpu.kept[i].size : 0;
    return bytes;
}

// What helps when `left` bytes are too few: a --batch for which they and those that the forward in progress has taken suffice, when all weights
// that are announced have come.
static const char *what_would_fit(size_t left) {
    static char text[64];
    const size_t had = blocks_taken() + left, other = gpu.forward.taken + weights_bytes(true) - gpu.forward.weights + weights_bytes(false);
    if (gpu.forward.inputs == 0) return "a smaller --batch";
    const size_t each = gpu.forward.bytes / (size_t)gpu.forward.inputs / 4 * 5 + 1; // a quarter more: what operations send along, or need beside their results
    size_t fit = had > other ? (had - other) / each : 0;
    if (fit >= (size_t)gpu.forward.inputs) fit = (size_t)gpu.forward.inputs - 1; // these did not
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
    for (size_t i = 0; i < gpu.block_count; i++) {
        Block *b = &gpu.blocks[i];
        if (!b->taken && b->size >= bytes && b->size <= 2 * bytes && (!best || b->size < best->size)) best = b;
    }
    if (!best) {
        void *p = block_new(bytes, what); // may move the list
        if (gpu.block_count == gpu.block_room) {
            gpu.block_room = gpu.block_room ? 2 * gpu.block_room : 64;
            gpu.blocks = (Block *)memory_grow(gpu.blocks, gpu.block_room * sizeof *gpu.blocks, "blocks of the GPU");
        }
        best = &gpu.blocks[gpu.block_count++];
        best->begin = (char *)p;
        best->size = bytes;
    }
    best->taken = true;
    return best->begin;
}

static void give(void *p) {
    for (size_t i = 0; i < gpu.block_count; i++)
        if (gpu.blocks[i].begin == p) gpu.blocks[i].taken = false;
}

static bool on_gpu(const void *p) {
    const char *c = (const char *)p;
    for (size_t i = 0; i < gpu.block_count; i++)
        if (c >= gpu.blocks[i].begin && c < gpu.blocks[i].begin + gpu.blocks[i].size) return true;
    return false;
}

// ---- weights

// Announcements whose token lies in this piece end, and with the last of an owner the copies.
static void forget(const char *from, size_t count) {
    size_t n = 0;
    Slab *ended = NULL;
    for (size_t i = 0; i < gpu.kept_count; i++) {
        Kept k = gpu.kept[i];
        if (k.token < from || k.token >= from + count) {
            gpu.kept[n++] = k;
        } else if (--k.slab->count == 0) {
            k.slab->next = ended;
            ended = k.slab;
        }
    }
    gpu.kept_count = n;
    while (ended) { // its own memory is hidden now: nothing of it is announced any more
        Slab *next = ended->next;
        for (Slab **at = &gpu.slabs; *at; at = &(*at)->next_open)
            if (*at == ended) {
                *at = ended->next_open;
                break;
            }
        arena_free(ended->far);
        free(ended);
        ended = next;
    }
}

static void shown(void *p, size_t count) { device_taken(p, count); }

static void hidden(void *p, size_t count) {
    if (!commands_listed()) device_released(p, count); // a listed step still has to use it
    if (gpu.kept_count) forget((const char *)p, count);
}

const MemorySource gpu_memory = {obtain, give, shown, hidden};

// The first announcement that begins behind p.
static size_t kept_after(const char *p) {
    size_t low = 0, high = gpu.kept_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (gpu.kept[middle].begin <= p) low = middle + 1;
        else high = middle;
    }
    return low;
}

static Kept *kept_with(const char *p, size_t bytes) {
    size_t at = kept_after(p);
    if (at == 0) return NULL;
    Kept *k = &gpu.kept[at - 1];
    return p + bytes <= k->begin + k->size ? k : NULL;
}

static Slab *slab_of(Arena *owner) {
    for (Slab *s = gpu.slabs; s; s = s->next_open)
        if (s->owner == owner) return s;
    Slab *s = (Slab *)memory_take(sizeof *s, "weights on the GPU");
    s->owner = owner;
    s->far = arena_new("weights on the GPU");
    s->count = 0;
    s->next = NULL;
    s->next_open = gpu.slabs;
    gpu.slabs = s;
    return s;
}

HOST void gpu_keep(Arena *a, const void *bytes, size_t size) {
    const char *p = (const char *)bytes;
    if (size == 0 || kept_with(p, size)) return; // tied weights
    if (gpu.kept_count == gpu.kept_room) {
        gpu.kept_room = gpu.kept_room ? 2 * gpu.kept_room : 512;
        gpu.kept = (Kept *)memory_grow(gpu.kept, gpu.kept_room * sizeof *gpu.kept, "weights on the GPU");
    }
    size_t at = kept_after(p);
    memmove(gpu.kept + at + 1, gpu.kept + at, (gpu.kept_count - at) * sizeof *gpu.kept);
    gpu.kept_count++;
    Kept *k = &gpu.kept[at];
    k->begin = p;
    k->size = size;
    k->copy = NULL;
    k->token = (const char *)arena_take_from(a, &gpu_memory, 1);
    k->slab = slab_of(a);
    k->slab->count++;
}

// ---- up and down

static void move_job(void *arg, size_t begin, size_t end) {
    char *const *m = (char *const *)arg;
    memcpy(m[0] + begin, m[1] + begin, end - begin);
}

// One core copies a fifth of what the GPU takes.
static void moved(void *to, const void *from, size_t bytes) {
    char *m[2] = {(char *)to, (char *)from};
    if (bytes < (1 << 20)) memcpy(to, from, bytes);
    else parallel_for(bytes, 256 << 10, move_job, m);
}

// What follows goes through the other buffer, when what went through it before is on the GPU.
static void other_half(void) {
    CUDA_CHECK(cudaEventRecord(gpu.free[gpu.half], gpu.stream));
    gpu.half = !gpu.half;
    gpu_done(cudaEventSynchronize(gpu.free[gpu.half]));
    gpu.used = 0;
}

// Bytes through the pinned buffers.
static void send(void *to, const void *from, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        if (gpu.used == PIN) other_half();
        size_t n = bytes - at < PIN - gpu.used ? bytes - at : PIN - gpu.used;
        char *pinned = gpu.pinned[gpu.half] + gpu.used;
        moved(pinned, (const char *)from + at, n);
        commands_copy((char *)to + at, pinned, n, cudaMemcpyHostToDevice);
        gpu.used += (n + 255) / 256 * 256;
        if (gpu.used > PIN) gpu.used = PIN;
        at += n;
    }
}

// The buffers belong to nobody any more.
static void buffers_empty(void) {
    wait_for(gpu.stream);
    gpu.half = 0;
    gpu.used = 0;
}

static const void *step_input(const void *p, size_t bytes) {
    char *to = gpu.inputs + gpu.used;
    memcpy(gpu.pinned[gpu.half] + gpu.used, p, bytes);
    bytes = (bytes + 63) / 64 * 64;
    device_taken(to, bytes);
    gpu.used += bytes;
    return to;
}

static void step_launch(void) {
    commands_launch(gpu.inputs, gpu.pinned[gpu.half], gpu.used);
    device_released(gpu.inputs, gpu.used);
}

HOST void gpu_repeats(void) {
    const Mark nothing = {NULL, 0, NULL, 0};
    if (commands_listed()) step_launch();
    if (!gpu.warm) { // the first step meets weights and makes room; it runs as it is
        gpu.warm = true;
        return;
    }
    if (!gpu.inputs) gpu.inputs = (char *)obtain(PIN, "what a step reads");
    other_half();
    arena_release(gpu.transit, nothing); // what comes runs behind the step before: it takes the same places
    arena_release(gpu.across, nothing);
    commands_list();
}

HOST void gpu_begin(const char *what, Tensor shape) {
    Mark nothing = {NULL, 0, NULL, 0};
    gpu.what = what;
    gpu.shape = shape;
    gpu.operations++;
    if (!commands_listed()) arena_release(gpu.transit, nothing);
}

HOST unsigned long gpu_operations(void) { return gpu.operations; }

HOST void *gpu_room(size_t bytes) { return arena_take_from(gpu.transit, &gpu_memory, bytes); }

HOST void *gpu_room_kept(size_t bytes) {
    Mark nothing = {NULL, 0, NULL, 0};
    if (!commands_listed()) arena_release(gpu.across, nothing);
    return arena_take_from(gpu.across, &gpu_memory, bytes);
}

HOST const void *gpu_ready(const void *p, size_t bytes) {
    if (!p || on_gpu(p)) return p;
    Kept *k = kept_with((const char *)p, bytes);
    if (k && !k->copy) {
        k->copy = arena_take_from(k->slab->far, &gpu_memory, k->size); // may not move k: only arenas are touched
        if (!commands_listed()) {
            send(k->copy, k->begin, k->size);
        } else { // a weight that only later steps meet: at once
            wait_for(gpu.stream); // the step before may still be at work, there
            CUDA_CHECK(cudaMemcpyAsync(k->copy, k->begin, k->size, cudaMemcpyHostToDevice, gpu.loading));
            wait_for(gpu.loading);
        }
    }
    if (k) return (const char *)k->copy + ((const char *)p - k->begin);
    if (commands_listed() && gpu.used + bytes > PIN) step_launch(); // more than a step's buffer holds: the rest of it runs as it comes
    if (commands_listed()) return step_input(p, bytes);
    void *to = gpu_room(bytes);
    send(to, p, bytes);
    return to;
}

HOST void gpu_read(void *to, const void *from, size_t bytes) {
    if (commands_listed()) step_launch();
    if (!on_gpu(from)) {
        memcpy(to, from, bytes);
        return;
    }
    size_t before = 0, in_before = 0; // the piece that is on its way while the one before it is moved out
    for (size_t at = 0, half = 0; at < bytes; half ^= 1) {
        size_t n = bytes - at < PIN ? bytes - at : PIN;
        gpu_done(cudaMemcpyAsync(gpu.pinned[half], (const char *)from + at, n, cudaMemcpyDeviceToHost, gpu.stream)); // behind what comes up from there
        CUDA_CHECK(cudaEventRecord(gpu.free[half], gpu.stream));
        if (at > 0) {
            gpu_done(cudaEventSynchronize(gpu.free[half ^ 1]));
            moved((char *)to + before, gpu.pinned[half ^ 1], in_before);
        }
        before = at, in_before = n, at += n;
        if (at == bytes) {
            gpu_done(cudaEventSynchronize(gpu.free[half]));
            moved((char *)to + before, gpu.pinned[half], in_before);
        }
    }
    buffers_empty();
}

HOST unsigned long gpu_read_begin(const void *from, size_t bytes) {
    Reading *r = &gpu.readings[gpu.readings_begun % 2];
    need(on_gpu(from), "cuda: a result is read that is not the GPU's");
    if (commands_listed()) step_launch();
    if (bytes > r->room) {
        wait_for(gpu.stream);
        if (r->bytes) CUDA_CHECK(cudaFreeHost(r->bytes));
        CUDA_CHECK(cudaMallocHost(&r->bytes, bytes));
        r->room = bytes;
    }
    gpu_done(cudaMemcpyAsync(r->bytes, from, bytes, cudaMemcpyDeviceToHost, gpu.stream));
    CUDA_CHECK(cudaEventRecord(r->there, gpu.stream));
    if (!gpu_way(WAY_AHEAD)) wait_for(gpu.stream);
    return gpu.readings_begun++;
}

HOST void gpu_read_end(void *to, unsigned long number, size_t bytes) {
    const Reading *r = &gpu.readings[number % 2];
    need(number < gpu.readings_begun && number + 2 >= gpu.readings_begun && bytes <= r->room, "cuda: a result that is not on its way");
    gpu_done(cudaEventSynchronize(r->there));
    memcpy(to, r->bytes, bytes);
}

HOST bool gpu_holds(const void *p) { return on_gpu(p); }

HOST void gpu_write(void *to, const void *from, size_t bytes) {
    gpu.operations++;
    if (!on_gpu(to)) {
        memcpy(to, from, bytes);
        return;
    }
    if (commands_listed()) step_launch();
    send(to, from, bytes);
}

HOST void gpu_copy(void *to, const void *from, size_t bytes) {
    if (bytes == 0) return;
    gpu.operations++;
    need(on_gpu(to), "cuda: a copy to memory that is not the GPU's");
    from = gpu_ready(from, bytes);
    commands_copy(to, from, bytes, cudaMemcpyDeviceToDevice);
}

static size_t bytes_left(size_t *all) { // blocks that nobody has count as free
    size_t left = 0;
    CUDA_CHECK(cudaMemGetInfo(&left, all));
    for (size_t i = 0; i < gpu.block_count; i++)
        if (!gpu.blocks[i].taken) left += gpu.blocks[i].size;
    return left;
}

HOST bool gpu_fits(size_t bytes) {
    size_t all;
    return bytes <= bytes_left(&all);
}

// Whether a forward of so many bytes has room beside the weights. No inputs: the forward has ended.
HOST void gpu_plan(size_t bytes, long inputs, const char *where) {
    gpu.forward.bytes = bytes, gpu.forward.inputs = inputs, gpu.forward.taken = blocks_taken(), gpu.forward.weights = weights_bytes(true);
    if (bytes <= gpu.planned) return;
    size_t all = 0;
    const size_t left = bytes_left(&all);
    const size_t again = left + gpu.planned < all ? left + gpu.planned : all; // what a forward before had may be there, and is used again
    need(bytes <= again, "cuda: %s: %ld inputs need %zu MiB of the GPU's memory for themselves and their results, %zu MiB are free of %zu; %s", where, inputs,
         (bytes + (1 << 20) - 1) >> 20, again >> 20, all >> 20, what_would_fit(left));
    gpu.planned = bytes;
}
