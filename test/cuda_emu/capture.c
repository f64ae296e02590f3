// capture.c: commands of a stream that captures are kept, and run when the graph is launched. Nothing runs while it captures, so
// whoever reads too early reads what nobody wrote.
#include <stdlib.h>

#include "io/error.h"
#include "parts.h"

typedef struct Command {
    struct Command *next;
    const char *name; // NULL: a copy, or with from NULL, bytes of one value
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

static struct EmuGraph *capturing;
static EmuGraphCounts counted;

static void keep(Command c) {
    Command *k = malloc(sizeof *k);
    need(k, "cuda_emu: no memory");
    *k = c;
    k->next = NULL;
    *capturing->end = k;
    capturing->end = &k->next;
    capturing->count++;
}

bool emu_captured(const char *name, void (*run)(void *), const void *arguments, size_t size, dim3 grid, dim3 block, size_t shared) {
    if (!capturing) return false;
    void *copy = malloc(size);
    need(copy, "cuda_emu: no memory");
    memcpy(copy, arguments, size);
    keep((Command){.name = name, .run = run, .arguments = copy, .size = size, .grid = grid, .block = block, .shared = shared});
    return true;
}

cudaError_t emu_memcpy_async(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    if (!capturing) return cudaMemcpy(to, from, bytes, kind);
    keep((Command){.to = to, .from = from, .size = bytes, .kind = kind});
    return cudaSuccess;
}

cudaError_t emu_memset_async(void *to, int value, size_t bytes) {
    if (!capturing) return cudaMemset(to, value, bytes);
    keep((Command){.to = to, .value = value, .size = bytes});
    return cudaSuccess;
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
        free(c->arguments);
        free(c);
    }
    free(g);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) { return cudaGraphDestroy(e); }

static void copy_into(struct EmuGraph *to, const struct EmuGraph *from) {
    struct EmuGraph *outer = capturing;
    capturing = to;
    for (const Command *c = from->first; c; c = c->next) {
        Command k = *c;
        if (c->name) {
            k.arguments = malloc(c->size);
            need(k.arguments, "cuda_emu: no memory");
            memcpy(k.arguments, c->arguments, c->size);
        }
        keep(k);
    }
    capturing = outer;
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
        if (c->name) emu_launch(c->name, c->run, c->arguments, c->size, c->grid, c->block, c->shared);
        else if (c->from) cudaMemcpy(c->to, c->from, c->size, c->kind);
        else cudaMemset(c->to, c->value, c->size);
    counted.launched++;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
    (void)device;
    *p = (struct cudaDeviceProp){.name = "an emulated GPU", .totalGlobalMem = DEVICE_MAX, .major = 9, .minor = 0, .multiProcessorCount = 4};
    return cudaSuccess;
}

EmuGraphCounts emu_graph_counts(void) { return counted; }
