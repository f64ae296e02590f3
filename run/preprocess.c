// preprocess.c: `retina preprocess`: what the model's image processor returns, as a file.
#include "preprocess.h"

#include <string.h>

#include "io/gather.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/safetensors.h"
#include "model/batch.h"

typedef struct {
    Arena *arena;
    Preprocess preprocess;
    Gathering list;
    ImageOptions options;
    const char *out;
} Job;

static Prepared prepare(const Job *j, Arena *a, size_t i) {
    Image image = gathered_read(a, &j->list.items[i], &j->options);
    if (image.damage) note("%s: %s", image.path, image.damage);
    return preprocess_prepare(a, &j->preprocess, picture_from(&image));
}

static TensorsWriter *create(const Job *j, const TensorPlan *plan, size_t count) {
    return tensors_create(j->arena, j->out, plan, count, (const char *const[]){"processor", j->preprocess.type, NULL});
}

static Picture look(void *arg, Arena *a, size_t k, const Image *image) {
    if (image->damage) note("%s: %s", image->path, image->damage);
    return picture_from(image);
}

// Pictures of one size go straight into the file, however many there are, a batch at a time on all threads.
static void stream(const Job *j) {
    enum { BATCH = 64 };
    Batch batch = batch_new(j->arena, BATCH);
    const Gathered **items = take(j->arena, const Gathered *, j->list.count);
    for (size_t i = 0; i < j->list.count; i++) items[i] = &j->list.items[i];
    TensorsWriter *w = NULL;
    Tensor first = NO_TENSOR;
    for (size_t i = 0; i < j->list.count; i++) {
        size_t k = i % BATCH, left = j->list.count - i;
        if (k == 0) batch_read(&batch, items + i, left < BATCH ? left : BATCH, &j->preprocess, &j->options, look, NULL);
        need(!batch.errors[k], "%s", batch.errors[k]);
        Tensor x = batch.pixels[k];
        if (!w) {
            first = x;
            w = create(j, &(TensorPlan){.name = "pixel_values", .dtype = DTYPE_F32, .ndim = 4, .shape = {(int64_t)j->list.count, 3, x.shape[1], x.shape[2]}}, 1);
        }
        need(tensor_same_shape(x, first), "%s: becomes %ld x %ld pixels, the first picture %ld x %ld; give pictures of one size, or one at a time", gathered_name(j->arena, items[i]),
             x.shape[2], x.shape[1], first.shape[2], first.shape[1]);
        tensors_put(w, "pixel_values", x.data, tensor_bytes(x));
    }
    tensors_finish(w);
    batch_free(&batch);
}

// The reference's masks and grids are 64-bit.
static void put_wide(TensorsWriter *w, const char *name, Tensor t) {
    int64_t part[1024];
    size_t n = tensor_count(t);
    for (size_t i = 0; i < n;) {
        size_t k = 0;
        for (; k < 1024 && i < n; k++, i++) part[k] = t.dtype == DTYPE_U8 ? ((uint8_t *)t.data)[i] : i32(t)[i];
        tensors_put(w, name, part, k * sizeof *part);
    }
}

// The names of Molmo's own processor.
static void crops_write(const Job *j, const Prepared *all) {
    const long *s = all->pixels.shape;
    TensorPlan plans[] = {{.name = "images", .dtype = DTYPE_F32, .ndim = 3, .shape = {s[0], s[1], s[2]}},
                          {.name = "image_masks", .dtype = DTYPE_F32, .ndim = 2, .shape = {s[0], s[1]}},
                          {.name = "image_input_idx", .dtype = DTYPE_I32, .ndim = 2, .shape = {s[0], all->order.shape[1]}}};
    TensorsWriter *w = create(j, plans, 3);
    tensors_put(w, "images", all->pixels.data, tensor_bytes(all->pixels));
    tensors_put(w, "image_masks", all->mask.data, tensor_bytes(all->mask));
    tensors_put(w, "image_input_idx", all->order.data, tensor_bytes(all->order));
    tensors_finish(w);
}

// Pictures of any size: all of them are prepared before the shapes are known. Idefics2's processor takes a list for one sample.
static void together(const Job *j) {
    Arena *a = j->arena;
    Prepared *each = take(a, Prepared, j->list.count);
    for (size_t i = 0; i < j->list.count; i++) each[i] = prepare(j, a, i);
    Prepared all = preprocess_join(a, &j->preprocess, each, j->list.count);
    if (j->preprocess.kind == PREPROCESS_CROPS) {
        crops_write(j, &all);
        return;
    }
    const long *s = all.pixels.shape;
    TensorPlan plans[2] = {{.name = "pixel_values", .dtype = DTYPE_F32}};
    size_t count = 1;
    if (j->preprocess.kind == PREPROCESS_PATCHES) {
        plans[0].ndim = 2, plans[0].shape[0] = s[0], plans[0].shape[1] = s[1];
        plans[count++] = (TensorPlan){.name = "image_grid_thw", .dtype = DTYPE_I64, .ndim = 2, .shape = {all.grid.shape[0], 3}};
    } else {
        bool sample = j->preprocess.kind == PREPROCESS_PIECES;
        plans[0].ndim = 4 + sample;
        plans[0].shape[0] = 1;
        for (int d = 0; d < 4; d++) plans[0].shape[d + sample] = s[d];
        if (tensor_given(all.mask))
            plans[count++] = (TensorPlan){.name = "pixel_attention_mask", .dtype = DTYPE_I64, .ndim = 4, .shape = {1, s[0], s[2], s[3]}};
    }
    TensorsWriter *w = create(j, plans, count);
    tensors_put(w, "pixel_values", all.pixels.data, tensor_bytes(all.pixels));
    if (tensor_given(all.grid)) put_wide(w, "image_grid_thw", all.grid);
    if (tensor_given(all.mask)) put_wide(w, "pixel_attention_mask", all.mask);
    tensors_finish(w);
}

int run_preprocess(int argc, char **argv) {
    const char *out = NULL, *model = NULL;
    PictureOptions pictures = {0};
    bool square = false;
    Option options[] = {{"out", OPT_TEXT, &out, "F.safetensors", NULL},
                        {"model", OPT_TEXT, &model, "the directory, if it is not the first argument", NULL},
                        {"square", OPT_FLAG, &square, "first into the middle of a square of the mean colour, as LLaVA's own code does (image_aspect_ratio pad)", NULL},
                        PICTURE_OPTIONS(pictures),
                        {"quiet", OPT_FLAG, &quiet, "no notes", NULL}};
    TextList rest;
    options_parse("retina preprocess DIR IMAGE… --out F.safetensors",
                  "Writes what the directory's image processor makes of the pictures: pixel_values, and image_grid_thw or pixel_attention_mask; Molmo's: images, image_masks, image_input_idx.", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    size_t skip = model ? 0 : 1;
    if (rest.count <= skip || !out || !*out) die_usage("preprocess: a model directory, pictures and --out are wanted");
    Arena *a = arena_new("pictures");
    Job j = {.arena = a, .out = out, .options = picture_options(&pictures), .preprocess = preprocess_read(a, model ? model : rest.items[0])};
    if (square) j.preprocess.square = true;
    need(!square || j.preprocess.kind == PREPROCESS_WHOLE, "--square: %s takes pictures of any shape", j.preprocess.type);
    j.list = pictures_gather(a, rest.items + skip, rest.count - skip);
    bool any_size = j.preprocess.kind == PREPROCESS_PIECES || j.preprocess.kind == PREPROCESS_PATCHES || j.preprocess.kind == PREPROCESS_CROPS || (j.preprocess.pad && !j.preprocess.pad_height);
    if (any_size) together(&j);
    else stream(&j);
    arena_free(a);
    return 0;
}
