// npy.h: arrays of numpy: .npy files, and .npz archives of them.
//
// Read: formats 1 to 3; floating point, whole numbers and truth values of every size that Dtype has, both byte orders,
// both orders of elements; texts (<U). Refused by name: Python objects (they would have to be executed), records, dates.
#ifndef RETINA_IO_NPY_H
#define RETINA_IO_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "dtype.h"
#include "file.h"

#define NPY_RANK_MAX 64 // numpy's own

typedef struct {
    const char *path;
    Dtype dtype;
    bool texts;           // an array of texts, of `text` characters each; else dtype holds
    size_t text;
    int ndim;
    const int64_t *shape;
    size_t count, size;   // elements; bytes of the data
    const void *data;     // row after row, in this machine's byte order, aligned; in place where the file has it so
} Npy;

Npy npy_parse(Arena *a, Bytes file); // the file must stay mapped
Npy npy_read(Arena *a, const char *path);
char **npy_texts(Arena *a, const Npy *n); // count of them, UTF-8

// The same bytes as numpy.save writes for a C-ordered array.
void npy_write(Arena *a, const char *path, Dtype dtype, int ndim, const int64_t *shape, const void *data);
Bytes npy_header(Arena *a, Dtype dtype, int ndim, const int64_t *shape); // what goes before the data

typedef struct Npz Npz;
Npz *npz_open(Arena *a, const char *path);
size_t npz_count(const Npz *z);
const char *npz_name(const Npz *z, size_t i); // without ".npy"
bool npz_has(const Npz *z, const char *name);
Npy npz_read(Arena *a, const Npz *z, const char *name); // dies with the nearest name

typedef struct NpzWriter NpzWriter;
NpzWriter *npz_create(Arena *a, const char *path);
void npz_put(NpzWriter *w, const char *name, Dtype dtype, int ndim, const int64_t *shape, const void *data);
void npz_put_texts(NpzWriter *w, const char *name, const char *const *texts, size_t count); // a row of <U
void npz_begin(NpzWriter *w, const char *name, Dtype dtype, int ndim, const int64_t *shape); // then the data in pieces
void npz_data(NpzWriter *w, const void *bytes, size_t size);
void npz_end(NpzWriter *w);
void npz_finish(NpzWriter *w);

#endif
