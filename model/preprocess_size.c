// preprocess_size.c: see preprocess.h. What a picture's size becomes, in the reference's own rounding.
#include "preprocess.h"

#include <math.h>

typedef struct {
    double width, height; // whole numbers, before it is known that they are possible
} Size;

// The longer side is cut to a whole number, as int() does.
static Size short_side(const Preprocess *p, Size in) {
    double least = (double)p->least, shorter = fmin(in.width, in.height), longer = fmax(in.width, in.height);
    if (p->rule != SIZE_CAPPED) {
        double follows = floor(least * longer / shorter);
        return in.width <= in.height ? (Size){least, follows} : (Size){follows, least};
    }
    double exact = least; // before it is rounded to pixels
    if (longer / shorter * least > (double)p->most) {
        exact = (double)p->most * shorter / longer;
        least = rint(exact);
    }
    if (shorter == least) return in;
    if (in.width < in.height) return (Size){least, floor(exact * in.height / in.width)};
    return (Size){floor(exact * in.width / in.height), least};
}

static Size within(const Preprocess *p, Size in) {
    double scale = fmin(p->height / in.height, p->width / in.width);
    return (Size){floor(in.width * scale), floor(in.height * scale)};
}

static Size open_clip(const Preprocess *p, Size in) {
    double down = in.height / p->height, across = in.width / p->width, ratio = p->rule == SIZE_FIT ? fmax(down, across) : fmin(down, across);
    return (Size){rint(in.width / ratio), rint(in.height / ratio)};
}

// So small pictures are stretched: their proportions change.
static Size clamped(const Preprocess *p, Size in, const char *path) {
    need(in.height > 0, "%s: a picture of one row cannot be split into quarters; switch do_image_splitting off", path);
    double aspect = in.width / in.height, least = (double)p->least, most = (double)p->most;
    if (in.width >= in.height && in.width > most) in = (Size){most, floor(most / aspect)};
    else if (in.height > in.width && in.height > most) in = (Size){floor(most * aspect), most};
    return (Size){fmax(in.width, least), fmax(in.height, least)};
}

// Halves go to the even side, so half a block becomes none, and the picture is enlarged below.
static Size area(const Preprocess *p, Size in, const char *path) {
    double block = (double)p->patch * p->merge, least = (double)p->least, most = (double)p->most;
    need(fmax(in.width, in.height) <= 200 * fmin(in.width, in.height), "%s: a picture of %.0f x %.0f pixels; Qwen's processor refuses sides beyond 200 to 1", path,
         in.width, in.height);
    Size out = {rint(in.width / block) * block, rint(in.height / block) * block};
    if (out.width * out.height > most) {
        double shrink = sqrt(in.height * in.width / most);
        out = (Size){fmax(block, floor(in.width / shrink / block) * block), fmax(block, floor(in.height / shrink / block) * block)};
    } else if (out.width * out.height < least) {
        double grow = sqrt(least / (in.height * in.width));
        out = (Size){ceil(in.width * grow / block) * block, ceil(in.height * grow / block) * block};
    }
    return out;
}

static Size resized(const Preprocess *p, Size in, const char *path) {
    switch (p->rule) {
    case SIZE_SHORT:
    case SIZE_CAPPED: return short_side(p, in);
    case SIZE_WITHIN: return within(p, in);
    case SIZE_FIT:
    case SIZE_COVER: return open_clip(p, in);
    case SIZE_CLAMPED: return clamped(p, in, path);
    case SIZE_AREA: return area(p, in, path);
    default: return (Size){p->width, p->height};
    }
}

void preprocess_resized(const Preprocess *p, Picture x, int *width, int *height) {
    const char *path = x.path ? x.path : "a picture";
    Size to = resized(p, (Size){x.width, x.height}, path);
    need(to.width >= 1 && to.height >= 1 && to.width * to.height <= IMAGE_PIXELS_MAX, "%s: %d x %d pixels would become %.0f x %.0f; 1 to %u pixels are possible, crop it first",
         path, x.width, x.height, to.width, to.height, IMAGE_PIXELS_MAX);
    *width = (int)to.width, *height = (int)to.height;
}

void preprocess_size(const Preprocess *p, int width, int height, int *out_width, int *out_height) {
    if (p->kind == PREPROCESS_CROPS) {
        preprocess_crops_size(p, width, height, out_width, out_height);
        return;
    }
    if (p->square) width = height = width > height ? width : height;
    if (p->resize) preprocess_resized(p, (Picture){.width = width, .height = height}, &width, &height);
    if (p->crop) width = p->crop_width, height = p->crop_height;
    if (p->pad && p->pad_width) width = p->pad_width, height = p->pad_height;
    *out_width = width, *out_height = height;
}
