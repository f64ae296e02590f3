// tokenizer_parts.h: what the files tokenizer*.c share. Nobody else includes it.
//
// The stages of a tokenizer.json, in the order in which a text passes them:
//
//   added tokens (raw)  →  normalise  →  added tokens (normalised)  →  split  →  model  →
//   post-process
//
// Every stage but the first and the last works on each piece between added tokens separately.
// Nested Sequences are flat lists here.
#ifndef RETINA_MODEL_TOKENIZER_PARTS_H
#define RETINA_MODEL_TOKENIZER_PARTS_H

#include "io/json.h"
#include "regex.h"
#include "tokenizer.h"
#include "unicode.h"

typedef struct {
    const char *text;
    size_t length;
} Piece;

bool piece_is(Piece p, const char *text);
Piece piece_copy(Arena *a, Piece p);
uint32_t piece_hash(Piece p);

// ---- tokenizer_pattern.c: a text or an expression to look for

typedef struct Pattern Pattern;
Pattern *pattern_read(Arena *a, const Json *json,
                      const char *where); // {"String": …}, {"Regex": …} or a text
Pattern *pattern_literal(Arena *a, Piece text);
Pattern *pattern_gpt2(Arena *a); // the one that ByteLevel{use_regex} means

// All matches in a text, from left to right; those of a {"Regex": …} may be empty.
typedef struct {
    const Pattern *pattern;
    Piece text;
    size_t at;
    RegexSearch regex;
} PatternSearch;

PatternSearch pattern_search(const Pattern *p, Piece text, RegexRoom *room);
bool pattern_next(PatternSearch *s, size_t *begin, size_t *end);

// ---- tokenizer_scan.c: the published expressions

typedef size_t ScanFn(const char *text, size_t n,
                      size_t at); // the end of the match at `at`, or `at`
extern const char pattern_words[], pattern_clip[], pattern_openclip[], pattern_qwen2[], pattern_qwen35[];
#define OPENCLIP_START "<start_of_text>" // the names that OpenCLIP's own tokenizer looks for
#define OPENCLIP_END "<end_of_text>"
ScanFn *scan_published(const char *expression); // NULL: it is none of them

// ---- tokenizer_words.c: token texts and ids, both ways; tries

typedef struct {
    Piece text;
    int32_t id;
} Word;

typedef struct {
    Word *words;
    size_t count, room;
    uint64_t *by_text; // open addressing: hash << 32 | index + 1, 0 is free
    uint32_t *by_id;   // likewise, without the hash
    uint32_t mask;
    int32_t highest;
} Words;

void words_open(Words *w, Arena *a, size_t expected);
void words_add(Words *w, Arena *a, Piece text,
               int32_t id); // a text or id that is there already is redirected
int32_t words_id(const Words *w, const char *text, size_t n); // -1: no such text
const Word *words_word(const Words *w, int32_t id);           // NULL: no such id

// A set of texts with a number each, walked byte by byte. Node 0 is the root.
typedef struct {
    uint64_t key;    // (node << 8 | byte) + 1, 0: this place of the table is free
    uint32_t target; // the node behind it
    int32_t value;   // the number of the text that ends there, or -1
} TrieStep;

typedef struct {
    TrieStep *steps; // a table with open addressing: a step touches one line of memory
    uint32_t mask, used; // and as many nodes, besides the root
    bool first[256];     // bytes with which a text begins
} Trie;

void trie_open(Trie *t, Arena *a);
void trie_add(Trie *t, Arena *a, Piece text, int32_t value);
const TrieStep *trie_step(const Trie *t, uint32_t node, unsigned char byte); // NULL: no way on
int32_t trie_longest(const Trie *t, const char *text, size_t n,
                     size_t *length); // -1: none begins here

// ---- tokenizer_normal.c

typedef enum {
    NORMAL_FORM,
    NORMAL_LOWER,
    NORMAL_STRIP,
    NORMAL_FILTER,
    NORMAL_PREPEND,
    NORMAL_REPLACE,
    NORMAL_BERT,
    NORMAL_NMT,
    NORMAL_CHARSMAP,
    NORMAL_BYTES
} NormalKind;

typedef struct {
    NormalKind kind;
    NormalForm form;
    bool left, right;      // Strip
    bool clean, chinese;   // BERT
    uint32_t flags;        // Filter: characters with one of these UNI_* go
    Pattern *pattern;      // Replace
    Piece text;            //   by this; Prepend: this
    const uint32_t *units; // charsmap: a double-array trie
    size_t unit_count;
    Piece pool; // charsmap: replacements, each closed by 0
} Normal;

// How many bytes a step may make of a text of `length`: a hundred times as many (U+FDFA takes 11), and a MiB more. A damaged file's
// steps could double a text again and again.
static inline size_t growth_limit(size_t length) {
    return size_add(size_mul(length, 100, "text"), (size_t)1 << 20, "text");
}

typedef struct {
    Normal *steps;
    size_t count;
} Normals;

Normals normals_read(Arena *a, const Json *json, const char *where);
// The result lies in `text` or in one of the two buffers. *origin: how many bytes at its front come
// from the first character of the whole text; one can become several (the pre-tokenizer Metaspace
// asks whether a piece is one of them).
Piece normals_apply(const Normals *n, Growing buffers[2], RegexRoom *room, Piece text, size_t *origin);

// Of the bytes at the front of a text, those that lie between begin and end.
static inline size_t origin_in(size_t origin, size_t begin, size_t end) {
    return origin <= begin ? 0 : origin < end ? origin - begin : end - begin;
}

// ---- tokenizer_split.c

typedef enum {
    SPLIT_PATTERN,
    SPLIT_BYTES,
    SPLIT_METASPACE,
    SPLIT_WORDS,
    SPLIT_SPACES,
    SPLIT_PUNCTUATION,
    SPLIT_DIGITS,
    SPLIT_LENGTH
} SplitKind;
typedef enum {
    REMOVED,
    ISOLATED,
    MERGED_PREVIOUS,
    MERGED_NEXT,
    CONTIGUOUS
} Behavior; // of what a split is made at
typedef enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } PrependScheme;

typedef struct {
    SplitKind kind;
    Pattern *pattern; // ByteLevel: NULL without use_regex; Metaspace: the mark
    Behavior behavior;
    bool invert;           // Split: what lies between the matches is the match
    bool prefix_space;     // ByteLevel
    Piece mark;            // Metaspace: what stands for a space
    PrependScheme prepend; //   and whether one is put in front
    bool split;            //   and whether the text is split there
    size_t length;         // FixedLength, characters
} Split;

typedef struct {
    Split *steps;
    size_t count;
} Splits;

Splits splits_read(Arena *a, const Json *json, const char *where);
// Calls fn(self, word) for every word, in order; a word lives until fn returns. `buffers` are two
// for each step, `rooms` one.
typedef void WordFn(void *self, Piece word);
void splits_apply(const Splits *s, Growing *buffers, RegexRoom *rooms, Piece text, size_t origin, WordFn *fn,
                  void *self);

void bytes_put(Growing *out, Piece text); // each byte as one character of GPT-2's alphabet
int byte_of_character(uint32_t c);        // and back; -1: not in the alphabet
Piece one_character(Arena *a, const Json *json, const char *key, const char *where);
PrependScheme prepend_of(const Json *json, const char *where);

// ---- tokenizer_bpe.c, tokenizer_pieces.c: the models

typedef enum { MODEL_BPE, MODEL_WORDPIECE, MODEL_WORDLEVEL, MODEL_UNIGRAM } ModelKind;

typedef struct {
    uint64_t pair; // left << 32 | right, + 1; 0: this place of the table is free
    uint32_t rank;
    int32_t whole;
} Merge;

typedef struct {
    ModelKind kind;
    const char *path; // of the file, for messages
    Words words;
    int32_t unk; // -1: none
    // BPE
    Merge *merges; // a table with open addressing
    uint32_t merge_places, ranks;
    int32_t *wholes; // by rank
    Piece prefix, suffix; // continuing_subword_prefix, end_of_word_suffix; empty: none
    bool has_unk, fuse_unk, byte_fallback, ignore_merges;
    int32_t bytes[256];      // ids of <0x00> …, -1: none
    int32_t short_ids[2048]; // ids of the characters below U+0800, -1: none
    bool twins; // two pairs may make the same token of one place (tokenizer_merge.c: bites)
    bool parts; // no merge makes "x▁", so a text falls apart before every ▁ that begins a run of
                // them
    // WordPiece
    Trie trie, inside; // tokens that begin a word, and those that go on (##). Unigram: trie only
    size_t longest;    // characters; a longer word is unknown
    // Unigram
    double *scores; // by id
    size_t score_count;
    double unk_score;
} Model;

void model_read(Model *m, Arena *a, const Json *json, const char *path);
void model_options(Model *m, Arena *a,
                   const Json *options); // those of a class in the place of the file's
void bpe_read(Model *m, Arena *a, const Json *json, const Json *vocab, const Json *merges,
              const char *where);
void wordpiece_read(Model *m, Arena *a, const Json *json, const char *where);
void unigram_read(Model *m, Arena *a, const Json *json, const char *where);
void merges_open(Model *m, Arena *a, size_t count);
void merges_add(Model *m, int32_t left, int32_t right, uint32_t rank, int32_t whole);
void bytes_find(Model *m); // the ids of <0x00> … <0xFF>
void vocab_read(Words *w, Arena *a, const Json *vocab, const char *where); // {"text": id, …}

// What encoding one text needs: the ids so far, and room that is used again and again.
typedef struct Seen Seen;
typedef enum { SCRATCH_SYMBOLS, SCRATCH_HEAP, SCRATCH_LISTS, SCRATCH_PLACES, SCRATCHES } Scratch;
typedef struct {
    Arena *arena;
    const Tokenizer *tokenizer;
    int32_t *ids;
    size_t count, room;
    Growing normal[2], *split, affixed;
    RegexRoom normal_room, *split_rooms;
    void *scratch[SCRATCHES];
    size_t scratch_size[SCRATCHES];
    uint64_t *filled; // bits of merge_all, all 0 between words; NULL: not needed yet
    Seen *seen; // words of this text with their ids
    uint32_t seen_mask;
} Encoder;

void seen_open(Encoder *e, size_t text_bytes);
void model_word(const Model *m, Encoder *e, Piece word);
void ids_put(Encoder *e, int32_t id);
void *scratch_take(Encoder *e, Scratch which, size_t count, size_t size);
// One of the symbols that a word begins with and merges make fewer of.
typedef struct {
    int32_t id;
    union {
        uint32_t rank; // of its merge with the next one
        uint32_t span; // of a place inside a symbol: how many places that has
    };
} Symbol;
#define NO_MERGE UINT32_MAX

// Merges them, and brings those that are left together at the front; returns how many. Only the ids count, before and after.
// There is a place behind the last one.
size_t merge_all(const Model *m, Encoder *e, Symbol *s, size_t count);
void bpe_word(const Model *m, Encoder *e, Piece word);
void wordpiece_word(const Model *m, Encoder *e, Piece word);
void unigram_word(const Model *m, Encoder *e, Piece word);

// ---- tokenizer_decode.c; tokenizer_stream.c calls it for what has arrived

typedef enum {
    DECODE_BYTES,
    DECODE_METASPACE,
    DECODE_WORDPIECE,
    DECODE_BPE,
    DECODE_REPLACE,
    DECODE_FUSE,
    DECODE_STRIP,
    DECODE_BYTE_FALLBACK,
    DECODE_CTC
} DecodeKind;

typedef struct {
    DecodeKind kind;
    Piece text; // Metaspace: the mark; WordPiece: prefix; BPE: suffix; Replace: by what; Strip:
                // character; CTC: pad
    Piece delimiter;    // CTC
    Pattern *pattern;   // Replace
    bool cleanup;       // WordPiece, CTC
    bool prepends;      // Metaspace: the first token's marks go
    size_t start, stop; // Strip: at most so many
} Decode;

typedef struct {
    Decode *steps;
    size_t count;
    bool given; // without a decoder, tokens are joined by spaces
} Decodes;

Decodes decodes_read(Arena *a, const Json *json, const char *where);
// The text of ids, in `a`; without `keep_special`, special tokens are left out.
Piece decode_all(const Tokenizer *t, Arena *a, const int32_t *ids, size_t count, bool keep_special);
// The token of an id as the decoder sees it; false: none, or left out.
bool decode_token(const Tokenizer *t, int32_t id, bool keep_special, Piece *token);
int decode_byte_token(Piece token); // the value of "<0xHH>", or -1

// ---- tokenizer_class.c: what the reference's classes do in code

typedef struct {
    const char *name;
    const char *named[TOKEN_NAMED]; // special tokens where tokenizer_config.json names none
    const char *model;              // options of a model that is rebuilt, JSON
    const char *normalizer, *pre_tokenizer, *decoder; // JSON, NULL: none
    NamedToken before, after; // what its post-processor adds, TOKEN_NAMED: nothing
} Class;

// The class that AutoTokenizer picks, NULL: one that takes tokenizer.json as it is. *name receives
// its name.
const Class *class_pick(const Json *config, const Json *model_config, bool byte_level,
                        const char **name);
extern const char siglip_cleaning[];
// One of the texts above, parsed, with values {"NAME", "…", …, NULL} for its %NAME%s.
const Json *class_part(Arena *a, const char *text, const char *const *values);

// ---- tokenizer_load.c, tokenizer_added.c, tokenizer.c

typedef struct {
    Piece content, normal; // as written, and as normalised (what is looked for and what decodes)
    size_t order;          // in the file that it comes from
    int32_t id;
    bool single_word, left, right, normalized, special;
} Added;

struct Tokenizer {
    const char *path, *class;
    Model model;
    Normals normals;
    Splits splits;
    Decodes decodes;
    int32_t *before, *after; // what the post-processor puts around the text
    size_t before_count, after_count;
    Added *added;
    size_t added_count, added_room;
    Words added_words; // content → index in `added`
    Words added_ids;   // one word for each id of an added token: its text is not used
    Words special;     // contents that decoding leaves out
    Trie raw, normal;  // value: index in `added`
    int32_t named[TOKEN_NAMED];
    bool clip_decode;   // </w> becomes a space and the ends are stripped
    bool clean_up;      // clean_up_tokenization_spaces, for models other than BPE
    bool split_special; // special tokens in a text are text
    bool cut_left;      // truncation_side
    enum { CLEAN_NOT, CLEAN_SPACES, CLEAN_LOWER } clean; // of texts before all else: openclip_text.h
};

const Added *added_of(const Tokenizer *t, int32_t id);

typedef struct {
    Arena *keep, *scratch;  // what lives as long as the tokenizer; what is needed while loading
    const char *dir, *path; // path: of the file that has the vocabulary
    const Json *file, *config, *model_config, *special_map, *added_map; // NULL: not there
    const Json *vocabulary, *merges; // of OpenCLIP's own file; NULL: another kind
    const Class *class;
    bool rebuild, openclip; // openclip: the model is OpenCLIP's, whatever the directory says
} Load;

// OpenCLIP's bpe_simple_vocab_16e6.txt[.gz] as what a CLIPTokenizer's vocab.json and merges.txt hold; NULL: the folder has none.
const char *openclip_vocabulary(Arena *a, const char *dir, const Json **vocabulary, const Json **merges);

void tokens_add(const Load *l, Tokenizer *t);
// The text of a named special token, as the configuration or the class has it; empty: there is
// none.
Piece named_text(const Load *l, NamedToken which);

#endif
