// capture.c: commands of a stream that captures are kept, and run when the graph is launched. Nothing runs while it captures, so
// whoever reads too early reads what nobody wrote. With emu_late, commands wait for somebody who waits for them: a buffer that is filled
// anew before it was copied, or memory that is given to others too early, changes results.
#include <stdio.h>
#include <stdlib.h>

#include "io/error.h"
#include "parts.h"

// With EMU_KERNELS=FILE in the environment a program adds at its end a line for each launch in the sources: the kernel, and 1 if it was
// launched (test/kernels.sh).
extern EmuSite __start_emu_sites[] __attribute__((weak)), __stop_emu_sites[] __attribute__((weak));

static void sites_write(void) {
    FILE *f = fopen(getenv("EMU_KERNELS"), "a");
    for (const EmuSite *s = __start_emu_sites; f && s < __stop_emu_sites; s++) fprintf(f, "%s %zu\n", s->kernel, s->launched);
    if (f) fclose(f);
}

static void __attribute__((constructor)) sites_at_end(void) {
    if (getenv("EMU_KERNELS")) atexit(sites_write);
}

typedef struct Command {
    struct Command *next;
    enum { KERNEL, COPY, FILL, TAKE, RELEASE } does;
    const char *name;
    void (*run)(void *);
    void *arguments;
    size_t size, shared;
    dim3 grid, block;
    void *to;
    const void *from;
    enum cudaMemcpyKind kind;
    int value;
} Command;

struct EmuGraph {
    Command *first, **end;
    size_t count;
};

struct EmuEvent {
    unsigned long behind; // so many commands
};

static struct EmuGraph *capturing;
static EmuGraphCounts counted;
static struct {
    bool late, running;
    struct EmuGraph queue;
    unsigned long put, done;
} waiting;

static void keep(struct EmuGraph *g, Command c) {
    Command *k = malloc(sizeof *k);
    need(k, "cuda_emu: no memory");
    *k = c;
    k->next = NULL;
    if (c.does == KERNEL) {
        k->arguments = malloc(c.size);
        need(k->arguments, "cuda_emu: no memory");
        memcpy(k->arguments, c.arguments, c.size);
    }
    if (!g->end) g->end = &g->first;
    *g->end = k;
    g->end = &k->next;
    g->count++;
}

static void command_free(Command *c) {
    if (c->does == KERNEL) free(c->arguments);
    free(c);
}

// Whether c is kept for later, in the graph that is captured or behind what waits.
static bool put_off(Command c) {
    const bool order = c.does == TAKE || c.does == RELEASE; // no command of a stream
    if (capturing && !order) keep(capturing, c);
    else if (waiting.late && !waiting.running) keep(&waiting.queue, c), waiting.put++;
    else return false;
    return true;
}

static void run(const Command *c) {
    switch (c->does) {
    case KERNEL: emu_launch(c->name, c->run, c->arguments, c->size, c->grid, c->block, c->shared); break;
    case COPY: cudaMemcpy(c->to, c->from, c->size, c->kind); break;
    case FILL: cudaMemset(c->to, c->value, c->size); break;
    case TAKE: device_taken(c->to, c->size); break;
    case RELEASE: device_released(c->to, c->size); break;
    }
}

static void run_until(unsigned long end) {
    if (waiting.running) return;
    waiting.running = true;
    while (waiting.done < end) {
        Command *c = waiting.queue.first;
        waiting.queue.first = c->next;
        if (!c->next) waiting.queue.end = &waiting.queue.first;
        run(c);
        command_free(c);
        waiting.done++;
    }
    waiting.running = false;
}

void emu_late(bool late) {
    emu_wait();
    waiting.late = late;
}

static int failing, driver = -1;

void emu_fail(int error) { failing = error; }
void emu_without(int version) { driver = version; }
int emu_driver(void) { return driver < 0 ? 13000 : driver; }
cudaError_t cudaGetDeviceCount(int *n) { return *n = driver < 0, driver < 0 ? cudaSuccess : driver < 13000 ? cudaErrorInsufficientDriver : cudaErrorNoDevice; }

static cudaError_t wait_until(unsigned long end) {
    const int error = failing;
    run_until(end);
    failing = cudaSuccess;
    return error;
}

cudaError_t emu_wait(void) { return wait_until(waiting.put); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) {
    (void)flags;
    *e = calloc(1, sizeof **e);
    return *e ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) { return (void)s, e->behind = waiting.put, cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t e) { return wait_until(e->behind); }
cudaError_t cudaEventDestroy(cudaEvent_t e) { return free(e), cudaSuccess; }

bool emu_put_off(const char *name, void (*function)(void *), const void *arguments, size_t size, dim3 grid, dim3 block, size_t shared) {
    return put_off((Command){.does = KERNEL, .name = name, .run = function, .arguments = (void *)arguments, .size = size, .grid = grid, .block = block, .shared = shared});
}

bool emu_put_off_order(void *p, size_t bytes, bool taken) { return put_off((Command){.does = taken ? TAKE : RELEASE, .to = p, .size = bytes}); }

cudaError_t emu_memcpy_async(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    return put_off((Command){.does = COPY, .to = to, .from = from, .size = bytes, .kind = kind}) ? cudaSuccess : cudaMemcpy(to, from, bytes, kind);
}

cudaError_t emu_memset_async(void *to, int value, size_t bytes) {
    return put_off((Command){.does = FILL, .to = to, .value = value, .size = bytes}) ? cudaSuccess : cudaMemset(to, value, bytes);
}

static struct EmuGraph *graph_new(void) {
    struct EmuGraph *g = calloc(1, sizeof *g);
    need(g, "cuda_emu: no memory");
    g->end = &g->first;
    return g;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, int mode) {
    (void)s, (void)mode;
    need(!capturing, "cuda_emu: a stream captures already");
    capturing = graph_new();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
    (void)s;
    need(capturing, "cuda_emu: no stream captures");
    *graph = capturing;
    capturing = NULL;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t g) {
    for (Command *c = g->first, *next; c; c = next) {
        next = c->next;
        command_free(c);
    }
    free(g);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) { return cudaGraphDestroy(e); }

static void copy_into(struct EmuGraph *to, const struct EmuGraph *from) {
    for (const Command *c = from->first; c; c = c->next) keep(to, *c);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
    (void)flags;
    *exec = graph_new();
    copy_into(*exec, graph);
    counted.built++;
    return cudaSuccess;
}

// As CUDA: the same kinds of nodes in the same order; kernels' arguments, sizes and addresses may differ.
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info) {
    (void)info;
    const Command *a = exec->first, *b = graph->first;
    for (; a && b && a->name == b->name; a = a->next) b = b->next;
    if (a || b) return cudaErrorGraphExecUpdateFailure;
    struct EmuGraph old = *exec;
    exec->first = NULL, exec->end = &exec->first, exec->count = 0;
    copy_into(exec, graph);
    struct EmuGraph *rest = graph_new();
    rest->first = old.first;
    cudaGraphDestroy(rest);
    counted.updated++;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
    (void)s;
    need(!capturing, "cuda_emu: a graph is launched while a stream captures");
    for (const Command *c = exec->first; c; c = c->next)
        if (!put_off(*c)) run(c);
    counted.launched++;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
    (void)device;
    *p = (struct cudaDeviceProp){.name = "an emulated GPU", .totalGlobalMem = DEVICE_MAX, .major = 9, .minor = 0, .multiProcessorCount = 4};
    return cudaSuccess;
}

EmuGraphCounts emu_graph_counts(void) { return counted; }
