// preprocess.h: pictures into the tensors that a model takes, as its preprocessor_config.json says; facts: models.md 5.
//
// Results are those of the reference's PIL path: integer parts bit for bit, floats within rounding.
#ifndef RETINA_MODEL_PREPROCESS_H
#define RETINA_MODEL_PREPROCESS_H

#include "io/image.h"
#include "io/json.h"
#include "resize.h"
#include "tensor.h"

// 8-bit RGB, rows from the top.
typedef struct {
    const uint8_t *rgb;
    int width, height;
} Picture;
static inline Picture picture_from(const Image *i) { return (Picture){.rgb = i->rgb, .width = i->width, .height = i->height}; }

// CLIP, LLaVA, SigLIP, DINOv2, ViT …: pad, resize, crop, rescale, normalise, each if asked for.
typedef struct {
    bool pad, resize, crop, rescale, normalise;
    int short_edge;    // > 0: the shorter side becomes this, the longer one follows; else height x width
    int height, width; // of the resize
    int crop_height, crop_width;
    ResizeFilter filter;
    double factor; // of the rescale
    float mean[3], std[3];
    const char *type; // the image processor's name, for info
} Preprocess;

bool preprocess_there(Arena *a, const char *dir);
// preprocessor_config.json, or processor_config.json's image_processor. Dies for processors of other families.
Preprocess preprocess_read(Arena *a, const char *dir);

void preprocess_size(const Preprocess *p, int width, int height, int *out_width, int *out_height); // of the tensor
Tensor preprocess_picture(Arena *a, const Preprocess *p, Picture picture);                         // (3, height, width) f32

#endif
