// option.h: one table of options per command: parser, --help and the run record all come from it.
#ifndef RETINA_IO_OPTION_H
#define RETINA_IO_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"

typedef enum {
    OPT_FLAG,   // bool *: present or not; --no-NAME is not implied
    OPT_INT,    // int *
    OPT_LONG,   // int64_t *
    OPT_REAL,   // double *
    OPT_TEXT,   // const char **
    OPT_LIST,   // TextList *: repeatable
    OPT_CHOICE, // int *: index into choices, a text "a|b|c"
    OPT_OPTIONAL // const char **: --name or --name=value; bare gives ""
} OptionKind;

typedef struct {
    const char **items;
    size_t count;
} TextList;

typedef struct {
    const char *name; // without --; long options only. NULL: a heading in --help, its text in `help`
    OptionKind kind;
    void *value;         // holds the default before, the result after
    const char *help;    // one line; [unit] and default are added by --help
    const char *choices; // OPT_CHOICE only: "auto|cpu|cuda"
} Option;

// Parses argv[0..argc) (after the command's name). Options as --name value or --name=value; "--" ends
// them; what is left goes to *rest (pass NULL when no plain argument is allowed). --help prints usage
// and exits 0. Unknown names, missing or malformed values: exit 2 with the nearest names. Of two values the last holds, which is noted.
// usage: "retina info DIR [options]"; purpose: one sentence.
void options_parse(const char *usage, const char *purpose, Option *options, size_t count, int argc, char **argv,
                   TextList *rest);

// The value as it is now; a list's items with spaces between.
const char *option_text(Arena *a, const Option *o);
// "name = value" per line, all options with their values, for run records.
void options_record(const Option *options, size_t count, Writer *w);

// What counts may be; anything else is wrong use.
typedef struct {
    const char *name;
    int value, least, most; // most 0: no bound
} OptionCount;
void options_bounded(const OptionCount *list, size_t count);

// --shard i/n: the i-th of n parts, 0 <= i < n; anything else is wrong use.
void option_shard(const char *text, int *shard, int *shards);

// Which of `count` things, each of `size` bytes and beginning with its name, the word after a command means. None: wrong use,
// which lists them and names the nearest.
size_t option_which(const char *command, const char *word, const void *list, size_t size, size_t count);

// What was printed is out, or the program dies: before every end without an error.
void stdout_end(void);

// The nearest of `names` to `wrong` by edit distance, or NULL when none is near.
const char *nearest_name(const char *wrong, const char *const *names, size_t count);

#endif
