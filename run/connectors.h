// connectors.h: `retina connectors`: how a vision-language model's connector changes the image representation.
//
// Steps, each of which reads what the ones before it wrote in --out and skips what is already there:
//   extract    vectors/part-*.safetensors: what the connector was given (pre) and what it gave (post)
//   geometry   per_image.csv, overlap_top….json, geometry.json: neighbours shared, spectra, concentration
//   recon      recon.safetensors, recon.csv: a network that rebuilds pre from post
//   export     vectors_recon/part-*.safetensors: the rebuilt pre of every picture, and the post that the connector makes of it
//   captions   caption_original_vs_recon.csv: captions live, with post injected, with the rebuilt pre injected
//   report     report.html, table.tsv
#ifndef RETINA_RUN_CONNECTORS_H
#define RETINA_RUN_CONNECTORS_H

#include "analysis/duplicates.h"
#include "io/gather.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/remarks.h"
#include "model/preprocess.h"
#include "model/prompt.h"
#include "train/recon.h"

#define LEAST_PICTURES 20 // that parts for training, validation and test can be cut from
#define TAP_PRE "model.multi_modal_projector#input"
#define TAP_POST "model.multi_modal_projector"

typedef struct {
    Arena *arena;
    Option *options; // for the run record
    size_t option_count;
    const char *model_dir, *images, *out, *prompt, *command;
    int count;     // pictures; 0: all (of the world: 400)
    int image_size; // pictures are squashed to this square first, as the study does; 0: the model's own; -1: not at all
    int part_size, batch, topk, captions, max_new, epochs, hidden, layers, rank_names, shard, shards;
    int metric;    // place in "l2|cosine"
    Compute compute; // of the model
    int pre_point; // place in "raw|normed": what the connector is given, or that after the tower's final norm
    int save;      // place in "f32|bf16|f16"
    bool faithful, fresh;
    int64_t seed;
    PictureOptions picture_options;
    bool from_world;
    Gathering pictures;
    Model *model; // opened when first needed
    struct Vectors *vectors; // opened when first needed
    bool all_parts;          // of the vectors are there
    Recon *recon;            // trained or read when first needed
    uint8_t *part;           // of each picture: PART_TRAIN …
    const char *model_stamp; // its directory by content, made when first needed
    const char **picture_stamps; // of each part of them, made when first needed
} Study;

// What `extract` left: row i belongs to the picture keys[i].
typedef struct Vectors {
    Study *study;
    size_t N;
    int T_pre, D_pre, T_post, D_post;
    const char **keys, **paths;
    size_t *places; // among the pictures
    Fingerprint *prints;
    Groups groups;      // of equal pictures
    const char *digest; // of model, settings and pictures: what later files must have been made from
    struct VectorPart *parts;
    size_t part_count;
} Vectors;

Model *study_model(Study *s);
Gathering *study_pictures(Study *s);
Picture study_picture(Arena *a, Study *s, const Image *image); // squashed to the square
Image study_image(Arena *a, Study *s, size_t place); // a picture that `extract` has seen, from its file or archive
char *study_path(Study *s, const char *name);                  // in --out

// A file of vectors: rows of some of the pictures [from, to).
typedef struct {
    const char *digest; // of what they depend on, besides the pictures
    size_t from, to, rows, *places;
    long T_pre, D_pre, T_post, D_post;
    float *pre, *post; // room for all of them
    Fingerprint *prints;
    Remarks failed, damaged;
} PartRows;
size_t parts_of(Study *s);
void part_save(Study *s, const char *path, const PartRows *rows);
bool part_fits(Study *s, const char *path, const char *digest, size_t from, size_t to); // it is there, and of just these

void connectors_extract(Study *s);
Vectors *vectors_open(Study *s);
void vectors_pre(const Vectors *v, size_t i, float *out); // (T_pre, D_pre), at --pre-point
bool vectors_can_norm(const Vectors *v);                  // they are raw, and the model has the tower's final norm
void vectors_norm(const Vectors *v, float *pre);          // applies it, in place
void vectors_post(const Vectors *v, size_t i, float *out);
void vectors_remarks(Study *s, Remarks *failed, Remarks *damaged); // pictures; also failed.csv and damaged.csv

void connectors_geometry(Study *s);
void connectors_recon(Study *s);
// The network that `recon` left, trained now if it is not there; study->part says which part each picture belongs to.
Recon *recon_open(Study *s, const Vectors *v, ReconStart start);
void connectors_export(Study *s);
void connectors_captions(Study *s);
const Json *captions_chunk(Study *s, const Vectors *v, size_t k); // the k-th file of captions; NULL unless it is there, of these vectors and options
void connectors_report(Study *s);

int run_connectors(int argc, char **argv);

#endif
