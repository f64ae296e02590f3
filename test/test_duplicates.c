// test_duplicates.c: fingerprints, looks, groups, the floor under overlaps, splits.
//
// Seen to catch: width and height not hashed; bands that leave a bit out; groups split between parts; the floor with v for
// v - 1.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/duplicates.h"
#include "check.h"
#include "io/random.h"

enum { W = 60, H = 44 };

static void draw(uint8_t *rgb, int width, int height, uint64_t seed, int noise) {
    Rng r = rng_of(seed, "picture"), n = rng_of(seed, "noise");
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double u = (double)x / width, v = (double)y / height, level = 110;
            for (uint64_t k = 0; k < 6; k++)
                level += 30 * cos(6.28 * (rng_uniform(r, 3 * k) * 3 * u + rng_uniform(r, 3 * k + 1) * 3 * v + rng_uniform(r, 3 * k + 2)));
            for (int c = 0; c < 3; c++) {
                double z = level + noise * rng_normal(n, (uint64_t)((y * width + x) * 3 + c));
                rgb[(y * width + x) * 3 + c] = (uint8_t)fmin(255, fmax(0, z));
            }
        }
}

static void test_pictures(void) {
    static uint8_t a[W * H * 3], b[W * H * 3], large[4 * W * H * 3];
    draw(a, W, H, 1, 0);
    memcpy(b, a, sizeof a);
    Fingerprint fa = fingerprint_of(a, W, H), fb = fingerprint_of(b, W, H), turned = fingerprint_of(a, H, W);
    check(memcmp(&fa, &fb, 16) == 0, "equal pixels, equal fingerprint");
    check(memcmp(&fa, &turned, 16) != 0, "the shape counts");
    b[W * H * 3 - 1] ^= 1;
    fb = fingerprint_of(b, W, H);
    check(memcmp(&fa, &fb, 16) != 0, "one bit counts");
    int near = 0, apart = 128;
    for (uint64_t seed = 1; seed < 20; seed++) {
        draw(a, W, H, seed, 0);
        draw(large, 2 * W, 2 * H, seed, 6);
        draw(b, W, H, seed + 100, 0);
        Look la = look_of(a, W, H), ll = look_of(large, 2 * W, 2 * H), lb = look_of(b, W, H);
        int d = look_distance(&la, &ll), e = look_distance(&la, &lb);
        if (d > near) near = d;
        if (e < apart) apart = e;
    }
    check(near <= 10 && apart >= 25, "looks: scaled and noisy copies within %d bits, other pictures at least %d", near, apart);
    memset(a, 40, sizeof a);
    memset(b, 200, sizeof b);
    Look dark = look_of(a, W, H), light = look_of(b, W, H);
    check(look_distance(&dark, &light) == 128, "flat pictures of different colours are no copies");
    uint8_t dot[3] = {1, 2, 3};
    check(look_of(dot, 1, 1).mean[2] == 3, "a picture of one pixel");
    check_dies("an empty picture", "0 x 3") { fingerprint_of(dot, 0, 3); }
}

static void test_groups(Arena *a) {
    const char *names[] = {"a", "b", "a", "c", "b", "a", "d"};
    Fingerprint print[7];
    for (int i = 0; i < 7; i++) print[i] = fingerprint_of_bytes(names[i], 1);
    Groups g = groups_of_equal(a, print, NULL, 0, 7);
    check(g.count == 4, "four groups");
    check_same("their rows", g.group, (uint32_t[]){0, 1, 0, 2, 1, 0, 3}, 28);
    check_same("their first rows", g.first, (uint32_t[]){0, 1, 3, 6}, 16);
    check_same("their sizes", g.size, (uint32_t[]){3, 2, 1, 1}, 16);
    // k = 2: (3 * 2/2 + 2 * 1/2) / 7; k = 10: (3 * 2/10 + 2 * 1/10) / 7
    check_value("floor, k = 2", groups_floor(&g, 2), 4.0 / 7, 1e-15);
    check_value("floor, k = 10", groups_floor(&g, 10), 0.8 / 7, 1e-15);
    uint32_t ids[5] = {9, 4, 9, 9, 0};
    g = groups_of_ids(a, ids, 5);
    check_same("groups by number", g.group, (uint32_t[]){0, 1, 0, 0, 2}, 20);

    // near groups against comparing every pair with every other
    int n = 400;
    Look *look = take_zero(a, Look, (size_t)n);
    Fingerprint *own = take(a, Fingerprint, (size_t)n);
    Rng r = rng_of(8, "looks");
    for (int i = 0; i < n; i++) {
        own[i] = fingerprint_of_bytes(&i, sizeof i);
        look[i] = (Look){.across = rng_u64(r, (uint64_t)(i % 150)), .down = rng_u64(r, (uint64_t)(1000 + i % 150))};
        int flips = (int)rng_below(r, (uint64_t)(2000 + i), 7);
        for (int k = 0; k < flips; k++) {
            uint64_t bit = rng_below(r, (uint64_t)(10000 + 10 * i + k), 128);
            if (bit < 64) look[i].across ^= (uint64_t)1 << bit;
            else look[i].down ^= (uint64_t)1 << (bit - 64);
        }
    }
    for (int distance = 0; distance <= 24; distance += 4) {
        g = groups_of_equal(a, own, look, distance, (size_t)n);
        uint32_t *plain = take(a, uint32_t, (size_t)n);
        for (int i = 0; i < n; i++) plain[i] = (uint32_t)i;
        for (int pass = 0, moved = 1; moved; pass++) { // spread the smallest number until nothing changes
            moved = 0;
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                    if (plain[j] < plain[i] && look_distance(look + i, look + j) <= distance) plain[i] = plain[j], moved = 1;
        }
        bool same = true;
        for (int i = 0; i < n; i++) same = same && g.first[g.group[i]] == plain[i];
        check(same, "groups within %d bits: %zu, as by comparing all pairs", distance, g.count);
    }
}

static void test_splits(Arena *a) {
    int n = 3000;
    Fingerprint *print = take(a, Fingerprint, (size_t)n);
    uint8_t *part = take(a, uint8_t, (size_t)n), *again = take(a, uint8_t, (size_t)n);
    for (int i = 0; i < n; i++) {
        int content = i % 2 ? i : i / 10;
        print[i] = fingerprint_of_bytes(&content, sizeof content);
    }
    Groups g = groups_of_equal(a, print, NULL, 0, (size_t)n);
    split_by_group(part, &g, print, 0.7, 0.2, 5);
    size_t count[3] = {0};
    bool together = true;
    for (int i = 0; i < n; i++) {
        count[part[i]]++;
        together = together && part[i] == part[g.first[g.group[i]]];
    }
    check(together, "a group is never divided");
    check(abs((int)count[0] - 2100) < 150 && abs((int)count[1] - 600) < 120 && count[2] > 200, "shares %zu %zu %zu of 3000", count[0], count[1], count[2]);
    Groups tail = groups_of_equal(a, print + 1000, NULL, 0, (size_t)n - 1000);
    split_by_group(again, &tail, print + 1000, 0.7, 0.2, 5);
    check(memcmp(again, part + 1000, (size_t)n - 1000) == 0, "an image stays where it is when others leave");
    split_by_group(again, &g, print, 0.7, 0.2, 6);
    check(memcmp(again, part, (size_t)n) != 0, "another seed, another split");
    int lost = 0, empty = 0; // of few groups: no part is empty whose share is not
    for (uint64_t seed = 0; seed < 200; seed++) {
        Groups few = groups_of_equal(a, print + 2000, NULL, 0, 20);
        split_by_group(again, &few, print + 2000, 0.8, 0.1, seed);
        lost += !memchr(again, PART_TRAIN, 20) || !memchr(again, PART_VALIDATION, 20) || !memchr(again, PART_TEST, 20);
        split_by_group(again, &few, print + 2000, 0.5, 0.5, seed);
        empty += !memchr(again, PART_TEST, 20);
    }
    check(lost == 0 && empty == 200, "20 pictures: in %d of 200 splits a part is empty; a share of 0 is empty in %d", lost, empty);
    check_dies("shares above 1", "shares") { split_by_group(part, &g, print, 0.9, 0.2, 5); }

    uint32_t *order = take(a, uint32_t, 8675);
    uint8_t *original = take(a, uint8_t, 8675);
    split_as_original(original, order, 8675, 0.8, 42);
    check_same("the original's permutation of shard 00000", order,
               (uint32_t[]){6267, 5054, 3786, 3889, 2205, 3190, 1895, 3615, 5853, 6428}, 40);
    int train = 0;
    for (int i = 0; i < 8675; i++) train += original[i] == PART_TRAIN;
    check(train == 6940 && original[6267] == PART_TRAIN && original[order[6940]] == PART_VALIDATION, "6940 for training, 1735 for validation");
}

int main(void) {
    Arena *a = arena_new("test");
    test_pictures();
    test_groups(a);
    test_splits(a);
    arena_free(a);
    return check_end();
}
