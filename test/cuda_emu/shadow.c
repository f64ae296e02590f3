// shadow.c: what every four bytes of device and shared memory are: allocated, written, by whom, when.
//
// gcc -fsanitize=thread puts a call before each access of a kernel; they end here. Order is known from barriers: a
// block barrier starts a new interval, and everything of an earlier interval of the block is in the past. Inside an
// interval each thread has a clock, and learns the clocks of others where they meet (a warp's barrier, a named one, an
// mbarrier): the vector clocks of race detectors. Two accesses to one byte, one of them a store, neither in the past
// of the other: a race. Between blocks of one launch nothing is ordered but atomics.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "io/error.h"
#include "parts.h"

typedef struct {
    uint32_t interval;
    uint16_t clock;
    uint16_t tid : 10, mask : 4, atomic : 1, many : 1; // which of the four bytes; by an atomic; read by several threads
} Access;

typedef struct {
    Access store, load;
} Cell;

typedef struct { // of shared memory
    uint32_t block, row;
    uint8_t written; // bytes, in this block
} Shared;

#define DYNAMIC ((size_t)256 * 1024) // the region: a block's dynamic shared memory, then the device's
#define REGION (DYNAMIC + DEVICE_MAX)
#define GAP 512
#define ALLOCATED 0x0f // a device granule's state: four bits each
#define WRITTEN 0xf0

extern char __start_emu_shared[], __stop_emu_shared[]; // all static shared arrays of all kernels
extern char __executable_start[], edata[], end[];
__attribute__((used)) __shared__ int emu_shared_exists; // the section is there even without kernels that use it

static char *region;
static Cell *cells, *static_cells;
static uint8_t *device_state;
static Shared *dynamic_shared, *static_shared;
static size_t device_used, device_live;

// Rows of the clocks of all threads that read one granule of shared memory in this interval.
static uint16_t *rows;
static size_t rows_used, rows_room;
static uint32_t rows_interval;

static void *reserve(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    need(p != MAP_FAILED, "cuda_emu: cannot reserve %zu MiB of address space", bytes >> 20);
    return p;
}

static void open_region(void) {
    if (region) return;
    size_t n = (size_t)(__stop_emu_shared - __start_emu_shared) / 4 + 4;
    region = reserve(REGION);
    cells = reserve(REGION / 4 * sizeof *cells);
    device_state = reserve(DEVICE_MAX / 4);
    dynamic_shared = reserve(DYNAMIC / 4 * sizeof *dynamic_shared);
    static_shared = reserve(n * sizeof *static_shared);
    static_cells = reserve(n * sizeof *static_cells);
}

void *emu_dynamic_shared(void) {
    open_region();
    return region;
}

void shadow_block_starts(void) {
    open_region();
    memset(region, 0xff, machine.shared); // what the block before left would look like a value: NaN instead
    memset(__start_emu_shared, 0xff, (size_t)(__stop_emu_shared - __start_emu_shared));
}

// ---- order

static uint16_t *clocks(Thread *t) {
    if (t->interval != machine.interval) {
        memset(t->known, 0, (size_t)machine.threads * sizeof *t->known);
        t->known[t->tid] = 1;
        t->interval = machine.interval;
    }
    return t->known;
}

void shadow_arrive(Met *m, Thread *t) {
    uint16_t *k = clocks(t);
    if (m->interval != machine.interval) {
        memset(m->known, 0, (size_t)machine.threads * sizeof *m->known);
        m->interval = machine.interval;
    }
    for (int i = 0; i < machine.threads; i++) m->known[i] = k[i] > m->known[i] ? k[i] : m->known[i];
    if (k[t->tid] < UINT16_MAX) k[t->tid]++;
}

void shadow_pass(Thread *t, const Met *m) {
    if (m->interval != machine.interval) return; // older than the last block barrier
    uint16_t *k = clocks(t);
    for (int i = 0; i < machine.threads; i++) k[i] = m->known[i] > k[i] ? m->known[i] : k[i];
}

void shadow_join(Met *to, const Met *from) {
    if (from->interval != machine.interval) return;
    if (to->interval != machine.interval) *to = *from;
    for (int i = 0; i < machine.threads; i++) to->known[i] = from->known[i] > to->known[i] ? from->known[i] : to->known[i];
}

static bool in_past(Access a, Thread *t) { return a.interval != machine.interval || a.tid == (unsigned)t->tid || clocks(t)[a.tid] >= a.clock; }

static bool other_block(Access a) { return a.interval >= machine.launch_first && a.interval < machine.block_first; }

static const char *const kind_name[] = {"load", "store", "atomic"};

static void race(const void *code, const char *where, const void *p, Kind now, const char *then, int tid) {
    unsigned x = machine.size.x, y = machine.size.y;
    if (tid >= 0)
        report(code, "race in %s memory: this %s of %p and a %s by thread (%u, %u, %u), no barrier between them", where, kind_name[now], p, then, (unsigned)tid % x,
               (unsigned)tid / x % y, (unsigned)tid / x / y);
    else report(code, "race in %s memory: this %s of %p and a %s by another block", where, kind_name[now], p, then);
}

// The several readers of a granule of shared memory: one of them may still be reading.
static int reader_not_in_past(Shared *s, Thread *t) {
    uint16_t *row = rows + (size_t)s->row * (size_t)machine.threads, *k = clocks(t);
    for (int i = 0; i < machine.threads; i++)
        if (row[i] > k[i] && i != t->tid) return i;
    return -1;
}

static void add_reader(Cell *c, Shared *s, Thread *t, Access now) {
    if (!c->load.many) {
        if (rows_interval != machine.interval) rows_used = 0, rows_interval = machine.interval;
        size_t width = (size_t)machine.threads;
        if ((rows_used + 1) * width > rows_room) {
            rows_room = (rows_used + 1) * width * 2;
            rows = realloc(rows, rows_room * sizeof *rows);
            need(rows, "cuda_emu: no memory");
        }
        s->row = (uint32_t)rows_used++;
        memset(rows + s->row * width, 0, width * sizeof *rows);
        rows[s->row * width + c->load.tid] = c->load.clock;
        c->load.many = 1;
    }
    rows[(size_t)s->row * (size_t)machine.threads + (size_t)t->tid] = now.clock;
    c->load.mask |= now.mask;
}

static void check_order(Cell *c, Shared *s, char *p, unsigned mask, Kind kind, const void *code) {
    Thread *t = machine.self;
    const char *where = s ? "shared" : "device";
    Access now = {.interval = machine.interval, .clock = clocks(t)[t->tid], .tid = (unsigned)t->tid & 1023, .mask = mask & 15, .atomic = kind == ATOMIC};
    Access w = c->store, r = c->load;
    if (w.mask & mask && !(kind == ATOMIC && w.atomic)) {
        if (!in_past(w, t)) race(code, where, p, kind, w.atomic ? "atomic" : "store", w.tid);
        else if (!s && other_block(w)) race(code, where, p, kind, w.atomic ? "atomic" : "store", -1);
    }
    if (kind == LOAD) {
        if (r.interval == now.interval && (r.many || !in_past(r, t)) && s) add_reader(c, s, t, now);
        else {
            if (r.interval == now.interval && r.tid == now.tid && r.clock == now.clock) now.mask |= r.mask;
            c->load = now;
        }
        return;
    }
    if (r.mask & mask) {
        if (r.many && r.interval == machine.interval) {
            int who = reader_not_in_past(s, t);
            if (who >= 0) race(code, where, p, kind, "load", who);
        } else if (!in_past(r, t)) race(code, where, p, kind, "load", r.tid);
        else if (!s && other_block(r)) race(code, where, p, kind, "load", -1);
    }
    if (w.interval == now.interval && w.tid == now.tid && w.clock == now.clock && w.atomic == now.atomic) now.mask |= w.mask;
    c->store = now;
}

// ---- accesses

static void access_device(size_t at, size_t bytes, Kind kind, const void *code) {
    char *p = region + at;
    at -= DYNAMIC;
    if (kind != STORE) counts.global_read += bytes;
    if (kind != LOAD) counts.global_written += bytes;
    for (size_t i = 0; i < bytes;) {
        size_t g = (at + i) / 4, first = (at + i) % 4, n = 4 - first < bytes - i ? 4 - first : bytes - i;
        unsigned mask = ((1u << n) - 1) << first;
        Cell *c = &cells[DYNAMIC / 4 + g];
        if ((device_state[g] & mask) != mask) {
            report(code, "%s of %zu bytes at %p: outside every allocation (by %zu bytes or more)", kind_name[kind], bytes, (void *)p, i ? bytes - i : 1);
            return;
        }
        if (kind != STORE && (device_state[g] >> 4 & mask) != mask)
            report(code, "%s of %zu bytes at %p: device memory that nobody has written", kind_name[kind], bytes, (void *)p);
        if (kind == STORE) device_state[g] |= (uint8_t)(mask << 4);
        if (kind != STORE && c->load.interval < machine.launch_first) counts.distinct_read += n;
        if (kind != LOAD && c->store.interval < machine.launch_first) counts.distinct_written += n;
        check_order(c, NULL, p + i, mask, kind, code);
        i += n;
    }
}

static void access_shared(char *p, Cell *c, Shared *s, size_t at, size_t bytes, Kind kind, const void *code) {
    if (kind != STORE) counts.shared_read += bytes;
    if (kind != LOAD) counts.shared_written += bytes;
    for (size_t i = 0; i < bytes;) {
        size_t g = (at + i) / 4, first = (at + i) % 4, n = 4 - first < bytes - i ? 4 - first : bytes - i;
        unsigned mask = ((1u << n) - 1) << first;
        if (s[g].block != machine.block_first) s[g].block = machine.block_first, s[g].written = 0;
        if (kind != STORE && (s[g].written & mask) != mask)
            report(code, "%s of %zu bytes at %p: shared memory that nobody has written, or a copy that has not landed", kind_name[kind], bytes, (void *)p);
        if (kind == STORE) s[g].written |= (uint8_t)mask;
        check_order(&c[g], &s[g], p + i, mask, kind, code);
        i += n;
    }
}

void shadow_access(void *pointer, size_t bytes, Kind kind, const void *code) {
    char *p = pointer;
    size_t at = (size_t)(p - region);
    Thread *t = machine.self;
    if (!t) return; // a kernel's file also holds host functions
    counts.accesses++;
    if (at < REGION) {
        if ((size_t)p % bytes && bytes <= 16) report(code, "%s of %zu bytes at %p: not aligned", kind_name[kind], bytes, pointer);
        if (at >= DYNAMIC) access_device(at, bytes, kind, code);
        else if (at + bytes > machine.shared) report(code, "%s of %zu bytes at byte %zu of dynamic shared memory, which has %zu", kind_name[kind], bytes, at, machine.shared);
        else access_shared(p, cells, dynamic_shared, at, bytes, kind, code);
        return;
    }
    if (p >= __start_emu_shared && p < __stop_emu_shared) {
        access_shared(p, static_cells, static_shared, (size_t)(p - __start_emu_shared), bytes, kind, code);
        return;
    }
    bool local = (size_t)(p - t->stack) < (size_t)256 * 1024 || (size_t)(p - (char *)machine.arguments) < machine.arguments_size;
    bool constant = kind == LOAD && p >= __executable_start && p < end;
    counts.accesses--;
    if (!local && !constant) report(code, "%s of %zu bytes at %p: neither device nor shared memory; the host's?", kind_name[kind], bytes, pointer);
}

void shadow_in_flight(void *pointer, size_t bytes) {
    size_t at = (size_t)((char *)pointer - region);
    Shared *s = dynamic_shared;
    if (at >= DYNAMIC) s = static_shared, at = (size_t)((char *)pointer - __start_emu_shared);
    for (size_t i = 0; i < bytes; i += 4) s[(at + i) / 4].written = 0;
}

void shadow_landed(void *pointer, size_t bytes) {
    size_t at = (size_t)((char *)pointer - region);
    for (size_t i = 0; i < bytes; i += 4) dynamic_shared[(at + i) / 4].written = 0xf;
}

#define CODE __builtin_return_address(0)
#define CALLBACK(n)                                                                                \
    void __tsan_read##n(void *p);                                                                  \
    void __tsan_write##n(void *p);                                                                 \
    void __tsan_unaligned_read##n(void *p);                                                        \
    void __tsan_unaligned_write##n(void *p);                                                       \
    void __tsan_read##n(void *p) { shadow_access(p, n, LOAD, CODE); }                              \
    void __tsan_write##n(void *p) { shadow_access(p, n, STORE, CODE); }                            \
    void __tsan_unaligned_read##n(void *p) { shadow_access(p, n, LOAD, CODE); }                    \
    void __tsan_unaligned_write##n(void *p) { shadow_access(p, n, STORE, CODE); }
CALLBACK(1)
CALLBACK(2)
CALLBACK(4)
CALLBACK(8)
CALLBACK(16)
void __tsan_read_range(void *p, long n);
void __tsan_write_range(void *p, long n);
void __tsan_init(void);
void __tsan_read_range(void *p, long n) { shadow_access(p, (size_t)n, LOAD, CODE); }
void __tsan_write_range(void *p, long n) { shadow_access(p, (size_t)n, STORE, CODE); }
void __tsan_init(void) {}

// An index beyond an array whose size the compiler knows: shared arrays, a thread's own arrays.
typedef struct {
    struct {
        const char *file;
        uint32_t line, column;
    } place;
} BoundsData;
void __ubsan_handle_out_of_bounds(BoundsData *data, uintptr_t index);
void __ubsan_handle_out_of_bounds(BoundsData *data, uintptr_t index) {
    report(NULL, "index %ld is outside its array (%s:%u)", (long)index, data->place.file, data->place.line);
}

// ---- device memory

static void mark(void *p, size_t bytes, int state) { // state of each byte: 0, ALLOCATED, or both
    size_t at = (size_t)((char *)p - region) - DYNAMIC;
    for (size_t i = 0; i < bytes;) {
        size_t g = (at + i) / 4, first = (at + i) % 4, n = 4 - first < bytes - i ? 4 - first : bytes - i;
        unsigned mask = (((1u << n) - 1) << first) * 0x11u;
        device_state[g] = (uint8_t)((device_state[g] & ~mask) | ((unsigned)state & mask));
        i += n;
    }
}

static bool on_device(const void *p) { return region && (size_t)((const char *)p - region) - DYNAMIC < DEVICE_MAX; }

void device_taken(void *p, size_t bytes) {
    if (on_device(p) && !emu_put_off_order(p, bytes, true)) mark(p, bytes, ALLOCATED);
}

void device_released(void *p, size_t bytes) {
    if (on_device(p) && !emu_put_off_order(p, bytes, false)) mark(p, bytes, 0);
}

// A size in front of each block; a bump that goes back to the start when nothing is left.
static size_t limit = SIZE_MAX;

void emu_limit(size_t bytes) { limit = bytes ? bytes : SIZE_MAX; }

cudaError_t emu_malloc(void **p, size_t bytes) {
    open_region();
    if (bytes > limit || device_live > limit - bytes) return *p = NULL, cudaErrorMemoryAllocation;
    if (device_live == 0) device_used = 0;
    size_t whole = (bytes + 2 * GAP + 255) / 256 * 256;
    *p = NULL;
    if (whole > DEVICE_MAX - device_used) return cudaErrorMemoryAllocation;
    char *at = region + DYNAMIC + device_used + GAP;
    memcpy(at - sizeof bytes, &bytes, sizeof bytes);
    memset(at, 0xff, bytes); // NaN
    device_used += whole;
    device_live += bytes + 1;
    mark(at, bytes, ALLOCATED);
    *p = at;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p) {
    if (!p) return cudaSuccess;
    size_t bytes;
    if (!on_device(p)) return 1;
    emu_wait();
    memcpy(&bytes, (char *)p - sizeof bytes, sizeof bytes);
    mark(p, bytes, 0);
    device_live -= bytes + 1;
    return cudaSuccess;
}

size_t emu_in_use(void) { return device_live; }

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    *total = limit < DEVICE_MAX ? limit : DEVICE_MAX;
    *free_bytes = *total > device_live ? *total - device_live : 0;
    return cudaSuccess;
}

cudaError_t emu_malloc_host(void **p, size_t bytes) { return (*p = malloc(bytes ? bytes : 1)) ? cudaSuccess : cudaErrorMemoryAllocation; }

cudaError_t cudaFreeHost(void *p) { return free(p), cudaSuccess; }

static void host_writes(void *to, size_t bytes) {
    size_t at = (size_t)((char *)to - region) - DYNAMIC;
    for (size_t i = 0; i < bytes; i += 4)
        if (!(device_state[(at + i) / 4] & (1u << (at + i) % 4))) {
            report(NULL, "a copy of %zu bytes to %p leaves its allocation after %zu", bytes, to, i);
            return;
        }
    mark(to, bytes, ALLOCATED | WRITTEN);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (bytes == 0) return cudaSuccess;
    cudaError_t error = emu_wait();
    if (error) return error;
    if (kind != cudaMemcpyDefault && (to_device != on_device(to) || from_device != on_device(from))) {
        report(NULL, "a copy of kind %d from %p to %p: one of them is not where the kind says", (int)kind, from, to);
        return 1;
    }
    memmove(to, from, bytes);
    if (on_device(to)) host_writes(to, bytes);
    if (kind == cudaMemcpyHostToDevice) counts.copied_up += bytes;
    if (kind == cudaMemcpyDeviceToHost) counts.copied_down += bytes;
    return cudaSuccess;
}

cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t bytes, size_t rows_count, enum cudaMemcpyKind kind) {
    for (size_t r = 0; r < rows_count; r++)
        if (cudaMemcpy((char *)to + r * to_pitch, (const char *)from + r * from_pitch, bytes, kind)) return 1;
    return cudaSuccess;
}

cudaError_t cudaMemset(void *to, int value, size_t bytes) {
    if (bytes == 0) return cudaSuccess;
    emu_wait();
    if (!on_device(to)) return 1;
    memset(to, value, bytes);
    host_writes(to, bytes);
    return cudaSuccess;
}
