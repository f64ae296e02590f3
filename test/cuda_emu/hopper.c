// hopper.c: barriers that count arrivals and bytes, the tensor copy engine, products of a warpgroup. Written from the PTX ISA's
// chapters on mbarrier, tensors ("Swizzling modes") and wgmma ("Matrix-descriptor format", "Register fragments"), not from the
// kernels: a wrong descriptor gives wrong products here too.
//
// Address of 16-byte piece c of row r in a matrix whose K runs along the rows (descriptor "K-major"), swizzle of 128 bytes:
// start + r / 8 * stride + r % 8 * 128 + 16 c; where K runs down the rows ("MN-major"; only right operands here), of columns 8 c … of
// row k: start + c / 8 * leading + k / 8 * stride + k % 8 * 128 + c % 8 * 16. Then bits 4-6 of the address are xored with its bits 7-9. The copy engine places the
// 16-byte pieces of a box by the same rule.
#include <stdlib.h>

#include "io/error.h"
#include "cuda/device_hopper.h"
#include "parts.h"

#define CODE __builtin_return_address(0)

uint32_t emu_shared_address(const void *p) {
    size_t at = (size_t)((const char *)p - (char *)emu_dynamic_shared());
    if (at >= machine.shared) report(CODE, "an address of dynamic shared memory is wanted, %p is none", p);
    return (uint32_t)at;
}

static uint32_t swizzled(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

// ---- mbarrier

typedef struct {
    uint64_t *at;
    int arrivals, left, phase;
    long bytes; // announced and not come
    Met met[2]; // what is known to who passes an even, an odd phase
} Barrier;
static Barrier barriers[64];
static int barriers_count;

static Barrier *barrier_of(int line, uint64_t *b) {
    for (int i = 0; i < barriers_count; i++)
        if (barriers[i].at == b) return &barriers[i];
    report(NULL, "line %d: there is no mbarrier at %p", line, (void *)b);
    return NULL;
}

void emu_mbarrier_init(int line, uint64_t *b, int arrivals) {
    shadow_access(b, sizeof *b, STORE, CODE);
    for (int i = 0; i < barriers_count; i++)
        if (barriers[i].at == b) report(NULL, "line %d: the mbarrier at %p is made twice", line, (void *)b);
    need(barriers_count < 64, "cuda_emu: more than 64 mbarriers");
    Barrier *n = &barriers[barriers_count++];
    n->at = b, n->arrivals = n->left = arrivals, n->phase = 0, n->bytes = 0;
    n->met[0].interval = n->met[1].interval = 0;
    *b = 0;
}

static void phase_ends(Barrier *b) {
    if (b->left || b->bytes) return;
    b->left = b->arrivals;
    b->phase++;
    for (int i = 0; i < machine.threads; i++) {
        Thread *t = machine.thread[i];
        if (t->state == AT_MBARRIER && t->at == (int)(b - barriers)) t->state = READY;
    }
}

void emu_mbarrier_arrive(int line, uint64_t *at, int bytes) {
    Barrier *b = barrier_of(line, at);
    if (!b) return;
    shadow_access(at, sizeof *at, LOAD, CODE);
    shadow_arrive(&b->met[b->phase & 1], machine.self);
    counts.barriers++;
    b->bytes += bytes;
    if (b->left == 0) report(NULL, "line %d: one arrival more than the mbarrier's %d", line, b->arrivals);
    else b->left--;
    phase_ends(b);
}

void emu_mbarrier_wait(int line, uint64_t *at, int parity) {
    Barrier *b = barrier_of(line, at);
    Thread *t = machine.self;
    if (!b) return;
    shadow_access(at, sizeof *at, LOAD, CODE);
    while ((b->phase & 1) == parity) {
        t->state = AT_MBARRIER, t->at = (int)(b - barriers), t->line = line;
        give_way();
    }
    shadow_pass(t, &b->met[parity & 1]);
}

// ---- tensor maps and copies

typedef struct {
    const char *base;
    uint64_t columns, rows, count, stride, apart; // elements, rows, matrices, bytes from row to row and from matrix to matrix
    uint32_t dimensions;
    uint32_t box_columns, box_rows;
} Map;

static CUresult encode(TensorMap *m, CUtensorMapDataType type, cuuint32_t rank, void *base, const cuuint64_t *size, const cuuint64_t *stride, const cuuint32_t *box,
                       const cuuint32_t *step, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                       CUtensorMapFloatOOBfill fill) {
    bool right = type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 && (rank == 2 || rank == 3) && (uintptr_t)base % 16 == 0 && size[0] && size[1] && size[0] <= 1ull << 32 && size[1] <= 1ull << 32 &&
                 stride[0] % 16 == 0 && stride[0] < 1ull << 40 && stride[0] >= size[0] * 2 && box[0] * 2 == 128 && box[1] && box[1] <= 256 && step[0] == 1 && step[1] == 1 &&
                 interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && swizzle == CU_TENSOR_MAP_SWIZZLE_128B && fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
    if (right && rank == 3) right = size[2] && size[2] <= 1ull << 32 && stride[1] % 16 == 0 && stride[1] < 1ull << 40 && box[2] == 1 && step[2] == 1;
    (void)promotion;
    if (!right) return CUDA_ERROR_INVALID_VALUE;
    Map map = {base, size[0], size[1], rank == 3 ? size[2] : 1, stride[0], rank == 3 ? stride[1] : 0, rank, box[0], box[1]};
    memset(m, 0, sizeof *m);
    memcpy(m, &map, sizeof map);
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, unsigned long long flags, enum cudaDriverEntryPointQueryResult *result) {
    need(strcmp(symbol, "cuTensorMapEncodeTiled") == 0 && version >= 12000 && flags == cudaEnableDefault, "cuda_emu: the driver's %s is not here", symbol);
    *function = (void *)encode, *result = cudaDriverEntryPointSuccess;
    return cudaSuccess;
}

typedef struct {
    Map map;
    char *to;
    int x, y, z;
    Barrier *barrier;
    Met met; // what the thread knew that started it
} TileCopy;
static TileCopy *copies[256]; // on their way
static int copies_count;

// Row r of the box, column i: where it lies, or NULL outside.
static const void *element(const TileCopy *c, int r, int i) {
    const Map *m = &c->map;
    int64_t x = c->x + i, y = c->y + r, z = c->z;
    if (x < 0 || y < 0 || z < 0 || (uint64_t)x >= m->columns || (uint64_t)y >= m->rows || (uint64_t)z >= m->count) return NULL;
    return m->base + (uint64_t)z * m->apart + (uint64_t)y * m->stride + 2 * (uint64_t)x;
}

void emu_tile_load(int line, int dimensions, void *to, const TensorMap *map, int x, int y, int z, uint64_t *barrier) {
    Barrier *b = barrier_of(line, barrier);
    if (!b) return;
    need(copies_count < 256, "cuda_emu: more than 256 tiles on their way");
    TileCopy *c = copies[copies_count] ? copies[copies_count] : calloc(1, sizeof *c);
    need(c, "cuda_emu: no memory");
    copies[copies_count++] = c;
    memcpy(&c->map, map, sizeof c->map);
    if ((int)c->map.dimensions != dimensions) report(NULL, "line %d: a copy of %d dimensions by a map of %u", line, dimensions, c->map.dimensions);
    c->to = to, c->x = x, c->y = y, c->z = z, c->barrier = b;
    size_t bytes = (size_t)c->map.box_rows * 128;
    uint32_t at = emu_shared_address(to);
    if (at % 128) report(CODE, "a tile to byte %u of shared memory: a multiple of 128 is wanted", at);
    shadow_access(to, bytes, STORE, CODE); // nobody may still be reading
    shadow_in_flight(to, bytes);
    for (int r = 0; r < (int)c->map.box_rows; r++)
        for (int i = 0; i < (int)c->map.box_columns; i++)
            if (element(c, r, i)) shadow_access((void *)element(c, r, i), 2, LOAD, CODE);
    c->met.interval = 0;
    shadow_arrive(&c->met, machine.self);
}

static void land(const TileCopy *c) {
    char *shared = emu_dynamic_shared();
    uint32_t at = (uint32_t)(c->to - shared);
    for (int r = 0; r < (int)c->map.box_rows; r++)
        for (int i = 0; i < (int)c->map.box_columns; i++) {
            uint16_t v = 0;
            if (element(c, r, i)) memcpy(&v, element(c, r, i), 2);
            memcpy(shared + swizzled(at + (uint32_t)(128 * r + 2 * i)), &v, 2);
        }
    size_t bytes = (size_t)c->map.box_rows * 128;
    shadow_landed(c->to, bytes);
    shadow_join(&c->barrier->met[c->barrier->phase & 1], &c->met);
    c->barrier->bytes -= (long)bytes;
    phase_ends(c->barrier);
}

bool hopper_lands(bool newest) {
    if (copies_count == 0) return false;
    int i = newest ? copies_count - 1 : 0;
    TileCopy *c = copies[i];
    land(c);
    copies_count--;
    memmove(&copies[i], &copies[i + 1], (size_t)(copies_count - i) * sizeof *copies);
    copies[copies_count] = c;
    return true;
}

// ---- products

typedef struct {
    float *d;
    int n, accumulate, group;
    uint64_t a, b;
    const uint32_t *registers; // a is there; b has k down the rows
} Product;
static struct {
    Product queue[64];
    int count, group;
    bool fenced;
} queues[THREADS_MAX];

void emu_registers(int line, int n) {
    if (n < 24 || n > 256 || n % 8) report(NULL, "line %d: %d registers: a multiple of 8 from 24 to 256 is wanted", line, n);
}

void emu_wgmma_fence(void) { queues[machine.self->tid].fenced = true; }

void emu_wgmma_commit(void) { queues[machine.self->tid].group++; }

static void queue(int line, Product p) {
    int tid = machine.self->tid;
    if (!queues[tid].fenced) report(NULL, "line %d: a product without wgmma_fence() since the sums were last touched", line);
    need(queues[tid].count < 64, "cuda_emu: more than 64 products on their way");
    p.group = queues[tid].group;
    queues[tid].queue[queues[tid].count++] = p;
}

void emu_wgmma(int line, int n, float *d, uint64_t a, uint64_t b, int accumulate) {
    queue(line, (Product){.d = d, .n = n, .accumulate = accumulate, .a = a, .b = b});
}

void emu_wgmma_registers(int line, int n, float *d, const uint32_t *a, uint64_t b, int accumulate) {
    queue(line, (Product){.d = d, .n = n, .accumulate = accumulate, .registers = a, .b = b});
}

// Offset: of the piece from where a descriptor without swizzle would begin.
static uint32_t piece_address(uint64_t descriptor, uint32_t offset) {
    uint32_t start = (uint32_t)(descriptor & 0x3fff) << 4, base = (uint32_t)(descriptor >> 49 & 7);
    int mode = (int)(descriptor >> 62);
    if (mode != 1) report(NULL, "a matrix descriptor of swizzle mode %d: only 1, 128 bytes, is emulated", mode);
    if ((start >> 7 & 7) != base) report(NULL, "a matrix at byte %u, which is row %u of its pattern, with a base offset of %u", start, start >> 7 & 7, base);
    return swizzled(start + offset);
}

static void fetch(float *to, int step, uint64_t descriptor, uint32_t offset) { // eight values, `step` floats apart
    char *p = (char *)emu_dynamic_shared() + piece_address(descriptor, offset);
    shadow_access(p, 16, LOAD, CODE);
    for (int i = 0; i < 8; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        to[i * step] = float_of_bf16(h);
    }
}

static void gather(float (*to)[16], uint64_t descriptor, int row) {
    uint32_t stride = (uint32_t)(descriptor >> 32 & 0x3fff) << 4, at = (uint32_t)(row / 8) * stride + (uint32_t)(row % 8) * 128;
    fetch(to[row], 1, descriptor, at);
    fetch(to[row] + 8, 1, descriptor, at + 16);
}

static void gather_down(float (*to)[16], uint64_t descriptor, int k, int c) { // columns 8 c … of row k
    uint32_t leading = (uint32_t)(descriptor >> 16 & 0x3fff) << 4, stride = (uint32_t)(descriptor >> 32 & 0x3fff) << 4;
    fetch(&to[8 * c][k], 16, descriptor, (uint32_t)(c / 8) * leading + (uint32_t)(k / 8) * stride + (uint32_t)(k % 8) * 128 + (uint32_t)(c % 8) * 16);
}

// Each thread fetches some rows, then all have all.
static void multiply(int line, const Product *p) {
    static float A[THREADS_MAX / 128][64][16], B[THREADS_MAX / 128][256][16];
    static Product leader[THREADS_MAX / 128];
    int tid = machine.self->tid, who = tid / 128, t = tid % 128, warp = t / 32, lane = t % 32;
    if (t == 0) leader[who] = *p;
    if (p->registers) {
        for (int i = 0; i < 8; i++) // register i / 2: as A of mma.m16n8k16
            A[who][16 * warp + lane / 4 + i / 2 % 2 * 8][lane % 4 * 2 + i % 2 + i / 4 * 8] = float_of_bf16((uint16_t)(p->registers[i / 2] >> i % 2 * 16));
        for (int i = t; i < 2 * p->n; i += 128) gather_down(B[who], p->b, i % 16, i / 16);
    } else {
        if (t < 64) gather(A[who], p->a, t);
        for (int r = t; r < p->n; r += 128) gather(B[who], p->b, r);
    }
    warpgroup_meets(line);
    if (leader[who].a != p->a || leader[who].b != p->b || leader[who].n != p->n) report(NULL, "line %d: the threads of a warpgroup name different matrices", line);
    for (int j = 0; j < p->n / 8; j++)
        for (int e = 0; e < 4; e++) {
            const float *a = A[who][16 * warp + lane / 4 + e / 2 * 8], *b = B[who][8 * j + lane % 4 * 2 + e % 2];
            double s = p->accumulate ? (double)p->d[4 * j + e] : 0;
            for (int k = 0; k < 16; k++) s += (double)a[k] * (double)b[k];
            p->d[4 * j + e] = (float)s;
        }
    counts.products += (uint64_t)p->n * 16; // 2 * 64 * n * 16 over 128 threads
    warpgroup_meets(line);
}

void emu_wgmma_wait(int line, int left) {
    int tid = machine.self->tid, done = 0;
    for (; done < queues[tid].count && queues[tid].queue[done].group < queues[tid].group - left; done++) multiply(line, &queues[tid].queue[done]);
    queues[tid].count -= done;
    memmove(queues[tid].queue, queues[tid].queue + done, (size_t)queues[tid].count * sizeof(Product));
    if (queues[tid].count == 0) queues[tid].fenced = false;
}

// ---- a block's begin and end

void hopper_block_starts(void) {
    barriers_count = copies_count = 0;
    for (int i = 0; i < machine.threads; i++) queues[i].count = queues[i].group = 0, queues[i].fenced = false;
}

void hopper_thread_ends(void) {
    int tid = machine.self->tid;
    if (queues[tid].count) report(NULL, "a thread ends with %d products that it never waited for", queues[tid].count);
}

void hopper_block_ends(void) {
    if (copies_count) report(NULL, "a block ends with %d tiles on their way", copies_count);
}
