// picture_options.h: how pictures enter, as options of every command that reads some.
#ifndef RETINA_IO_PICTURE_OPTIONS_H
#define RETINA_IO_PICTURE_OPTIONS_H

#include "image.h"
#include "option.h"

typedef struct {
    int truncated, alpha, exif, grey16; // places in the choices below
} PictureOptions;

// Lines of an Option table.
#define PICTURE_OPTIONS(p)                                                                         \
    {"truncated", OPT_CHOICE, &(p).truncated, "a picture that is cut off: an error, or what could be read", "error|ok"}, \
        {"alpha", OPT_CHOICE, &(p).alpha, "transparency: dropped, or over white", "drop|white"},   \
        {"exif", OPT_CHOICE, &(p).exif, "a camera's orientation: reported only, or applied", "ignore|apply"}, \
        {"grey16", OPT_CHOICE, &(p).grey16, "grey PNGs of 16 bits: their high byte, or all above 255 white, as Pillow has it", "high|saturate"}

static inline ImageOptions picture_options(const PictureOptions *p) {
    return (ImageOptions){.truncated_ok = p->truncated == 1, .alpha_white = p->alpha == 1, .exif_apply = p->exif == 1, .grey16_saturate = p->grey16 == 1};
}

// What kept results are known by.
static inline char *picture_options_text(Arena *a, const PictureOptions *p) { return arena_print(a, "%d|%d|%d|%d", p->truncated, p->alpha, p->exif, p->grey16); }

#endif
