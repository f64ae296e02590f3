// duplicates.h: pictures that occur more than once, and splits that keep them together.
//
// Half of the study's images were exact copies of others. Copies are each other's neighbours in every space, and a copy
// of a training image is no test image; so they are found first, by their decoded pixels.
#ifndef RETINA_ANALYSIS_DUPLICATES_H
#define RETINA_ANALYSIS_DUPLICATES_H

#include <stddef.h>
#include <stdint.h>

#include "io/memory.h"

typedef struct {
    uint8_t bytes[16];
} Fingerprint; // BLAKE2b of width, height and pixels: equal if and only if the pictures are

Fingerprint fingerprint_of(const uint8_t *rgb, int width, int height);
Fingerprint fingerprint_of_bytes(const void *bytes, size_t size); // for inputs that are not pictures

// What is left of a picture after shrinking to 9 x 9: which of two neighbouring cells is brighter (64 bits across, 64
// down), and the mean colour. Copies that were scaled, sharpened or compressed again differ in a few bits.
typedef struct {
    uint64_t across, down;
    uint8_t mean[3];
} Look;
Look look_of(const uint8_t *rgb, int width, int height);
int look_distance(const Look *a, const Look *b); // bits that differ, 0 … 128; 128 when a mean channel differs by more than 12

typedef struct {
    size_t n, count;          // rows, groups
    uint32_t *group;          // (n), groups are numbered in order of their first row
    uint32_t *first;          // (count) that row: the group's representative
    uint32_t *size;           // (count)
} Groups;

// Groups of equal fingerprints; with looks (n), also of rows whose looks are at most `distance` bits apart (0 … 24; 10 is a
// sound choice), directly or through others.
Groups groups_of_equal(Arena *a, const Fingerprint *print, const Look *look, int distance, size_t n);
Groups groups_of_ids(Arena *a, const uint32_t *id, size_t n); // groups already known by any number

// The share of a neighbour list of length k that copies fill by themselves: sum over groups of size v of
// v min(k, v - 1) / k, divided by n. No overlap of two spaces can fall below it.
double groups_floor(const Groups *g, int k);

typedef enum { PART_TRAIN, PART_VALIDATION, PART_TEST } Part;

// Each group goes to one part as a whole. Where it goes depends on the seed and its content only (the smallest
// fingerprint in it), so it stays there when other images come and go. Shares are met on average; of few groups a part that has
// none gets the one nearest to it.
void split_by_group(uint8_t *part, const Groups *g, const Fingerprint *print, double train, double validation, uint64_t seed);

// The original's split: torch.randperm(n) under the seed, the first int(train * n) rows of it are for training, the rest
// for validation. order (n) receives the permutation, NULL if not wanted. Copies land on both sides.
void split_as_original(uint8_t *part, uint32_t *order, size_t n, double train, uint32_t seed);

#endif
