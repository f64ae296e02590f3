// test_preprocess.c: pictures prepared as the reference's PIL image processors prepare them.
//
// Bounds: before rescaling bit for bit; after it 2e-6 absolute (float rounding of (v - mean) / std). Caught when broken on
// purpose: bilinear for bicubic, crop rounded the other way, BGR, pad for crop, long side rounded up.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "io/image.h"
#include "io/safetensors.h"
#include "model/preprocess.h"

static void one(Arena *a, Tensors *golden, const char *config, const char *picture) {
    char name[200];
    snprintf(name, sizeof name, "%s/%s", config, picture);
    Trap trap;
    Mark mark = arena_mark(a);
    if (!trap_set(&trap)) {
        arena_release(a, mark);
        check(false, "%s: %s", name, trap.message);
        return;
    }
    Preprocess p = preprocess_read(a, arena_print(a, "test/golden/preprocess/%s", config));
    Image image = image_read(a, arena_print(a, "test/golden/preprocess/%s.png", picture), NULL);
    Picture x = picture_from(&image);
    Tensor got = preprocess_picture(a, &p, x);
    const TensorEntry *want = tensors_need(golden, name);
    const char *every_text = tensors_metadata(golden, arena_print(a, "%s#every", name));
    size_t every = 1, n = want->size / 4, bad = 0;
    if (every_text) sscanf(every_text, "%zu", &every);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        float w;
        memcpy(&w, want->bytes + i * 4, 4);
        double d = i * every < tensor_count(got) ? fabs((double)f32(got)[i * every] - (double)w) : INFINITY;
        if (!(d <= 2e-6)) bad++;
        if (!(d <= worst)) worst = d;
    }
    char shape[128];
    bool sized = n > 0 && (tensor_count(got) + every - 1) / every == n;
    check(sized && bad == 0, "%s %s within 2e-6: worst %.1e", name, tensor_shape_text(got, shape), worst);
    Preprocess raw = p;
    raw.rescale = raw.normalise = false;
    got = preprocess_picture(a, &raw, x);
    const TensorEntry *bytes = tensors_find(golden, arena_print(a, "%s#u8", name));
    if (bytes) {
        size_t wrong = bytes->size != tensor_count(got);
        for (size_t i = 0; i < bytes->size && !wrong; i++) wrong += (float)bytes->bytes[i] != f32(got)[i];
        check(wrong == 0, "%s: 8-bit values the same", name);
    }
    trap_end(&trap);
    arena_release(a, mark);
}

int main(void) {
    Arena *a = arena_new("test");
    Tensors *golden = tensors_open(a, "test/golden/preprocess/golden.safetensors");
    static const char *const configs[] = {"clip", "clip-exact", "clip-numbers", "clip-oblong", "clip-plain", "clip-small", "llava-crop", "llava-pad"};
    static const char *const pictures[] = {"tall", "wide", "square", "tiny", "near", "strip", "grey", "palette", "alpha"};
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++)
        for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
            bool there = tensors_find(golden, arena_print(a, "%s/%s", configs[c], pictures[i])) != NULL;
            if (there) one(a, golden, configs[c], pictures[i]);
        }
    arena_free(a);
    return check_end();
}
