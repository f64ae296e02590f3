// duplicates.c: see duplicates.h.
#include "duplicates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/blake2b.h"
#include "io/random.h"

enum { CELLS = 9, NEAR_COLOUR = 12, DISTANCE_MOST = 24 };

Fingerprint fingerprint_of(const uint8_t *rgb, int width, int height) {
    Fingerprint f;
    Blake2b b;
    uint8_t size[8];
    need(width >= 1 && height >= 1, "fingerprint: a picture of %d x %d", width, height);
    for (int i = 0; i < 4; i++) size[i] = (uint8_t)(width >> 8 * i), size[4 + i] = (uint8_t)(height >> 8 * i);
    blake2b_start(&b, sizeof f.bytes, NULL, 0);
    blake2b_add(&b, size, sizeof size);
    blake2b_add(&b, rgb, size_mul(size_mul((size_t)width, (size_t)height, "fingerprint"), 3, "fingerprint"));
    blake2b_end(&b, f.bytes);
    return f;
}

Fingerprint fingerprint_of_bytes(const void *bytes, size_t size) {
    Fingerprint f;
    blake2b(f.bytes, sizeof f.bytes, bytes, size);
    return f;
}

// How much of pixel i of `length` lies in cell c of CELLS, in pixels.
static double share_in(int i, int c, int length) {
    double left = fmax(i, (double)c * length / CELLS), right = fmin(i + 1, (double)(c + 1) * length / CELLS);
    return right > left ? right - left : 0;
}

Look look_of(const uint8_t *rgb, int width, int height) {
    need(width >= 1 && height >= 1, "look: a picture of %d x %d", width, height);
    double cell[CELLS][CELLS] = {{0}}, sum[3] = {0};
    for (int y = 0; y < height; y++) {
        double column[CELLS] = {0}; // brightness of this row, by cell
        for (int x = 0; x < width; x++) {
            const uint8_t *p = rgb + ((size_t)y * width + x) * 3;
            double bright = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            for (int k = 0; k < 3; k++) sum[k] += p[k];
            int c = (int)((int64_t)x * CELLS / width);
            for (; c < CELLS && (double)c * width / CELLS < x + 1; c++) column[c] += bright * share_in(x, c, width);
        }
        int r = (int)((int64_t)y * CELLS / height);
        for (; r < CELLS && (double)r * height / CELLS < y + 1; r++)
            for (int c = 0; c < CELLS; c++) cell[r][c] += column[c] * share_in(y, r, height);
    }
    double area = (double)width * height / (CELLS * CELLS);
    Look look = {0};
    for (int k = 0; k < 3; k++) look.mean[k] = (uint8_t)(sum[k] / ((double)width * height) + 0.5);
    // half a level of difference, so that rounding decides nothing in flat regions
    for (int r = 0; r < 8; r++)
        for (int c = 0; c < 8; c++) {
            look.across = look.across << 1 | (cell[r][c + 1] - cell[r][c] > area / 2);
            look.down = look.down << 1 | (cell[r + 1][c] - cell[r][c] > area / 2);
        }
    return look;
}

static int bits_of(uint64_t x) { return __builtin_popcountll(x); }

int look_distance(const Look *a, const Look *b) {
    for (int k = 0; k < 3; k++)
        if (abs(a->mean[k] - b->mean[k]) > NEAR_COLOUR) return 128;
    return bits_of(a->across ^ b->across) + bits_of(a->down ^ b->down);
}

// ---- groups: a forest in which every row points to an earlier row of its group, or to itself

static uint32_t root_of(uint32_t *up, uint32_t i) {
    while (up[i] != i) i = up[i] = up[up[i]];
    return i;
}

static void join(uint32_t *up, uint32_t i, uint32_t j) {
    i = root_of(up, i), j = root_of(up, j);
    if (i < j) up[j] = i;
    else up[i] = j;
}

typedef struct {
    uint64_t key[2];
    uint32_t row;
} Keyed;

static int by_key(const void *a, const void *b) {
    const Keyed *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->key[i] != y->key[i]) return x->key[i] < y->key[i] ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool same_key(const Keyed *a, const Keyed *b) { return a->key[0] == b->key[0] && a->key[1] == b->key[1]; }

// The 128 bits are cut into distance + 1 bands. Two looks at most `distance` bits apart agree in one band at least, so
// only rows that share a band need comparing.
static void join_near(uint32_t *up, const Look *look, int distance, size_t n, Keyed *key) {
    int bands = distance + 1;
    for (int band = 0; band < bands; band++) {
        int from = 128 * band / bands, to = 128 * (band + 1) / bands;
        uint64_t mask[2] = {0, 0};
        for (int bit = from; bit < to; bit++) mask[bit / 64] |= (uint64_t)1 << bit % 64;
        for (size_t i = 0; i < n; i++)
            key[i] = (Keyed){{look[i].across & mask[0], look[i].down & mask[1]}, (uint32_t)i};
        qsort(key, n, sizeof *key, by_key);
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < n && same_key(key + i, key + j); j++)
                if (look_distance(look + key[i].row, look + key[j].row) <= distance) join(up, key[i].row, key[j].row);
    }
}

static Groups number(Arena *a, uint32_t *up, size_t n) {
    Groups g = {.n = n, .group = take(a, uint32_t, n), .first = take(a, uint32_t, n), .size = take_zero(a, uint32_t, n)};
    for (size_t i = 0; i < n; i++) {
        uint32_t root = root_of(up, (uint32_t)i); // the group's first row, since every join points to the earlier root
        if (root == i) {
            g.first[g.count] = (uint32_t)i;
            g.group[i] = (uint32_t)g.count++;
        } else {
            g.group[i] = g.group[root];
        }
        g.size[g.group[i]]++;
    }
    return g;
}

static uint32_t *forest(Arena *a, size_t n) {
    need(n <= UINT32_MAX, "groups: %zu rows; at most 2^32 - 1 are possible", n);
    uint32_t *up = take(a, uint32_t, n);
    for (size_t i = 0; i < n; i++) up[i] = (uint32_t)i;
    return up;
}

static void join_equal(uint32_t *up, Keyed *key, size_t n) {
    if (n > 1) qsort(key, n, sizeof *key, by_key);
    for (size_t i = 1; i < n; i++)
        if (same_key(key + i - 1, key + i)) join(up, key[i - 1].row, key[i].row);
}

Groups groups_of_equal(Arena *a, const Fingerprint *print, const Look *look, int distance, size_t n) {
    need(!look || (distance >= 0 && distance <= DISTANCE_MOST), "groups: a distance of %d bits; 0 to %d are possible",
         distance, DISTANCE_MOST);
    uint32_t *up = forest(a, n);
    Keyed *key = take(a, Keyed, n);
    for (size_t i = 0; i < n; i++) {
        memcpy(key[i].key, print[i].bytes, 16);
        key[i].row = (uint32_t)i;
    }
    join_equal(up, key, n);
    if (look && n > 1) join_near(up, look, distance, n, key);
    return number(a, up, n);
}

Groups groups_of_ids(Arena *a, const uint32_t *id, size_t n) {
    uint32_t *up = forest(a, n);
    Keyed *key = take(a, Keyed, n);
    for (size_t i = 0; i < n; i++) key[i] = (Keyed){{id[i], 0}, (uint32_t)i};
    join_equal(up, key, n);
    return number(a, up, n);
}

double groups_floor(const Groups *g, int k) {
    need(k >= 1, "duplicate floor: lists of %d", k);
    double sum = 0;
    for (size_t i = 0; i < g->count; i++) {
        double v = g->size[i];
        sum += v * fmin(k, v - 1) / k;
    }
    return g->n ? sum / (double)g->n : 0;
}

// ---- splits

// [0, 1), by the seed and a content
static double place_of(const Fingerprint *content, uint64_t seed) {
    uint8_t key[8], digest[8];
    for (int b = 0; b < 8; b++) key[b] = (uint8_t)(seed >> 8 * b);
    Blake2b hash;
    blake2b_start(&hash, sizeof digest, key, sizeof key);
    blake2b_add(&hash, content->bytes, 16);
    blake2b_end(&hash, digest);
    uint64_t value = 0;
    for (int b = 0; b < 8; b++) value = value << 8 | digest[b];
    return (double)(value >> 11) * 0x1p-53;
}

// Gives `wanted` the group that lies nearest to it, where it has none: that of the largest place among earlier parts.
static void fill(Part *of, const double *place, size_t count, Part wanted) {
    size_t best = count;
    for (size_t k = 0; k < count; k++) {
        if (of[k] == wanted) return;
        if (of[k] < wanted && (best == count || place[k] > place[best])) best = k;
    }
    if (best < count) of[best] = wanted;
}

void split_by_group(uint8_t *part, const Groups *g, const Fingerprint *print, double train, double validation, uint64_t seed) {
    need(train >= 0 && validation >= 0 && train + validation <= 1, "split: shares of %g and %g", train, validation);
    uint32_t *least = memory_take(g->count * sizeof *least, "split"); // row of the smallest fingerprint
    for (size_t k = 0; k < g->count; k++) least[k] = g->first[k];
    for (size_t i = 0; i < g->n; i++)
        if (memcmp(print[i].bytes, print[least[g->group[i]]].bytes, 16) < 0) least[g->group[i]] = (uint32_t)i;
    double *place = memory_take(g->count * sizeof *place, "split");
    Part *of = memory_take(g->count * sizeof *of, "split");
    for (size_t k = 0; k < g->count; k++) {
        place[k] = place_of(&print[least[k]], seed);
        of[k] = place[k] < train ? PART_TRAIN : place[k] < train + validation ? PART_VALIDATION : PART_TEST;
    }
    if (train + validation < 1) fill(of, place, g->count, PART_TEST);
    if (validation > 0) fill(of, place, g->count, PART_VALIDATION);
    for (size_t i = 0; i < g->n; i++) part[i] = (uint8_t)of[g->group[i]];
    free(least), free(place), free(of);
}

void split_as_original(uint8_t *part, uint32_t *order, size_t n, double train, uint32_t seed) {
    need(n <= UINT32_MAX && train >= 0 && train <= 1, "split: a share of %g of %zu rows", train, n);
    uint32_t *own = order ? order : memory_take(n * sizeof *own, "split");
    torch_randperm(seed, own, (uint32_t)n);
    size_t kept = (size_t)(train * (double)n);
    for (size_t i = 0; i < n; i++) part[own[i]] = i < kept ? PART_TRAIN : PART_VALIDATION;
    if (!order) free(own);
}
