// npy.c: see npy.h.
//
// Source: numpy.lib.format, "Format Version 1.0" and following.
#include "npy.h"

#include <stdio.h>
#include <string.h>

#include "option.h" // nearest_name
#include "stray.h"
#include "utf8.h"
#include "zip.h"

static const struct {
    const char *code; // of numpy, without the byte order
    Dtype dtype;
} kinds[] = {{"f4", DTYPE_F32}, {"f8", DTYPE_F64}, {"f2", DTYPE_F16}, {"i8", DTYPE_I64}, {"i4", DTYPE_I32}, {"i2", DTYPE_I16}, {"i1", DTYPE_I8},
             {"u1", DTYPE_U8}, {"b1", DTYPE_BOOL}, {"u2", DTYPE_U16}, {"u4", DTYPE_U32}, {"u8", DTYPE_U64}, {"c8", DTYPE_C64}};

// ---- the header: a literal of Python

typedef struct {
    const char *path, *at, *end;
} Literal;

static _Noreturn void refuse(const Literal *l, const char *what) { die("%s: the header of the array: %s", l->path, what); }

static void spaces(Literal *l) {
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\n' || *l->at == '\t')) l->at++;
}

static bool passed(Literal *l, char c) {
    spaces(l);
    if (l->at == l->end || *l->at != c) return false;
    l->at++;
    return true;
}

static void expect(Literal *l, char c) {
    if (!passed(l, c)) refuse(l, (char[]){'n', 'o', ' ', '\'', c, '\'', 0});
}

static const char *text_read(Literal *l, size_t *n) {
    spaces(l);
    if (l->at == l->end || (*l->at != '\'' && *l->at != '"')) refuse(l, "no text where one is due");
    char quote = *l->at++;
    const char *begin = l->at, *close = memchr(begin, quote, (size_t)(l->end - begin));
    if (!close || memchr(begin, '\\', (size_t)(close - begin))) refuse(l, "a text that does not end, or has escapes");
    l->at = close + 1;
    *n = (size_t)(close - begin);
    return begin;
}

static bool word_passed(Literal *l, const char *word) {
    size_t n = strlen(word);
    spaces(l);
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0) return false;
    l->at += n;
    return true;
}

static int shape_read(Literal *l, int64_t shape[NPY_RANK_MAX]) {
    int ndim = 0;
    expect(l, '(');
    while (!passed(l, ')')) {
        if (ndim == NPY_RANK_MAX) refuse(l, "more than 64 dimensions");
        spaces(l);
        const char *begin = l->at;
        int64_t v = 0;
        for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++) {
            if (v > (INT64_MAX - 9) / 10) refuse(l, "a dimension beyond 63 bits");
            v = v * 10 + (*l->at - '0');
        }
        if (l->at == begin) refuse(l, "a dimension that is no whole number");
        if (l->at < l->end && *l->at == 'L') l->at++; // as Python 2 wrote them
        shape[ndim++] = v;
        if (!passed(l, ',')) {
            expect(l, ')');
            break;
        }
    }
    return ndim;
}

// ---- the type

typedef struct {
    Npy array;
    size_t item; // bytes of an element
    bool swap;
} Kind;

static Kind kind_read(Literal *l) {
    Kind k = {.item = 0};
    size_t n;
    spaces(l);
    if (l->at < l->end && *l->at == '[') refuse(l, "an array of records (a structured type); save its fields one by one");
    const char *descr = text_read(l, &n);
    char order = n ? descr[0] : 0, code[24];
    if (n < 2 || n > 20 || !strchr("<>=|", order)) refuse(l, "a type that is not understood");
    snprintf(code, sizeof code, "%.*s", (int)n - 1, descr + 1);
    if (code[0] == 'O') refuse(l, "an array of Python objects, which would have to be executed; save it as numbers or texts: numpy.save(path, array.astype(float))");
    if (code[0] == 'U') {
        for (const char *c = code + 1; *c; c++) {
            if (*c < '0' || *c > '9') refuse(l, "a type that is not understood");
            k.array.text = k.array.text * 10 + (size_t)(*c - '0');
        }
        if (k.array.text < 1 || k.array.text > 1 << 28) refuse(l, "texts of no characters, or of more than 2^28");
        k.array.texts = true;
        k.array.dtype = DTYPE_U32;
        k.item = k.array.text * 4;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !k.array.texts; i++)
        if (strcmp(kinds[i].code, code) == 0) {
            k.array.dtype = kinds[i].dtype;
            k.item = dtype_size(k.array.dtype);
        }
    const char *instead = code[0] == 'S' ? "texts: array.astype(str)" : code[0] == 'M' || code[0] == 'm' ? "whole numbers: array.astype('int64')" : code[0] == 'c' ? "complex64" : "float32, float64 or int64";
    if (!k.item) die("%s: an array of the type \"%.*s\", which is not read; save it as %s", l->path, (int)n, descr, instead);
    if (order == '|' && k.item > 1) refuse(l, "a type without its byte order");
    k.swap = order == '>' && k.item > 1;
    return k;
}

// ---- the data

static void swapped(uint8_t *to, const uint8_t *from, size_t size, size_t unit) {
    for (size_t i = 0; i < size; i += unit)
        for (size_t b = 0; b < unit; b++) to[i + b] = from[i + unit - 1 - b];
}

// Elements stored column after column, put row after row.
static void transposed(uint8_t *to, const uint8_t *from, const Npy *n, size_t item) {
    int64_t index[NPY_RANK_MAX] = {0};
    size_t stride[NPY_RANK_MAX], step = item;
    for (int i = 0; i < n->ndim; i++) {
        stride[i] = step;
        step *= (size_t)n->shape[i];
    }
    size_t at = 0;
    for (size_t left = n->count; left > 0; left--, to += item) {
        memcpy(to, from + at, item);
        for (int i = n->ndim; i-- > 0;) {
            at += stride[i];
            if (++index[i] < n->shape[i]) break;
            at -= stride[i] * (size_t)index[i];
            index[i] = 0;
        }
    }
}

typedef struct {
    Kind kind;
    int64_t *shape;
    int ndim;
    bool columns; // stored column by column
} Header;

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, in any order.
static Header header_read(Arena *a, Literal l) {
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    Header h = {.shape = take(a, int64_t, NPY_RANK_MAX)};
    int seen = 0;
    expect(&l, '{');
    while (!passed(&l, '}')) {
        size_t n;
        const char *key = text_read(&l, &n);
        int field = n == 5 && memcmp(key, "descr", 5) == 0 ? DESCR : n == 13 && memcmp(key, "fortran_order", 13) == 0 ? ORDER : n == 5 && memcmp(key, "shape", 5) == 0 ? SHAPE : 0;
        if (!field || seen & field) refuse(&l, "a key that is unknown, or there twice");
        seen |= field;
        expect(&l, ':');
        if (field == DESCR) h.kind = kind_read(&l);
        else if (field == SHAPE) h.ndim = shape_read(&l, h.shape);
        else if (word_passed(&l, "True")) h.columns = true;
        else if (!word_passed(&l, "False")) refuse(&l, "fortran_order is neither True nor False");
        if (!passed(&l, ',')) {
            expect(&l, '}');
            break;
        }
    }
    spaces(&l);
    if (l.at != l.end) refuse(&l, "more text after it");
    if (seen != (DESCR | ORDER | SHAPE)) refuse(&l, "descr, fortran_order and shape are wanted");
    return h;
}

Npy npy_parse(Arena *a, Bytes f) {
    stray_refuse(f);
    need(f.size >= 10 && memcmp(f.bytes, "\x93NUMPY", 6) == 0, "%s: is no array of numpy: it does not begin with \\x93NUMPY", f.path);
    int version = f.bytes[6];
    need(version >= 1 && version <= 3, "%s: format %d of numpy's arrays; 1 to 3 are read", f.path, version);
    size_t at = version == 1 ? 10 : 12;
    need(f.size >= at, "%s: is cut off in its header", f.path);
    size_t length = f.bytes[8] | (size_t)f.bytes[9] << 8;
    if (version > 1) length |= (size_t)f.bytes[10] << 16 | (size_t)f.bytes[11] << 24;
    need(length <= f.size - at, "%s: is cut off in its header of %zu bytes", f.path, length);
    Header h = header_read(a, (Literal){f.path, (const char *)f.bytes + at, (const char *)f.bytes + at + length});
    Npy n = h.kind.array;
    n.path = f.path;
    n.ndim = h.ndim;
    n.shape = h.shape;
    n.count = 1;
    for (int i = 0; i < n.ndim; i++) n.count = size_mul(n.count, (size_t)n.shape[i], f.path);
    n.size = size_mul(n.count, h.kind.item, f.path);
    const uint8_t *data = f.bytes + at + length;
    size_t there = f.size - at - length;
    need(there >= n.size, "%s: is cut off: its shape and type want %zu bytes, %zu are there", f.path, n.size, there);
    need(there == n.size, "%s: has %zu bytes after its array; several arrays in one file are not read", f.path, there - n.size);
    size_t unit = n.texts ? 4 : n.dtype == DTYPE_C64 ? h.kind.item / 2 : h.kind.item; // what has a byte order of its own
    if (h.kind.swap || (uintptr_t)data % unit) {
        uint8_t *copy = arena_take(a, n.size, 1);
        if (h.kind.swap) swapped(copy, data, n.size, unit);
        else memcpy(copy, data, n.size);
        data = copy;
    }
    if (h.columns && n.ndim > 1) {
        uint8_t *copy = arena_take(a, n.size, 1);
        transposed(copy, data, &n, h.kind.item);
        data = copy;
    }
    n.data = data;
    return n;
}

Npy npy_read(Arena *a, const char *path) { return npy_parse(a, file_map(a, path)); }

char **npy_texts(Arena *a, const Npy *n) {
    need(n->texts, "%s: is an array of %s; texts are wanted", n->path, dtype_name(n->dtype));
    char **list = take(a, char *, n->count);
    const uint32_t *c = n->data;
    for (size_t i = 0; i < n->count; i++, c += n->text) {
        size_t length = n->text;
        while (length > 0 && c[length - 1] == 0) length--; // shorter ones are filled up with zeros
        char *o = list[i] = take(a, char, length * 4 + 1);
        for (size_t k = 0; k < length; k++) {
            need(c[k] > 0 && c[k] <= 0x10FFFF && (c[k] < 0xD800 || c[k] > 0xDFFF), "%s: text %zu holds the character U+%04X, which is none", n->path, i, (unsigned)c[k]);
            o = utf8_put(o, c[k]);
        }
        *o = 0;
    }
    return list;
}

// ---- writing

// numpy leaves room for the first dimension to grow in place: 21 digits, as many as 2^64 has and one more.
static Bytes header_of(Arena *a, const char *descr, int ndim, const int64_t *shape, const char *where) {
    char *dims = arena_text(a, "", 0);
    need(ndim >= 0 && ndim <= NPY_RANK_MAX, "%s: an array of %d dimensions", where, ndim);
    for (int i = 0; i < ndim; i++) {
        need(shape[i] >= 0, "%s: a dimension of %lld", where, (long long)shape[i]);
        dims = arena_print(a, "%s%s%lld", dims, i ? ", " : "", (long long)shape[i]);
    }
    char first[24];
    int room = ndim ? 21 - snprintf(first, sizeof first, "%lld", (long long)shape[0]) : 0;
    char *text = arena_print(a, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }%*s", descr, dims, ndim == 1 ? "," : "", room, "");
    size_t n = strlen(text), whole = (10 + n + 1 + 63) / 64 * 64;
    uint8_t *b = take(a, uint8_t, whole);
    memcpy(b, "\x93NUMPY\1\0", 8);
    b[8] = (uint8_t)(whole - 10);
    b[9] = (uint8_t)((whole - 10) >> 8);
    memcpy(b + 10, text, n);
    memset(b + 10 + n, ' ', whole - 10 - n);
    b[whole - 1] = '\n';
    return (Bytes){.bytes = b, .size = whole, .path = where};
}

static Bytes header_for(Arena *a, Dtype dtype, int ndim, const int64_t *shape, const char *where) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].dtype == dtype) return header_of(a, arena_print(a, "%c%s", dtype_size(dtype) == 1 ? '|' : '<', kinds[i].code), ndim, shape, where);
    die("%s: numpy has no arrays of %s; write F32, or a safetensors file", where, dtype_name(dtype));
}

Bytes npy_header(Arena *a, Dtype dtype, int ndim, const int64_t *shape) { return header_for(a, dtype, ndim, shape, "array"); }

static size_t data_size(Dtype dtype, int ndim, const int64_t *shape, const char *where) {
    size_t size = dtype_size(dtype);
    for (int i = 0; i < ndim; i++) size = size_mul(size, (size_t)shape[i], where);
    return size;
}

void npy_write(Arena *a, const char *path, Dtype dtype, int ndim, const int64_t *shape, const void *data) {
    Bytes header = header_for(a, dtype, ndim, shape, path);
    Writer *w = writer_open(path);
    writer_put(w, header.bytes, header.size);
    writer_put(w, data, data_size(dtype, ndim, shape, path));
    writer_close(w);
}

// ---- archives

struct Npz {
    Zip *zip;
    const char *path, **names;
};

Npz *npz_open(Arena *a, const char *path) {
    Npz *z = take_zero(a, Npz, 1);
    Bytes f = file_map(a, path);
    stray_refuse(f);
    need(zip_is(f), "%s: is no .npz archive", path);
    *z = (Npz){.zip = zip_open(a, f), .path = f.path};
    size_t n = zip_count(z->zip);
    z->names = take(a, const char *, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = zip_at(z->zip, i)->name;
        size_t length = strlen(name);
        z->names[i] = arena_text(a, name, length > 4 && strcmp(name + length - 4, ".npy") == 0 ? length - 4 : length);
    }
    return z;
}

size_t npz_count(const Npz *z) { return zip_count(z->zip); }
const char *npz_name(const Npz *z, size_t i) { return z->names[i]; }

static const ZipEntry *entry(const Npz *z, const char *name) {
    for (size_t i = 0; i < zip_count(z->zip); i++)
        if (strcmp(z->names[i], name) == 0) return zip_at(z->zip, i);
    return NULL;
}

bool npz_has(const Npz *z, const char *name) { return entry(z, name) != NULL; }

Npy npz_read(Arena *a, const Npz *z, const char *name) {
    const ZipEntry *e = entry(z, name);
    const char *near = e ? NULL : nearest_name(name, z->names, zip_count(z->zip));
    need(e || !near, "%s: holds no array \"%s\"; the nearest is \"%s\"", z->path, name, near);
    need(e, "%s: holds no array \"%s\" among its %zu", z->path, name, zip_count(z->zip));
    return npy_parse(a, zip_read(a, z->zip, e));
}

struct NpzWriter {
    Arena *arena;
    ZipWriter *zip;
};

NpzWriter *npz_create(Arena *a, const char *path) {
    NpzWriter *w = take_zero(a, NpzWriter, 1);
    *w = (NpzWriter){.arena = a, .zip = zip_create(a, path)};
    return w;
}

static void begin(NpzWriter *w, const char *name, Bytes header, size_t size) {
    zip_begin(w->zip, arena_print(w->arena, "%s.npy", name), header.size + size, 64); // so that mapped data is aligned
    zip_put(w->zip, header.bytes, header.size);
}

void npz_begin(NpzWriter *w, const char *name, Dtype dtype, int ndim, const int64_t *shape) {
    begin(w, name, header_for(w->arena, dtype, ndim, shape, name), data_size(dtype, ndim, shape, name));
}

void npz_data(NpzWriter *w, const void *bytes, size_t size) { zip_put(w->zip, bytes, size); }
void npz_end(NpzWriter *w) { zip_end(w->zip); }

void npz_put(NpzWriter *w, const char *name, Dtype dtype, int ndim, const int64_t *shape, const void *data) {
    npz_begin(w, name, dtype, ndim, shape);
    npz_data(w, data, data_size(dtype, ndim, shape, name));
    npz_end(w);
}

// Code points of a UTF-8 text into `out`, if that is not NULL; returns how many.
static size_t code_points(const char *text, uint32_t *out, const char *name) {
    size_t n = strlen(text), count = 0;
    need(utf8_valid(text, n) == n, "%s: the text \"%.40s\" is not UTF-8", name, text);
    for (size_t at = 0; at < n; count++) {
        uint32_t u = utf8_next(text, &at);
        if (out) out[count] = u;
    }
    return count;
}

void npz_put_texts(NpzWriter *w, const char *name, const char *const *texts, size_t count) {
    size_t width = 1; // as numpy has it for empty texts
    for (size_t i = 0; i < count; i++) {
        size_t n = code_points(texts[i], NULL, name);
        if (n > width) width = n;
    }
    uint32_t *row = take(w->arena, uint32_t, width);
    begin(w, name, header_of(w->arena, arena_print(w->arena, "<U%zu", width), 1, (int64_t[]){(int64_t)count}, name), size_mul(count, width * 4, name));
    for (size_t i = 0; i < count; i++) {
        memset(row, 0, width * 4);
        code_points(texts[i], row, name);
        zip_put(w->zip, row, width * 4);
    }
    zip_end(w->zip);
}

void npz_finish(NpzWriter *w) { zip_finish(w->zip); }
