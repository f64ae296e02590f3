// tokenizer_split.c: the pre-tokenizers of a tokenizer.json: a piece of text becomes the words that
// the model sees.
//
// Each step hands every part that it makes to the next step at once, so no list of words is ever
// held. Source: huggingface/tokenizers, src/pre_tokenizers/*.rs.
#include <string.h>

#include "tokenizer_parts.h"

#define STEPS_MAX 100 // of a file; published ones have up to 5, and the steps recurse

// ---- the byte alphabet of GPT-2: 188 printable bytes stand for themselves, the other 68 for
// U+0100 and on

static uint32_t character_of_byte(unsigned b) {
    if (b <= 0x20) return 0x100 + b;
    if (b < 0x7F) return b;
    if (b <= 0xA0) return 0x121 + (b - 0x7F);
    return b == 0xAD ? 0x143 : b;
}

int byte_of_character(uint32_t c) {
    if (c < 0x100) return character_of_byte(c) == c ? (int)c : -1;
    if (c <= 0x120) return (int)(c - 0x100);
    if (c <= 0x142) return (int)(c - 0x121 + 0x7F);
    return c == 0x143 ? 0xAD : -1;
}

void bytes_put(Growing *out, Piece text) {
    growing_room(out, size_mul(text.length, 2, "text"));
    for (size_t i = 0; i < text.length; i++) {
        unsigned char b = (unsigned char)text.text[i];
        if (b > 0x20 && b < 0x7F)
            out->text[out->length++] = (char)b;
        else
            out->length = (size_t)(utf8_put(out->text + out->length, character_of_byte(b)) - out->text);
    }
}

// ---- reading

static Split *step_new(Splits *s, SplitKind kind, const char *where) {
    need(s->count < STEPS_MAX, "%s: more than %d steps", where, STEPS_MAX);
    Split *step = &s->steps[s->count++];
    *step = (Split){.kind = kind};
    return step;
}

static Behavior behavior_of(const char *name, const char *where) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) return (Behavior)i;
    die("%s: the behavior \"%s\"; Removed, Isolated, MergedWithPrevious, MergedWithNext or "
        "Contiguous is wanted",
        where, name);
}

Piece one_character(Arena *a, const Json *json, const char *key, const char *where) {
    const Json *v = json_get(json, key);
    need(v && v->kind == JSON_TEXT, "%s: \"%s\" is not there or is not a text", where, key);
    size_t at = 0;
    if (v->length) utf8_next(v->text, &at);
    need(v->length && at == v->length, "%s: \"%s\" is \"%s\"; one character is wanted", where, key,
         v->text);
    return piece_copy(a, (Piece){v->text, v->length});
}

PrependScheme prepend_of(const Json *json, const char *where) {
    static const char *const names[] = {"always", "first", "never"};
    const char *given = json_text_or(json, "prepend_scheme", "always");
    bool never = !json_bool_or(json, "add_prefix_space", true); // before there was prepend_scheme
    for (int i = 0; i < 3; i++)
        if (strcmp(given, names[i]) == 0) {
            need(!never || i == PREPEND_NEVER,
                 "%s: add_prefix_space is false and prepend_scheme is not \"never\"", where);
            return (PrependScheme)i;
        }
    die("%s: the prepend_scheme \"%s\"; always, first or never is wanted", where, given);
}

static void splits_collect(Splits *s, Arena *a, const Json *json, const char *where) {
    need(json->kind == JSON_OBJECT, "%s: an object with a \"type\" is wanted", where);
    const char *type = json_text(json, "type");
    if (strcmp(type, "Sequence") == 0) {
        const Json *list = json_get(json, "pretokenizers");
        need(list && list->kind == JSON_ARRAY, "%s: a Sequence without its list \"pretokenizers\"",
             where);
        for (size_t i = 0; i < list->count; i++) splits_collect(s, a, &list->items[i], where);
    } else if (strcmp(type, "Split") == 0) {
        Split *step = step_new(s, SPLIT_PATTERN, where);
        step->pattern = pattern_read(a, json_get(json, "pattern"), where);
        step->behavior = behavior_of(json_text(json, "behavior"), where);
        step->invert = json_bool_or(json, "invert", false);
    } else if (strcmp(type, "ByteLevel") == 0) {
        Split *step = step_new(s, SPLIT_BYTES, where);
        step->prefix_space = json_bool_or(json, "add_prefix_space", true);
        if (json_bool_or(json, "use_regex", true)) step->pattern = pattern_gpt2(a);
    } else if (strcmp(type, "Metaspace") == 0) {
        Split *step = step_new(s, SPLIT_METASPACE, where);
        step->mark = one_character(a, json, "replacement", where);
        step->prepend = prepend_of(json, where);
        step->split = json_bool_or(json, "split", true);
        step->pattern = pattern_literal(a, step->mark);
    } else if (strcmp(type, "BertPreTokenizer") == 0) {
        step_new(s, SPLIT_SPACES, where);
        step_new(s, SPLIT_PUNCTUATION, where)->behavior = ISOLATED;
    } else if (strcmp(type, "Whitespace") == 0) {
        step_new(s, SPLIT_WORDS, where);
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        step_new(s, SPLIT_SPACES, where);
    } else if (strcmp(type, "Punctuation") == 0) {
        step_new(s, SPLIT_PUNCTUATION, where)->behavior =
            behavior_of(json_text_or(json, "behavior", "Isolated"), where);
    } else if (strcmp(type, "Digits") == 0) {
        step_new(s, SPLIT_DIGITS, where)->behavior =
            json_bool_or(json, "individual_digits", false) ? ISOLATED : CONTIGUOUS;
    } else if (strcmp(type, "CharDelimiterSplit") == 0 || strcmp(type, "Delimiter") == 0) {
        Split *step = step_new(s, SPLIT_PATTERN, where);
        step->pattern = pattern_literal(a, one_character(a, json, "delimiter", where));
        step->behavior = REMOVED;
    } else if (strcmp(type, "FixedLength") == 0) {
        int64_t length = json_int_or(json, "length", 5);
        need(length > 0, "%s: FixedLength of %lld characters", where, (long long)length);
        step_new(s, SPLIT_LENGTH, where)->length = (size_t)length;
    } else {
        die("%s: a pre-tokenizer of type \"%s\", which this program does not know", where, type);
    }
}

Splits splits_read(Arena *a, const Json *json, const char *where) {
    Splits s = {0};
    if (!json) return s;
    s.steps = take(a, Split, STEPS_MAX);
    splits_collect(&s, a, json, where);
    return s;
}

// ---- one text on its way through the steps

typedef struct {
    const Splits *splits;
    Growing *buffers; // one for each step: what it rewrites lives until its parts are through
    RegexRoom *rooms; // likewise, for its pattern
    size_t left;      // bytes that may still be rewritten
    WordFn *fn;
    void *self;
} Way;

static void way_on(Way *w, size_t step, Piece text, size_t origin);

// The parts of one text as a step finds them, matches and what lies between, in order; gathered as
// its behaviour says.
typedef struct {
    Way *way;
    size_t step; // the next one
    Behavior behavior;
    Piece text;
    size_t origin;     // bytes at its front that come from the first character of all
    size_t begin, end; // held back, because what follows may join it
    bool held, was_match;
} Parts;

static void part_out(Parts *p, size_t begin, size_t end) {
    if (end > begin)
        way_on(p->way, p->step, (Piece){p->text.text + begin, end - begin},
               origin_in(p->origin, begin, end));
}

static void part(Parts *p, size_t begin, size_t end, bool match) {
    bool joins = false;
    switch (p->behavior) {
    case REMOVED:
        if (!match) part_out(p, begin, end);
        return;
    case ISOLATED:
        part_out(p, begin, end);
        return;
    case MERGED_PREVIOUS:
        joins = match && !p->was_match;
        break;
    case MERGED_NEXT:
        joins = !match && p->was_match;
        break;
    case CONTIGUOUS:
        joins = match == p->was_match;
        break;
    }
    p->was_match = match;
    if (p->held && joins) {
        p->end = end;
        return;
    }
    if (p->held) part_out(p, p->begin, p->end);
    p->held = true, p->begin = begin, p->end = end;
}

// What lies between two matches: none is nothing, while an empty match keeps apart what stands around it.
static void between(Parts *p, size_t begin, size_t end, bool match) {
    if (begin < end) part(p, begin, end, match);
}

static void parts_end(Parts *p) {
    if (p->held) part_out(p, p->begin, p->end);
}

static void by_pattern(Parts *p, const Pattern *pattern, bool invert) {
    size_t at = 0, begin, end;
    PatternSearch search = pattern_search(pattern, p->text, &p->way->rooms[p->step - 1]);
    while (pattern_next(&search, &begin, &end)) {
        between(p, at, begin, invert);
        part(p, begin, end, !invert);
        at = end;
    }
    between(p, at, p->text.length, invert);
    parts_end(p);
}

// Every character with one of `flags` is a match of its own.
static void by_class(Parts *p, uint32_t flags) {
    size_t before = 0;
    for (size_t at = 0; at < p->text.length;) {
        size_t begin = at;
        if (!(unicode_flags(utf8_next(p->text.text, &at)) & flags)) continue;
        between(p, before, begin, false);
        part(p, begin, at, true);
        before = at;
    }
    between(p, before, p->text.length, false);
    parts_end(p);
}

// \w+|[^\w\s]+, the rest is dropped.
static void by_words(Parts *p) {
    size_t begin = 0;
    uint32_t kind = UNI_SPACE; // of the run that began at `begin`
    for (size_t at = 0; at < p->text.length;) {
        size_t here = at;
        uint32_t f = unicode_flags(utf8_next(p->text.text, &at));
        uint32_t now = f & UNI_WORD ? UNI_WORD : f & UNI_SPACE;
        if (now == kind) continue;
        if (kind != UNI_SPACE) part_out(p, begin, here);
        begin = here, kind = now;
    }
    if (kind != UNI_SPACE) part_out(p, begin, p->text.length);
}

static void by_length(Parts *p, size_t length) {
    size_t at = 0;
    while (at < p->text.length) {
        size_t begin = at;
        for (size_t k = 0; k < length && at < p->text.length; k++) utf8_next(p->text.text, &at);
        part_out(p, begin, at);
    }
}

// Spaces become the mark; the mark is put in front; the text falls apart before every mark.
static void by_metaspace(Parts *p, const Split *s, Growing *out) {
    size_t origin = 0;
    out->length = 0;
    bool marked =
        p->text.text[0] == ' ' || (p->text.length >= s->mark.length &&
                                   memcmp(p->text.text, s->mark.text, s->mark.length) == 0);
    if (!marked && (s->prepend == PREPEND_ALWAYS || (s->prepend == PREPEND_FIRST && p->origin)))
        growing_put(out, s->mark.text, s->mark.length);
    for (size_t at = 0; at < p->text.length;) {
        const char *space = memchr(p->text.text + at, ' ', p->text.length - at);
        size_t end = space ? (size_t)(space - p->text.text) : p->text.length;
        if (p->origin > at) origin = out->length + origin_in(p->origin, at, end);
        growing_put(out, p->text.text + at, end - at);
        if (space) growing_put(out, s->mark.text, s->mark.length);
        if (p->origin > end) origin = out->length;
        at = end + (space != NULL);
    }
    p->origin = origin;
    p->text = (Piece){out->text, out->length};
    p->behavior = MERGED_NEXT;
    if (s->split)
        by_pattern(p, s->pattern, false);
    else
        part_out(p, 0, p->text.length);
}

// Words of the GPT-2 expression, if it is asked for, each in the byte alphabet.
static void by_bytes(Parts *p, const Split *s, Growing *out, Growing *prefixed) {
    if (s->prefix_space && p->text.text[0] != ' ') {
        prefixed->length = 0;
        growing_put(prefixed, " ", 1);
        growing_put(prefixed, p->text.text, p->text.length);
        p->text = (Piece){prefixed->text, prefixed->length};
        p->origin += p->origin > 0;
    }
    size_t at = 0, begin, end;
    PatternSearch search = {0};
    if (s->pattern) search = pattern_search(s->pattern, p->text, NULL); // a scanner needs no room
    while (at < p->text.length) {
        if (!s->pattern || !pattern_next(&search, &begin, &end)) end = p->text.length;
        out->length = 0;
        size_t first = origin_in(p->origin, at, end);
        bytes_put(out, (Piece){p->text.text + at, first});
        size_t origin = out->length;
        bytes_put(out, (Piece){p->text.text + at + first, end - at - first});
        need(out->length <= p->way->left,
             "tokenizer.json: its pre_tokenizer blows a text up again and again; the file is damaged");
        p->way->left -= out->length;
        way_on(p->way, p->step, (Piece){out->text, out->length}, origin);
        at = end;
    }
}

static void way_on(Way *w, size_t step, Piece text, size_t origin) {
    if (text.length == 0) return;
    if (step == w->splits->count) {
        w->fn(w->self, text);
        return;
    }
    const Split *s = &w->splits->steps[step];
    Parts p = {.way = w, .step = step + 1, .behavior = s->behavior, .text = text, .origin = origin};
    switch (s->kind) {
    case SPLIT_PATTERN:
        by_pattern(&p, s->pattern, s->invert);
        break;
    case SPLIT_BYTES:
        by_bytes(&p, s, &w->buffers[2 * step], &w->buffers[2 * step + 1]);
        break;
    case SPLIT_METASPACE:
        by_metaspace(&p, s, &w->buffers[2 * step]);
        break;
    case SPLIT_WORDS:
        by_words(&p);
        break;
    case SPLIT_SPACES:
        p.behavior = REMOVED, by_class(&p, UNI_SPACE);
        break;
    case SPLIT_PUNCTUATION:
        by_class(&p, UNI_PUNCTUATION);
        break;
    case SPLIT_DIGITS:
        by_class(&p, UNI_NUMERIC);
        break;
    case SPLIT_LENGTH:
        by_length(&p, s->length);
        break;
    }
}

void splits_apply(const Splits *s, Growing *buffers, RegexRoom *rooms, Piece text, size_t origin, WordFn *fn,
                  void *self) {
    Way w = {.splits = s, .buffers = buffers, .rooms = rooms, .left = growth_limit(text.length), .fn = fn, .self = self};
    way_on(&w, 0, text, origin);
}
