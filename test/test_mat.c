// test_mat.c: variables that scipy wrote, plain and compressed; the small forms that MATLAB writes, by hand; refusals.
//
// Caught when broken on purpose: rows of a text read row after row; small elements read as large; a struct's fields in
// the order of elements; int64 cut to 32 bits; elements not padded to 8 bytes.
#include <math.h>
#include <string.h>

#include "check.h"
#include "io/inflate.h"
#include "io/mat.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/"

static double known(long i, long seed) { return (double)((i * 37 + seed * 11) % 101 - 50); } // containers.py: values()

static void test_variables(Arena *a, const char *path) {
    Mat *m = mat_open(a, path);
    check(mat_count(m) == 17 && strcmp(mat_name(m, 0), "labels") == 0, "%s: 17 variables", path);
    const MatValue *v = mat_need(m, "labels", MAT_NUMBERS);
    int wrong = v->ndim != 2 || v->dims[0] != 3 || v->dims[1] != 4;
    for (long r = 0; r < 3; r++)
        for (long c = 0; c < 4; c++) wrong += v->numbers[c * 3 + r] != known(r * 4 + c, 1);
    check(wrong == 0, "%s: doubles, column after column", path);
    v = mat_need(m, "cube", MAT_NUMBERS);
    check(v->ndim == 3 && v->count == 24 && v->numbers[1 + 2 * (2 + 3 * 3)] == known(1 * 12 + 2 * 4 + 3, 1), "%s: three dimensions", path);
    v = mat_need(m, "wide", MAT_NUMBERS);
    check(v->numbers[0] == -0x1p40 && v->numbers[1] == 0x1p53, "%s: int64", path);
    v = mat_need(m, "short", MAT_NUMBERS);
    check(v->numbers[0] == -3 && v->numbers[1] == 300, "%s: int16", path);
    check(mat_number(m, mat_need(m, "single", MAT_NUMBERS), "single") == 1.5 && mat_need(m, "bytes", MAT_NUMBERS)->numbers[4] == 4, "%s: single, uint8", path);
    check(mat_need(m, "empty", MAT_NUMBERS)->count == 0 && mat_need(m, "truth", MAT_NUMBERS)->numbers[0] == 1, "%s: nothing, truth values", path);
    check_text("a text", mat_text(m, mat_need(m, "text", MAT_TEXT), "text"), "one row");
    check_text("a text beyond 16 bits", mat_text(m, mat_need(m, "astral", MAT_TEXT), "astral"), "cat \U0001f408");
    v = mat_need(m, "rows", MAT_TEXT);
    check(v->dims[0] == 3 && strcmp(v->rows[0], "ab") == 0 && strcmp(v->rows[2], "ef") == 0, "%s: a text of three rows", path);
    v = mat_need(m, "file_list", MAT_CELL);
    check(v->count == 4 && strcmp(v->items[0].rows[0], "n02085620-Chihuahua/1.jpg") == 0 && strcmp(v->items[2].rows[0], "na\u00efve \u732b") == 0, "%s: texts in cells", path);
    check(*mat_text(m, &v->items[1], "file_list") == 0 && v->items[3].numbers[2] == 2, "%s: an empty text and numbers in cells", path);
    v = mat_need(m, "annotations", MAT_STRUCT);
    check(v->count == 3 && v->field_count == 3 && strcmp(mat_text(m, mat_field(m, v, 2, "fname", MAT_TEXT), "fname"), "00002.jpg") == 0 &&
              mat_number(m, mat_field(m, v, 1, "class", MAT_NUMBERS), "class") == 2 && mat_number(m, mat_field(m, v, 2, "bbox_x1", MAT_NUMBERS), "bbox_x1") == 21,
          "%s: an array of structs", path);
    v = mat_field(m, mat_need(m, "nested", MAT_STRUCT), 0, "inner", MAT_STRUCT);
    check(mat_number(m, mat_field(m, v, 0, "x", MAT_NUMBERS), "x") == 2, "%s: a struct in a struct", path);
    check_dies("complex", "\"complex\" is a complex matrix") mat_need(m, "complex", MAT_NUMBERS);
    check_dies("sparse", "\"sparse\" is a sparse matrix") mat_need(m, "sparse", MAT_NUMBERS);
    check_dies("beyond 2^53", "beyond: holds a whole number beyond 2^53") mat_need(m, "beyond", MAT_NUMBERS);
    check_dies("no such variable", "no variable \"label\"; the nearest is \"labels\"") mat_need(m, "label", MAT_NUMBERS);
    check_dies("another kind", "\"labels\" is numbers; a text is wanted") mat_need(m, "labels", MAT_TEXT);
    check_dies("no such field", "no field \"name\"; the nearest is \"fname\"") mat_field(m, mat_need(m, "annotations", MAT_STRUCT), 0, "name", MAT_TEXT);
    check_dies("not one number", "\"bytes\" is numbers (5 of them); one number is wanted") mat_number(m, mat_need(m, "bytes", MAT_NUMBERS), "bytes");
    check_dies("an element beyond", "element 3 of a struct of 3") mat_field(m, mat_need(m, "annotations", MAT_STRUCT), 3, "fname", MAT_TEXT);
    check(mat_find(m, "nothing") == NULL, "%s: nothing", path);
}

// ---- by hand

typedef struct {
    uint8_t bytes[4096];
    size_t size;
} Made;

static void u32(Made *m, uint32_t v) {
    for (int i = 0; i < 4; i++) m->bytes[m->size++] = (uint8_t)(v >> (8 * i));
}

static void start(Made *m) {
    memset(m, 0, sizeof *m);
    memset(m->bytes, ' ', 124);
    memcpy(m->bytes + 124, "\0\1IM", 4);
    m->size = 128;
}

static void data(Made *m, unsigned type, const void *bytes, size_t n) {
    u32(m, type);
    u32(m, (uint32_t)n);
    memcpy(m->bytes + m->size, bytes, n);
    m->size += (n + 7) / 8 * 8;
}

static void small(Made *m, unsigned type, const void *bytes, size_t n) {
    u32(m, type | (uint32_t)n << 16);
    memcpy(m->bytes + m->size, bytes, n);
    m->size += 4;
}

static size_t matrix(Made *m, unsigned class, uint32_t rows, uint32_t columns, const char *name) { // returns where its length stands
    u32(m, 14);
    size_t at = m->size;
    u32(m, 0);
    uint32_t flags[2] = {class, 0}, dims[2] = {rows, columns};
    data(m, 6, flags, 8);
    data(m, 5, dims, 8);
    if (strlen(name) <= 4) small(m, 1, name, strlen(name));
    else data(m, 1, name, strlen(name));
    return at;
}

static void finish(Made *m, size_t at) {
    uint32_t n = (uint32_t)(m->size - at - 4);
    memcpy(m->bytes + at, &n, 4);
}

static Mat *opened(Arena *a, const Made *m) { return mat_open(a, scratch_file(a, "made.mat", m->bytes, m->size)); }

static void test_made(Arena *a) {
    Made m;
    start(&m);
    size_t at = matrix(&m, 6, 1, 3, "x"); // doubles that fit a byte are stored as bytes
    small(&m, 2, "\1\2\xff", 3);
    finish(&m, at);
    at = matrix(&m, 4, 1, 4, "t");
    data(&m, 4, "c\0a\0\xe9\0t\0", 8); // UTF-16
    finish(&m, at);
    at = matrix(&m, 9, 1, 2, "logical"); // uint8, flagged
    m.bytes[at + 4 + 8 + 1] = 2;
    small(&m, 2, "\1\0", 2);
    finish(&m, at);
    at = matrix(&m, 1, 1, 2, "cells");
    u32(&m, 14);
    u32(&m, 0); // an empty matrix
    size_t inner = matrix(&m, 4, 1, 2, "");
    small(&m, 16, "ok", 2);
    finish(&m, inner);
    finish(&m, at);
    Mat *f = opened(a, &m);
    const MatValue *v = mat_need(f, "x", MAT_NUMBERS);
    check(v->numbers[0] == 1 && v->numbers[2] == 255, "by hand: doubles as bytes, in a small element");
    check_text("by hand: UTF-16", mat_text(f, mat_need(f, "t", MAT_TEXT), "t"), "ca\u00e9t");
    check(mat_need(f, "logical", MAT_NUMBERS)->numbers[0] == 1, "by hand: truth values");
    v = mat_need(f, "cells", MAT_CELL);
    check(v->items[0].count == 0 && strcmp(v->items[1].rows[0], "ok") == 0, "by hand: an empty cell");
}

// As some writers have them: dimensions without a sign, a name in UTF-8.
static void test_other_types(Arena *a) {
    Made m;
    start(&m);
    size_t at = matrix(&m, 6, 1, 1, "longer");
    m.bytes[at + 4 + 16] = 6;      // behind the length and the flags: the type of the dimensions
    m.bytes[at + 4 + 16 + 16] = 16; // and of the name
    double value = 7;
    data(&m, 9, &value, 8);
    finish(&m, at);
    check(mat_number(opened(a, &m), mat_need(opened(a, &m), "longer", MAT_NUMBERS), "longer") == 7, "dimensions without a sign, a name in UTF-8");
}

// MATLAB's strings, dates and tables: no dimensions, but a name and a class.
static void test_objects(Arena *a) {
    Made m;
    start(&m);
    u32(&m, 14);
    size_t at = m.size;
    u32(&m, 0);
    uint32_t flags[2] = {17, 0};
    data(&m, 6, flags, 8);
    data(&m, 1, "words", 5);
    small(&m, 1, "MCOS", 4);
    data(&m, 1, "string", 6);
    finish(&m, at);
    Mat *f = opened(a, &m);
    check(mat_count(f) == 1 && mat_find(f, "words")->kind == MAT_OTHER, "an object has a name");
    check_dies("an object for numbers", "\"words\" is an object of class string, which is not read") mat_need(f, "words", MAT_NUMBERS);
    m.size -= 16; // without its class
    finish(&m, at);
    check_dies("an object of no class", "words: is cut off") mat_find(opened(a, &m), "words");
}

static void test_sizes(Arena *a) { // that do not fit together
    Made m;
    start(&m);
    size_t at = matrix(&m, 6, 1, 3, "x");
    small(&m, 2, "\1\2", 2);
    finish(&m, at);
    check_dies("two numbers for three", "x: 2 bytes of type 2 for 3 numbers") mat_need(opened(a, &m), "x", MAT_NUMBERS);
    start(&m);
    at = matrix(&m, 6, 0x7fffffff, 0x7fffffff, "x");
    small(&m, 2, "\1\2", 2);
    finish(&m, at);
    check_dies("2^62 numbers", "x: 2 bytes of type 2 for") mat_need(opened(a, &m), "x", MAT_NUMBERS);
    start(&m);
    at = matrix(&m, 1, 0x7fffffff, 2, "x");
    finish(&m, at);
    check_dies("2^32 cells", "x: 4294967294 cells or fields in 0 bytes") mat_need(opened(a, &m), "x", MAT_CELL);
    start(&m);
    at = matrix(&m, 6, 0xffffffff, 2, "x");
    finish(&m, at);
    check_dies("a negative dimension", "byte 128: a negative dimension") opened(a, &m);
    start(&m);
    at = matrix(&m, 4, 0x7fffffff, 0, "x");
    small(&m, 16, "", 0);
    finish(&m, at);
    check(mat_need(opened(a, &m), "x", MAT_TEXT)->count == 0, "2^31 rows of nothing");
    start(&m);
    at = matrix(&m, 6, 1, 1, "x");
    finish(&m, at);
    m.bytes[at]++;
    check_dies("cut off", "byte 128: an element of 41 bytes, where 40 are left: the file is cut off or damaged") opened(a, &m);
    start(&m);
    size_t ends[64];
    for (int i = 0; i < 64; i++) ends[i] = matrix(&m, 1, 1, 1, i ? "" : "deep");
    for (int i = 64; i-- > 0;) finish(&m, ends[i]);
    check_dies("64 cells inside each other", "deep: more than 32 matrices inside each other") mat_need(opened(a, &m), "deep", MAT_CELL);
    start(&m);
    at = matrix(&m, 2, 1, 1, "s");
    small(&m, 5, "\0\0\0\0", 4);
    data(&m, 1, "abc", 3);
    finish(&m, at);
    check_dies("field names of no length", "not a multiple of 0") mat_need(opened(a, &m), "s", MAT_STRUCT);
}

static void test_heads(Arena *a) {
    Made m;
    check_dies("level 4", "no MAT file of level 5; if it is one of level 4") mat_open(a, GOLDEN "level4.mat");
    start(&m);
    m.bytes[124] = 0, m.bytes[125] = 2;
    check_dies("level 7.3", "level 7.3 (HDF5), which is not read; load it in MATLAB and write it with save('-v7'") opened(a, &m);
    check_dies("HDF5", "level 7.3 (HDF5)") mat_open(a, scratch_file(a, "x", "\x89HDF\r\n\x1a\n", 8));
    start(&m);
    memcpy(m.bytes + 124, "\1\0MI", 4);
    check_dies("big-endian", "big-endian machine") opened(a, &m);
    check_dies("short", "100 bytes are no MAT file of level 5") mat_open(a, scratch_file(a, "x", m.bytes, 100));
}

static void test_compressed(Arena *a) { // a stream that promises more than it can hold, one that is damaged
    Made m, inside = {.size = 0};
    start(&m);
    size_t at = matrix(&inside, 6, 1, 1, "x");
    small(&inside, 2, "\7", 1);
    finish(&inside, at);
    size_t n;
    uint8_t *packed = deflate_zlib(a, inside.bytes, inside.size, &n);
    data(&m, 15, packed, n);
    m.size = 128 + 8 + n; // not padded
    check(mat_number(opened(a, &m), mat_need(opened(a, &m), "x", MAT_NUMBERS), "x") == 7, "by hand: compressed, not padded");
    inside.bytes[7] = 0x7f;
    packed = deflate_zlib(a, inside.bytes, inside.size, &n);
    start(&m);
    data(&m, 15, packed, n);
    m.size = 128 + 8 + n;
    check_dies("2 GiB from a few bytes", "cannot come out of") mat_need(opened(a, &m), "x", MAT_NUMBERS);
    m.bytes[128 + 8] ^= 0xff;
    check_dies("a damaged stream", "cannot be unpacked") opened(a, &m);
}

int main(void) {
    Arena *a = arena_new("test");
    test_variables(a, GOLDEN "plain.mat");
    test_variables(a, GOLDEN "packed.mat");
    test_made(a);
    test_other_types(a);
    test_objects(a);
    test_sizes(a);
    test_heads(a);
    test_compressed(a);
    arena_free(a);
    return check_end();
}
