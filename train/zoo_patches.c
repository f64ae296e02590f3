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

PatchHeads patch_heads_forward(Run *run, const Stage *s, const Tensor *states, int heads) {
    PatchHeads p = {.heads = heads};
    need(heads <= PATCH_HEADS_MAX, "%d heads on patches, %d at most", heads, PATCH_HEADS_MAX);
    for (int h = 0; h < heads; h++) {
        const Tensor *e = s->extra + 4 * h;
        Tensor x = rows_slice(run, states[h], 1, ZOO_PATCHES + 1);
        p.out[h] = linear(run, layernorm(run, x, e[0], e[1], 1e-5f), e[2], e[3]);
    }
    for (int h = 0; h < heads; h++) p.logits[h] = f32(run_read(run, p.out[h]));
    return p;
}

PatchScore patch_heads_backward(const Stage *s, Arena *step, const PatchHeads *p, const PatchTruth *truth, double weight) {
    PatchScore first = {0};
    double loss = 0;
    for (int h = 0; h < p->heads; h++) {
        float *d = take(step, float, tensor_count(p->out[h]));
        PatchScore score = patch_loss(p->logits[h], truth, (int)tensor_rows(p->out[h]), weight / p->heads, d);
        tape_seed(s->tape, step, p->out[h], d);
        loss += score.loss / p->heads;
        if (h == 0) first = score;
    }
    first.loss = loss;
    return first;
}
