// packed.c: see packed.h.
#include "packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/pages.h"
#include "io/thread.h"
#include "kept.h"

typedef struct Panels {
    Gemm of;
    const Packing *how;
    void *all;
    size_t bytes;
    struct Panels *next;
} Panels;

typedef struct {
    Kept kept;
    Panels *panels; // of all products that asked
} Weight;

static struct {
    bool wanted, full; // full: there was no memory for more
    KeptList kept;
    size_t bytes;
} packed = {.kept.stride = sizeof(Weight)};

void packed_use(bool wanted) { packed.wanted = wanted, packed.full = false; }

size_t packed_bytes(void) { return packed.bytes; }

// ---- memory

// Bytes that could be taken without anybody's being put out: a tenth of the memory stays free.
static size_t available(void) {
    size_t free = 0, all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %zu kB", &free) == 1) break;
    if (f) fclose(f);
    free *= 1024;
    return free > all / 10 ? free - all / 10 : 0;
}

// ---- which weights

static void ended(void *item) {
    Weight *w = item;
    for (Panels *p = w->panels, *next; p; p = next) {
        next = p->next;
        packed.bytes -= p->bytes;
        pages_give(p->all, p->bytes);
        free(p);
    }
}

static void *token_obtain(size_t bytes, const char *what) { return memory_take(bytes, what); }
static void token_shown(void *p, size_t count) { (void)p, (void)count; }
static void token_hidden(void *p, size_t count) { kept_forget(&packed.kept, p, count, ended); }
static const MemorySource tokens = {token_obtain, free, token_shown, token_hidden};

void packed_keep(Arena *a, const void *weight, size_t size) {
    if (packed.wanted) kept_add(&packed.kept, weight, size, a, &tokens);
}

// ---- panels

static void pack_job(void *arg, size_t begin, size_t end) {
    const Panels *p = arg;
    for (size_t i = begin; i < end; i++) p->how->pack(p->all, &p->of, (long)i);
}

static Panels *lay(const Gemm *g, const Packing *how) {
    size_t bytes = pages_rounded(how->bytes(g));
    void *all = bytes <= available() ? pages_take(bytes, true) : NULL;
    if (!all) {
        packed.full = true;
        note("--packed: memory is left for no more than %zu MiB of packed weights; the others are packed for each product", packed.bytes >> 20);
        return NULL;
    }
    Panels *p = memory_take(sizeof *p, "packed weights");
    *p = (Panels){.of = *g, .how = how, .all = all, .bytes = bytes};
    packed.bytes += bytes;
    parallel_for((size_t)how->parts(g), 1, pack_job, p);
    return p;
}

static Weight *weight_of(const Gemm *g) {
    if (packed.kept.count == 0 || g->kind != GEMM_NT) return NULL;
    return kept_with(&packed.kept, g->B, ((size_t)(g->N - 1) * (size_t)g->ldb + (size_t)g->K) * dtype_size(g->B_type));
}

bool packed_wants(const Gemm *g) { return weight_of(g) != NULL; }

const void *packed_weight(const Gemm *g, const Packing *how) {
    Weight *w = weight_of(g);
    if (!w) return NULL;
    for (Panels *p = w->panels; p; p = p->next)
        if (p->how == how && p->of.B == g->B && p->of.N == g->N && p->of.K == g->K && p->of.ldb == g->ldb) return p->all;
    if (packed.full) return NULL;
    Panels *p = lay(g, how);
    if (!p) return NULL;
    p->next = w->panels, w->panels = p;
    return p->all;
}
