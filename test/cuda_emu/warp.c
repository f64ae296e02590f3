// warp.c: what the lanes of a warp do together: shuffles, votes, ldmatrix, mma; and atomics and asynchronous copies.
//
// Fragments of mma.sync m16n8k16 (PTX ISA, "Matrix Fragments"), g = lane / 4, t = lane % 4, two 16-bit values a register:
//   A (16 x 16)  a0: row g,     columns 2t, 2t+1     a1: row g + 8, the same     a2, a3: the same rows, columns + 8
//   B (16 x 8)   b0: rows 2t, 2t+1, column g         b1: rows + 8
//   C (16 x 8)   c0, c1: row g, columns 2t, 2t+1     c2, c3: row g + 8
// m8n8k4 in f64: A (8 x 4) row g, column t; B (4 x 8) row t, column g; C (8 x 8) row g, columns 2t, 2t+1.
#include <stdlib.h>

#include "io/error.h"
#include "parts.h"

#define CODE __builtin_return_address(0)

// Lanes that wait in one operation: at most 32 groups, one a lane at most. Two sets in turn: a lane that has not yet
// read its result cannot be overtaken twice, since the next operation needs it.
typedef struct {
    uint64_t values[2][32];
    int turn;
} Slots;
static Slots slots[THREADS_MAX / 32][32]; // [warp][first lane of the mask]

const uint64_t *warp_exchange(int line, uint32_t mask, uint64_t value) {
    Thread *t = machine.self;
    int warp = t->tid / 32, lane = t->tid % 32, missing = 0, size = machine.threads - warp * 32 < 32 ? machine.threads - warp * 32 : 32;
    counts.warp_ops++;
    if (size < 32) mask &= (1u << size) - 1; // the last warp of a block that is no multiple of 32
    if (!(mask >> lane & 1)) {
        report(NULL, "the mask 0x%08x in line %d does not name the lane that gives it", mask, line);
        mask |= 1u << lane;
    }
    Slots *s = &slots[warp][__builtin_ctz(mask)];
    int turn = s->turn;
    s->values[turn][lane] = value;
    t->state = AT_WARP, t->mask = mask, t->line = line;
    for (int i = 0; i < size; i++) {
        Thread *u = machine.thread[warp * 32 + i];
        if (!(mask >> i & 1)) continue;
        if (u->state == ENDED) {
            report(NULL, "lane %d of the mask 0x%08x in line %d has ended", i, mask, line);
            t->state = READY;
            return s->values[turn];
        }
        if (u->state != AT_WARP || u->mask != mask) missing++;
        else if (u->line != line) report(NULL, "divergent warp: this lane is in line %d, lane %d in line %d", line, i, u->line);
    }
    if (missing) give_way();
    else {
        s->turn = !turn;
        for (int i = 0; i < size; i++)
            if (mask >> i & 1) machine.thread[warp * 32 + i]->state = READY;
    }
    return s->values[turn];
}

uint64_t emu_shuffle(int line, unsigned mask, uint64_t bits, int from) {
    int lane = machine.self->tid % 32;
    const uint64_t *v = warp_exchange(line, mask, bits);
    if (from < 0 || from > 31) return bits;
    if (!(mask >> from & 1)) report(NULL, "a shuffle in line %d from lane %d, which the mask 0x%08x does not name", line, from, mask);
    if (machine.self->tid - lane + from >= machine.threads) report(NULL, "a shuffle in line %d from lane %d, which does not exist", line, from);
    return v[from];
}

unsigned emu_ballot(int line, unsigned mask, int yes) {
    const uint64_t *v = warp_exchange(line, mask, (uint64_t)yes);
    unsigned all = 0;
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1 && machine.self->tid / 32 * 32 + i < machine.threads) all |= (unsigned)v[i] << i;
    return all;
}

unsigned emu_match(int line, unsigned mask, uint64_t bits) {
    const uint64_t *v = warp_exchange(line, mask, bits);
    unsigned all = 0;
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1 && machine.self->tid / 32 * 32 + i < machine.threads && v[i] == bits) all |= 1u << i;
    return all;
}

void emu_syncwarp(int line, unsigned mask) {
    static Met met[THREADS_MAX / 32][32][2]; // a lane arrives at the next barrier only after all have passed this one
    Thread *t = machine.self;
    int warp = t->tid / 32, first = __builtin_ctz(mask), turn = slots[warp][first].turn;
    shadow_arrive(&met[warp][first][turn], t);
    warp_exchange(line, mask, 0);
    shadow_pass(t, &met[warp][first][turn]);
}

// ---- atomics

uint64_t emu_atomic(void *p, int size, int op, uint64_t value, uint64_t compare, int line) {
    shadow_access(p, (size_t)size, ATOMIC, CODE);
    uint64_t old = 0, now;
    memcpy(&old, p, (size_t)size);
    uint64_t mask = size == 8 ? ~0ull : 0xffffffffull;
    value &= mask, compare &= mask;
    int64_t old_signed = size == 8 ? (int64_t)old : (int32_t)old, value_signed = size == 8 ? (int64_t)value : (int32_t)value;
    switch (op) {
    case EMU_ADD: now = old + value; break;
    case EMU_MIN: now = old < value ? old : value; break;
    case EMU_MAX: now = old > value ? old : value; break;
    case EMU_MIN_SIGNED: now = old_signed < value_signed ? old : value; break;
    case EMU_MAX_SIGNED: now = old_signed > value_signed ? old : value; break;
    case EMU_AND: now = old & value; break;
    case EMU_OR: now = old | value; break;
    case EMU_EXCHANGE: now = value; break;
    default: now = old == compare ? value : old;
    }
    memcpy(p, &now, (size_t)size);
    return old;
}

float emu_fmaf(float a, float b, float c) {
    counts.fused++;
    return __builtin_fmaf(a, b, c);
}

// ---- asynchronous copies: they land when they are waited for, and until then nobody may read the place

void emu_cp_async(void *shared, const void *global, int bytes, int given) {
    Thread *t = machine.self;
    if ((bytes != 4 && bytes != 8 && bytes != 16) || given < 0 || given > bytes) report(CODE, "an asynchronous copy of %d of %d bytes", given, bytes);
    if ((size_t)global % (size_t)bytes && given) report(CODE, "an asynchronous copy of %d bytes from %p: not aligned", bytes, global);
    const int piece = given & -given; // twelve bytes stand on four
    for (int at = 0; at < given; at += piece) shadow_access((char *)global + at, (size_t)piece, LOAD, CODE);
    shadow_access(shared, (size_t)bytes, STORE, CODE); // nobody may still be reading
    shadow_in_flight(shared, (size_t)bytes);
    if (t->copies_count == t->copies_room) {
        t->copies_room = t->copies_room ? 2 * t->copies_room : 64;
        t->copies = realloc(t->copies, (size_t)t->copies_room * sizeof *t->copies);
        need(t->copies, "cuda_emu: no memory");
    }
    t->copies[t->copies_count++] = (Copy){.shared = shared, .global = global, .bytes = bytes, .given = given, .group = t->group};
}

void emu_cp_commit(void) { machine.self->group++; }

void emu_cp_wait(int left) {
    Thread *t = machine.self;
    int kept = 0;
    for (int i = 0; i < t->copies_count; i++) {
        Copy c = t->copies[i];
        if (c.group >= t->group - left) {
            t->copies[kept++] = c;
            continue;
        }
        shadow_access(c.shared, (size_t)c.bytes, STORE, CODE);
        counts.shared_written -= (uint64_t)c.bytes; // counted when it was started
        memset(c.shared, 0, (size_t)c.bytes);
        memcpy(c.shared, c.global, (size_t)c.given);
    }
    t->copies_count = kept;
}

// ---- tensor cores

void emu_ldmatrix(uint32_t *r, int count, bool transposed, const void *row, int line) {
    int lane = machine.self->tid % 32;
    const uint64_t *at = warp_exchange(line, 0xffffffffu, (uint64_t)(uintptr_t)row);
    if (lane < 8 * count) {
        if ((size_t)row % 16) report(CODE, "ldmatrix of a row at %p: not aligned to 16", row);
        shadow_access((void *)row, 16, LOAD, CODE);
    }
    for (int m = 0; m < count; m++) {
        uint16_t v[2];
        for (int i = 0; i < 2; i++) {
            int y = transposed ? 2 * (lane % 4) + i : lane / 4, x = transposed ? lane / 4 : 2 * (lane % 4) + i;
            memcpy(&v[i], (const char *)(uintptr_t)at[8 * m + y] + 2 * x, 2);
        }
        r[m] = (uint32_t)v[0] | (uint32_t)v[1] << 16;
    }
    warp_exchange(line, 0xffffffffu, 0); // nobody goes on and writes before all have read
}

static float value16(uint32_t pair, int i, bool half) {
    uint16_t h = (uint16_t)(pair >> 16 * i);
    uint32_t u = (uint32_t)h << 16;
    if (half) {
        _Float16 f;
        memcpy(&f, &h, 2);
        return (float)f;
    }
    float f;
    memcpy(&f, &u, 4);
    return f;
}

// Products are exact; the hardware's order of the sum is not documented: here they are added in double, rounded once.
void emu_mma_16816(float *d, const uint32_t *a, const uint32_t *b, bool half, int line) {
    static float A[THREADS_MAX / 32][16][16], B[THREADS_MAX / 32][16][8];
    int warp = machine.self->tid / 32, lane = machine.self->tid % 32, g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; r++)
        for (int i = 0; i < 2; i++) A[warp][g + 8 * (r & 1)][2 * t + i + 8 * (r >> 1)] = value16(a[r], i, half);
    for (int r = 0; r < 2; r++)
        for (int i = 0; i < 2; i++) B[warp][2 * t + i + 8 * r][g] = value16(b[r], i, half);
    warp_exchange(line, 0xffffffffu, 0);
    for (int r = 0; r < 4; r++) {
        int y = g + 8 * (r >> 1), x = 2 * t + (r & 1);
        double s = (double)d[r];
        for (int k = 0; k < 16; k++) s += (double)A[warp][y][k] * (double)B[warp][k][x];
        d[r] = (float)s;
    }
    counts.products += 128; // 2 * 16 * 8 * 16 over 32 lanes
    warp_exchange(line, 0xffffffffu, 0);
}

void emu_mma_884(double *d, double a, double b, int line) {
    static double A[THREADS_MAX / 32][8][4], B[THREADS_MAX / 32][4][8];
    int warp = machine.self->tid / 32, lane = machine.self->tid % 32, g = lane / 4, t = lane % 4;
    A[warp][g][t] = a, B[warp][t][g] = b;
    warp_exchange(line, 0xffffffffu, 0);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) d[i] = __builtin_fma(A[warp][g][k], B[warp][k][2 * t + i], d[i]);
    counts.products += 16; // 2 * 8 * 8 * 4 over 32 lanes
    warp_exchange(line, 0xffffffffu, 0);
}
