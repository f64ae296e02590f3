// zoo_patches.c: linear heads on the patch tokens of a vision tower: what object owns each patch, and where it lies.
// They make a tower learn shapes (world.md 3) and places, and are not saved.
#include "zoo.h"

void patch_heads_add(Trainee *t, int heads, int width) {
    for (int h = 0; h < heads; h++) {
        trainee_extra(t, arena_print(t->arena, "patches.%d.norm.weight", h), DIMS(width));
        trainee_extra(t, arena_print(t->arena, "patches.%d.norm.bias", h), DIMS(width));
        trainee_extra(t, arena_print(t->arena, "patches.%d.head.weight", h), DIMS(PATCH_WIDTH, width));
        trainee_extra(t, arena_print(t->arena, "patches.%d.head.bias", h), DIMS(PATCH_WIDTH));
    }
}

PatchScore patch_heads_backward(Run *run, const Stage *s, Arena *step, const Tensor *states, int heads, const PatchTruth *truth, double weight) {
    PatchScore first = {0};
    double loss = 0;
    for (int h = 0; h < heads; h++) {
        const Tensor *e = s->extra + 4 * h;
        Tensor x = rows_slice(run, states[h], 1, ZOO_PATCHES + 1);
        x = linear(run, layernorm(run, x, e[0], e[1], 1e-5f), e[2], e[3]);
        float *d = take(step, float, tensor_count(x));
        PatchScore score = patch_loss(f32(run_read(run, x)), truth, (int)tensor_rows(x), weight / heads, d);
        tape_seed(s->tape, step, x, d);
        loss += score.loss / heads;
        if (h == 0) first = score;
    }
    first.loss = loss;
    return first;
}
