// test_npy.c: arrays and archives that numpy wrote, stored and deflated; headers refused; what we write.
//
// Caught when broken on purpose: bytes swapped by element size for texts and for complex numbers; columns taken for rows; a CRC-32 that is not
// checked; the local header's sizes used; sizes beyond 4 GiB cut to 32 bits (large.npz, by hand).
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/npy.h"
#include "io/zip.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/"

static long known(long i, long seed) { return (i * 37 + seed * 11) % 101 - 50; } // containers.py: values()

static double number_at(const Npy *n, long i) {
    switch (n->dtype) {
    case DTYPE_F32: return ((const float *)n->data)[i];
    case DTYPE_F64: return ((const double *)n->data)[i];
    case DTYPE_I64: return (double)((const int64_t *)n->data)[i];
    case DTYPE_I32: return ((const int32_t *)n->data)[i];
    case DTYPE_I16: return ((const int16_t *)n->data)[i];
    case DTYPE_I8: return ((const int8_t *)n->data)[i];
    case DTYPE_C64: return ((const float *)n->data)[2 * i];
    default: return -1000;
    }
}

static void test_archive(Arena *a, const char *path) {
    static const struct {
        const char *name;
        Dtype dtype;
    } kinds[] = {{"f4", DTYPE_F32}, {"f8", DTYPE_F64}, {"f2", DTYPE_F16}, {"i8", DTYPE_I64}, {"i4", DTYPE_I32}, {"i2", DTYPE_I16}, {"i1", DTYPE_I8},
                 {"u1", DTYPE_U8}, {"b1", DTYPE_BOOL}, {"u2", DTYPE_U16}, {"u4", DTYPE_U32}, {"u8", DTYPE_U64}, {"c8", DTYPE_C64}};
    Npz *z = npz_open(a, path);
    check(npz_count(z) == 19 && strcmp(npz_name(z, 0), "f4") == 0 && npz_has(z, "labels") && !npz_has(z, "label"), "%s: 19 arrays", path);
    for (size_t k = 0; k < 13; k++) {
        Npy n = npz_read(a, z, kinds[k].name);
        bool ok = n.dtype == kinds[k].dtype && !n.texts && n.ndim == 2 && n.shape[0] == 2 && n.shape[1] == 3 && n.count == 6;
        for (long i = 0; i < 6; i++) {
            double v = number_at(&n, i), want = (double)known(i, (long)k);
            ok = ok && (v == -1000 || v == want);
        }
        check(ok, "%s: %s", path, kinds[k].name);
    }
    Npy n = npz_read(a, z, "labels");
    char **texts = npy_texts(a, &n);
    check(n.texts && n.count == 4 && strcmp(texts[0], "left") == 0 && !*texts[1] && strcmp(texts[2], "na\u00efve \U0001f408") == 0 && strcmp(texts[3], "x") == 0, "%s: texts", path);
    n = npz_read(a, z, "scalar");
    check(n.ndim == 0 && n.count == 1 && number_at(&n, 0) == 2.5, "%s: a number alone", path);
    n = npz_read(a, z, "empty");
    check(n.ndim == 3 && n.count == 0 && n.shape[1] == 0, "%s: no elements", path);
    n = npz_read(a, z, "columns");
    bool ok = n.ndim == 3;
    for (long i = 0; i < 24; i++) ok = ok && number_at(&n, i) == (double)known(i, 1);
    check(ok, "%s: stored column by column", path);
    n = npz_read(a, z, "big");
    ok = n.ndim == 1 && n.count == 6;
    for (long i = 0; i < 6; i++) ok = ok && number_at(&n, i) == (double)known(i, 3);
    check(ok, "%s: stored in the other byte order", path);
    check_dies("no such array", "no array \"rows\"; the nearest is \"row\"") npz_read(a, z, "rows");
    check_dies("numbers as texts", "is an array of F32; texts are wanted") {
        Npy row = npz_read(a, z, "row");
        npy_texts(a, &row);
    }
}

static void test_files(Arena *a) {
    Npy n = npy_read(a, GOLDEN "version2.npy"), one = npy_read(a, GOLDEN "f4.npy");
    check(n.count == 6 && memcmp(n.data, one.data, 24) == 0, "format 2");
    static const char *const again[] = {"f4.npy", "row.npy", "scalar.npy", "empty.npy"};
    for (size_t i = 0; i < 4; i++) {
        Npy from = npy_read(a, path_join(a, GOLDEN, again[i]));
        const char *path = scratch_path(a, again[i]);
        npy_write(a, path, from.dtype, from.ndim, from.shape, from.data);
        Bytes ours = file_read(a, path), theirs = file_read(a, path_join(a, GOLDEN, again[i]));
        check(ours.size == theirs.size && memcmp(ours.bytes, theirs.bytes, ours.size) == 0, "%s: written as numpy writes it", again[i]);
    }
    check_dies("objects", "Python objects, which would have to be executed") npy_read(a, GOLDEN "object.npy");
    check_dies("records", "an array of records") npy_read(a, GOLDEN "record.npy");
    check_dies("dates", "the type \"<M8[D]\", which is not read; save it as whole numbers: array.astype('int64')") npy_read(a, GOLDEN "date.npy");
    check_dies("another file", "is no array of numpy") npy_read(a, GOLDEN "pandas.csv");
    check_dies("not an archive", "is no .npz archive") npz_open(a, GOLDEN "f4.npy");
}

// Each half of a complex number has its own byte order.
static void test_complex(Arena *a) {
    static const char text[] = "{'descr': '>c8', 'fortran_order': False, 'shape': (2,), }\n";
    static const uint8_t numbers[16] = {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0, 0x40, 0x40, 0, 0, 0x3f, 0, 0, 0}; // 1 - 2i, 3 + 0.5i
    size_t n = sizeof text - 1;
    uint8_t *b = take_zero(a, uint8_t, 10 + n + 16);
    memcpy(b, "\x93NUMPY\1\0", 8);
    b[8] = (uint8_t)n;
    memcpy(b + 10, text, n);
    memcpy(b + 10 + n, numbers, 16);
    Npy x = npy_parse(a, (Bytes){.bytes = b, .size = 10 + n + 16, .path = "x.npy"});
    check_same("complex numbers in the other byte order", x.data, (float[4]){1, -2, 3, 0.5f}, 16);
}

static void header(Arena *a, const char *text, size_t data, const char *part) { // part NULL: it is accepted
    size_t n = strlen(text);
    uint8_t *b = take_zero(a, uint8_t, 10 + n + data);
    memcpy(b, "\x93NUMPY\1\0", 8);
    b[8] = (uint8_t)n;
    b[9] = (uint8_t)(n >> 8);
    memcpy(b + 10, text, n);
    Bytes f = {.bytes = b, .size = 10 + n + data, .path = "x.npy"};
    if (!part) check(npy_parse(a, f).path == f.path, "%s", text);
    else check_dies(text, part) npy_parse(a, f);
}

static void test_headers(Arena *a) {
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4, NULL);
    header(a, "{\"shape\":(2L,),'descr':\"<f4\",'fortran_order':True}\n", 8, NULL);
    header(a, "{'descr': '=f8', 'fortran_order': False, 'shape': (1, 1,), }   \n", 8, NULL);
    header(a, "{'descr': '|u1', 'fortran_order': False, 'shape': (0,), }", 0, NULL);
    header(a, "{'descr': '<f4', 'fortran_order': False}", 4, "are wanted");
    header(a, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, "unknown, or there twice");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", 4, "unknown, or there twice");
    header(a, "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", 4, "neither True nor False");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "no whole number");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", 8, "no ')'");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8, "beyond 63 bits");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 8, "beyond this machine");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4, "want 8 bytes, 4 are there");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 12, "4 bytes after its array");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, "more text after it");
    header(a, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,", 8, "no whole number");
    header(a, "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}", 8, "the type \"<f4, \"");
    header(a, "{'descr': '|f4', 'fortran_order': False, 'shape': ()}", 4, "without its byte order");
    header(a, "{'descr': 'f4', 'fortran_order': False, 'shape': ()}", 4, "not understood");
    header(a, "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000000,)}", 0, "texts of no characters");
    header(a, "{'descr': '<U99999999999', 'fortran_order': False, 'shape': (1,)}", 4, "more than 2^28");
    header(a, "{'descr': '<c16', 'fortran_order': False, 'shape': ()}", 16, "which is not read; save it as complex64");
    header(a, "{'descr': '|S4', 'fortran_order': False, 'shape': ()}", 4, "which is not read; save it as texts: array.astype(str)");
    header(a, "", 0, "no '{'");
    check_dies("cut off", "is cut off in its header of 65535") npy_parse(a, (Bytes){(const uint8_t *)"\x93NUMPY\1\0\xff\xff{", 11, "x"});
    check_dies("format 4", "format 4") npy_parse(a, (Bytes){(const uint8_t *)"\x93NUMPY\4\0\1\0{", 11, "x"});
    Npy bad = npy_parse(a, (Bytes){(const uint8_t *)"\x93NUMPY\1\0\x36\0{'descr': '<U1', 'fortran_order': False, 'shape': ()}\n\0\xd8\0\0", 68, "x"});
    check_dies("half a surrogate pair", "text 0 holds the character U+D800") npy_texts(a, &bad);
}

static void test_written(Arena *a, const char *path) {
    float x[6] = {0, 1, 2, 3, 4, 5};
    NpzWriter *w = npz_create(a, path);
    npz_put(w, "delta", DTYPE_F32, 2, (int64_t[]){2, 3}, x);
    npz_put_texts(w, "labels", (const char *[]){"left", "na\u00efve \U0001f408", ""}, 3);
    npz_put_texts(w, "none", NULL, 0);
    npz_begin(w, "streamed", DTYPE_F32, 1, (int64_t[]){6});
    npz_data(w, x, 4);
    npz_data(w, x + 1, 20);
    npz_end(w);
    npz_put(w, "truth", DTYPE_BOOL, 1, (int64_t[]){2}, (uint8_t[]){1, 0});
    npz_finish(w);
    Npz *z = npz_open(a, path);
    Npy n = npz_read(a, z, "streamed"), t = npz_read(a, z, "labels");
    check(memcmp(n.data, x, sizeof x) == 0 && (uintptr_t)npz_read(a, z, "delta").data % 64 == 0, "written: numbers, aligned");
    check(t.count == 3 && strcmp(npy_texts(a, &t)[1], "na\u00efve \U0001f408") == 0 && npz_read(a, z, "none").count == 0, "written: texts");
    NpzWriter *twice = npz_create(a, scratch_path(a, "twice.npz"));
    npz_put(twice, "a", DTYPE_F32, 1, (int64_t[]){1}, x);
    npz_put(twice, "a", DTYPE_F32, 1, (int64_t[]){1}, x);
    check_dies("written: a name twice", "\"a.npy\" is there twice") npz_finish(twice);
    check_dies("written: no such type", "numpy has no arrays of BF16") npy_write(a, scratch_path(a, "x"), DTYPE_BF16, 0, NULL, x);
}

// An archive's directory, its entries and its end, each broken.
static void zip_broken(Arena *a, const char *name, size_t at, int byte, const char *part) {
    Bytes b = file_read(a, GOLDEN "packed.npz");
    ((uint8_t *)(uintptr_t)b.bytes)[at < b.size ? at : b.size - (SIZE_MAX - at) - 1] = (uint8_t)byte;
    check_dies(name, part) {
        Zip *z = zip_open(a, b);
        for (size_t i = 0; i < zip_count(z); i++) zip_read(a, z, zip_at(z, i));
    }
}

static size_t place_of(Arena *a, const char *signature, size_t offset) {
    Bytes b = file_read(a, GOLDEN "packed.npz");
    for (size_t i = 0; i + 4 < b.size; i++)
        if (memcmp(b.bytes + i, signature, 4) == 0) return i + offset;
    return 0;
}

static void test_zip(Arena *a) {
    size_t local = place_of(a, "PK\3\4", 0), central = place_of(a, "PK\1\2", 0), end = place_of(a, "PK\5\6", 0);
    zip_broken(a, "no end", end, 'x', "directory is missing");
    zip_broken(a, "a comment that is not there", end + 20, 1, "directory is missing");
    zip_broken(a, "several disks", end + 4, 1, "one part of an archive in several");
    zip_broken(a, "more entries than fit", end + 11, 0x7f, "does not fit the file");
    zip_broken(a, "a directory beyond", end + 18, 0x7f, "does not fit the file");
    zip_broken(a, "one entry too many", end + 10, 20, "directory is damaged at entry 19");
    zip_broken(a, "one entry too few", end + 10, 18, "directory goes on after the 18 entries that its end tells of");
    zip_broken(a, "no entry", central, 'x', "directory is damaged at entry 0");
    zip_broken(a, "a long name", central + 29, 0xff, "directory is cut off at entry 0");
    zip_broken(a, "a zero in a name", central + 46, 0, "a zero byte in its name");
    zip_broken(a, "the same name", central + 46 + 6 + 46 + 1, '4', "is there twice");
    zip_broken(a, "encrypted", central + 8, 1, "is encrypted");
    zip_broken(a, "another method", central + 10, 12, "is packed by method 12");
    zip_broken(a, "another CRC", central + 16, 0, "its CRC-32 is not the stored one");
    zip_broken(a, "a promise of 4 GiB", central + 27, 0xfe, "cannot come out of");
    zip_broken(a, "longer than it is", central + 24, 0, "f4.npy");
    zip_broken(a, "packed beyond the file", central + 23, 0xfe, "is cut off");
    zip_broken(a, "not where it should be", central + 42, 1, "is not where the directory says");
    zip_broken(a, "no local header", local, 'x', "is not where the directory says");
    check_dies("nothing", "directory is missing") zip_open(a, (Bytes){(const uint8_t *)"PK\5\6", 4, "x"});
    Bytes packed = file_read(a, GOLDEN "packed.npz");
    uint8_t *padded = take_zero(a, uint8_t, packed.size + 100);
    memcpy(padded, packed.bytes, packed.size);
    check(zip_count(zip_open(a, (Bytes){padded, packed.size + 100, "x"})) == zip_count(zip_open(a, packed)), "an archive with zeros behind it");
    uint8_t few[22] = "PK\5\6";
    check(zip_count(zip_open(a, (Bytes){few, 22, "x"})) == 0, "an archive of nothing");

    const char *path = scratch_path(a, "many.zip"); // more entries than 16 bits count
    ZipWriter *w = zip_create(a, path);
    for (int i = 0; i < 66000; i++) zip_add(w, arena_print(a, "%d", i), &i, sizeof i, 4);
    zip_finish(w);
    Zip *z = zip_open(a, file_map(a, path));
    int last = 65999;
    check(zip_count(z) == 66000 && memcmp(zip_read(a, z, zip_find(z, "65999")).bytes, &last, 4) == 0, "66000 entries, by zip64");
}

// By hand, 5 GB of disk: an array and a directory beyond 4 GiB. Run as `test_npy large FILE`, then numpy.load(FILE).
static void large(Arena *a, const char *path) {
    NpzWriter *w = npz_create(a, path);
    int64_t n = ((int64_t)1 << 32) + 100;
    static uint8_t block[1 << 20];
    memset(block, 7, sizeof block);
    npz_begin(w, "large", DTYPE_U8, 1, &n);
    for (int64_t left = n; left > 0; left -= (int64_t)sizeof block) npz_data(w, block, left < (int64_t)sizeof block ? (size_t)left : sizeof block);
    npz_end(w);
    npz_put(w, "after", DTYPE_U8, 1, (int64_t[]){3}, block);
    npz_finish(w);
    Npz *z = npz_open(a, path);
    Npy x = npz_read(a, z, "large"), y = npz_read(a, z, "after");
    check(x.count == (size_t)n && ((const uint8_t *)x.data)[n - 1] == 7 && y.count == 3, "beyond 4 GiB");
}

int main(int argc, char **argv) { // `test_npy FILE` leaves what it wrote: test/peers/check_containers.py reads it
    Arena *a = arena_new("test");
    if (argc > 2) {
        large(a, argv[2]);
        return check_end();
    }
    test_archive(a, GOLDEN "arrays.npz");
    test_archive(a, GOLDEN "packed.npz");
    test_files(a);
    test_headers(a);
    test_complex(a);
    test_written(a, argc > 1 ? argv[1] : scratch_path(a, "written.npz"));
    test_zip(a);
    arena_free(a);
    return check_end();
}
