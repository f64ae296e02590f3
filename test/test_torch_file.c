// test_torch_file.c: what torch.save wrote, read value by value; what we write for torch.load; pickles taken apart and
// refused one by one. (test/peers/check_containers.py shows that torch reads what we write.)
//
// Caught when broken on purpose: strides taken in bytes; the offset of a view dropped; a mark popped twice; keys of a
// dict swapped with its values; BININT read unsigned; a tensor allowed to reach one element too far.
#include <math.h>
#include <string.h>

#include "check.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "io/zip.h"
#include "scratch.h"

#define GOLDEN "test/golden/containers/"

static double known(long i, long seed) { return (double)((i * 37 + seed * 11) % 101 - 50); } // containers.py: values()

static const TorchValue *open_file(Arena *a, const char *path) { return torch_read(a, file_map(a, path)); }

static void test_kinds(Arena *a) {
    const TorchValue *d = open_file(a, GOLDEN "kinds.pt");
    static const struct {
        const char *name;
        Dtype dtype;
    } kinds[] = {{"float32", DTYPE_F32}, {"float64", DTYPE_F64}, {"float16", DTYPE_F16}, {"bfloat16", DTYPE_BF16}, {"int64", DTYPE_I64},
                 {"int32", DTYPE_I32}, {"int16", DTYPE_I16}, {"int8", DTYPE_I8}, {"uint8", DTYPE_U8}, {"bool", DTYPE_BOOL},
                 {"complex64", DTYPE_C64}, {"uint16", DTYPE_U16}, {"float8_e5m2", DTYPE_F8_E5M2}};
    check(d->kind == TORCH_DICT && d->count == 13, "kinds: 13 tensors");
    for (size_t k = 0; k < 13; k++) {
        const TorchTensor *t = torch_need(d, kinds[k].name, TORCH_TENSOR, "kinds.pt")->tensor;
        check(t->dtype == kinds[k].dtype && t->ndim == 2 && t->shape[0] == 2 && t->shape[1] == 3 && t->contiguous, "kinds: %s", kinds[k].name);
    }
    int wrong = 0;
    for (long i = 0; i < 6; i++) {
        wrong += ((const float *)torch_get(d, "float32")->tensor->bytes)[i] != (float)known(i, 0);
        wrong += ((const double *)torch_get(d, "float64")->tensor->bytes)[i] != known(i, 1);
        wrong += ((const int64_t *)torch_get(d, "int64")->tensor->bytes)[i] != (int64_t)known(i, 4);
        wrong += ((const int8_t *)torch_get(d, "int8")->tensor->bytes)[i] != (int8_t)known(i, 7);
        wrong += ((const uint16_t *)torch_get(d, "uint16")->tensor->bytes)[i] != (uint16_t)(int)known(i, 11);
    }
    check(wrong == 0, "kinds: %d of 30 numbers wrong", wrong);
}

static void test_vectors(Arena *a) {
    const TorchValue *d = open_file(a, GOLDEN "vectors.pt");
    const TorchValue *keys = torch_need(d, "keys", TORCH_LIST, "v"), *caps = torch_need(d, "caps", TORCH_LIST, "v");
    const TorchTensor *t = torch_need(d, "vecs", TORCH_TENSOR, "v")->tensor;
    check(keys->count == 2 && strcmp(keys->items[0]->text, "000010000") == 0 && strcmp(keys->items[1]->text, "na\u00efve") == 0, "vectors: keys");
    check(caps->count == 2 && strcmp(caps->items[0]->text, "a cat") == 0 && caps->items[1]->length == 0, "vectors: captions");
    int wrong = 0;
    const float *x = torch_data(a, t, "v");
    for (long i = 0; i < 24; i++) wrong += x[i] != (float)known(i, 1);
    check(t->ndim == 3 && t->shape[2] == 4 && wrong == 0 && (const uint8_t *)x == t->bytes, "vectors: numbers, in place");

    d = open_file(a, GOLDEN "manifest.pt");
    check(torch_need(d, "total_seen", TORCH_INT, "m")->integer == 416 && torch_need(d, "shards", TORCH_INT, "m")->integer == 1LL << 40 &&
              torch_need(d, "minus", TORCH_INT, "m")->integer == -3,
          "manifest: whole numbers");
    check(torch_need(d, "rate", TORCH_REAL, "m")->number == 1.5 && torch_need(d, "yes", TORCH_BOOL, "m")->truth && torch_get(d, "none")->kind == TORCH_NONE,
          "manifest: a number, a truth, None");
    check_text("manifest: a text", torch_need(d, "model_family", TORCH_TEXT, "m")->text, "llava");
    const TorchValue *t3 = torch_need(d, "tuple", TORCH_TUPLE, "m");
    check(t3->count == 3 && t3->items[1]->kind == TORCH_TUPLE && strcmp(t3->items[1]->items[1]->text, "x") == 0 && t3->items[2]->items[0]->integer == 3,
          "manifest: tuples and lists inside each other");
    check(torch_get(d, "huge")->kind == TORCH_OTHER && torch_get(d, "bytes")->kind == TORCH_OTHER, "manifest: what has no place here is named");
    check(torch_get(d, "again")->kind == TORCH_TUPLE && torch_get(d, "again")->items[1]->integer == 3, "manifest: torch.Size");
    check_dies("manifest: another kind", "\"total_seen\" is a whole number; a text is wanted") torch_need(d, "total_seen", TORCH_TEXT, "m");
    check_dies("manifest: an object", "\"bytes\" is _codecs.encode; a tensor is wanted") torch_need(d, "bytes", TORCH_TENSOR, "m");
    check_dies("manifest: not there", "holds no \"shard\" among its 12 entries") torch_need(d, "shard", TORCH_INT, "m");
    check_dies("manifest: inside a number", "holds a whole number where a dict") torch_need(torch_get(d, "shards"), "x", TORCH_INT, "m");
}

static void view(Arena *a, const TorchValue *d, const char *name, int ndim, const long *shape, const long *strides, long offset) {
    const TorchTensor *t = torch_need(d, name, TORCH_TENSOR, "views.pt")->tensor;
    const float *x = torch_data(a, t, "views.pt");
    long index[3] = {0}, n = 0, wrong = t->ndim != ndim;
    for (size_t left = t->size / 4; left > 0; left--, n++) {
        long at = offset;
        for (int i = 0; i < ndim; i++) at += index[i] * strides[i];
        wrong += x[n] != (float)known(at, 1);
        for (int i = ndim; i-- > 0;) {
            if (++index[i] < shape[i]) break;
            index[i] = 0;
        }
    }
    for (int i = 0; i < ndim; i++) wrong += t->shape[i] != shape[i];
    check(n > 0 && wrong == 0, "views: %s, %ld elements, %ld wrong", name, n, wrong);
}

static void test_views(Arena *a) {
    const TorchValue *d = open_file(a, GOLDEN "views.pt");
    view(a, d, "transposed", 3, (long[]){5, 3, 4}, (long[]){1, 20, 5}, 0);
    view(a, d, "slice", 3, (long[]){2, 2, 3}, (long[]){20, 10, 1}, 21);
    view(a, d, "shared", 3, (long[]){3, 4, 5}, (long[]){20, 5, 1}, 0);
    view(a, d, "scalar", 0, NULL, NULL, 59);
    view(a, d, "one", 3, (long[]){1, 1, 1}, (long[]){1, 5, 20}, 0);
    view(a, d, "parameter", 2, (long[]){4, 5}, (long[]){5, 1}, 0);
    check(torch_get(d, "empty")->tensor->size == 0 && torch_get(d, "empty")->tensor->shape[1] == 5, "views: empty");
    check(torch_get(d, "shared")->tensor->bytes == torch_get(d, "transposed")->tensor->bytes, "views: one storage, two tensors");
    check(!torch_get(d, "transposed")->tensor->contiguous && torch_get(d, "one")->tensor->contiguous, "views: contiguous or not");
}

static void test_deflated(Arena *a) { // packed again by another program
    const TorchValue *plain = open_file(a, GOLDEN "views.pt"), *packed = open_file(a, GOLDEN "deflated.pt");
    int compared = 0, wrong = packed->count != plain->count;
    for (size_t i = 0; i < plain->count && !wrong; i++) {
        if (plain->items[i]->kind != TORCH_TENSOR) continue;
        const TorchTensor *t = plain->items[i]->tensor, *u = torch_need(packed, plain->keys[i]->text, TORCH_TENSOR, "d")->tensor;
        wrong += t->size != u->size || (t->size && memcmp(torch_data(a, t, "v"), torch_data(a, u, "d"), t->size) != 0);
        compared++;
    }
    check(wrong == 0 && compared == 7, "a compressed archive: %d tensors", compared);
    check(torch_get(packed, "shared")->tensor->bytes == torch_get(packed, "transposed")->tensor->bytes, "a compressed archive: a storage is unpacked once");
}

static void test_repeated(Arena *a) { // each view beside what .contiguous() made of it
    const TorchValue *d = open_file(a, GOLDEN "expanded.pt"), *whole = torch_need(d, "gathered", TORCH_DICT, "e");
    for (size_t i = 0; i < whole->count; i++) {
        const TorchTensor *want = whole->items[i]->tensor, *t = torch_need(d, whole->keys[i]->text, TORCH_TENSOR, "e")->tensor;
        bool same = t->size == want->size && t->ndim == want->ndim && memcmp(t->shape, want->shape, sizeof t->shape) == 0;
        check(same && memcmp(torch_data(a, t, "e"), torch_data(a, want, "e"), t->size) == 0, "repeated elements: %s", whole->keys[i]->text);
    }
    check(whole->count == 7, "seven views that repeat");
    check_dies("a view of terabytes", "repeated (expand) to more than 1 GiB") torch_data(a, torch_need(d, "huge", TORCH_TENSOR, "e")->tensor, "e");
    check_text("nine dimensions", torch_get(d, "nine")->text, "a tensor of more than 8 dimensions");
}

static void test_checkpoint(Arena *a) {
    const TorchValue *d = open_file(a, GOLDEN "checkpoint.pt"), *s = torch_need(d, "state_dict", TORCH_DICT, "c");
    check(torch_get(d, "args")->kind == TORCH_OTHER && strcmp(torch_get(d, "args")->text, "argparse.Namespace") == 0, "checkpoint: an object is named");
    check(torch_get(d, "array")->kind == TORCH_OTHER && torch_need(d, "epoch", TORCH_INT, "c")->integer == 3, "checkpoint: an array of numpy is no tensor");
    check(torch_need(s, "0.weight", TORCH_TENSOR, "c")->tensor->shape[1] == 3 && s->count == 7, "checkpoint: the state dict");
    check(torch_need(torch_need(d, "optimizer", TORCH_DICT, "c"), "param_groups", TORCH_LIST, "c")->count == 1, "checkpoint: the optimiser's state");
    const TorchValue *p = open_file(a, GOLDEN "protocol4.pt");
    check(p->count == 7 && memcmp(torch_get(p, "0.weight")->tensor->bytes, torch_get(s, "0.weight")->tensor->bytes, 24) == 0, "protocol 4: the same");
    check(open_file(a, GOLDEN "module.pt")->kind == TORCH_OTHER, "a whole module is an object, not a dict");
    p = open_file(a, GOLDEN "protocol5.pt");
    const char *const signs[] = {"conjugated", "negated"};
    for (int i = 0; i < 2; i++)
        check(torch_get(p, signs[i])->kind == TORCH_OTHER && strstr(torch_get(p, signs[i])->text, "resolve_conj"), "%s: %s", signs[i], torch_kind_name(torch_get(p, signs[i])));
    check(((const float *)torch_data(a, torch_need(p, "real", TORCH_TENSOR, "p")->tensor, "p"))[1] == 3, "the real part of a conjugated tensor");
    check(torch_need(torch_need(p, "lists", TORCH_DICT, "p"), "layer", TORCH_LIST, "p")->items[0]->kind == TORCH_TENSOR, "a defaultdict of lists");
    check_text("sets and bytes", arena_print(a, "%s, %s, %s", torch_get(p, "set")->text, torch_get(p, "frozen")->text, torch_get(p, "array")->text), "a set, a set, a bytes object");
}

static void test_refused_files(Arena *a) {
    const char *path = scratch_path(a, "x.zip");
    static const char magic[] = "\x80\x02\x8a\nl\xfc\x9c" "F\xf9 j\xa8P\x19.";
    check_dies("legacy", "had before version 1.6; " "convert it: python -c \"import sys, torch; torch.save(torch.load(sys.argv[1]")
        open_file(a, scratch_file(a, "old.bin", magic, sizeof magic - 1));
    check_dies("safetensors", "is no file of torch.save") open_file(a, GOLDEN "kinds.safetensors");
    check_dies("empty", "is no file of torch.save") open_file(a, scratch_file(a, "x", "", 0));
    ZipWriter *w = zip_create(a, path);
    zip_add(w, "readme.txt", "x", 1, 1);
    zip_finish(w);
    check_dies("another zip", "zip archive without a data.pkl") open_file(a, path);
    w = zip_create(a, path);
    zip_add(w, "m/data.pkl", "\x80\x02}.", 4, 1);
    zip_add(w, "m/constants.pkl", "\x80\x02).", 4, 1);
    zip_finish(w);
    check_dies("TorchScript", "is a TorchScript program") open_file(a, path);
    w = zip_create(a, path);
    zip_add(w, "m/data.pkl", "\x80\x02}.", 4, 1);
    zip_add(w, "m/byteorder", "big", 3, 1);
    zip_finish(w);
    check_dies("big-endian", "big-endian machine") open_file(a, path);
    w = zip_create(a, path);
    zip_add(w, "m/data.pkl", "\x80\x02}.", 4, 1);
    zip_add(w, "n/data.pkl", "\x80\x02}.", 4, 1);
    zip_finish(w);
    check_dies("two of them", "holds both \"m/data.pkl\" and \"n/data.pkl\"") open_file(a, path);
}

static bool opens(Arena *a, Bytes file) {
    Trap t;
    if (!trap_set(&t)) return false;
    torch_read(a, file);
    trap_end(&t);
    return true;
}

static void test_cut_off(Arena *a) {
    Bytes whole = file_read(a, GOLDEN "vectors.pt");
    int opened = 0;
    for (size_t n = 4; n < whole.size; n++) {
        Mark mark = arena_mark(a);
        opened += opens(a, (Bytes){.bytes = whole.bytes, .size = n, .path = "cut.pt"});
        arena_release(a, mark);
    }
    check(opened == 0 && opens(a, whole), "cut off at %zu places: opened at %d", whole.size - 4, opened);
}

// A pickle in an archive with one storage "0" of eight floats.
static const char *pickle_file(Arena *a, const char *bytes, size_t n) {
    static int turn = 0;
    const char *path = scratch_path(a, arena_print(a, "pickle%d.pt", turn++));
    ZipWriter *w = zip_create(a, path);
    float x[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    zip_add(w, "a/data/0", x, sizeof x, 64);
    zip_add(w, "a/data.pkl", bytes, n, 1);
    zip_finish(w);
    return path;
}

static const TorchValue *pickle(Arena *a, const char *bytes, size_t n) { return open_file(a, pickle_file(a, bytes, n)); }

#define STORAGE(type, key, count) "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpuK" count "tQ"
#define TENSOR(offset, sizes, strides) "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("FloatStorage", "0", "\10") "K" offset "(" sizes "t(" strides "t\x89NtR"
#define REFUSED(name, bytes, part) check_dies(name, part) pickle(a, bytes, sizeof bytes - 1)

static void test_pickles(Arena *a) {
    const char two[] = "\x80\x02" TENSOR("\1", "K\2K\3", "K\3K\1") ".";
    const TorchValue *v = pickle(a, two, sizeof two - 1);
    check(v->kind == TORCH_TENSOR && ((const float *)torch_data(a, v->tensor, "x"))[5] == 6, "pickle: a bare tensor");
    const char ends[] = "\x80\x02" TENSOR("\2", "K\2K\3", "K\3K\1") ".";
    check(pickle(a, ends, sizeof ends - 1)->tensor->size == 24, "pickle: up to the last element");
    REFUSED("one too far", "\x80\x02" TENSOR("\3", "K\2K\3", "K\3K\1") ".", "reaches beyond its storage");
    REFUSED("offset too far", "\x80\x02" TENSOR("\11", "K\1", "K\1") ".", "reaches beyond its storage");
    REFUSED("negative stride", "\x80\x02" TENSOR("\1", "K\2", "J\xff\xff\xff\xff") ".", "no whole number");
    REFUSED("negative size", "\x80\x02" TENSOR("\1", "J\xfe\xff\xff\xff", "K\1") ".", "no whole number");
    REFUSED("sizes without strides", "\x80\x02" TENSOR("\1", "K\2K\2", "K\1") ".", "without storage, offset, sizes and strides");
    REFUSED("overflowing sizes", "\x80\x02" TENSOR("\0", "\x8a\10\0\0\0\0\0\0\0@\x8a\10\0\0\0\0\0\0\0@", "K\0K\0") ".", "larger than any file");
    REFUSED("a long stride", "\x80\x02" TENSOR("\0", "K\3", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f") ".", "reaches beyond its storage");
    REFUSED("overflowing strides", "\x80\x02" TENSOR("\0", "K\4", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f") ".", "larger than any file");
    REFUSED("strides that add up to 0", "\x80\x02" TENSOR("\0", "K\3K\2", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fK\1") ".", "larger than any file");
    REFUSED("a storage that is not there", "\x80\x02" STORAGE("FloatStorage", "7", "\10") ".", "holds no storage \"a/data/7\"");
    REFUSED("a key with a path", "\x80\x02" STORAGE("FloatStorage", "/", "\10") ".", "key is no number");
    REFUSED("another element count", "\x80\x02" STORAGE("FloatStorage", "0", "\7") ".", "has 32 bytes, its pickle says 28");
    REFUSED("another type", "\x80\x02" STORAGE("DoubleStorage", "0", "\10") ".", "has 32 bytes, its pickle says 64");
    REFUSED("a reference that is none", "\x80\x02K\1Q.", "a reference that is no storage");
    const char quantised[] = "\x80\x02" STORAGE("QInt8Storage", "0", "\10") ".";
    check_text("a storage of a type we do not read", torch_kind_name(pickle(a, quantised, sizeof quantised - 1)), "a torch.QInt8Storage");

    REFUSED("a function of the system", "\x80\x02" "cos\nsystem\nX\4\0\0\0echo\x85R" "1.", "operation 0x31");
    const char evil[] = "\x80\x02" "cposix\nsystem\nX\4\0\0\0echo\x85R.";
    check_text("a function of the system is only named", torch_kind_name(pickle(a, evil, sizeof evil - 1)), "posix.system");
    REFUSED("bytes as storage", "\x80\x02" "ctorch.storage\n_load_from_bytes\n.", "are not read");
    REFUSED("an operation of Python 1", "\x80\x02I1\n.", "byte 2: the operation 0x49, which no state dict needs");
    REFUSED("protocol 6", "\x80\x06.", "protocol above 5");
    REFUSED("nothing", "\x80\x02.", "nothing is left on the stack");
    REFUSED("no end", "\x80\x02}", "cut off");
    REFUSED("a long text", "\x80\x02X\xff\xff\xff\xff" "a.", "cut off");
    REFUSED("a longer text", "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff" "a.", "cut off");
    REFUSED("a text in latin-1", "\x80\x02X\1\0\0\0\xe9.", "not UTF-8");
    REFUSED("a name that does not end", "\x80\x02" "ctorch\nFloat", "does not end");
    REFUSED("no mark", "\x80\x02}t.", "a mark is missing");
    REFUSED("across a mark", "\x80\x02}(s.", "nothing is left");
    REFUSED("a key alone", "\x80\x02}(K\1u.", "a key without its value");
    REFUSED("items of a number", "\x80\x02K\1(K\1K\2u.", "no dict");
    REFUSED("items of a dict", "\x80\x02}K\1a.", "no list");
    REFUSED("a memo that was not given", "\x80\x02}q\0h\1.", "never given");
    REFUSED("a memo far away", "\x80\x02}r\xff\xff\xff\xff.", "beyond the pickle's size");
    REFUSED("a call of a number", "\x80\x02K\1)R.", "no function");
    REFUSED("a call without a tuple", "\x80\x02" "ccollections\nOrderedDict\nK\1R.", "no function");
    const char knot[] = "\x80\x02]q\0h\0a.", twice[] = "\x80\x02}(X\1\0\0\0aK\1X\1\0\0\0aK\2u.";
    v = pickle(a, knot, sizeof knot - 1);
    check(v->kind == TORCH_LIST && v->items[0] == v, "a list that holds itself");
    REFUSED("pairs that are none", "\x80\x02" "ccollections\nOrderedDict\n](K\1e\x85R.", "not built from pairs");
    const char from_pairs[] = "\x80\x02" "ccollections\nOrderedDict\n]](X\1\0\0\0aK\5ea\x85R.";
    v = pickle(a, from_pairs, sizeof from_pairs - 1);
    check(torch_need(v, "a", TORCH_INT, "x")->integer == 5, "a dict from pairs");
    check(torch_get(pickle(a, twice, sizeof twice - 1), "a")->integer == 2, "the last of two equal keys");
}

#define NO_STATE(name, bytes, part) check_dies(name, part) tensors_open(a, pickle_file(a, bytes, sizeof bytes - 1))

// Files that are whole, but no state dict.
static void test_no_state(Arena *a) {
    NO_STATE("a bare tensor", "\x80\x02" TENSOR("\1", "K\2K\3", "K\3K\1") ".", "holds a tensor, not a dict of tensors by their names");
    NO_STATE("a list", "\x80\x02]" TENSOR("\1", "K\2K\3", "K\3K\1") "a.", "holds a list, not a dict of tensors by their names");
    NO_STATE("a storage that is not read", "\x80\x02}X\1\0\0\0w" STORAGE("QInt8Storage", "0", "\10") "s.", "without tensors that are read: \"w\" is a torch.QInt8Storage");
    NO_STATE("a zero in a name", "\x80\x02}X\3\0\0\0w\0v" TENSOR("\1", "K\2K\3", "K\3K\1") "s.", "whose name \"w\" goes on behind a zero byte");
    NO_STATE("a number as a name", "\x80\x02}K\1" TENSOR("\1", "K\2K\3", "K\3K\1") "s.", "a tensor whose name is a whole number");
}

static void test_written(Arena *a, const char *path) {
    float x[24];
    for (int i = 0; i < 24; i++) x[i] = (float)known(i, 1);
    TorchWriter *w = torch_create(a, path);
    torch_put_texts(w, "keys", (const char *[]){"000010000", "na\u00efve"}, 2);
    torch_tensor_begin(w, "vecs", DTYPE_F32, 3, (int64_t[]){2, 3, 4});
    torch_tensor_put(w, x, 40);
    torch_tensor_put(w, x + 10, 56);
    torch_tensor_end(w);
    int64_t seen[] = {0, 255, 256, -1, INT32_MAX, INT32_MIN, (int64_t)1 << 40, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 9; i++) torch_put_int(w, arena_print(a, "int%zu", i), seen[i]);
    torch_put_real(w, "rate", -1.5e-300);
    torch_put_bool(w, "yes", true);
    torch_put_bool(w, "no", false);
    torch_put_text(w, "family", "llava \"x\"\n");
    torch_put_texts(w, "none", NULL, 0);
    torch_tensor_begin(w, "scalar", DTYPE_I64, 0, NULL);
    torch_tensor_put(w, &seen[6], 8);
    torch_tensor_end(w);
    torch_tensor_begin(w, "empty", DTYPE_BF16, 2, (int64_t[]){3, 0});
    torch_tensor_end(w);
    torch_finish(w);
    const TorchValue *d = open_file(a, path);
    for (size_t i = 0; i < 9; i++) check(torch_need(d, arena_print(a, "int%zu", i), TORCH_INT, path)->integer == seen[i], "written: %lld", (long long)seen[i]);
    check_same("written: tensor", torch_need(d, "vecs", TORCH_TENSOR, path)->tensor->bytes, x, sizeof x);
    check((uintptr_t)torch_get(d, "vecs")->tensor->bytes % 64 == 0, "written: aligned to 64");
    check_text("written: key", torch_need(d, "keys", TORCH_LIST, path)->items[1]->text, "na\u00efve");
    check(torch_get(d, "rate")->number == -1.5e-300 && torch_get(d, "yes")->truth && !torch_get(d, "no")->truth && torch_get(d, "none")->count == 0, "written: the rest");
    check(torch_get(d, "scalar")->tensor->ndim == 0 && torch_get(d, "empty")->tensor->dtype == DTYPE_BF16, "written: scalar, empty");
    w = torch_create(a, scratch_path(a, "short.pt"));
    torch_tensor_begin(w, "x", DTYPE_F32, 1, (int64_t[]){4});
    torch_tensor_put(w, x, 8);
    check_dies("written: too much", "more than the 16 bytes") torch_tensor_put(w, x, 12);
    check_dies("written: too little", "got 8 of its 16 bytes") torch_tensor_end(w);
    torch_tensor_put(w, x, 8);
    torch_tensor_end(w);
    check_dies("written: no UTF-8", "is not UTF-8") torch_put_text(w, "x", "\xff");
}

int main(int argc, char **argv) { // `test_torch_file FILE` leaves what it wrote: test/peers/check_containers.py reads it
    Arena *a = arena_new("test");
    test_kinds(a);
    test_vectors(a);
    test_views(a);
    test_deflated(a);
    test_repeated(a);
    test_checkpoint(a);
    test_refused_files(a);
    test_cut_off(a);
    test_pickles(a);
    test_no_state(a);
    test_written(a, argc > 1 ? argv[1] : scratch_path(a, "written.pt"));
    arena_free(a);
    return check_end();
}
