// corpora_read.c: corpora_read KIND FILE: what a file holds, as one JSON value that corpora.py compares with what a library reads in it.
//
// Texts are "t" and their bytes in hexadecimal, whole numbers "i" and digits, others "r" and the 16 digits of their double; long data is the
// digest of its bytes. So nothing is lost between here and Python.
#include <stdio.h>
#include <string.h>

#include "io/blake2b.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/lines.h"
#include "io/mat.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/tar.h"
#include "io/torch_file.h"
#include "io/xml.h"
#include "io/zip.h"

static void put_hex(const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) printf("%02x", ((const uint8_t *)bytes)[i]);
}

static void put_text(const char *text, size_t length) {
    printf("\"t");
    put_hex(text, length);
    printf("\"");
}

static void put_words(const char *text) { put_text(text, strlen(text)); }

static void put_real(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    printf("\"r%016llx\"", (unsigned long long)bits);
}

static void put_digest(const void *bytes, size_t size) {
    uint8_t digest[16];
    blake2b(digest, sizeof digest, bytes, size);
    printf("\"d");
    put_hex(digest, sizeof digest);
    printf("\"");
}

static const char *comma(size_t i) { return i ? "," : ""; }

static void put_array(const char *dtype, int ndim, const int64_t *shape, const void *bytes, size_t size) {
    printf("[\"%s\",[", dtype);
    for (int i = 0; i < ndim; i++) printf("%s%lld", comma((size_t)i), (long long)shape[i]);
    printf("],");
    put_digest(bytes, size);
    printf("]");
}

// ---- one function a kind

static void put_json(const Json *j) {
    switch (j->kind) {
    case JSON_NULL: printf("null"); break;
    case JSON_BOOL: printf(j->truth ? "true" : "false"); break;
    case JSON_TEXT: put_text(j->text, j->length); break;
    case JSON_NUMBER:
        if (j->integral) printf("\"i%lld\"", (long long)j->integer);
        else put_real(j->number);
        break;
    case JSON_ARRAY:
        printf("[");
        for (size_t i = 0; i < j->count; i++) printf("%s", comma(i)), put_json(&j->items[i]);
        printf("]");
        break;
    case JSON_OBJECT:
        printf("{");
        for (size_t i = 0; i < j->count; i++) {
            printf("%s", comma(i));
            put_text(j->keys[i], j->key_lengths[i]);
            printf(":");
            put_json(&j->items[i]);
        }
        printf("}");
    }
}

static void read_jsonl(Arena *a, const char *path) {
    Lines *l = lines_open(a, path);
    Arena *line = arena_new("line");
    printf("[");
    for (size_t i = 0;; i++) {
        Mark mark = arena_mark(line);
        const Json *j = lines_json(line, l);
        if (!j) break;
        printf("%s", comma(i));
        put_json(j);
        arena_release(line, mark);
    }
    printf("]");
    arena_free(line);
    lines_close(l);
}

static void put_npy(Arena *a, const Npy *n) {
    if (!n->texts) {
        put_array(dtype_name(n->dtype), n->ndim, n->shape, n->data, n->size);
        return;
    }
    char **texts = npy_texts(a, n);
    printf("[\"texts\",[");
    for (int i = 0; i < n->ndim; i++) printf("%s%lld", comma((size_t)i), (long long)n->shape[i]);
    printf("],[");
    for (size_t i = 0; i < n->count; i++) printf("%s", comma(i)), put_words(texts[i]);
    printf("]]");
}

// Each array by itself: one that is refused takes none of the others with it.
static void read_npz(Arena *a, const char *path) {
    const Npz *z = npz_open(a, path);
    printf("{");
    for (size_t i = 0; i < npz_count(z); i++) {
        Trap trap;
        printf("%s", comma(i));
        put_words(npz_name(z, i));
        printf(":");
        if (trap_set(&trap)) {
            Npy n = npz_read(a, z, npz_name(z, i));
            trap_end(&trap);
            put_npy(a, &n);
        } else {
            printf("[\"refused\",");
            put_words(trap.message);
            printf("]");
        }
    }
    printf("}");
}

static void put_mat(const MatValue *v) {
    static const char *const kinds[] = {"numbers", "text", "cell", "struct", "other"};
    printf("[\"%s\",[", kinds[v->kind]);
    for (int i = 0; i < v->ndim; i++) printf("%s%zu", comma((size_t)i), v->dims[i]);
    printf("],");
    if (v->kind == MAT_NUMBERS) put_digest(v->numbers, v->count * sizeof(double));
    if (v->kind == MAT_OTHER) put_words(v->what);
    if (v->kind == MAT_TEXT) {
        printf("[");
        for (size_t i = 0; i < v->dims[0]; i++) printf("%s", comma(i)), put_words(v->rows[i]);
        printf("]");
    }
    if (v->kind == MAT_CELL) {
        printf("[");
        for (size_t i = 0; i < v->count; i++) printf("%s", comma(i)), put_mat(&v->items[i]);
        printf("]");
    }
    if (v->kind == MAT_STRUCT) {
        printf("{");
        for (size_t f = 0; f < v->field_count; f++) {
            printf("%s", comma(f));
            put_words(v->fields[f]);
            printf(":[");
            for (size_t i = 0; i < v->count; i++) printf("%s", comma(i)), put_mat(&v->items[i * v->field_count + f]);
            printf("]");
        }
        printf("}");
    }
    printf("]");
}

static void read_mat(Arena *a, const char *path) {
    Mat *m = mat_open(a, path);
    printf("{");
    for (size_t i = 0; i < mat_count(m); i++) {
        printf("%s", comma(i));
        put_words(mat_name(m, i));
        printf(":");
        put_mat(mat_find(m, mat_name(m, i)));
    }
    printf("}");
}

static void read_csv(Arena *a, const char *path, char separator) {
    Csv *c = csv_open(a, path, separator);
    printf("[[");
    for (size_t i = 0; i < csv_columns(c); i++) printf("%s", comma(i)), put_words(csv_name(c, i));
    printf("]");
    while (csv_next(c)) {
        printf(",[");
        for (size_t i = 0; i < csv_columns(c); i++) printf("%s", comma(i)), put_text(csv_get(c, i), csv_length(c, i));
        printf("]");
    }
    printf("]");
    csv_close(c);
}

static void read_tar(Arena *a, const char *path) {
    Tar *t = tar_open(a, path);
    Arena *member = arena_new("member");
    TarEntry e;
    printf("[");
    for (size_t i = 0; tar_next(t, &e); i++) {
        Mark mark = arena_mark(member);
        printf("%s[", comma(i));
        put_words(e.name);
        printf(",");
        Bytes b = tar_read(member, t);
        put_digest(b.bytes, b.size);
        printf("]");
        arena_release(member, mark);
    }
    printf("]");
    arena_free(member);
    tar_close(t);
}

static void read_zip(Arena *a, const char *path) {
    const Zip *z = zip_open(a, file_map(a, path));
    printf("[");
    for (size_t i = 0; i < zip_count(z); i++) {
        const ZipEntry *e = zip_at(z, i);
        Trap trap;
        printf("%s[", comma(i));
        put_words(e->name);
        printf(",");
        if (trap_set(&trap)) {
            Bytes b = zip_read(a, z, e);
            trap_end(&trap);
            put_digest(b.bytes, b.size);
        } else {
            put_words(trap.message);
        }
        printf("]");
    }
    printf("]");
}

static void put_xml(const Xml *x) {
    printf("[");
    put_words(x->name);
    printf(",{");
    for (size_t i = 0; x->attributes && x->attributes[i]; i += 2) {
        printf("%s", comma(i));
        put_words(x->attributes[i]);
        printf(":");
        put_words(x->attributes[i + 1]);
    }
    printf("},");
    put_words(x->text ? x->text : "");
    for (const Xml *c = x->first; c; c = c->next) printf(","), put_xml(c);
    printf("]");
}

static void put_torch(Arena *a, const TorchValue *v, const char *path) {
    switch (v->kind) {
    case TORCH_NONE: printf("null"); break;
    case TORCH_BOOL: printf(v->truth ? "true" : "false"); break;
    case TORCH_INT: printf("\"i%lld\"", (long long)v->integer); break;
    case TORCH_REAL: put_real(v->number); break;
    case TORCH_TEXT: put_text(v->text, v->length); break;
    case TORCH_OTHER: printf("\"o%.*s\"", (int)v->length, v->text); break;
    case TORCH_TENSOR: put_array(dtype_name(v->tensor->dtype), v->tensor->ndim, v->tensor->shape, torch_data(a, v->tensor, path), v->tensor->size); break;
    case TORCH_LIST: case TORCH_TUPLE: case TORCH_DICT:
        printf("[\"%s\"", v->kind == TORCH_LIST ? "list" : v->kind == TORCH_TUPLE ? "tuple" : "dict");
        for (size_t i = 0; i < v->count; i++) {
            printf(",");
            if (v->kind == TORCH_DICT) put_torch(a, v->keys[i], path), printf(",");
            put_torch(a, v->items[i], path);
        }
        printf("]");
    }
}

static void read_tensors(Arena *a, const char *path) {
    Tensors *t = tensors_open(a, path);
    printf("{");
    for (size_t i = 0; i < tensors_count(t); i++) {
        const TensorEntry *e = tensors_at(t, i);
        printf("%s", comma(i));
        put_words(e->name);
        printf(":");
        put_array(dtype_name(e->dtype), e->ndim, e->shape, e->bytes, e->size);
    }
    printf("}");
}

int main(int argc, char **argv) {
    if (argc != 3) die_usage("corpora_read KIND FILE");
    const char *kind = argv[1], *path = argv[2];
    Arena *a = arena_new("file");
    if (strcmp(kind, "json") == 0) put_json(json_read(a, path));
    else if (strcmp(kind, "jsonl") == 0) read_jsonl(a, path);
    else if (strcmp(kind, "npz") == 0) read_npz(a, path);
    else if (strcmp(kind, "mat") == 0) read_mat(a, path);
    else if (strcmp(kind, "csv") == 0) read_csv(a, path, ',');
    else if (strcmp(kind, "tsv") == 0) read_csv(a, path, '\t');
    else if (strcmp(kind, "tar") == 0) read_tar(a, path);
    else if (strcmp(kind, "zip") == 0) read_zip(a, path);
    else if (strcmp(kind, "xml") == 0) put_xml(xml_read(a, path));
    else if (strcmp(kind, "torch") == 0) put_torch(a, torch_read(a, file_map(a, path)), path);
    else if (strcmp(kind, "safetensors") == 0) read_tensors(a, path);
    else if (strcmp(kind, "npy") == 0) {
        Npy n = npy_read(a, path);
        put_npy(a, &n);
    } else die_usage("corpora_read: no kind \"%s\"", kind);
    printf("\n");
    arena_free(a);
    return 0;
}
