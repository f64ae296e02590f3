// model.h: open a directory, get a model.
//
// A Model is the part that all families share: how to run it with taps, and how to generate with it.
// Each family's own file (clip.h, llama.h, llava.h, bert.h …) has the typed interface.
#ifndef RETINA_MODEL_MODEL_H
#define RETINA_MODEL_MODEL_H

#include "io/json.h"
#include "ops.h"
#include "run.h"
#include "tap.h"
#include "weights.h"

typedef struct Model Model;
typedef struct Cache Cache; // cache.h: keys and values of a text being generated

// What goes in. B is the first axis of each; absent ones are NO_TENSOR.
typedef struct {
    Tensor pixels;     // f32, as the family's preprocessing gives it: (B, 3, h, w)
    Tensor ids;        // i32 (B, T)
    Tensor mask;       // u8 (B, T): 0 marks padding; NO_TENSOR: none
    Tensor types;      // i32 (B, T): BERT's token types; NO_TENSOR: zeros
    bool interpolate;  // positions are resampled when a picture has another size than the model was trained with
} Inputs;

// What comes out; absent ones are NO_TENSOR.
typedef struct {
    Tensor logits;      // (B, T, V), or (B, 1, V) of the last position with last_only
    Tensor image_embeds, text_embeds; // (B, projection): contrastive models
    Tensor hidden;      // (B, T, C): the last hidden state of an encoder
} Outputs;

typedef struct {
    const char *name;           // "clip", "llama", "llava", "bert"
    const char *const *types;   // values of model_type, closed by NULL
    const char *architecture;   // only configurations whose architectures[0] fits this pattern; NULL: any
    void *(*load)(Model *m);    // reads m->config, takes from m->weights; the same code dry and real
    Outputs (*forward)(Run *run, const Model *m, const Inputs *in);
    // Language models only: logits (B, V) of the next token. The first call holds the whole prompt (with pixels), later
    // ones one new id per text. NULL for others.
    Tensor (*next)(Run *run, const Model *m, const Inputs *in, Cache *cache);
    Cache *(*cache)(Arena *a, const Model *m, int B, int capacity);
    const Rename *renames; // of those that lead to one name, the first is how it is published
    size_t rename_count;
    const char *const *ignored;
    size_t ignored_count;
    const TapAlias *aliases;
    size_t alias_count;
    // A dry forward's inputs when only a configuration is there: image h x w (0: the configuration's), text of T tokens.
    Inputs (*example)(Arena *a, const Model *m, int height, int width, int tokens);
    bool takes_images, takes_text, generates;
} Family;

struct Model {
    Arena *arena;
    const char *dir;
    const Json *config;
    const Family *family;
    Weights *weights;
    const Device *device; // where it runs: device_used() when it was opened, the CPU for weights in memory
    void *own; // the family's struct
    int vocabulary, context; // rows of the embedding, positions; 0: no text
    int padded, pad;         // texts are given padded to so many ids with this one (CoCa); padded 0: as they are
    int image_token;         // id of the image placeholder; -1: none
    Compute compute;         // how forwards make products; set after opening
    bool by_length;          // positions depend on how long the whole text is: its beginning cannot be read by itself
    int image_tokens;        // how many of them one picture takes; 0: depends on the picture, or none
};

// Reads config.json and maps the weights. dry: opens no weight file at all.
Model *model_open(Arena *a, const char *dir, bool dry);
// The same from a configuration that was parsed elsewhere and weights that lie elsewhere (training, random models).
Model *model_build(Arena *a, const char *dir, const Json *config, Weights *weights);

// Where its forwards compute, and how: its device, or that device's bf16.
const Device *model_device(const Model *m);

// The taps of this model for inputs of these shapes, in the order of the forward pass.
Taps *model_taps(Arena *a, const Model *m, const Inputs *in);
// Bytes of scratch that a forward with these inputs needs, from a dry run.
size_t model_scratch(Arena *a, const Model *m, const Inputs *in);
// One forward; ends early when run->taps wants that and everything asked for has been served (then the
// outputs are absent). run->taps may be NULL.
Outputs model_forward(Run *run, const Model *m, const Inputs *in);
// The family's next (see there), as the model computes.
Tensor model_next(Run *run, const Model *m, const Inputs *in, Cache *cache);

// For a forward whose logits hold NaN: dies and names the first tap that is not finite. taps: NULL, or the replacements.
_Noreturn void model_refuse_nan(const Model *m, const Inputs *in, Taps *taps);

const Family *const *model_families(size_t *count);

// What model_build takes of OpenCLIP's open_clip_config.json: {"model_cfg": …, "preprocess_cfg": …}, or the inner object alone.
const Json *model_open_clip_config(Arena *a, const char *path);

// The text half of a configuration: text_config if there, else the configuration itself.
const Json *config_text(const Json *config);
// Sizes and ids of a configuration: die for what is beyond any network, so that sums and fourfolds of them stay ints.
int config_int(const Json *config, const char *key);
int config_int_or(const Json *config, const char *key, int otherwise);
int config_inner(const Json *config, const char *key, double otherwise, int width); // width times a factor, rounded down
// How many blocks a network has: dies for more than a dry run could walk through.
const char *config_where(const Json *config); // its file, for messages; the whole object may be missing
int config_blocks(const Json *config, const char *key, int otherwise);

#endif
