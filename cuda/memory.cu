// memory.cu: see memory.h. Here: the GPU is opened, errors are named, bytes go up and come down.
//
// Three kinds of memory on the GPU. Results lie in blocks that arenas take (blocks.cu). Weights get a copy when an operation first meets
// them (weights.h). Everything else that an operation reads (ids, positions, masks, pictures) is sent along with it, into memory that the
// next operation may overwrite: commands of one stream run in order.
//
// Bytes go up, and come down, through two pinned buffers in turn: one is filled while the other is copied. What a listed step reads of the
// program's memory goes up in one copy before its first kernel, to a place that stays, so that its graph is the same at every step.
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "weights.h"

#ifdef __cplusplus
extern "C" {
#endif
#include "io/thread.h"
#ifdef __cplusplus
}
#endif

#define PIN ((size_t)8 << 20) // bytes of one pinned buffer

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

HOST void gpu_wait(cudaStream_t s) { gpu_done(cudaStreamSynchronize(s)); }

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
    gpu_wait(gpu.stream);
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
    if (!gpu.inputs) gpu.inputs = (char *)gpu_memory.obtain(PIN, "what a step reads");
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
    if (!p || gpu_holds(p)) return p;
    GpuWeight *w = weights_with(p, bytes);
    if (w && !w->copy) {
        weights_room(w);
        if (!commands_listed()) {
            send(w->copy, w->kept.begin, w->kept.size);
        } else { // a weight that only later steps meet: at once
            gpu_wait(gpu.stream); // the step before may still be at work, there
            CUDA_CHECK(cudaMemcpyAsync(w->copy, w->kept.begin, w->kept.size, cudaMemcpyHostToDevice, gpu.loading));
            gpu_wait(gpu.loading);
        }
    }
    if (w) return (const char *)w->copy + ((const char *)p - w->kept.begin);
    if (commands_listed() && gpu.used + bytes > PIN) step_launch(); // more than a step's buffer holds: the rest of it runs as it comes
    if (commands_listed()) return step_input(p, bytes);
    void *to = gpu_room(bytes);
    send(to, p, bytes);
    return to;
}

HOST void gpu_read(void *to, const void *from, size_t bytes) {
    if (commands_listed()) step_launch();
    if (!gpu_holds(from)) {
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
    need(gpu_holds(from), "cuda: a result is read that is not the GPU's");
    if (commands_listed()) step_launch();
    if (bytes > r->room) {
        gpu_wait(gpu.stream);
        if (r->bytes) CUDA_CHECK(cudaFreeHost(r->bytes));
        CUDA_CHECK(cudaMallocHost(&r->bytes, bytes));
        r->room = bytes;
    }
    gpu_done(cudaMemcpyAsync(r->bytes, from, bytes, cudaMemcpyDeviceToHost, gpu.stream));
    CUDA_CHECK(cudaEventRecord(r->there, gpu.stream));
    if (!gpu_way(WAY_AHEAD)) gpu_wait(gpu.stream);
    return gpu.readings_begun++;
}

HOST void gpu_read_end(void *to, unsigned long number, size_t bytes) {
    const Reading *r = &gpu.readings[number % 2];
    need(number < gpu.readings_begun && number + 2 >= gpu.readings_begun && bytes <= r->room, "cuda: a result that is not on its way");
    gpu_done(cudaEventSynchronize(r->there));
    memcpy(to, r->bytes, bytes);
}

HOST void gpu_write(void *to, const void *from, size_t bytes) {
    gpu.operations++;
    if (!gpu_holds(to)) {
        memcpy(to, from, bytes);
        return;
    }
    if (commands_listed()) step_launch();
    send(to, from, bytes);
}

HOST void gpu_copy(void *to, const void *from, size_t bytes) {
    if (bytes == 0) return;
    gpu.operations++;
    need(gpu_holds(to), "cuda: a copy to memory that is not the GPU's");
    from = gpu_ready(from, bytes);
    commands_copy(to, from, bytes, cudaMemcpyDeviceToDevice);
}
