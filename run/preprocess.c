// preprocess.c: `retina preprocess`: what the model's image processor returns, as a file.
#include "preprocess.h"

#include <string.h>

#include "io/gather.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/safetensors.h"
#include "model/preprocess.h"

int run_preprocess(int argc, char **argv) {
    const char *out = NULL;
    PictureOptions pictures = {0};
    Option options[] = {{"out", OPT_TEXT, &out, "F.safetensors", NULL}, PICTURE_OPTIONS(pictures)};
    TextList rest;
    options_parse("retina preprocess DIR IMAGE… --out F.safetensors", "Writes pixel_values [N, 3, height, width] of the pictures.", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    if (rest.count < 2 || !out) die_usage("preprocess: a model directory, pictures and --out are wanted");
    Arena *a = arena_new("pictures");
    Preprocess p = preprocess_read(a, rest.items[0]);
    Gathering list = pictures_gather(a, rest.items + 1, rest.count - 1);
    ImageOptions o = picture_options(&pictures);
    TensorsWriter *w = NULL;
    Tensor first = NO_TENSOR;
    for (size_t i = 0; i < list.count; i++) {
        Mark mark = arena_mark(a);
        Image image = gathered_read(a, &list.items[i], &o);
        if (image.damage) note("%s: %s", list.items[i].path, image.damage);
        Tensor x = preprocess_picture(a, &p, picture_from(&image));
        if (!w) {
            first = x;
            TensorPlan plan = {.name = "pixel_values", .dtype = DTYPE_F32, .ndim = 4, .shape = {(int64_t)list.count, 3, x.shape[1], x.shape[2]}};
            w = tensors_create(a, out, &plan, 1, (const char *const[]){"processor", p.type, NULL});
            mark = arena_mark(a);
        }
        char here[128], there[128];
        need(tensor_same_shape(x, first), "%s: becomes %s, the first picture %s; give pictures of one size, or one at a time", list.items[i].path,
             tensor_shape_text(x, here), tensor_shape_text(first, there));
        tensors_put(w, "pixel_values", x.data, tensor_bytes(x));
        arena_release(a, mark);
    }
    tensors_finish(w);
    arena_free(a);
    return 0;
}
