// decode.c: `retina decode`: a picture as 8-bit RGB, exactly as the studies' reader sees it.
#include "decode.h"

#include <string.h>

#include "io/image.h"
#include "io/npy.h"
#include "io/option.h"
#include "io/picture_options.h"

int run_decode(int argc, char **argv) {
    const char *out = NULL;
    PictureOptions pictures = {0};
    Option options[] = {{"out", OPT_TEXT, &out, "F.ppm, F.png or F.npy", NULL}, PICTURE_OPTIONS(pictures), {"quiet", OPT_FLAG, &quiet, "no notes", NULL}};
    TextList rest;
    options_parse("retina decode IMAGE --out F.ppm|F.npy [options]", "Writes the decoded 8-bit RGB of a picture.", options,
                  sizeof options / sizeof *options, argc, argv, &rest);
    if (rest.count != 1 || !out) die_usage("decode: one picture and --out are wanted; retina decode IMAGE --out F.ppm");
    Arena *a = arena_new("a picture");
    ImageOptions o = picture_options(&pictures);
    Image image = image_read(a, rest.items[0], &o);
    if (image.damage) note("%s: %s", rest.items[0], image.damage);
    const char *extension = path_extension(out);
    Bytes file;
    if (strcmp(extension, "ppm") == 0) {
        file = ppm_encode(a, image.rgb, image.width, image.height);
    } else if (strcmp(extension, "png") == 0) {
        file = png_encode(a, image.rgb, image.width, image.height);
    } else if (strcmp(extension, "npy") == 0) {
        npy_write(a, out, DTYPE_U8, 3, (int64_t[]){image.height, image.width, 3}, image.rgb);
        arena_free(a);
        return 0;
    } else {
        die_usage("--out %s: .ppm, .png or .npy is wanted", out);
    }
    file_write(out, file.bytes, file.size);
    arena_free(a);
    return 0;
}
