// emulate.c: blocks in a loop, threads as fibers, barriers.
#include "parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include "io/error.h"

#define STACK ((size_t)256 * 1024)

Machine machine;
EmuCounts counts;
static int reports;
static char first_report[1024], said[64 * 1024];
static bool is_silent, is_backwards;
static struct {
    int threads, arrived;
    Met met;
} named[16 + THREADS_MAX / 128]; // the last: of each warpgroup

// ---- reports

// The source line behind a return address, by binutils if they are there: "cuda/x.cu:12" or "".
static void place(const void *code, char *text, size_t n) {
    extern char __executable_start;
    text[0] = 0;
    if (!code) return;
    char command[160];
    snprintf(command, sizeof command, "addr2line -e /proc/%ld/exe 0x%zx 2>/dev/null", (long)getpid(),
             (size_t)((const char *)code - 1 - &__executable_start));
    FILE *f = popen(command, "r");
    if (!f) return;
    if (!fgets(text, (int)n, f) || text[0] == '?') text[0] = 0;
    pclose(f);
    text[strcspn(text, "\n")] = 0;
}

void report(const void *code, const char *format, ...) {
    char line[400], where[300] = "";
    va_list v;
    va_start(v, format);
    vsnprintf(line, sizeof line, format, v);
    va_end(v);
    reports++;
    bool shown = !is_silent && reports <= 20; // one mistake is made by every thread
    if (shown) place(code, where, sizeof where);
    const char *tail = strlen(where) > 60 ? where + strlen(where) - 60 : where;
    dim3 b = machine.block, t = machine.self ? machine.self->index : DIM3(0, 0, 0);
    char text[1024];
    snprintf(text, sizeof text, "%s: block (%u, %u, %u) thread (%u, %u, %u): %s%s%s%s", machine.kernel ? machine.kernel : "host", b.x, b.y, b.z, t.x, t.y, t.z, line,
             tail[0] ? " (" : "", tail, tail[0] ? ")" : "");
    strncat(said, text, sizeof said - strlen(said) - 1);
    if (reports == 1) snprintf(first_report, sizeof first_report, "%s", text);
    if (shown) fprintf(stderr, "cuda_emu: %s\n", text);
}

int emu_reports(void) { return reports; }

const char *emu_first_report(void) { return first_report; }

bool emu_said(const char *part) { return strstr(said, part) != NULL; }

void emu_forget(void) {
    reports = 0;
    first_report[0] = said[0] = 0;
    counts = (EmuCounts){0};
}

void emu_silent(bool silent) { is_silent = silent; }

void emu_backwards(bool backwards) { is_backwards = backwards; }

EmuCounts emu_counts(void) { return counts; }

// ---- fibers

#if defined(__x86_64__)
// Keeps the registers that a function must keep on the old stack and takes them from the new one.
void emu_switch(void **save, void *load);
__asm__(".text\n.globl emu_switch\n.type emu_switch,@function\nemu_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n.size emu_switch,.-emu_switch\n");
#else
static void emu_switch(void **save, void *load) { swapcontext((ucontext_t *)*save, (ucontext_t *)load); }
#endif

static void fiber(void) {
    machine.run(machine.arguments);
    Thread *t = machine.self;
    if (t->copies_count) report(NULL, "a thread ends with %d asynchronous copies that it never waited for", t->copies_count);
    hopper_thread_ends();
    t->state = ENDED;
    machine.ended++;
    give_way();
    abort();
}

static void fiber_prepare(Thread *t) {
#if defined(__x86_64__)
    void **sp = (void **)(t->stack + STACK);
    *--sp = NULL; // a function is entered with rsp = 16 n + 8
    *--sp = (void *)fiber;
    for (int i = 0; i < 6; i++) *--sp = NULL;
    t->sp = sp;
#else
    ucontext_t *u = t->sp ? t->sp : malloc(sizeof *u);
    need(u, "cuda_emu: no memory");
    getcontext(u);
    u->uc_stack.ss_sp = t->stack, u->uc_stack.ss_size = STACK, u->uc_link = NULL;
    makecontext(u, fiber, 0);
    t->sp = u;
#endif
}

void give_way(void) { emu_switch(&machine.self->sp, machine.scheduler_sp); }

dim3 emu_thread(void) { return machine.self->index; }
dim3 emu_block(void) { return machine.block; }
dim3 emu_block_size(void) { return machine.size; }
dim3 emu_grid_size(void) { return machine.grid; }

// ---- barriers

static int barrier_line, barrier_yes, barrier_result;

int emu_syncthreads_count(int line, int yes) {
    Thread *t = machine.self;
    counts.barriers++;
    if (machine.waiting == 0) barrier_line = line, barrier_yes = 0;
    else if (line != barrier_line) report(NULL, "divergent barrier: this thread waits in line %d, others in line %d", line, barrier_line);
    barrier_yes += yes;
    t->line = line;
    t->state = AT_BARRIER;
    if (++machine.waiting == machine.threads) {
        machine.waiting = 0;
        barrier_result = barrier_yes;
        machine.interval++; // everything before is before everything after
        for (int i = 0; i < machine.threads; i++) machine.thread[i]->state = READY;
    } else give_way();
    return barrier_result;
}

void emu_syncthreads(int line) { emu_syncthreads_count(line, 0); }

static void meet(int line, int id, int threads, bool wait) {
    Thread *t = machine.self;
    if (named[id].arrived && named[id].threads != threads)
        report(NULL, "barrier %d is for %d threads here (line %d), for %d elsewhere", id, threads, line, named[id].threads);
    named[id].threads = threads;
    counts.barriers++;
    shadow_arrive(&named[id].met, t);
    t->line = line, t->at = id;
    if (wait) t->state = AT_NAMED;
    if (++named[id].arrived < threads) {
        if (wait) give_way();
        return;
    }
    named[id].arrived = 0;
    for (int i = 0; i < machine.threads; i++) {
        Thread *w = machine.thread[i];
        if (w->state != AT_NAMED || w->at != id) continue;
        shadow_pass(w, &named[id].met);
        w->state = READY;
    }
}

void warpgroup_meets(int line) { meet(line, 16 + machine.self->tid / 128, 128, true); }

static void named_barrier(int line, int id, int threads, bool wait) {
    if (id >= 0 && id <= 15 && threads % 32 == 0 && threads > 0) meet(line, id, threads, wait);
    else report(NULL, "barrier %d for %d threads in line %d: 0 to 15, and whole warps", id, threads, line);
}

void emu_named_barrier(int line, int id, int threads) { named_barrier(line, id, threads, true); }

void emu_named_arrive(int line, int id, int threads) { named_barrier(line, id, threads, false); }

// ---- a launch

static void stuck(void) {
    int at_barrier = 0, at_warp = 0, other = 0, line = 0, warp_line = 0;
    for (int i = 0; i < machine.threads; i++) {
        Thread *t = machine.thread[i];
        if (t->state == AT_BARRIER) at_barrier++, line = t->line;
        else if (t->state == AT_WARP) at_warp++, warp_line = t->line;
        else if (t->state != ENDED) other++, line = t->line;
    }
    machine.self = NULL;
    if (at_warp == 0 && other == 0) report(NULL, "divergent barrier: %d of %d threads wait in line %d, %d have ended", at_barrier, machine.threads, line, machine.ended);
    else
        report(NULL, "deadlock: %d threads wait for their warp (line %d), %d for the block and %d otherwise (line %d), %d have ended", at_warp, warp_line, at_barrier, other,
               line, machine.ended);
    machine.abandoned = true;
}

static void run_block(void) {
    machine.ended = machine.waiting = 0;
    memset(named, 0, sizeof named);
    machine.block_first = ++machine.interval;
    shadow_block_starts();
    hopper_block_starts();
    for (int i = 0; i < machine.threads; i++) {
        Thread *t = machine.thread[i];
        t->tid = i;
        t->index = DIM3((unsigned)i % machine.size.x, (unsigned)i / machine.size.x % machine.size.y, (unsigned)i / machine.size.x / machine.size.y);
        t->state = READY;
        t->copies_count = t->group = 0;
        fiber_prepare(t);
    }
    while (machine.ended < machine.threads) {
        bool moved = false;
        for (int k = 0; k < machine.threads; k++) {
            Thread *t = machine.thread[is_backwards ? machine.threads - 1 - k : k];
            if (t->state != READY) continue;
            machine.self = t;
            emu_switch(&machine.scheduler_sp, t->sp);
            moved = true;
        }
        if (!moved && !hopper_lands(is_backwards)) {
            stuck();
            break;
        }
    }
    machine.self = NULL;
    hopper_block_ends();
    counts.blocks++, counts.threads += (uint64_t)machine.threads;
}

static void threads_make(int n) {
    for (int i = 0; i < n; i++) {
        if (machine.thread[i]) continue;
        Thread *t = calloc(1, sizeof *t);
        need(t && (t->known = calloc(THREADS_MAX, sizeof *t->known)), "cuda_emu: no memory");
        t->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        need(t->stack != MAP_FAILED, "cuda_emu: no memory for a fiber's stack");
        machine.thread[i] = t;
    }
#if !defined(__x86_64__)
    static ucontext_t scheduler;
    machine.scheduler_sp = &scheduler;
#endif
}

void emu_launch(const char *name, void (*run)(void *), const void *arguments, size_t size, dim3 grid, dim3 block, size_t shared) {
    static char kept[4096] __attribute__((aligned(16)));
    if (emu_put_off(name, run, arguments, size, grid, block, shared)) return;
    unsigned long long threads = (unsigned long long)block.x * block.y * block.z;
    need(size <= sizeof kept, "cuda_emu: %s: %zu bytes of arguments", name, size);
    need(threads >= 1 && threads <= THREADS_MAX && block.z <= 64, "cuda: %s: invalid configuration: a block of %u x %u x %u threads", name, block.x, block.y, block.z);
    need(grid.x && grid.y && grid.z && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535, "cuda: %s: invalid configuration: a grid of %u x %u x %u blocks", name,
         grid.x, grid.y, grid.z);
    need(shared <= SHARED_MAX, "cuda: %s: %zu bytes of shared memory, a block has %d", name, shared, SHARED_MAX);
    memcpy(kept, arguments, size);
    machine.kernel = name, machine.run = run, machine.arguments = kept, machine.arguments_size = size, machine.shared = shared;
    machine.grid = grid, machine.size = block, machine.threads = (int)threads, machine.abandoned = false;
    threads_make(machine.threads);
    machine.launch_first = machine.interval + 1;
    counts.launches++;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x && !machine.abandoned; x++) {
                machine.block = DIM3(x, y, z);
                run_block();
            }
    machine.interval++;
    machine.kernel = NULL;
}
