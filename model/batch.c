// batch.c: see batch.h.
#include "batch.h"

#include <string.h>

#include "io/thread.h"

typedef struct {
    Batch *batch;
    const Gathered *const *items;
    const Preprocess *preprocess;
    const ImageOptions *options;
    BatchLook *look;
    void *arg;
} Job;

Batch batch_new(Arena *a, size_t room) {
    Batch b = {.room = room, .arenas = take(a, Arena *, room), .pixels = take_zero(a, Tensor, room), .errors = take_zero(a, char *, room), .damage = take_zero(a, char *, room)};
    for (size_t k = 0; k < room; k++) b.arenas[k] = arena_new("a picture");
    return b;
}

void batch_free(Batch *b) {
    for (size_t k = 0; k < b->room; k++) arena_free(b->arenas[k]);
}

// One picture under its own trap.
static void read_one(const Job *j, size_t k) {
    Trap trap;
    Arena *a = j->batch->arenas[k];
    j->batch->pixels[k] = NO_TENSOR;
    j->batch->errors[k] = j->batch->damage[k] = NULL;
    if (trap_set(&trap)) {
        Image image = gathered_read(a, j->items[k], j->options);
        if (image.damage) j->batch->damage[k] = arena_print(a, "%s", image.damage);
        Picture p = j->look ? j->look(j->arg, a, k, &image) : picture_from(&image);
        j->batch->pixels[k] = preprocess_picture(a, j->preprocess, p);
        trap_end(&trap);
    } else {
        j->batch->errors[k] = arena_print(a, "%s", trap.message);
    }
}

static void read_job(void *arg, size_t begin, size_t end) {
    for (size_t k = begin; k < end; k++) read_one(arg, k);
}

void batch_read(Batch *b, const Gathered *const *items, size_t n, const Preprocess *p, const ImageOptions *o, BatchLook *look, void *arg) {
    for (size_t k = 0; k < n; k++) arena_release(b->arenas[k], (Mark){0});
    parallel_for(n, 1, read_job, &(Job){.batch = b, .items = items, .preprocess = p, .options = o, .look = look, .arg = arg});
}

size_t batch_failing(const Gathered *const *items, size_t n, const Preprocess *p, const ImageOptions *o) {
    if (n == 0) return 0;
    Arena *a = arena_new("pictures that failed");
    size_t room = n < 64 ? n : 64, failing = 0;
    Batch b = batch_new(a, room);
    for (size_t at = 0, m; at < n; at += m) {
        m = n - at < room ? n - at : room;
        batch_read(&b, items + at, m, p, o, NULL, NULL);
        for (size_t k = 0; k < m; k++) failing += b.errors[k] != NULL;
    }
    batch_free(&b);
    arena_free(a);
    return failing;
}

bool batch_fails_still(const Remarks *failed, size_t first, const Gathered *items, size_t n, const Preprocess *p, const ImageOptions *o) {
    if (failed->count == first) return true;
    Arena *a = arena_new("pictures that are told to fail");
    const Gathered **named = take(a, const Gathered *, n);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (remarks_name(failed, first, gathered_name(a, &items[i]))) named[count++] = &items[i];
    size_t failing = batch_failing(named, count, p, o);
    arena_free(a);
    return failing >= (n > 1 ? failed->count - first : 1);
}
