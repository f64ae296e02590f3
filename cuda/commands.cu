// commands.cu: see commands.h.
//
// The commands of a step that repeats are noted in a list, which becomes a graph when somebody reads. The next step's list is mostly the
// same, byte for byte (arenas are released and taken alike, inputs lie where those of the step before lay), and then the
// graph is launched as it is; else the list is captured and the graph updated, or built anew for a step of another shape.
//
// RETINA_CUDA_TIMES=1 in the environment: every kernel is waited for, and at the end a table on stderr says where the time went.
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "memory.h"

// A command of a step; its arguments stand behind it, each as its size and its bytes.
typedef struct {
    const void *kernel; // NULL: a copy, or zeros
    const char *name;
    unsigned grid[3], block[3];
    size_t shared;
    int count; // of arguments
    void *to;
    const void *from; // NULL: zeros
    size_t bytes;
    enum cudaMemcpyKind kind;
} Command;

typedef struct {
    char *bytes;
    size_t size, room;
} List;

static struct {
    bool listing;
    int without;
    List now, last;      // commands of the step in progress, and of the graph
    cudaGraphExec_t step;
} commands = {false, 0, {NULL, 0, 0}, {NULL, 0, 0}, NULL};

static void list_add(const void *from, size_t size) {
    List *l = &commands.now;
    if (l->size + size > l->room) {
        l->room = 2 * (l->size + size);
        l->bytes = (char *)memory_grow(l->bytes, l->room, "commands of a step");
    }
    memcpy(l->bytes + l->size, from, size);
    l->size += size;
}

// ---- RETINA_CUDA_TIMES (on the emulated GPU: launches, without times)

typedef struct {
    const void *kernel;
    const char *name;
    unsigned grid[3];
    long launches;
    double ms;
} Timed;

static struct {
    bool asked, wanted;
    Timed *list; // by kernel and grid
    size_t count, room;
    cudaEvent_t before, after;
} times;

static int slowest_first(const void *a, const void *b) {
    const double x = ((const Timed *)a)->ms, y = ((const Timed *)b)->ms;
    return x > y ? -1 : x < y;
}

static void times_print(void) {
    double all = 0;
    for (size_t i = 0; i < times.count; i++) all += times.list[i].ms;
    qsort(times.list, times.count, sizeof *times.list, slowest_first);
    fprintf(stderr, "%12s %8s  kernel, its blocks; %.3f ms in all\n", "ms", "launches", all);
    for (size_t i = 0; i < times.count; i++)
        fprintf(stderr, "%12.3f %8ld  %s %u x %u x %u\n", times.list[i].ms, times.list[i].launches, times.list[i].name, times.list[i].grid[0], times.list[i].grid[1], times.list[i].grid[2]);
}

static bool times_wanted(void) {
    if (!times.asked && getenv("RETINA_CUDA_TIMES")) {
        times.wanted = true;
#ifndef RETINA_EMULATE
        CUDA_CHECK(cudaEventCreate(&times.before));
        CUDA_CHECK(cudaEventCreate(&times.after));
#endif
        atexit(times_print);
    }
    times.asked = true;
    return times.wanted;
}

static float times_since(void) { // milliseconds between the two events
    float ms = 0;
#ifndef RETINA_EMULATE
    CUDA_CHECK(cudaEventSynchronize(times.after));
    CUDA_CHECK(cudaEventElapsedTime(&ms, times.before, times.after));
#endif
    return ms;
}

static void times_add(const Command *c, float ms) {
    size_t i = 0;
    while (i < times.count && (times.list[i].kernel != c->kernel || times.list[i].name != c->name || memcmp(times.list[i].grid, c->grid, sizeof c->grid) != 0)) i++;
    if (i == times.count) {
        if (times.count == times.room) {
            times.room = times.room ? 2 * times.room : 256;
            times.list = (Timed *)memory_grow(times.list, times.room * sizeof *times.list, "times of kernels");
        }
        memset(&times.list[times.count], 0, sizeof *times.list);
        times.list[times.count].kernel = c->kernel, times.list[times.count].name = c->name;
        memcpy(times.list[times.count++].grid, c->grid, sizeof c->grid);
    }
    times.list[i].launches++;
    times.list[i].ms += (double)ms;
}

// ---- at once, or noted

static void issue(const Command *c, const void *const *arguments, const size_t *sizes, cudaStream_t stream) {
    if (!c->kernel) {
        if (times_wanted()) times_add(c, 0); // counted only
        gpu_done(c->from ? cudaMemcpyAsync(c->to, c->from, c->bytes, c->kind, stream) : cudaMemsetAsync(c->to, 0, c->bytes, stream));
        return;
    }
#ifdef RETINA_EMULATE
    (void)stream;
    if (times_wanted()) times_add(c, times_since());
    emu_launch(c->name, (void (*)(void *))c->kernel, arguments[0], sizes[0], DIM3(c->grid[0], c->grid[1], c->grid[2]), DIM3(c->block[0], c->block[1], c->block[2]), c->shared);
#else
    (void)sizes;
    cudaLaunchConfig_t config = {.gridDim = {c->grid[0], c->grid[1], c->grid[2]}, .blockDim = {c->block[0], c->block[1], c->block[2]}, .dynamicSmemBytes = c->shared, .stream = stream};
    const bool timed = times_wanted(); // then nothing is captured
    if (timed) CUDA_CHECK(cudaEventRecord(times.before, stream));
    cudaError_t e = cudaLaunchKernelExC(&config, c->kernel, (void **)arguments);
    if (e != cudaSuccess)
        die("cuda: %s, at or before %s of %s: %u x %u x %u blocks of %u x %u x %u threads, %zu bytes of shared memory; CUDA_LAUNCH_BLOCKING=1 names the very one", cudaGetErrorString(e),
            c->name, gpu_operation(), c->grid[0], c->grid[1], c->grid[2], c->block[0], c->block[1], c->block[2], c->shared);
    if (timed) {
        CUDA_CHECK(cudaEventRecord(times.after, stream));
        times_add(c, times_since());
    }
#endif
}

#define ARGUMENTS_MOST 32

static void list_issue(const List *l) {
    const void *arguments[ARGUMENTS_MOST];
    size_t sizes[ARGUMENTS_MOST];
    for (size_t at = 0; at < l->size;) {
        Command c;
        memcpy(&c, l->bytes + at, sizeof c);
        at += sizeof c;
        for (int i = 0; i < c.count; i++) {
            memcpy(&sizes[i], l->bytes + at, sizeof(size_t));
            arguments[i] = l->bytes + at + sizeof(size_t);
            at += sizeof(size_t) + sizes[i];
        }
        issue(&c, arguments, sizes, gpu_stream());
    }
}

HOST void gpu_launch(const char *name, const void *kernel, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, int count, const void *const *arguments, const size_t *sizes) {
    Command c;
    memset(&c, 0, sizeof c);
    c.kernel = kernel, c.name = name, c.shared = shared, c.count = count;
    c.grid[0] = grid.x, c.grid[1] = grid.y, c.grid[2] = grid.z, c.block[0] = block.x, c.block[1] = block.y, c.block[2] = block.z;
    if (!commands.listing) {
        issue(&c, arguments, sizes, stream);
        return;
    }
    need(count <= ARGUMENTS_MOST, "cuda: %s has %d arguments", name, count);
    list_add(&c, sizeof c);
    for (int i = 0; i < count; i++) {
        list_add(&sizes[i], sizeof(size_t));
        list_add(arguments[i], sizes[i]);
    }
}

HOST void commands_copy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    Command c;
    memset(&c, 0, sizeof c);
    c.to = to, c.from = from, c.bytes = bytes, c.kind = kind, c.name = from ? "a copy" : "zeros";
    if (commands.listing) list_add(&c, sizeof c);
    else issue(&c, NULL, NULL, gpu_stream());
}

HOST void gpu_zero(void *to, size_t bytes) { commands_copy(to, NULL, bytes, cudaMemcpyDeviceToDevice); }

// ---- a step

HOST void commands_list(void) {
    if (times_wanted()) return;
    commands.now.size = 0;
    commands.listing = true;
}

HOST bool commands_listed(void) { return commands.listing; }

HOST void commands_launch(void *to, const void *from, size_t bytes) {
    commands.listing = false;
    if (bytes) commands_copy(to, from, bytes, cudaMemcpyHostToDevice);
    if (!commands.step || commands.now.size != commands.last.size || memcmp(commands.now.bytes, commands.last.bytes, commands.now.size) != 0) {
        cudaGraph_t graph;
        cudaGraphExecUpdateResultInfo info;
        CUDA_CHECK(cudaStreamBeginCapture(gpu_stream(), cudaStreamCaptureModeRelaxed));
        list_issue(&commands.now);
        CUDA_CHECK(cudaStreamEndCapture(gpu_stream(), &graph));
        bool updated = commands.step && cudaGraphExecUpdate(commands.step, graph, &info) == cudaSuccess;
        if (!updated) {
            (void)cudaGetLastError();
            if (commands.step) CUDA_CHECK(cudaGraphExecDestroy(commands.step));
            CUDA_CHECK(cudaGraphInstantiate(&commands.step, graph, 0));
        }
        CUDA_CHECK(cudaGraphDestroy(graph));
        List other = commands.last;
        commands.last = commands.now, commands.now = other;
    }
    gpu_done(cudaGraphLaunch(commands.step, gpu_stream()));
}

HOST bool gpu_way(Way way) { return !(commands.without & way); }

HOST void gpu_without(int ways) {
    commands.without = ways;
    commands.last.size = 0; // the next step's graph is made anew
}
