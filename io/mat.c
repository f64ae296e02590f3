// mat.c: see mat.h.
//
// Source: "MAT-File Format" (The MathWorks), chapter 1. Every element is a tag (type, bytes) and data, padded to 8 bytes;
// a matrix is an element that holds elements. Numbers are little-endian and put together from bytes.
#include "mat.h"

#include <math.h>
#include <string.h>

#include "inflate.h"
#include "option.h" // nearest_name
#include "stray.h"
#include "utf8.h"

enum { INT8 = 1, UINT8, INT16, UINT16, INT32, UINT32, SINGLE, DOUBLE = 9, INT64 = 12, UINT64, MATRIX, COMPRESSED, UTF8, UTF16, UTF32 };
enum { CLASS_CELL = 1, CLASS_STRUCT, CLASS_OBJECT, CLASS_CHAR, CLASS_SPARSE, CLASS_DOUBLE, CLASS_UINT64 = 15, CLASS_FUNCTION, CLASS_OPAQUE };
#define COMPLEX 0x0800       // in the flags, beside the class
#define DEPTH_MAX 32         // matrices inside each other
#define RANK_MAX 32
#define HEAD 128             // bytes before the first element
#define DEFLATE_RATIO 1032   // no stream of zlib grows more
#define PEEK ((size_t)65536) // bytes inflated to find a variable's name

typedef struct {
    const uint8_t *at, *end;
    const char *where; // file and variable, for messages
} Input;

typedef struct {
    unsigned type;
    Input data;
} Element;

typedef struct {
    const char *name;
    const uint8_t *at;  // its element's data: a matrix, or a zlib stream of one
    size_t size;
    bool packed;
    uint32_t type; // of what is packed, and its bytes
    size_t unpacked;
    const MatValue *value; // once it was asked for
} Variable;

struct Mat {
    Arena *arena;
    const char *path;
    Variable *variables;
    size_t count, room;
};

static uint64_t le(const uint8_t *p, int n) {
    uint64_t v = 0;
    while (n-- > 0) v = v << 8 | p[n];
    return v;
}

static Element element(Input *in) {
    need(in->end - in->at >= 8, "%s: is cut off", in->where);
    uint32_t first = (uint32_t)le(in->at, 4);
    size_t left = (size_t)(in->end - in->at) - 8;
    Element e = {.type = first & 0xFFFF, .data.where = in->where};
    if (first >> 16) { // up to four bytes, in the tag itself
        size_t n = first >> 16;
        need(n <= 4, "%s: a small element of %zu bytes", in->where, n);
        e.data.at = in->at + 4;
        e.data.end = e.data.at + n;
        in->at += 8;
        return e;
    }
    size_t n = (size_t)le(in->at + 4, 4), padded = e.type == COMPRESSED ? n : (n + 7) / 8 * 8;
    need(n <= left, "%s: an element of %zu bytes, where %zu are left: the file is cut off or damaged", in->where, n, left);
    e.data.at = in->at + 8;
    e.data.end = e.data.at + n;
    in->at = padded <= left ? e.data.at + padded : in->end; // the last may come without its padding
    return e;
}

static size_t size_of(const Element *e) { return (size_t)(e->data.end - e->data.at); }

static int width(unsigned type) {
    switch (type) {
    case INT8:
    case UINT8:
    case UTF8: return 1;
    case INT16:
    case UINT16:
    case UTF16: return 2;
    case INT32:
    case UINT32:
    case UTF32:
    case SINGLE: return 4;
    case DOUBLE:
    case INT64:
    case UINT64: return 8;
    default: return 0;
    }
}

static double number(const uint8_t *p, unsigned type, const char *where) {
    int n = width(type);
    uint64_t u = le(p, n);
    if (type == DOUBLE) {
        double x;
        memcpy(&x, &u, 8);
        return x;
    }
    if (type == SINGLE) {
        uint32_t narrow = (uint32_t)u;
        float x;
        memcpy(&x, &narrow, 4);
        return x;
    }
    bool has_sign = type == INT8 || type == INT16 || type == INT32 || type == INT64, negative = has_sign && u >> (8 * n - 1);
    if (negative && n < 8) u |= ~(uint64_t)0 << (8 * n);
    uint64_t size = negative ? 0 - u : u;
    need(size <= (uint64_t)1 << 53, "%s: holds a whole number beyond 2^53, which a double does not", where);
    return negative ? -(double)size : (double)size;
}

// Flags, dimensions and name, which every matrix begins with.
typedef struct {
    unsigned class, flags;
    int ndim;
    size_t *dims, count;
    const char *name;
} Head;

static void dimensions_read(Arena *a, Head *h, Input *in) {
    Element dims = element(in);
    need((dims.type == INT32 || dims.type == UINT32) && size_of(&dims) % 4 == 0 && size_of(&dims) >= 8 && size_of(&dims) / 4 <= RANK_MAX, "%s: a matrix without its dimensions", in->where);
    h->ndim = (int)(size_of(&dims) / 4);
    h->dims = take(a, size_t, h->ndim);
    for (int i = 0; i < h->ndim; i++) {
        uint32_t d = (uint32_t)le(dims.data.at + 4 * i, 4);
        need(d <= INT32_MAX, "%s: a negative dimension", in->where);
        h->dims[i] = d;
        h->count = size_mul(h->count, d, in->where);
    }
}

static Head head_read(Arena *a, Input *in) {
    Head h = {.count = 1};
    Element flags = element(in);
    need(flags.type == UINT32 && size_of(&flags) == 8, "%s: a matrix without its flags", in->where);
    h.flags = (unsigned)le(flags.data.at, 4);
    h.class = h.flags & 0xFF;
    if (h.class != CLASS_OPAQUE) dimensions_read(a, &h, in); // objects have none
    Element name = element(in);
    need(name.type == INT8 || name.type == UINT8 || name.type == UTF8 || size_of(&name) == 0, "%s: a matrix whose name is no text", in->where);
    h.name = arena_text(a, (const char *)name.data.at, size_of(&name));
    return h;
}

static void matrix_read(Arena *a, MatValue *v, Input in, int depth);

// `count` matrices, each in an element of its own.
static const MatValue *items_read(Arena *a, Input *in, size_t count, int depth) {
    need(count <= (size_t)(in->end - in->at) / 8, "%s: %zu cells or fields in %zu bytes", in->where, count, (size_t)(in->end - in->at));
    MatValue *items = take_zero(a, MatValue, count);
    for (size_t i = 0; i < count; i++) {
        Element e = element(in);
        need(e.type == MATRIX, "%s: a cell or field that is no matrix (type %u)", in->where, e.type);
        matrix_read(a, &items[i], e.data, depth + 1);
    }
    return items;
}

static void struct_read(Arena *a, MatValue *v, Input *in, int depth) {
    Element length = element(in), names = element(in);
    need(length.type == INT32 && size_of(&length) == 4, "%s: a struct without the length of its names", in->where);
    size_t each = (size_t)le(length.data.at, 4), bytes = size_of(&names);
    need((each > 0 || bytes == 0) && (each == 0 || bytes % each == 0), "%s: a struct whose names take %zu bytes, not a multiple of %zu", in->where, bytes, each);
    v->field_count = each ? bytes / each : 0;
    v->fields = take(a, const char *, v->field_count);
    for (size_t i = 0; i < v->field_count; i++) {
        const char *name = (const char *)names.data.at + i * each;
        v->fields[i] = arena_text(a, name, strnlen(name, each));
    }
    v->items = items_read(a, in, size_mul(v->count, v->field_count, in->where), depth);
}

// Code units of any of the ways in which characters are stored; UTF-8 becomes code points.
static uint32_t *units_read(Arena *a, const Element *e, size_t *count) {
    int n = width(e->type);
    need(n > 0 && n <= 4 && e->type != SINGLE, "%s: a text stored as type %u", e->data.where, e->type);
    uint32_t *units = take(a, uint32_t, size_of(e) / (size_t)n);
    *count = 0;
    for (const uint8_t *p = e->data.at; e->data.end - p >= n;) {
        if (e->type != UTF8) {
            units[(*count)++] = (uint32_t)le(p, n);
            p += n;
            continue;
        }
        size_t k = 0;
        need(utf8_length(p, (size_t)(e->data.end - p)) > 0, "%s: a text that is not UTF-8", e->data.where);
        units[(*count)++] = utf8_next((const char *)p, &k);
        p += k;
    }
    return units;
}

static void text_read(Arena *a, MatValue *v, Input *in) {
    Element e = element(in);
    size_t rows = v->dims[0], found, columns;
    uint32_t *units = units_read(a, &e, &found);
    need(found == v->count || (rows <= 1 && found <= v->count), "%s: a text of %zu characters, its dimensions say %zu", in->where, found, v->count);
    columns = rows ? found / rows : 0;
    need(rows <= found || found == 0, "%s: a text of more rows than characters", in->where);
    if (found == 0 && rows > 1) rows = 0; // rows of nothing: as many as the file says, which may be any number
    v->rows = take(a, const char *, rows);
    for (size_t r = 0; r < rows; r++) {
        char *o = take(a, char, columns * 4 + 1);
        v->rows[r] = o;
        for (size_t c = 0; c < columns; c++) {
            uint32_t u = units[c * rows + r], low = c + 1 < columns ? units[(c + 1) * rows + r] : 0;
            if (u >= 0xD800 && u < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
                u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
                c++;
            }
            need(u != 0, "%s: a text with a zero in it", in->where);
            o = utf8_put(o, u);
        }
        *o = 0;
    }
    if (!rows) v->count = 0;
}

static void numbers_read(Arena *a, MatValue *v, Input *in) {
    Element e = element(in);
    int n = width(e.type);
    need(n > 0 && size_of(&e) / (size_t)n == v->count && size_of(&e) % (size_t)n == 0, "%s: %zu bytes of type %u for %zu numbers", in->where, size_of(&e), e.type, v->count);
    double *x = take(a, double, v->count);
    for (size_t i = 0; i < v->count; i++) x[i] = number(e.data.at + i * (size_t)n, e.type, in->where);
    v->numbers = x;
}

// MATLAB's own objects (strings, dates, tables) say of which class they are.
static const char *object_name(Arena *a, Input *in) {
    element(in); // "MCOS" or "java"
    Element class = element(in);
    return arena_print(a, "an object of class %.*s", size_of(&class) < 64 ? (int)size_of(&class) : 64, (const char *)class.data.at);
}

static void matrix_read(Arena *a, MatValue *v, Input in, int depth) {
    static const size_t nothing[2] = {0, 0};
    need(depth <= DEPTH_MAX, "%s: more than %d matrices inside each other", in.where, DEPTH_MAX);
    *v = (MatValue){.kind = MAT_NUMBERS, .ndim = 2, .dims = nothing};
    if (in.at == in.end) return; // an empty matrix
    Head h = head_read(a, &in);
    v->ndim = h.ndim;
    v->dims = h.dims;
    v->count = h.count;
    v->kind = h.class == CLASS_CELL ? MAT_CELL : h.class == CLASS_STRUCT ? MAT_STRUCT : h.class == CLASS_CHAR ? MAT_TEXT : MAT_NUMBERS;
    if (v->kind == MAT_CELL) v->items = items_read(a, &in, v->count, depth);
    else if (v->kind == MAT_STRUCT) struct_read(a, v, &in, depth);
    else if (v->kind == MAT_TEXT) text_read(a, v, &in);
    else if (h.class >= CLASS_DOUBLE && h.class <= CLASS_UINT64 && !(h.flags & COMPLEX)) numbers_read(a, v, &in);
    else
        *v = (MatValue){.kind = MAT_OTHER, .dims = nothing, .ndim = 2, .what = h.class == CLASS_SPARSE ? "a sparse matrix" : h.class == CLASS_OPAQUE ? object_name(a, &in) : h.class == CLASS_OBJECT ? "an object"
                                                                             : h.class == CLASS_FUNCTION ? "a function" : h.flags & COMPLEX ? "a complex matrix" : "of an unknown class"};
}

// ---- the file

static void head_check(Bytes f) {
    stray_refuse(f);
    const char *again = "load it in MATLAB and write it with save('-v7', …)";
    need(f.size >= HEAD || (f.size >= 8 && memcmp(f.bytes, "\x89HDF", 4) == 0), "%s: %zu bytes are no MAT file of level 5; if it is one of level 4, %s", f.path, f.size, again);
    need(memcmp(f.bytes, "\x89HDF", 4) != 0 && le(f.bytes + 124, 2) != 0x0200, "%s: is a MAT file of level 7.3 (HDF5), which is not read; %s", f.path, again);
    need(memcmp(f.bytes + 126, "MI", 2) != 0, "%s: was written on a big-endian machine; %s", f.path, again);
    need(memcmp(f.bytes + 126, "IM", 2) == 0 && le(f.bytes + 124, 2) == 0x0100, "%s: is no MAT file of level 5; if it is one of level 4, %s", f.path, again);
}

static void variable_add(Mat *m, Variable v) {
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 16;
        m->variables = arena_grow(m->arena, m->variables, m->count, room, sizeof v);
        m->room = room;
    }
    m->variables[m->count++] = v;
}

// The name of a variable, from the beginning of its matrix; NULL: it has none, which objects' shared data has not.
static const char *name_of(Mat *m, Input in) {
    Head h = head_read(m->arena, &in);
    return h.name && *h.name ? h.name : NULL;
}

Mat *mat_open(Arena *a, const char *path) {
    Mat *m = take_zero(a, Mat, 1);
    Bytes f = file_map(a, path);
    head_check(f);
    *m = (Mat){.arena = a, .path = f.path};
    Input in = {f.bytes + HEAD, f.bytes + f.size, f.path};
    uint8_t *room = take(a, uint8_t, PEEK);
    while (in.at < in.end) {
        const char *where = in.where = arena_print(a, "%s: byte %zu", f.path, (size_t)(in.at - f.bytes));
        Element e = element(&in);
        Variable v = {.at = e.data.at, .size = size_of(&e), .packed = e.type == COMPRESSED};
        need(v.packed || e.type == MATRIX, "%s: an element of type %u where a variable is due", where, e.type);
        Input begin = e.data;
        if (v.packed) { // only its beginning, tag included
            Inflated some = inflate_some(room, PEEK, e.data.at, v.size, INFLATE_ZLIB);
            need(some.written >= 8, "%s: a variable that cannot be unpacked: %s", where, some.fault ? some.fault : "it is empty");
            v.type = (uint32_t)le(room, 4);
            v.unpacked = (size_t)le(room + 4, 4);
            begin = (Input){room + 8, room + some.written, where};
        }
        if (begin.at == begin.end) continue;
        v.name = name_of(m, begin);
        if (v.name) variable_add(m, v);
    }
    return m;
}

size_t mat_count(const Mat *m) { return m->count; }
const char *mat_name(const Mat *m, size_t i) { return m->variables[i].name; }

static const MatValue *value_of(Mat *m, Variable *v) {
    if (v->value) return v->value;
    const char *where = arena_print(m->arena, "%s: %s", m->path, v->name);
    Input in = {v->at, v->at + v->size, where};
    if (v->packed) {
        size_t size = v->unpacked;
        need(v->type == MATRIX && size / DEFLATE_RATIO <= v->size, "%s: %zu bytes cannot come out of %zu", where, size, v->size);
        uint8_t *room = take(m->arena, uint8_t, size + 8);
        inflate(room, size + 8, v->at, v->size, INFLATE_ZLIB, where);
        in = (Input){room + 8, room + 8 + size, where};
    }
    MatValue *value = take(m->arena, MatValue, 1);
    matrix_read(m->arena, value, in, 0);
    return v->value = value;
}

const MatValue *mat_find(Mat *m, const char *name) {
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->variables[i].name, name) == 0) return value_of(m, &m->variables[i]);
    return NULL;
}

static const char *kind_name(const MatValue *v) {
    static const char *const names[] = {"numbers", "a text", "a cell array", "a struct"};
    return v->kind == MAT_OTHER ? v->what : names[v->kind];
}

static const MatValue *of_kind(const Mat *m, const MatValue *v, const char *what, MatKind kind) {
    need(v->kind == kind || v->count == 0, "%s: \"%s\" is %s; %s is wanted", m->path, what, kind_name(v), kind_name(&(MatValue){.kind = kind, .what = "something else"}));
    need(v->kind != MAT_OTHER, "%s: \"%s\" is %s, which is not read", m->path, what, v->what);
    return v;
}

const MatValue *mat_need(Mat *m, const char *name, MatKind kind) {
    const MatValue *v = mat_find(m, name);
    if (v) return of_kind(m, v, name, kind);
    const char **names = take(m->arena, const char *, m->count);
    for (size_t i = 0; i < m->count; i++) names[i] = m->variables[i].name;
    const char *near = nearest_name(name, names, m->count);
    if (near) die("%s: holds no variable \"%s\"; the nearest is \"%s\"", m->path, name, near);
    die("%s: holds no variable \"%s\" among its %zu", m->path, name, m->count);
}

const MatValue *mat_field(const Mat *m, const MatValue *s, size_t i, const char *field, MatKind kind) {
    need(s->kind == MAT_STRUCT && i < s->count, "%s: element %zu of a struct of %zu", m->path, i, s->kind == MAT_STRUCT ? s->count : 0);
    for (size_t f = 0; f < s->field_count; f++)
        if (strcmp(s->fields[f], field) == 0) return of_kind(m, &s->items[i * s->field_count + f], field, kind);
    const char *near = nearest_name(field, s->fields, s->field_count);
    if (near) die("%s: a struct has no field \"%s\"; the nearest is \"%s\"", m->path, field, near);
    die("%s: a struct has no field \"%s\" among its %zu", m->path, field, s->field_count);
}

double mat_number(const Mat *m, const MatValue *v, const char *what) {
    need(v->kind == MAT_NUMBERS && v->count == 1, "%s: \"%s\" is %s (%zu of them); one number is wanted", m->path, what, kind_name(v), v->count);
    return v->numbers[0];
}

const char *mat_text(const Mat *m, const MatValue *v, const char *what) {
    if (v->count == 0) return "";
    need(v->kind == MAT_TEXT && v->dims[0] == 1, "%s: \"%s\" is %s; a text of one row is wanted", m->path, what, kind_name(v));
    return v->rows[0];
}
