// verbalize.h: `retina verbalize`: a caption for every layer of a vision tower.
//
// The residual stream behind block l goes where the model puts the last one, unchanged, and the model's own text decoder says
// what it sees. Steps, each of which reads what the ones before it wrote in --out and skips what is already there:
//   caption    captions/part-*.json; from all of them caps_batch*.json, entropy_batch*.json, captions.csv, entropy.csv …
//   likelihood likelihood/part-*.json: how likely each layer finds the right caption, and a wrong one
//   score      scores.csv: how well a contrastive model finds the picture by its caption
//   label      label_top3_NAME/classification_NAME_top3_labels_layer_K_caps_batchB.json: words put into categories
//   tabulate   classification_data.csv and the other tables, sac.svg
//   report     report.html, table.tsv
//   tune       tuned.safetensors: an affine map for each layer, for --tuned (CoCa); no part of the whole
#ifndef RETINA_RUN_VERBALIZE_H
#define RETINA_RUN_VERBALIZE_H

#include "analysis/lexicon.h"
#include "io/gather.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/progress.h"
#include "model/model.h"
#include "model/preprocess.h"
#include "model/tokenizer.h"
#include "train/world.h"

typedef enum { LABEL_AUTO, LABEL_NONE, LABEL_WORLD, LABEL_LEXICON, LABEL_LLM } Labeller; // places in the option's choices
typedef enum { DECODE_GREEDY, DECODE_TOP_K, DECODE_TOP_P, DECODE_BEAM_LEGACY, DECODE_BEAM } Decode;
typedef enum { RESCALE_NONE, RESCALE_NORM, RESCALE_MOMENTS } Rescale;

typedef struct {
    Arena *arena;
    Option *options; // for the run record
    size_t option_count;
    const char *command, *model_dir, *out, *layers_text, *prompt, *llm, *labels_dir, *map, *lexicon, *bank, *judge, *references, *tokenizer, *tuned;
    TextList images, captions_given, features_given, beside_runs;
    int count, part_size, batch_size, rows, max_new, min_new, shard, shards, calibration, label_tokens;
    int seq_len, min_seq_len, max_seq_len, top_k, decode; // CoCa; max_seq_len 0: the model's
    int config_ids[3];                                    // pad, end, start as --config has them; 0: the model's own
    bool fixed_length;
    double top_p, temperature, repetition_penalty;
    int labeller, parse, prompt_kind, rescale, tap; // places in the options' choices
    int likelihood, choices; // place in on|off; pictures with forced choices, -1: by the model
    Compute compute; // of the model
    bool fresh, compat, from_world, save_steps, save_features, save_bf16, temperature_first, weighted;
    int tune_steps;
    int control; // place in none|mean|zero|shuffle
    int64_t seed;
    PictureOptions picture_options;

    // pictures
    Gathering pictures;
    const char **beside; // (count): a caption that stands beside the picture, or NULL
    size_t samples_bare, captions_missing, archives_damaged;
    const char **archive_errors;
    const char *digest; // of model, settings and pictures; NULL: not yet made
    const char *model_stamp; // of the model alone, likewise
    struct FeatureFiles *features; // that states are read from
    struct TunedMaps *tuned_maps;

    Model *model; // opened when first needed
    struct Speaker *speaker;
    struct Verbal *verbal;
    struct Calibration *calibrated;
} Verbalize;

// ---- verbalize.c
char *verbalize_path(Verbalize *s, const char *name); // in --out
const char *verbalize_labeller_name(Verbalize *s);    // "world", "lexicon", the llm's directory; "" without categories

void verbalize_config(Verbalize *s, const char *path); // verbalize_config.c

// ---- verbalize_pictures.c
typedef struct {
    Arena *arena;
    Gathered *items;
    const char **beside;
    size_t count, room;
    size_t unread; // captions that cannot be used
    const char *first_unread;
} PictureList;
void picture_list_add(PictureList *l, Gathered g, const char *beside); // beside: a caption, or NULL
void features_open(Verbalize *s, PictureList *list); // verbalize_states.c: --features: the pictures whose states they hold
Gathering *verbalize_pictures(Verbalize *s);
bool verbalize_scene(const Verbalize *s, const char *name, WorldScene *scene); // of a picture that this study drew

// ---- verbalize_speak.c: layers read, given back, spoken
typedef struct Speaker {
    enum { SPEAKS_LLAVA, SPEAKS_COCA, SPEAKS_CLIP } kind;
    Model *model;
    int L, T, C;      // blocks, tokens and width of the tower
    int native;       // the layer that the model itself uses, from 1
    int first_token;  // 1 where the class token is dropped on the native path
    int *layers;      // those wanted, ascending; 0: before the first block
    int layer_count;
    const char *what; // "vision blocks of a LLaVA …": for reports
    Preprocess preprocess;
    Progress *bar;    // which each id that a language model says moves on by bar_step, from bar_at; or NULL
    double bar_at, bar_step;
    struct SpeakerOwn *own;
} Speaker;

typedef struct {
    const char *text;
    int tokens;     // said, the end included
    bool finished;  // it ended by itself
    double entropy; // bits a token, mean over steps; NaN: not measured
    double *steps;  // (step_count) entropies
    int32_t *ids;   // (step_count)
    float *logprobs;       // (step_count)
    int32_t *top_ids;      // (step_count, SPOKEN_TOP); NULL: not made
    float *top_logprobs;
    int step_count;
    double score; // retrieval: cosine to the nearest; else NaN
} Spoken;

#define SPOKEN_TOP 5 // likeliest tokens of a step that --save-steps keeps

Speaker *verbalize_speaker(Verbalize *s);
const char *speaker_tap(const Speaker *k, Arena *a, int layer); // that shows state `layer`: before the first block for 0, else behind it
// States of pictures (B, 3, h, w) behind the wanted layers: layer_count tensors (B, T, C) in `a`.
Tensor *speaker_states(Speaker *k, Arena *a, Tensor pixels);
// rows texts, one per state (T, C) in states[row]; pixels of the picture that each belongs to. keys (rows): names of the rows for
// drawing, so that a text does not depend on its batch. zero: the decoder sees nothing.
Spoken *speaker_say(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, int rows, const uint64_t *keys, bool zero);
Ids speaker_words(const Speaker *k, Arena *a, const char *text); // its ids, no special ones added
// Mean log-probability (nats a token, the end included) of texts[row] where the model sees states[row].
double *speaker_likelihood(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, const char *const *texts, int rows);
size_t speaker_row_bytes(const Speaker *k); // memory of one text while it is spoken
void speaker_bank(Speaker *k, Arena *a, const char *const *captions, size_t count); // retrieval: what there is to say
bool speaker_retrieves(const Speaker *k);

// ---- verbalize_caption.c
// All captions of a run or of given files, layer by layer.
typedef struct Verbal {
    int L;          // layers
    int *layer;     // (L) their numbers, from 1; 0: before the first block
    size_t N;       // pictures
    const char **names;  // (N); NULL: the original's files have none
    const char **beside; // (N) captions that stood beside the pictures; NULL entries
    size_t *at;          // (N) place among the pictures
    const char ***captions; // [L][N]
    double **entropy;       // [L][N], NaN where not measured
    int **tokens;           // [L][N]
    uint8_t **finished;     // [L][N]
    Spoken *mean;  // (L) captions of the mean over pictures; NULL: none
    Spoken *zero;  // what is said without any image; NULL: none
    int native;    // place in layer[] that is the model's own, -1: none
    int batches;   // caps_batch files
    size_t failed; // pictures that could not be read
    const char *model_text;
} Verbal;

void verbalize_caption(Verbalize *s);
void verbalize_caption_whole(Verbalize *s, const Verbal *v); // the files of all parts together
Verbal *verbal_open(Verbalize *s);
uint32_t *verbalize_others(Verbalize *s, Arena *a, size_t N);          // [i]: whose caption picture i is dealt; never its own, of two or more
const char *verbalize_digest(Verbalize *s);                           // of model, settings and pictures
size_t verbal_batch(const Verbal *v, const Verbalize *s, int b, size_t *first); // pictures of batch b

// ---- verbalize_label.c
void verbalize_label(Verbalize *s);
// Raw answers [L][N]; NULL entries where there is no file. labeller: where they come from, for reports.
const char ***verbalize_answers(Verbalize *s, const Verbal *v);
// ---- verbalize_ask.c: the language model that labels; answers (count)
void verbalize_ask(Verbalize *s, const char *const *captions, size_t count, const char **answers);
const char *verbalize_question(Verbalize *s, Arena *a, const char *caption); // the rendered prompt
void verbalize_lexicon(Verbalize *s); // step `lexicon`: a table from answers

void verbalize_tune(Verbalize *s);
void verbalize_likelihood(Verbalize *s);
void verbalize_score(Verbalize *s);
void verbalize_tabulate(Verbalize *s);
void verbalize_report(Verbalize *s);

int run_verbalize(int argc, char **argv);

#endif
