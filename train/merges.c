// merges.c: see merges.h.
#include "merges.h"

#include <string.h>

#include "io/file.h"
#include "io/json.h"

typedef struct {
    int32_t *symbols;
    int count;
    int64_t times;
    const char *text;
} Word;

struct Merges {
    Arena *arena;
    MergesKind kind;
    Word *words;
    size_t word_count, word_room;
    const char **symbols; // texts; for MERGES_LLAMA the first 3 are <unk> <s> </s>, then 256 bytes
    int symbol_count, symbol_room;
    int32_t (*merges)[2];
    int merge_count;
    int ids; // symbols that have ids before the special tokens
    const char **special;
    int special_count;
};

static int symbol_add(Merges *b, const char *text) {
    if (b->symbol_count == b->symbol_room) {
        b->symbols = arena_grow(b->arena, b->symbols, (size_t)b->symbol_count, (size_t)b->symbol_room * 2, sizeof *b->symbols);
        b->symbol_room *= 2;
    }
    b->symbols[b->symbol_count] = text;
    return b->symbol_count++;
}

static int symbol_find(const Merges *b, const char *text) {
    for (int i = 0; i < b->symbol_count; i++)
        if (strcmp(b->symbols[i], text) == 0) return i;
    return -1;
}

// Latin-1, which is what a byte is read as.
static bool byte_prints(int byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE; }

// The character that stands for a byte: itself where it prints, otherwise the next free one from U+0100 (models.md 6.2).
static const char *byte_character(Arena *a, int byte) {
    int code = byte, free = 0x100;
    for (int i = 0; i <= byte; i++) {
        if (i == byte && !byte_prints(i)) code = free;
        free += !byte_prints(i);
    }
    if (code < 0x80) return arena_print(a, "%c", code);
    return arena_print(a, "%c%c", 0xC0 | code >> 6, 0x80 | (code & 0x3F));
}

// The order of the published CLIP vocabulary: bytes that print first, then the others.
static void byte_symbols(Merges *b, const char *suffix) {
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 256; i++)
            if (byte_prints(i) == (pass == 0)) symbol_add(b, arena_print(b->arena, "%s%s", byte_character(b->arena, i), suffix));
}

Merges *merges_new(Arena *a, MergesKind kind) {
    Merges *b = take_zero(a, Merges, 1);
    *b = (Merges){.arena = a, .kind = kind, .word_room = 256, .symbol_room = 1024};
    b->words = take(a, Word, b->word_room);
    b->symbols = take(a, const char *, b->symbol_room);
    b->special = take(a, const char *, 16);
    if (kind == MERGES_CLIP) {
        byte_symbols(b, "");
        byte_symbols(b, "</w>");
    } else {
        symbol_add(b, "<unk>"), symbol_add(b, "<s>"), symbol_add(b, "</s>");
        for (int i = 0; i < 256; i++) symbol_add(b, arena_print(a, "<0x%02X>", i));
    }
    return b;
}

static void word_count(Merges *b, const char *text, size_t n) {
    for (size_t i = 0; i < b->word_count; i++)
        if (strncmp(b->words[i].text, text, n) == 0 && b->words[i].text[n] == 0) {
            b->words[i].times++;
            return;
        }
    if (b->word_count == b->word_room) {
        b->words = arena_grow(b->arena, b->words, b->word_count, b->word_room * 2, sizeof *b->words);
        b->word_room *= 2;
    }
    b->words[b->word_count++] = (Word){.text = arena_text(b->arena, text, n), .times = 1};
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void merges_read(Merges *b, const char *text) {
    char word[256];
    bool opened = true; // a word that follows a space, or begins the text, opens with the mark
    for (const char *p = text; *p;) {
        if (*p == ' ' || *p == '\n') {
            opened = *p == ' ';
            p++;
            continue;
        }
        size_t n = 0;
        if (b->kind == MERGES_LLAMA && opened) memcpy(word, "▁", n = 3);
        bool letter = is_letter(*p);
        while (*p && *p != ' ' && *p != '\n' && is_letter(*p) == letter && n < sizeof word - 1) {
            need((unsigned char)*p < 0x80, "the world's sentences are ASCII");
            word[n++] = *p++;
        }
        word_count(b, word, n);
        opened = false;
    }
}

static int word_order(const Word *x, const Word *y) { return strcmp(x->text, y->text); }

// The words in byte order, cut into their first symbols.
static void words_cut(Merges *b) {
    for (size_t i = 1; i < b->word_count; i++) // by insertion: a few hundred words
        for (size_t j = i; j > 0 && word_order(&b->words[j], &b->words[j - 1]) < 0; j--) {
            Word t = b->words[j];
            b->words[j] = b->words[j - 1];
            b->words[j - 1] = t;
        }
    for (size_t i = 0; i < b->word_count; i++) {
        Word *w = &b->words[i];
        size_t n = strlen(w->text);
        w->symbols = take(b->arena, int32_t, n);
        for (size_t at = 0; at < n;) {
            size_t step = (unsigned char)w->text[at] < 0x80 ? 1 : 3; // the only other character is the mark
            bool last = at + step == n;
            const char *text = arena_print(b->arena, "%.*s%s", (int)step, w->text + at, b->kind == MERGES_CLIP && last ? "</w>" : "");
            int s = symbol_find(b, text);
            w->symbols[w->count++] = s >= 0 ? s : symbol_add(b, text);
            at += step;
        }
    }
}

typedef struct {
    int32_t a, b;
    int64_t times;
} Pair;

// Whether pair x goes before y: more often, then by bytes.
static bool pair_before(const Merges *b, const Pair *x, const Pair *y) {
    if (x->times != y->times) return x->times > y->times;
    int c = strcmp(b->symbols[x->a], b->symbols[y->a]);
    return c ? c < 0 : strcmp(b->symbols[x->b], b->symbols[y->b]) < 0;
}

static bool best_pair(Merges *b, Pair *best) {
    Mark mark = arena_mark(b->arena);
    size_t room = 0, count = 0;
    for (size_t i = 0; i < b->word_count; i++) room += (size_t)b->words[i].count;
    Pair *pairs = take(b->arena, Pair, room);
    for (size_t i = 0; i < b->word_count; i++) {
        const Word *w = &b->words[i];
        for (int k = 0; k + 1 < w->count; k++) {
            size_t j = 0;
            while (j < count && (pairs[j].a != w->symbols[k] || pairs[j].b != w->symbols[k + 1])) j++;
            if (j == count) pairs[count++] = (Pair){.a = w->symbols[k], .b = w->symbols[k + 1]};
            pairs[j].times += w->times;
        }
    }
    if (count) *best = pairs[0];
    for (size_t j = 1; j < count; j++)
        if (pair_before(b, &pairs[j], best)) *best = pairs[j];
    arena_release(b->arena, mark);
    return count > 0;
}

void merges_learn(Merges *b, int most) {
    words_cut(b);
    b->merges = arena_take(b->arena, (size_t)most, sizeof *b->merges);
    Pair p;
    while (b->merge_count < most && best_pair(b, &p)) {
        const char *left = b->symbols[p.a], *right = b->symbols[p.b], *text = arena_print(b->arena, "%s%s", left, right);
        int s = symbol_find(b, text);
        if (s < 0) s = symbol_add(b, text);
        b->merges[b->merge_count][0] = p.a;
        b->merges[b->merge_count++][1] = p.b;
        for (size_t i = 0; i < b->word_count; i++) {
            Word *w = &b->words[i];
            int n = 0;
            for (int k = 0; k < w->count; k++) {
                bool both = k + 1 < w->count && w->symbols[k] == p.a && w->symbols[k + 1] == p.b;
                w->symbols[n++] = both ? s : w->symbols[k];
                k += both;
            }
            w->count = n;
        }
    }
    b->ids = b->symbol_count;
}

int merges_special(Merges *b, const char *text) {
    need(b->special_count < 16, "more than 16 special tokens");
    b->special[b->special_count] = text;
    return b->ids + b->special_count++;
}

int merges_size(const Merges *b) { return b->ids + b->special_count; }

int merges_words(const Merges *b, int *whole) {
    *whole = 0;
    for (size_t i = 0; i < b->word_count; i++) *whole += b->words[i].count == 1;
    return (int)b->word_count;
}

// ---- tokenizer.json

static void put_added(JsonOut *o, int id, const char *text) {
    json_open(o, NULL, '{');
    json_put_int(o, "id", id);
    json_put_text(o, "content", text);
    json_put_bool(o, "single_word", false);
    json_put_bool(o, "lstrip", false);
    json_put_bool(o, "rstrip", false);
    json_put_bool(o, "normalized", false);
    json_put_bool(o, "special", true);
    json_close(o);
}

// {"type": type, …} left open
static void open_type(JsonOut *o, const char *key, const char *type) {
    json_open(o, key, '{');
    json_put_text(o, "type", type);
}

static void put_type(JsonOut *o, const char *key, const char *type) {
    open_type(o, key, type);
    json_close(o);
}

static void put_replace(JsonOut *o, const char *pattern_kind, const char *pattern, const char *content) {
    open_type(o, NULL, "Replace");
    json_open(o, "pattern", '{');
    json_put_text(o, pattern_kind, pattern);
    json_close(o);
    json_put_text(o, "content", content);
    json_close(o);
}

static void put_byte_level(JsonOut *o, const char *key, bool prefix) {
    open_type(o, key, "ByteLevel");
    json_put_bool(o, "add_prefix_space", prefix);
    json_put_bool(o, "trim_offsets", true);
    json_put_bool(o, "use_regex", true);
    json_close(o);
}

static void put_end(JsonOut *o, const char *key, const char *text, int id) {
    json_open(o, key, '[');
    json_put_text(o, NULL, text);
    json_put_int(o, NULL, id);
    json_close(o);
}

static void clip_parts(JsonOut *o, const Merges *b) {
    open_type(o, "normalizer", "Sequence");
    json_open(o, "normalizers", '[');
    put_type(o, NULL, "NFC");
    put_replace(o, "Regex", "\\s+", " ");
    put_type(o, NULL, "Lowercase");
    json_close(o), json_close(o);
    open_type(o, "pre_tokenizer", "Sequence");
    json_open(o, "pretokenizers", '[');
    open_type(o, NULL, "Split");
    json_open(o, "pattern", '{');
    json_put_text(o, "Regex", "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+");
    json_close(o);
    json_put_text(o, "behavior", "Removed");
    json_put_bool(o, "invert", true);
    json_close(o);
    put_byte_level(o, NULL, false);
    json_close(o), json_close(o);
    open_type(o, "post_processor", "RobertaProcessing");
    put_end(o, "sep", b->special[1], b->ids + 1);
    put_end(o, "cls", b->special[0], b->ids);
    json_put_bool(o, "trim_offsets", false);
    json_put_bool(o, "add_prefix_space", false);
    json_close(o);
    put_byte_level(o, "decoder", true);
}

static void put_template(JsonOut *o, const char *key, bool pair) {
    json_open(o, key, '[');
    for (int i = 0; i <= pair; i++)
        for (int what = 0; what < 2; what++) {
            json_open(o, NULL, '{');
            json_open(o, what ? "Sequence" : "SpecialToken", '{');
            json_put_text(o, "id", what ? (i ? "B" : "A") : "<s>");
            json_put_int(o, "type_id", i);
            json_close(o), json_close(o);
        }
    json_close(o);
}

static void llama_parts(JsonOut *o) {
    open_type(o, "normalizer", "Sequence");
    json_open(o, "normalizers", '[');
    open_type(o, NULL, "Prepend");
    json_put_text(o, "prepend", "▁");
    json_close(o);
    put_replace(o, "String", " ", "▁");
    json_close(o), json_close(o);
    json_put_null(o, "pre_tokenizer");
    open_type(o, "post_processor", "TemplateProcessing");
    put_template(o, "single", false);
    put_template(o, "pair", true);
    json_open(o, "special_tokens", '{');
    json_open(o, "<s>", '{');
    json_put_text(o, "id", "<s>");
    json_open(o, "ids", '[');
    json_put_int(o, NULL, 1);
    json_close(o);
    json_open(o, "tokens", '[');
    json_put_text(o, NULL, "<s>");
    json_close(o), json_close(o), json_close(o), json_close(o);
    open_type(o, "decoder", "Sequence");
    json_open(o, "decoders", '[');
    put_replace(o, "String", "▁", " ");
    put_type(o, NULL, "ByteFallback");
    put_type(o, NULL, "Fuse");
    open_type(o, NULL, "Strip");
    json_put_text(o, "content", " ");
    json_put_int(o, "start", 1);
    json_put_int(o, "stop", 0);
    json_close(o), json_close(o), json_close(o);
}

void merges_write(Merges *b, const char *dir) {
    bool clip = b->kind == MERGES_CLIP;
    JsonOut *o = json_out(b->arena, 1);
    json_open(o, NULL, '{');
    json_put_text(o, "version", "1.0");
    json_put_null(o, "truncation");
    json_put_null(o, "padding");
    json_open(o, "added_tokens", '[');
    for (int i = 0; !clip && i < 3; i++) put_added(o, i, b->symbols[i]);
    for (int i = 0; i < b->special_count; i++) put_added(o, b->ids + i, b->special[i]);
    json_close(o);
    if (clip) clip_parts(o, b);
    else llama_parts(o);
    open_type(o, "model", "BPE");
    json_put_null(o, "dropout");
    json_put_text(o, "unk_token", clip ? b->special[1] : "<unk>");
    if (clip) json_put_text(o, "continuing_subword_prefix", "");
    else json_put_null(o, "continuing_subword_prefix");
    if (clip) json_put_text(o, "end_of_word_suffix", "</w>");
    else json_put_null(o, "end_of_word_suffix");
    json_put_bool(o, "fuse_unk", !clip);
    json_put_bool(o, "byte_fallback", !clip);
    json_put_bool(o, "ignore_merges", false);
    json_open(o, "vocab", '{');
    for (int i = 0; i < b->ids; i++) json_put_int(o, b->symbols[i], i);
    for (int i = 0; clip && i < b->special_count; i++) json_put_int(o, b->special[i], b->ids + i);
    json_close(o);
    json_open(o, "merges", '[');
    for (int i = 0; i < b->merge_count; i++) {
        json_open(o, NULL, '[');
        json_put_text(o, NULL, b->symbols[b->merges[i][0]]);
        json_put_text(o, NULL, b->symbols[b->merges[i][1]]);
        json_close(o);
    }
    json_close(o), json_close(o), json_close(o);
    json_file_write(o, path_join(b->arena, dir, "tokenizer.json"));
}
