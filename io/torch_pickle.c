// torch_pickle.c: see torch_pickle.h. A machine with a stack, a memo and marks; every operation gives a value.
//
// Source: the opcodes as Python's pickletools describes them; the calls as torch/_utils.py defines them.
#include "torch_pickle.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

// Names that mean something to us; every other global is a GLOBAL_OTHER.
typedef enum {
    GLOBAL_OTHER, GLOBAL_TENSOR, GLOBAL_TENSOR_DTYPE, GLOBAL_PARAMETER, GLOBAL_TYPED, GLOBAL_DICT, GLOBAL_SIZE, GLOBAL_STORAGE, GLOBAL_DTYPE
} Global;

static const struct {
    const char *name;
    Global is;
    Dtype dtype; // of GLOBAL_STORAGE and GLOBAL_DTYPE
} globals[] = {
    {"torch._utils._rebuild_tensor", GLOBAL_TENSOR, 0},
    {"torch._utils._rebuild_tensor_v2", GLOBAL_TENSOR, 0},
    {"torch._utils._rebuild_tensor_v3", GLOBAL_TENSOR_DTYPE, 0},
    {"torch._utils._rebuild_parameter", GLOBAL_PARAMETER, 0},
    {"torch._utils._rebuild_parameter_with_state", GLOBAL_PARAMETER, 0},
    {"torch._tensor._rebuild_from_type_v2", GLOBAL_TYPED, 0},
    {"collections.OrderedDict", GLOBAL_DICT, 0},
    {"collections.defaultdict", GLOBAL_DICT, 0},
    {"torch.Size", GLOBAL_SIZE, 0},
    {"torch.FloatStorage", GLOBAL_STORAGE, DTYPE_F32},
    {"torch.DoubleStorage", GLOBAL_STORAGE, DTYPE_F64},
    {"torch.HalfStorage", GLOBAL_STORAGE, DTYPE_F16},
    {"torch.BFloat16Storage", GLOBAL_STORAGE, DTYPE_BF16},
    {"torch.LongStorage", GLOBAL_STORAGE, DTYPE_I64},
    {"torch.IntStorage", GLOBAL_STORAGE, DTYPE_I32},
    {"torch.ShortStorage", GLOBAL_STORAGE, DTYPE_I16},
    {"torch.CharStorage", GLOBAL_STORAGE, DTYPE_I8},
    {"torch.ByteStorage", GLOBAL_STORAGE, DTYPE_U8},
    {"torch.BoolStorage", GLOBAL_STORAGE, DTYPE_BOOL},
    {"torch.ComplexFloatStorage", GLOBAL_STORAGE, DTYPE_C64},
    {"torch.storage.UntypedStorage", GLOBAL_STORAGE, DTYPE_U8},
    {"torch.uint16", GLOBAL_DTYPE, DTYPE_U16},
    {"torch.uint32", GLOBAL_DTYPE, DTYPE_U32},
    {"torch.uint64", GLOBAL_DTYPE, DTYPE_U64},
    {"torch.float8_e4m3fn", GLOBAL_DTYPE, DTYPE_F8_E4M3},
    {"torch.float8_e5m2", GLOBAL_DTYPE, DTYPE_F8_E5M2},
    {"torch.float8_e8m0fnu", GLOBAL_DTYPE, DTYPE_F8_E8M0},
    {"torch.float8_e4m3fnuz", GLOBAL_DTYPE, DTYPE_F8_E4M3FNUZ},
    {"torch.float8_e5m2fnuz", GLOBAL_DTYPE, DTYPE_F8_E5M2FNUZ},
};

typedef struct {
    const uint8_t *bytes;
    size_t size;
    Dtype dtype;
} Storage;

// A TorchValue and what only the machine needs of it.
typedef struct {
    TorchValue v;
    union {
        size_t room;            // LIST, DICT: of v.items
        const Storage *storage; // OTHER: or NULL
    };
    int global; // OTHER: 1 + place in globals, or 0
} Value;

#define REPEATED_MAX ((uint64_t)1 << 30) // bytes beyond the file's size that all views together may take when they are copied out

typedef struct {
    Arena *arena;
    const Zip *zip;
    uint64_t views, views_max; // bytes of the tensors that have to be copied to be read
    const char *path, *prefix; // of the entries: "archive/"
    const uint8_t **inflated;  // by entry of the archive: of one that another program has compressed
    uint64_t inflated_bytes, inflated_max;
    const uint8_t *pickle;
    size_t size, at, op; // op: where the current operation begins
    Value **stack, **memo;
    size_t depth, stack_room, memo_room, memo_next;
    size_t *marks, mark_count, mark_room;
    Value *pool; // values and texts are small and many
    char *texts;
    size_t pool_left, texts_left;
} Machine;

static _Noreturn void refuse(const Machine *m, const char *what) { die("%s: data.pkl, byte %zu: %s", m->path, m->op, what); }

static uint64_t number(Machine *m, int n) {
    if (m->size - m->at < (size_t)n) refuse(m, "the pickle is cut off");
    uint64_t v = 0;
    for (int i = n; i-- > 0;) v = v << 8 | m->pickle[m->at + (size_t)i];
    m->at += (size_t)n;
    return v;
}

static const uint8_t *bytes(Machine *m, uint64_t n) {
    if (n > m->size - m->at) refuse(m, "the pickle is cut off");
    const uint8_t *p = m->pickle + m->at;
    m->at += (size_t)n;
    return p;
}

static Value *value_new(Machine *m, TorchKind kind) {
    if (m->pool_left == 0) {
        m->pool_left = 256;
        m->pool = take(m->arena, Value, m->pool_left);
    }
    Value *v = &m->pool[--m->pool_left];
    *v = (Value){.v = {.kind = kind}};
    return v;
}

static Value *push(Machine *m, Value *v) {
    if (m->depth == m->stack_room) {
        m->stack_room *= 2;
        m->stack = arena_grow(m->arena, m->stack, m->depth, m->stack_room, sizeof *m->stack);
    }
    return m->stack[m->depth++] = v;
}

// Values above the innermost mark, or the whole stack.
static size_t floor_of(const Machine *m) { return m->mark_count ? m->marks[m->mark_count - 1] : 0; }

static Value *pop(Machine *m) {
    if (m->depth <= floor_of(m)) refuse(m, "nothing is left on the stack");
    return m->stack[--m->depth];
}

static Value *top(Machine *m) {
    if (m->depth <= floor_of(m)) refuse(m, "nothing is left on the stack");
    return m->stack[m->depth - 1];
}

static void mark_push(Machine *m) {
    if (m->mark_count == m->mark_room) {
        size_t room = m->mark_room ? m->mark_room * 2 : 64;
        m->marks = arena_grow(m->arena, m->marks, m->mark_count, room, sizeof *m->marks);
        m->mark_room = room;
    }
    m->marks[m->mark_count++] = m->depth;
}

// Takes the innermost mark and what is above it off the stack; the values stay readable until the next push.
static Value **mark_pop(Machine *m, size_t *count) {
    if (m->mark_count == 0) refuse(m, "a mark is missing");
    size_t begin = m->marks[--m->mark_count];
    *count = m->depth - begin;
    m->depth = begin;
    return m->stack + begin;
}

static Value *text_value(Machine *m, TorchKind kind, const char *text, size_t length) {
    if (m->texts_left <= length) {
        m->texts_left = length < 16384 ? 65536 : length + 1;
        m->texts = take(m->arena, char, m->texts_left);
    }
    Value *v = value_new(m, kind);
    memcpy(m->texts, text, length);
    m->texts[length] = 0;
    v->v.text = m->texts;
    v->v.length = length;
    m->texts += length + 1;
    m->texts_left -= length + 1;
    return v;
}

static Value *other(Machine *m, const char *what) { return text_value(m, TORCH_OTHER, what, strlen(what)); }

static void items_add(Machine *m, Value *list, Value *key, Value *item) {
    TorchValue *v = &list->v;
    if (v->count == list->room) {
        size_t room = list->room ? list->room * 2 : 8;
        v->items = arena_grow(m->arena, v->items, v->count, room, sizeof *v->items);
        if (v->kind == TORCH_DICT) v->keys = arena_grow(m->arena, v->keys, v->count, room, sizeof *v->keys);
        list->room = room;
    }
    if (v->kind == TORCH_DICT) v->keys[v->count] = &key->v;
    v->items[v->count++] = &item->v;
}

static Value *tuple_of(Machine *m, Value **from, size_t count) {
    Value *t = value_new(m, TORCH_TUPLE);
    t->v.items = take(m->arena, const TorchValue *, count);
    for (size_t i = 0; i < count; i++) t->v.items[i] = &from[i]->v;
    t->v.count = t->room = count;
    return t;
}

static Value *text_of(Machine *m, uint64_t n) {
    const char *t = (const char *)bytes(m, n);
    if (utf8_valid(t, (size_t)n) != n) refuse(m, "a text that is not UTF-8");
    return text_value(m, TORCH_TEXT, t, (size_t)n);
}

static Value *integer_of(Machine *m, int64_t i) {
    Value *v = value_new(m, TORCH_INT);
    v->v.integer = i;
    return v;
}

static Value *long_of(Machine *m, size_t n) { // two's complement of n bytes
    const uint8_t *p = bytes(m, n);
    if (n > 8) return other(m, "a whole number beyond 64 bits");
    uint64_t u = n && p[n - 1] & 0x80 ? ~(uint64_t)0 : 0;
    for (size_t i = n; i-- > 0;) u = u << 8 | p[i];
    return integer_of(m, (int64_t)u);
}

static Value *real_of(Machine *m) { // big-endian
    const uint8_t *p = bytes(m, 8);
    uint64_t u = 0;
    for (int i = 0; i < 8; i++) u = u << 8 | p[i];
    Value *v = value_new(m, TORCH_REAL);
    memcpy(&v->v.number, &u, 8);
    return v;
}

static Value *global_of(Machine *m, const char *module, size_t module_length, const char *name, size_t length) {
    char whole[1024];
    snprintf(whole, sizeof whole, "%.*s.%.*s", (int)module_length, module, (int)length, name);
    Value *v = other(m, whole);
    if (strcmp(v->v.text, "torch.storage._load_from_bytes") == 0) refuse(m, "storages inside the pickle (torch.storage._load_from_bytes) are not read");
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strcmp(globals[i].name, v->v.text) == 0) v->global = (int)i + 1;
    return v;
}

static Value *global_read(Machine *m) { // "module\nname\n"
    const uint8_t *begin = m->pickle + m->at, *end = m->pickle + m->size;
    const uint8_t *first = memchr(begin, '\n', (size_t)(end - begin)), *second = first ? memchr(first + 1, '\n', (size_t)(end - first - 1)) : NULL;
    if (!second || second - begin > 1000) refuse(m, "the name of a class does not end");
    m->at = (size_t)(second + 1 - m->pickle);
    return global_of(m, (const char *)begin, (size_t)(first - begin), (const char *)first + 1, (size_t)(second - first - 1));
}

static Global global_kind(const TorchValue *v) {
    const Value *w = (const Value *)v;
    return v->kind == TORCH_OTHER && w->global ? globals[w->global - 1].is : GLOBAL_OTHER;
}

static Dtype global_dtype(const TorchValue *v) { return globals[((const Value *)v)->global - 1].dtype; }

// torch stores them plain, and reads them compressed, too. Each is inflated once, and all together make no more than deflate can:
// entries of a damaged archive could share their data.
static const uint8_t *storage_bytes(Machine *m, const ZipEntry *e) {
    if (e->method == 0) {
        need(e->packed == e->size, "%s: \"%s\" is stored plain in %llu bytes, and has %llu", m->path, e->name, (unsigned long long)e->packed, (unsigned long long)e->size);
        return zip_data(m->zip, e);
    }
    size_t i = (size_t)(e - zip_at(m->zip, 0));
    if (!m->inflated) m->inflated = take_zero(m->arena, const uint8_t *, zip_count(m->zip));
    if (!m->inflated[i]) {
        bool fits = !__builtin_add_overflow(m->inflated_bytes, e->size, &m->inflated_bytes) && m->inflated_bytes <= m->inflated_max;
        need(fits, "%s: \"%s\": the archive's entries unpack to more than their bytes can hold; the file is damaged", m->path, e->name);
        m->inflated[i] = zip_read(m->arena, m->zip, e).bytes;
    }
    return m->inflated[i];
}

// ('storage', type, key, location, number of elements)
static Value *storage_of(Machine *m, const TorchValue *id) {
    bool right = id->kind == TORCH_TUPLE && id->count == 5 && id->items[0]->kind == TORCH_TEXT && strcmp(id->items[0]->text, "storage") == 0 &&
                 id->items[1]->kind == TORCH_OTHER && id->items[2]->kind == TORCH_TEXT && id->items[4]->kind == TORCH_INT && id->items[4]->integer >= 0;
    if (!right) refuse(m, "a reference that is no storage");
    const char *key = id->items[2]->text;
    size_t length = id->items[2]->length;
    if (length == 0 || length > 20 || strspn(key, "0123456789") != length) refuse(m, "a storage whose key is no number");
    const TorchValue *type = id->items[1];
    if (global_kind(type) != GLOBAL_STORAGE) return other(m, arena_print(m->arena, "a %s", type->text));
    const ZipEntry *e = zip_find(m->zip, arena_print(m->arena, "%sdata/%s", m->prefix, key));
    need(e, "%s: holds no storage \"%sdata/%s\", which its pickle refers to", m->path, m->prefix, key);
    Storage *s = take(m->arena, Storage, 1);
    *s = (Storage){.bytes = storage_bytes(m, e), .size = (size_t)e->size, .dtype = global_dtype(type)};
    size_t wanted = size_mul((size_t)id->items[4]->integer, dtype_size(s->dtype), m->path);
    need(wanted == s->size, "%s: \"%s\" has %zu bytes, its pickle says %zu", m->path, e->name, s->size, wanted);
    Value *v = other(m, "a storage");
    v->storage = s;
    return v;
}

// How many of a storage's elements a tensor reaches over: 1 + the sum of (size - 1) * stride; 0 when it has none.
static uint64_t reach(Machine *m, TorchTensor *t) {
    uint64_t far = 0, count = 1, dense = 1;
    t->contiguous = true;
    for (int i = t->ndim; i-- > 0;) {
        uint64_t size = (uint64_t)t->shape[i], stride = (uint64_t)t->strides[i], step;
        if (__builtin_mul_overflow(count, size, &count)) refuse(m, "a tensor larger than any file");
        if (size > 1 && (__builtin_mul_overflow(size - 1, stride, &step) || __builtin_add_overflow(far, step, &far))) refuse(m, "a tensor larger than any file");
        if (size > 1 && stride != dense) t->contiguous = false;
        dense = count;
    }
    if (__builtin_add_overflow(far, 1, &far)) refuse(m, "a tensor larger than any file");
    t->size = size_mul((size_t)count, dtype_size(t->dtype), m->path);
    if (count == 0) t->contiguous = true;
    return count ? far : 0;
}

// A view of a complex tensor may be conjugated or negated (.conj(), .imag of it) without a copy: the sign is in its metadata only.
static bool is_lazy(const TorchValue *args, size_t metadata) {
    if (args->count <= metadata) return false;
    const TorchValue *conj = torch_get(args->items[metadata], "conj"), *neg = torch_get(args->items[metadata], "neg");
    return (conj && conj->kind == TORCH_BOOL && conj->truth) || (neg && neg->kind == TORCH_BOOL && neg->truth);
}

// (storage, offset, sizes, strides, requires_grad, hooks) and, for _rebuild_tensor_v3, the type; then metadata
static Value *tensor_of(Machine *m, const TorchValue *args, bool typed) {
    bool right = args->kind == TORCH_TUPLE && args->count >= (typed ? 7u : 4u) && args->items[1]->kind == TORCH_INT && args->items[1]->integer >= 0 &&
                 args->items[2]->kind == TORCH_TUPLE && args->items[3]->kind == TORCH_TUPLE && args->items[2]->count == args->items[3]->count;
    if (!right || args->items[0]->kind != TORCH_OTHER) refuse(m, "a tensor without storage, offset, sizes and strides");
    const Storage *s = ((const Value *)args->items[0])->storage;
    if (!s || (typed && global_kind(args->items[6]) != GLOBAL_DTYPE)) return other(m, "a tensor of a type that is not read");
    if (is_lazy(args, typed ? 7 : 6)) return other(m, "a tensor that is conjugated or negated when it is read (save it after .resolve_conj().resolve_neg())");
    const TorchValue *sizes = args->items[2], *strides = args->items[3];
    if (sizes->count > TORCH_RANK_MAX) return other(m, "a tensor of more than 8 dimensions");
    TorchTensor *t = take_zero(m->arena, TorchTensor, 1);
    t->dtype = typed ? global_dtype(args->items[6]) : s->dtype;
    t->ndim = (int)sizes->count;
    t->storage = s->size;
    for (int i = 0; i < t->ndim; i++) {
        const TorchValue *size = sizes->items[i], *stride = strides->items[i];
        if (size->kind != TORCH_INT || stride->kind != TORCH_INT || size->integer < 0 || stride->integer < 0) refuse(m, "a size or stride that is no whole number");
        t->shape[i] = size->integer;
        t->strides[i] = stride->integer;
    }
    uint64_t needed = reach(m, t), offset = (uint64_t)args->items[1]->integer, there = s->size / dtype_size(t->dtype);
    if (needed && (offset > there || needed > there - offset)) refuse(m, "a tensor that reaches beyond its storage");
    t->bytes = needed ? s->bytes + offset * dtype_size(t->dtype) : s->bytes;
    if (!t->contiguous && __builtin_add_overflow(m->views, t->size, &m->views)) m->views = UINT64_MAX;
    t->too_many = m->views > m->views_max;
    Value *v = value_new(m, TORCH_TENSOR);
    v->v.tensor = t;
    return v;
}

// OrderedDict(), defaultdict(class), or OrderedDict([[key, value], …]) as Python 2 wrote it
static Value *dict_of(Machine *m, const TorchValue *args) {
    Value *d = value_new(m, TORCH_DICT);
    if (args->count == 0) return d;
    const TorchValue *pairs = args->items[0];
    if (args->count == 1 && pairs->kind == TORCH_OTHER) return d; // a defaultdict's default
    if (args->count != 1 || pairs->kind != TORCH_LIST) refuse(m, "an OrderedDict that is not built from pairs");
    for (size_t i = 0; i < pairs->count; i++) {
        const TorchValue *p = pairs->items[i];
        if ((p->kind != TORCH_LIST && p->kind != TORCH_TUPLE) || p->count != 2) refuse(m, "an OrderedDict that is not built from pairs");
        items_add(m, d, (Value *)(uintptr_t)p->items[0], (Value *)(uintptr_t)p->items[1]);
    }
    return d;
}

// What function(arguments) stands for.
static Value *call(Machine *m, const TorchValue *function, const TorchValue *args) {
    if (function->kind != TORCH_OTHER || args->kind != TORCH_TUPLE) refuse(m, "a call of something that is no function");
    switch (global_kind(function)) {
    case GLOBAL_TENSOR: return tensor_of(m, args, false);
    case GLOBAL_TENSOR_DTYPE: return tensor_of(m, args, true);
    case GLOBAL_DICT: return dict_of(m, args);
    case GLOBAL_PARAMETER:
    case GLOBAL_SIZE:
        if (args->count == 0) refuse(m, "a call without arguments");
        return (Value *)(uintptr_t)args->items[0];
    case GLOBAL_TYPED: // (function, type, arguments, state)
        if (args->count < 3 || global_kind(args->items[0]) == GLOBAL_TYPED) refuse(m, "a tensor of a class that is not understood");
        return call(m, args->items[0], args->items[2]);
    default: return other(m, function->text); // an object: known by its class, not looked into
    }
}

static void memo_put(Machine *m, uint64_t i) {
    if (i > m->size) refuse(m, "a memo number beyond the pickle's size"); // they count up from 0, a byte or more for each
    if (i >= m->memo_room) {
        size_t room = m->memo_room ? m->memo_room * 2 : 256;
        while (room <= i) room *= 2;
        Value **grown = take_zero(m->arena, Value *, room);
        if (m->memo_room) memcpy(grown, m->memo, m->memo_room * sizeof *grown);
        m->memo = grown;
        m->memo_room = room;
    }
    m->memo[i] = top(m);
    if (i >= m->memo_next) m->memo_next = (size_t)i + 1;
}

static Value *memo_get(Machine *m, uint64_t i) {
    if (i >= m->memo_room || !m->memo[i]) refuse(m, "a memo number that was never given");
    return m->memo[i];
}

static void set_items(Machine *m, Value *dict, Value **pairs, size_t count) {
    if (count % 2) refuse(m, "a key without its value");
    if (dict->v.kind == TORCH_OTHER) return; // an object that is not looked into
    if (dict->v.kind != TORCH_DICT) refuse(m, "a key for something that is no dict");
    for (size_t i = 0; i < count; i += 2) items_add(m, dict, pairs[i], pairs[i + 1]);
}

static void append(Machine *m, Value *list, Value **items, size_t count) {
    if (list->v.kind == TORCH_OTHER) return;
    if (list->v.kind != TORCH_LIST) refuse(m, "an item for something that is no list");
    for (size_t i = 0; i < count; i++) items_add(m, list, NULL, items[i]);
}

static void tuple_small(Machine *m, size_t count) {
    if (m->depth - floor_of(m) < count) refuse(m, "nothing is left on the stack");
    m->depth -= count;
    push(m, tuple_of(m, m->stack + m->depth, count));
}

static Value *truth_of(Machine *m, bool truth) {
    Value *v = value_new(m, TORCH_BOOL);
    v->v.truth = truth;
    return v;
}

// Everything up to STOP; the value that is then on top.
static Value *run(Machine *m) {
    size_t n;
    Value **above, *v, *w;
    for (;;) {
        m->op = m->at;
        uint8_t op = (uint8_t)number(m, 1);
        switch (op) {
        case 0x80: // PROTO
            if (number(m, 1) > 5) refuse(m, "a pickle protocol above 5");
            break;
        case 0x95: number(m, 8); break; // FRAME: only a hint
        case '}': push(m, value_new(m, TORCH_DICT)); break;
        case ']': push(m, value_new(m, TORCH_LIST)); break;
        case ')': push(m, tuple_of(m, NULL, 0)); break;
        case '(': mark_push(m); break;
        case 't': // TUPLE
            above = mark_pop(m, &n);
            push(m, tuple_of(m, above, n));
            break;
        case 0x85: tuple_small(m, 1); break;
        case 0x86: tuple_small(m, 2); break;
        case 0x87: tuple_small(m, 3); break;
        case 'u': // SETITEMS
            above = mark_pop(m, &n);
            set_items(m, top(m), above, n);
            break;
        case 's': // SETITEM
            v = pop(m);
            w = pop(m);
            set_items(m, top(m), (Value *[]){w, v}, 2);
            break;
        case 'e': // APPENDS
            above = mark_pop(m, &n);
            append(m, top(m), above, n);
            break;
        case 'a': // APPEND
            v = pop(m);
            append(m, top(m), &v, 1);
            break;
        case 'X': push(m, text_of(m, number(m, 4))); break;
        case 0x8c: push(m, text_of(m, number(m, 1))); break;
        case 0x8d: push(m, text_of(m, number(m, 8))); break;
        case 'B':  // BINBYTES
        case 'C':  // SHORT_BINBYTES
        case 0x8e: // BINBYTES8
        case 0x96: // BYTEARRAY8
            bytes(m, number(m, op == 'B' ? 4 : op == 'C' ? 1 : 8));
            push(m, other(m, "a bytes object"));
            break;
        case 'q': memo_put(m, number(m, 1)); break;
        case 'r': memo_put(m, number(m, 4)); break;
        case 0x94: memo_put(m, m->memo_next); break;
        case 'h': push(m, memo_get(m, number(m, 1))); break;
        case 'j': push(m, memo_get(m, number(m, 4))); break;
        case 'K': push(m, integer_of(m, (int64_t)number(m, 1))); break;
        case 'M': push(m, integer_of(m, (int64_t)number(m, 2))); break;
        case 'J': push(m, integer_of(m, (int32_t)number(m, 4))); break;
        case 0x8a: push(m, long_of(m, (size_t)number(m, 1))); break;
        case 'G': push(m, real_of(m)); break;
        case 0x88: push(m, truth_of(m, true)); break;
        case 0x89: push(m, truth_of(m, false)); break;
        case 'N': push(m, value_new(m, TORCH_NONE)); break;
        case 'c': push(m, global_read(m)); break;
        case 0x93: // STACK_GLOBAL
            v = pop(m);
            w = pop(m);
            if (v->v.kind != TORCH_TEXT || w->v.kind != TORCH_TEXT || v->v.length + w->v.length > 1000) refuse(m, "a class without a name");
            push(m, global_of(m, w->v.text, w->v.length, v->v.text, v->v.length));
            break;
        case 0x8f: push(m, other(m, "a set")); break;
        case 0x90: // ADDITEMS
            mark_pop(m, &n);
            top(m);
            break;
        case 0x91: // FROZENSET
            mark_pop(m, &n);
            push(m, other(m, "a set"));
            break;
        case 'Q': // BINPERSID
            v = pop(m);
            push(m, storage_of(m, &v->v));
            break;
        case 'R':  // REDUCE
        case 0x81: // NEWOBJ
            v = pop(m);
            w = pop(m);
            push(m, call(m, &w->v, &v->v));
            break;
        case 'b': // BUILD: attributes of an object (of an OrderedDict, versions of its modules); not looked into
            pop(m);
            top(m);
            break;
        case '.': return pop(m);
        default: refuse(m, arena_print(m->arena, "the operation 0x%02X, which no state dict needs; it is not executed", op));
        }
    }
}

const TorchValue *torch_pickle(Arena *a, const Zip *zip, const char *prefix, Bytes pickle, Bytes file) {
    Machine m = {.arena = a, .zip = zip, .views_max = file.size + REPEATED_MAX, .inflated_max = (uint64_t)file.size * 1032, .path = file.path, .prefix = prefix, .pickle = pickle.bytes, .size = pickle.size, .stack_room = 256};
    m.stack = take(a, Value *, m.stack_room);
    return &run(&m)->v;
}
