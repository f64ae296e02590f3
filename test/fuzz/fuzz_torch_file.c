// fuzz_torch_file.c: archives of torch.save; every value looked at, every tensor read.
#include <string.h>

#include "fuzz.h"
#include "io/torch_file.h"

static size_t left; // values still to be looked at: shared ones can be met again and again

static void look(Arena *a, const TorchValue *v, int depth) {
    if (depth > 8 || left == 0) return;
    left--;
    fuzz_touch(torch_kind_name(v), strlen(torch_kind_name(v)));
    if (v->kind == TORCH_TEXT || v->kind == TORCH_OTHER) fuzz_touch(v->text, v->length + 1);
    if (v->kind == TORCH_TENSOR) {
        const TorchTensor *t = v->tensor;
        if (t->size <= t->storage || t->size < 1 << 16) fuzz_touch(torch_data(a, t, FUZZ_PATH), t->size);
    }
    if (v->kind < TORCH_LIST || v->kind > TORCH_DICT) return;
    for (size_t i = 0; i < v->count; i++) {
        if (v->kind == TORCH_DICT) look(a, v->keys[i], depth + 1);
        look(a, v->items[i], depth + 1);
    }
}

static void parse(Arena *a, Bytes input) {
    left = 2000;
    const TorchValue *v = torch_read(a, input);
    look(a, v, 0);
    torch_get(v, "state_dict");
}

#define GOLDEN "test/golden/containers/"
const Fuzz fuzz_target = {.name = "torch_file", .parse = parse,
                          .seeds = (const char *const[]){GOLDEN "kinds.pt", GOLDEN "vectors.pt", GOLDEN "manifest.pt", GOLDEN "views.pt", GOLDEN "deflated.pt", GOLDEN "checkpoint.pt", GOLDEN "protocol4.pt", NULL},
                          .words = (const char *const[]){"q\1", "h\1", "\x85", "\x86", "\x87", "(", "t", "R", "b", "u", "e", "}", "]", ")", "K\1", "\x8a\1\1", "Q", ".", "\x94", "\x93",
                                                         "ccollections\nOrderedDict\n", "ctorch\nSize\n", "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._tensor\n_rebuild_from_type_v2\n", NULL}};
