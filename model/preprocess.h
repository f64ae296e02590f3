// preprocess.h: pictures into the tensors that a model takes, as its own files say; facts: models.md 5.
//
// Read from processor_config.json, preprocessor_config.json or open_clip_config.json. Results are those of the reference's
// PIL path (DINOv3: torchvision's, there is no other): integer parts bit for bit, floats within rounding.
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
    const char *path; // for messages; may be NULL
} Picture;
static inline Picture picture_from(const Image *i) { return (Picture){.rgb = i->rgb, .width = i->width, .height = i->height, .path = i->path}; }

typedef enum {
    PREPROCESS_WHOLE,   // CLIP, LLaVA, SigLIP, DINOv2, ALIGN, OpenCLIP …: one picture, one tensor
    PREPROCESS_FLOAT,   // DINOv3: rescaled before it is resized
    PREPROCESS_PIECES,  // Idefics2: any size, perhaps in five pieces, zeros to the right and below, a mask
    PREPROCESS_PATCHES, // Qwen-VL: any size, cut into rows of patches
    PREPROCESS_CROPS,   // Molmo: any size, the whole and crops that overlap, as rows of patches
} PreprocessKind;

// What a picture's size becomes.
typedef enum {
    SIZE_EXACT,   // height x width
    SIZE_SHORT,   // the shorter side becomes `least`, the longer one follows
    SIZE_CAPPED,  // as SIZE_SHORT, but the longer side ends at `most`
    SIZE_WITHIN,  // as large as fits into height x width
    SIZE_FIT,     // the same as OpenCLIP rounds it
    SIZE_COVER,   // as small as covers height x width, as OpenCLIP rounds it
    SIZE_CLAMPED, // Idefics2: the longer side at most `most`, then both at least `least`
    SIZE_AREA,    // Qwen-VL: multiples of patch * merge, `least` to `most` pixels in all
} SizeRule;

// Where the middle lies when half a pixel is left over, inside and outside of the picture.
typedef enum { CROP_PILLOW, CROP_TORCHVISION, CROP_OPEN_CLIP } CropRule;

// How 0..255 becomes a float: float(double(v) * factor), float(v) * float(factor), or float(v) / 255.
typedef enum { RESCALE_DOUBLE, RESCALE_FLOAT, RESCALE_DIVIDE } RescaleRule;

// The steps, in the order in which they are taken; each if asked for.
typedef struct {
    const char *type; // the image processor's name, for info
    PreprocessKind kind;
    bool split;  // Idefics2: four quarters, then the whole
    bool square; // LLaVA's own way: the picture in the middle of a square of the mean colour
    bool resize;
    SizeRule rule;
    int height, width;
    int64_t least, most;
    ResizeFilter filter;
    bool crop; // the middle, with `fill` around a picture that is too small
    CropRule crop_rule;
    int crop_height, crop_width, fill;
    bool rescale;
    RescaleRule rescale_rule;
    double factor;
    bool offset; // minus one
    bool normalise, divide_again; // (v - mean) / std; the deviation once more, as EfficientNet's classifiers want it
    float mean[3], std[3];
    bool pad;                  // zeros to the right and below, up to pad_height x pad_width or the largest of a batch
    int pad_height, pad_width; // 0: the largest of a batch
    int patch, merge, frames;  // Qwen-VL: pixels of a patch's side, patches of a block's side, copies of the picture in time
    int crops, margin_before, margin_after; // Molmo: at most so many crops of height x width; patches that neighbours share
} Preprocess;

bool preprocess_there(Arena *a, const char *dir);
Preprocess preprocess_read(Arena *a, const char *dir); // dies for processors of families that are not known

// Of the tensor. PIECES: of the whole picture; PATCHES: in pixels, so that the grid is height / patch x width / patch;
// CROPS: of the picture that is cut into crops.
void preprocess_size(const Preprocess *p, int width, int height, int *out_width, int *out_height);
void preprocess_resized(const Preprocess *p, Picture picture, int *width, int *height); // after the step of resizing alone

// One or more pictures, under the reference's names.
typedef struct {
    Tensor pixels; // pixel_values, f32. WHOLE, FLOAT: (pictures, 3, height, width); PIECES: (pieces, 3, height, width);
                   // PATCHES: (patches, 3 * frames * patch * patch); CROPS: `images` (crops, patches, patch * patch * 3)
    Tensor mask;   // pixel_attention_mask (pieces, height, width) u8: 1 on the picture, 0 beside it; CROPS: image_masks (crops, patches)
                   // f32, one crop off as the reference has them; or NO_TENSOR
    Tensor grid;   // image_grid_thw (pictures, 3) i32: frames (1), rows and columns of patches; CROPS: (pictures, 2) rows and columns of
                   // the tokens of all crops; or NO_TENSOR
    Tensor order;  // CROPS: image_input_idx (crops, tokens) i32: where each goes among the picture's own tokens, -100: nowhere
    const char *path; // of the picture, for messages
} Prepared;

Prepared preprocess_prepare(Arena *a, const Preprocess *p, Picture picture);
Prepared preprocess_join(Arena *a, const Preprocess *p, const Prepared *list, size_t count); // dies when sizes differ and nothing pads them
Prepared preprocess_crops(Arena *a, const Preprocess *p, Picture picture); // CROPS alone
void preprocess_crops_size(const Preprocess *p, int width, int height, int *out_width, int *out_height);
Tensor preprocess_picture(Arena *a, const Preprocess *p, Picture picture); // (3, height, width): WHOLE and FLOAT only

#endif
