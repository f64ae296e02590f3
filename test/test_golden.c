// test_golden.c: the comparison that all model tests rest on can itself fail.
//
// Every golden file is read, its taps stand in the order of taps.txt, and for the smallest: values of the
// reference hold, and one wrong value, a NaN, another shape, a missing and a surplus tap each do not.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "golden.h"
#include "io/file.h"

// taps.txt: NAME<TAB>[d0, d1]; optional taps are not in the golden file.
static void order(Arena *a, const char *folder, const char *path) {
    Golden *g = golden_open(a, path);
    const char *run = path_name(path) + strlen("golden"); // "-batch.safetensors" or ".safetensors"
    Bytes text = file_read(a, arena_print(a, "%s/taps%.*s.txt", folder, (int)(strlen(run) - strlen(".safetensors")), run));
    size_t i = 0;
    bool same = true;
    for (const char *line = (const char *)text.bytes; *line && same;) {
        const char *end = strchr(line, '\n'), *tab = memchr(line, '\t', (size_t)(end - line));
        const char *last = memchr(tab + 1, '\t', (size_t)(end - tab - 1));
        const char *name = arena_text(a, line, (size_t)(tab - line));
        if (last) {
            same = golden_optional(g, name) && !golden_tap(g, name);
        } else if (i < golden_taps(g)) {
            char shape[128];
            tensor_shape_text(golden_tap_at(g, i)->shape, shape);
            same = strcmp(golden_tap_at(g, i)->name, name) == 0 && strlen(shape) == (size_t)(end - tab - 1) && memcmp(shape, tab + 1, strlen(shape)) == 0;
            i++;
        }
        line = end + 1;
    }
    check(same && i == golden_taps(g), "%s: %zu taps in the order of the list%s", path, golden_taps(g), same ? "" : ", one stands elsewhere");
}

// A tensor of the whole shape that has the stored values at their places.
static Tensor spread(Arena *a, const GoldenTensor *t) {
    Tensor x = tensor_take(a, DTYPE_F32, t->shape.ndim, t->shape.shape);
    memset(x.data, 0, tensor_bytes(x));
    for (size_t i = 0; i < t->count; i++) f32(x)[i * (size_t)t->every] = t->values[i];
    return x;
}

static void distances(Arena *a) {
    Golden *g = golden_open(a, "test/golden/llava-eras/golden.safetensors");
    for (size_t i = 0; i < golden_taps(g); i++) golden_sink(g, golden_tap_at(g, i)->name, spread(a, golden_tap_at(g, i)));
    golden_end(g, "the reference's own values", 0);
    for (size_t i = 1; i < golden_taps(g); i++) golden_sink(g, golden_tap_at(g, i)->name, spread(a, golden_tap_at(g, i)));
    golden_sink(g, "model.language_model.norm2", spread(a, golden_tap_at(g, 1)));
    const char *fault = golden_fault(g, 0);
    check(fault && strstr(fault, "1 of 66 did not come, the first is model.language_model.embed_tokens") &&
              strstr(fault, "1 that the reference does not have, the first is model.language_model.norm2"), "told: %s", fault ? fault : "nothing");
    golden_sink(g, golden_tap_at(g, 0)->name, spread(a, golden_tap_at(g, 1)));
    fault = golden_fault(g, 1e-5);
    check(fault && strstr(fault, "first to leave: model.language_model.embed_tokens"), "told: %s", fault ? fault : "nothing");
    const GoldenTensor *t = golden_tap(g, "model.multi_modal_projector");
    need(t && t->count > 3, "the projector's tap is gone");
    Tensor x = spread(a, t);
    f32(x)[2 * t->every] += 1e-3f;
    double d = golden_distance(g, t, x);
    check(d > 1e-5 && d < 1, "one value off by 1e-3 is seen: rel %.1e", d);
    f32(x)[2 * t->every] = NAN;
    check(isinf(golden_distance(g, t, x)), "a NaN is infinitely far");
    x = spread(a, t);
    long turned[DIMS_MAX];
    memcpy(turned, x.shape, sizeof turned);
    turned[0] = x.shape[x.ndim - 1], turned[x.ndim - 1] = x.shape[0];
    check(isinf(golden_distance(g, t, tensor_view(x, x.ndim, turned))), "another shape is infinitely far");
}

int main(void) {
    Arena *a = arena_new("test_golden");
    size_t folders, files;
    char **folder = folder_list(a, "test/golden", &folders);
    for (size_t i = 0; i < folders; i++) {
        if (!file_exists(path_join(a, folder[i], "taps.txt"))) continue;
        char **file = folder_list(a, folder[i], &files);
        for (size_t k = 0; k < files; k++)
            if (strncmp(path_name(file[k]), "golden", 6) == 0) order(a, folder[i], file[k]);
    }
    distances(a);
    return check_end();
}
