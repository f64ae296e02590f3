// zoo.h: what the recipes of the small models share: parameters of a model by name, batches of the world, saving as a
// Hugging Face directory, scores with intervals.
#ifndef RETINA_TRAIN_ZOO_H
#define RETINA_TRAIN_ZOO_H

#include "io/json.h"
#include "io/safetensors.h"
#include "losses.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "optimiser.h"

// ---- a model being trained (zoo_model.c)

typedef struct {
    Arena *arena;
    const char *dir;  // for messages
    const char *file; // of the weights, in the model's directory
    const Json *config;
    size_t count, own; // parameters; the first `own` are the model's, the rest are used in training only
    const char **names;
    Tensor *data; // f32, without nodes
} Trainee;

// All parameters that the configuration's family asks for, uninitialised.
Trainee *trainee_new(Arena *a, const char *dir, const char *config_json);
Tensor *trainee_extra(Trainee *t, const char *name, int ndim, const long *shape); // before the first stage
Tensor trainee_find(const Trainee *t, const char *name);

// A stage: the parameters whose names fit one of the patterns (closed by NULL) are trained, the others stand still.
typedef struct {
    Tape *tape;
    Model *model;
    Adam *adam;
    const char **names; // of the trained parameters, in the tape's order
    Tensor *data;       // the same parameters in the trainee
    Tensor *extra;      // data of the extra parameters, with nodes
} Stage;
// Trained where models are opened (device_use). The trainee's numbers are those of the beginning until stage_read.
Stage *stage_new(Arena *a, const Trainee *t, const char *const *patterns, AdamConfig config, Group all);
void stage_read(const Stage *s); // trained numbers into the trainee

Model *trainee_model(Arena *a, const Trainee *t); // with the weights as they are now, for scores, on the CPU

// A run on disk: OUT/checkpoint.safetensors holds all parameters and the moments of the stage that was interrupted.
typedef struct {
    Arena *arena; // notes grow here
    const char *path, *recipe;
    char *notes;  // one line per fact: "NAME VALUE"
    int stage;    // to continue in
    int64_t step; // updates done in it
    bool resumed;
} Journey;
Journey *journey_open(Arena *a, Trainee *t, const char *out, const char *recipe, bool fresh);
void journey_note(Journey *j, const char *format, ...) PRINTF_LIKE(2, 3);
const char *journey_noted(const Journey *j, const char *name, char value[64]); // NULL: not there
void journey_begin(Journey *j, Stage *s, int stage); // reads the moments if the run was interrupted in this stage
void journey_save(Journey *j, Arena *scratch, const Trainee *t, const Stage *s, int stage);
void journey_end(Journey *j); // removes the file

// BLAKE2b-128 of all f32 bytes of the model's own parameters in order, as 32 hex digits.
const char *trainee_checksum(Arena *a, const Trainee *t);
// The same of the vision tower inside a directory of the zoo's clip: what recipes that begin with it depend on.
const char *tower_checksum(Arena *a, const char *clip);
void tensor_widen(float *out, const Tensors *file, const char *name, size_t n); // all n values of a stored tensor; dies when it has another number
void trainee_round(Trainee *t); // to bf16, as the file will hold them
void trainee_save(Arena *scratch, const Trainee *t, const char *dir); // config.json and model.safetensors

// ---- batches (zoo_data.c)

enum { ZOO_SIDE = 64, ZOO_PATCHES = (ZOO_SIDE / PATCH_SIDE) * (ZOO_SIDE / PATCH_SIDE) };

// CLIP's normalisation of a picture (3, 64, 64).
void zoo_pixels(float *out, const WorldScene *s);
// Held-out scenes first … first+count: the scenes, and their pictures (count, 3, 64, 64).
Tensor zoo_held_out(Arena *a, WorldScene *scenes, uint64_t seed, uint64_t first, int count);

typedef enum { BOX_FROM_PATCH, BOX_FROM_MIDDLE } BoxOrigin;
// What a batch of pictures with captions and near misses takes from the world.
typedef struct {
    int B, K;          // pictures, near misses for each
    int full;          // percent of captions that tell everything
    bool truth;        // patches wanted
    BoxOrigin boxes;   // from where their objects' places are told
    bool pad_zero;       // id 0 stands behind short texts, not the end token
    int length;          // ids a text is padded to; 0: the longest of the batch
    bool habitats;       // the last near miss has another habitat
    int said;            // more captions for each picture, for a decoder: half of them of all kinds, half of places
    uint64_t seed, first;
} PairsWanted;
typedef struct {
    Tensor pixels;      // (B, 3, 64, 64)
    Tensor ids;         // (B + B*K + said*B, T): captions, then near misses; empty ones hold the bare ends; then what a decoder says
    uint8_t *given;     // (B, K)
    PatchTruth *truth;  // (B, patches)
} Pairs;
void patch_truth(PatchTruth t[ZOO_PATCHES], const WorldScene *s, BoxOrigin origin);
Pairs zoo_pairs(Arena *step, const Tokenizer *tok, PairsWanted want);

// Texts as one matrix of ids, padded at the end with `pad`, to the longest or to `length` if that is more. lengths (count) may be NULL.
Tensor zoo_texts(Arena *step, const Tokenizer *tok, const char *const *texts, size_t count, int32_t pad, int length, int32_t *lengths);

// ---- heads on the patch tokens, in training only (zoo_patches.c)

#define PATCH_HEADS_USED "two linear heads on the patch tokens after blocks 3 and 5, not saved: shape, colour, size, pattern, box and pixels of the object that owns a patch"
void patch_heads_add(Trainee *t, int heads, int width); // "patches.H.norm", "patches.H.head": the first extra parameters
// states[h] (B, 1 + ZOO_PATCHES, width) is what head h reads. Their losses are this side's work: they are found before the backward pass, while
// a GPU is at what was recorded since. Seeds the tape with weight / heads times each head's gradient; returns the mean loss, and of head 0
// what it got right.
enum { PATCH_HEADS_MAX = 4 };
typedef struct {
    int heads;
    Tensor out[PATCH_HEADS_MAX];
    const float *logits[PATCH_HEADS_MAX];
} PatchHeads;
PatchHeads patch_heads_forward(Run *run, const Stage *s, const Tensor *states, int heads);
PatchScore patch_heads_backward(const Stage *s, Arena *step, const PatchHeads *p, const PatchTruth *truth, double weight);

// ---- scores (zoo_score.c)

typedef struct {
    const char *name;
    double value, blind, bar; // blind: the best guess without looking; bar: world.md 3, 0 when there is none
    int64_t right, of;        // 0 of 0: not a share
} Score;
// Wilson's interval of a share, 95 %.
void score_interval(const Score *s, double *low, double *high);
void scores_put(JsonOut *o, const Score *s, size_t count); // "scores": {…}
void scores_print(const Score *s, size_t count);

// Of a model with two towers, on held-out pictures and their full captions (zoo_contrast.c): retrieval among 100, and the choice
// between a picture's caption and one with one thing changed. Vectors have unit length.
typedef struct {
    const void *model;
    Tensor (*pixels)(Run *run, const void *model, Tensor pixels); // (B, width)
    Tensor (*ids)(Run *run, const void *model, Tensor ids);
    int width;
    int32_t pad; // behind short texts
    int length;  // to which texts are padded; 0: the longest of a batch
} Contrastive;
size_t contrastive_scores(Arena *a, const Contrastive *c, const Tokenizer *tok, const char *title, uint64_t seed, Score *out); // 2 + CHANGES of them

// ---- the recipes

typedef struct {
    const char *out;  // the directory
    uint64_t seed;
    int steps;        // percent of the recipe's steps: 100 is the shipped model
    bool fresh;
    int stop_after;   // updates after which to stop and print the checksum; 0: go to the end
    const char *clip; // llava, coca: directory of the tower
} ZooOptions;
// They return the checksum of the weights when they stop (in a).
const char *zoo_clip(Arena *a, const ZooOptions *o);
const char *zoo_llava(Arena *a, const ZooOptions *o);
const char *zoo_coca(Arena *a, const ZooOptions *o);
size_t coca_scores(Arena *a, const Trainee *t, const Tokenizer *tok, uint64_t seed, Score *out); // zoo_coca_score.c

// What all recipes do, stage after stage (zoo_course.c): updates under a cosine with warm-up, a note of the mean losses and a
// checkpoint every 100 of them, the checksum after 20. A parameter "logit_scale" never passes ln 100.
typedef struct {
    int stages;
    const char *const *titles; // of each stage, for the progress bar
    const int *steps;          // at 100 percent
    const double *lr;
    const int *warmup;
    struct {
        const char *name; // in the notes; "" where one stands behind another's name
        int digits;
    } losses[8];
    int loss_count;
    Stage *(*open)(Arena *a, Trainee *t, int stage, bool begins); // begins: not one that goes on where it was interrupted
    // Scenes and words of step `at`, from these arguments alone: they are made while a GPU still works on the step before.
    void *(*make)(const void *arg, Arena *a, int stage, uint64_t seed, int64_t at);
    // One batch: gradients into the stage's tape, what is to be noted into losses, or, where it is the device's, into later (one number each).
    void (*step)(const Stage *s, Arena *scratch, int stage, const void *batch, double *losses, Tensor *later);
    const void *arg;
} Course;
int course_steps(const Course *c, const ZooOptions *o, int stage); // with the percentage
bool course_run(Arena *a, Trainee *t, const ZooOptions *o, const Course *c, Journey *j); // then rounds and saves; false: --stop-after

typedef struct {
    const char *name, *recipe;
    const char *prompt;        // the model's own words for a caption; or NULL
    const char *training_only; // what was used and not saved; or NULL
} ZooWords;
// Prints the scores, writes ZOO.json, removes the checkpoint; the checksum of the weights.
const char *course_end(Arena *a, const Trainee *t, const ZooOptions *o, Journey *j, ZooWords w, const Score *s, size_t n);
void zoo_json_write(Arena *a, const ZooOptions *o, const Journey *j, ZooWords w, const char *checksum, const Score *s, size_t n);
void zoo_preprocessor_write(Arena *a, const char *dir);
void zoo_tokenizer_write(Arena *a, const char *dir, uint64_t seed, const char *pad_token, int length); // CLIP's kind, of the world's words
const char *zoo_world_hash(Arena *a); // of the first pictures and captions of the world, as 32 hex digits

#endif
