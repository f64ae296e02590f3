// mat.h: variables of MATLAB, level 5 (what `save` and `save -v7` write): numbers, texts, cells, structs.
//
// Refused with the way out: level 7.3 (an HDF5 file), level 4, files of big-endian machines. Sparse and complex matrices,
// objects and functions are values of kind MAT_OTHER, which stop nobody who does not ask for them.
#ifndef RETINA_IO_MAT_H
#define RETINA_IO_MAT_H

#include <stdbool.h>

#include "file.h"

typedef enum { MAT_NUMBERS, MAT_TEXT, MAT_CELL, MAT_STRUCT, MAT_OTHER } MatKind;

typedef struct MatValue MatValue;
struct MatValue {
    MatKind kind;
    int ndim;
    const size_t *dims;
    size_t count;                // product of dims
    const double *numbers;       // NUMBERS: column after column, as MATLAB has them
    const char **rows;           // TEXT: dims[0] of them, UTF-8
    const MatValue *items;       // CELL: count, column after column; STRUCT: field f of element i at i * field_count + f
    const char **fields;         // STRUCT: names
    size_t field_count;
    const char *what;            // OTHER: "a sparse matrix"
};

typedef struct Mat Mat;
Mat *mat_open(Arena *a, const char *path);
size_t mat_count(const Mat *m);
const char *mat_name(const Mat *m, size_t i);
const MatValue *mat_find(Mat *m, const char *name);               // NULL: there is none
const MatValue *mat_need(Mat *m, const char *name, MatKind kind); // dies with the names that are there, or with the kind

// Field of the i-th element of an array of structs; dies when there is none, or of another kind.
const MatValue *mat_field(const Mat *m, const MatValue *s, size_t i, const char *field, MatKind kind);
double mat_number(const Mat *m, const MatValue *v, const char *what);   // of one number; dies for any other count
const char *mat_text(const Mat *m, const MatValue *v, const char *what); // of one row; "" where there is none

#endif
