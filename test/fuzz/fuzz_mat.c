// fuzz_mat.c: every variable of a MAT file, plain and compressed.
#include <string.h>

#include "fuzz.h"
#include "io/mat.h"

static void look(const MatValue *v) {
    if (v->kind == MAT_NUMBERS && v->numbers) fuzz_touch(v->numbers, v->count * 8);
    if (v->kind == MAT_TEXT)
        for (size_t i = 0; v->count && i < v->dims[0]; i++) fuzz_touch(v->rows[i], strlen(v->rows[i]) + 1);
    if (v->kind == MAT_CELL)
        for (size_t i = 0; i < v->count; i++) look(&v->items[i]);
    if (v->kind == MAT_STRUCT)
        for (size_t i = 0; i < v->count * v->field_count; i++) look(&v->items[i]);
}

static void parse(Arena *a, Bytes input) {
    Mat *m = mat_open(a, FUZZ_PATH);
    for (size_t i = 0; i < mat_count(m); i++) {
        Trap trap; // a bad variable does not hide the next
        if (!trap_set(&trap)) continue;
        look(mat_find(m, mat_name(m, i)));
        trap_end(&trap);
    }
}

const Fuzz fuzz_target = {.name = "mat", .parse = parse,
                          .seeds = (const char *const[]){"test/golden/containers/plain.mat", "test/golden/containers/packed.mat", NULL},
                          .words = (const char *const[]){"\16\0\0\0", "\17\0\0\0", "\6\0\0\0\10\0\0\0", "\1\0\2\0ab\0\0", "\5\0\0\0\10\0\0\0", "\20\0\4\0abcd", NULL}};
