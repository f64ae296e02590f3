// extract_parts.h: inside of `retina extract`: what is asked for, what its taps gave, and the files that this goes into.
#ifndef RETINA_RUN_EXTRACT_PARTS_H
#define RETINA_RUN_EXTRACT_PARTS_H

#include "analysis/pool.h"
#include "io/gather.h"
#include "io/option.h"
#include "io/picture_options.h"
#include "io/remarks.h"
#include "model/preprocess.h"
#include "model/prompt.h"

// What one tap gave for the inputs of the present file.
typedef struct {
    const char *name;
    bool shared; // its first axis does not count the inputs: a table of positions
    bool text;   // its second axis counts the tokens of the text
    bool square; // so do others: maps of attention
    float *values; // malloc'd, grows
    size_t used, room;
    int64_t *shapes; // of each input's own tensor, DIMS_MAX numbers each
    size_t count, shapes_room;
    int ndim; // of one input
    bool ragged; // the inputs' first axes differ: tokens lie end to end, and NAME#lengths says how many are whose
    bool flat;   // others differ, too: so do all values, and NAME#shapes says of which shape each was
    uint64_t seen; // the forward that last served it
} Column;

typedef struct { // --replace
    const char *name;
    Tensor with; // of all inputs, or of one, then for each of them
} Replacement;

typedef struct {
    Arena *arena; // the whole run
    Model *model;
    const char *out;
    int pool, batch, shard_size, shard, shards;
    Dtype save;
    bool keep_going, fresh, raw, interpolate;
    PictureOptions picture_options;
    // inputs
    Gathering pictures;
    const char **prompts;
    Tensor *texts; // ids (1, T) of each prompt
    size_t prompt_count, count;
    Tensor pixels, ids, mask, types; // ready tensors instead
    bool ready;                      // ready ids: one forward with everything, as the reference is called
    bool lengths_differ;             // of the texts, or some of their tokens are padding
    Preprocess preprocess;
    Prompter prompter;
    const char **patterns;
    size_t pattern_count;
    Replacement *replacements;
    size_t replacement_count;
    const char *checksum, *settings, *digest; // of the model; options that matter, as JSON; of everything a file depends on
    size_t each, files, alone; // inputs in a file, files; files without --shard
    // the present file
    Column *columns;
    size_t column_count;
    size_t *rows, row_count; // places of the inputs that gave rows
    Remarks failed, damaged;
    size_t failed_before, damaged_before; // of earlier files
    uint64_t forwards;
    const size_t *now; // places of the inputs in the present forward
    long now_count;
} Extract;

// extract_columns.c
void columns_plan(Extract *e); // names, order; how many inputs a file holds
Taps *columns_ask(Extract *e, Arena *a, const Inputs *in); // what the present forward is asked
void columns_clear(Extract *e);

// extract_files.c
const char *file_of(Extract *e, Arena *a, size_t file, size_t files);
void file_save(Extract *e, const char *path, size_t from, size_t to);
bool file_kept(Extract *e, const char *path, size_t from, size_t to); // from an earlier run, and just these inputs; its remarks are added
void files_index(Extract *e, size_t files);
void files_merge(Extract *e);
void remarks_tell(Extract *e); // tables, and a line each

#endif
