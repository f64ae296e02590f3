// regex_escape.c: what stands behind a backslash, and classes in brackets.
//
// Source: as regex_parse.c. Bites: `-` is itself at the edges of a class and behind a range; `]` is itself as the first;
// `&&` binds less than standing side by side, and `^` less than both.
#include <string.h>
#include <strings.h>

#include "regex_parser.h"

// ---- behind a backslash

// A name that is something else inside a class, the numbers beyond ASCII and below U+0100 left out, stands in the table
// with a colon.
static bool is_word(const char *name, size_t length) { return length == 4 && strncasecmp(name, "word", 4) == 0; }

static void property(Parser *p, CharSet *set, bool inverted, bool in_class, size_t at) {
    const Source *s = p->source;
    if (parse_word(p, "^")) inverted = !inverted;
    size_t begin = p->at, length;
    const char *close = memchr(s->pattern + begin, '}', s->length - begin);
    if (!close) regex_refuse(s, at, "a property that is not closed with }");
    length = (size_t)(close - s->pattern) - begin;
    if (in_class && is_word(s->pattern + begin, length))
        charset_property(set, ":word", 5, inverted);
    else if (!charset_property(set, s->pattern + begin, length, inverted))
        regex_refuse(s, at, "the property \"%.*s\" is not known; general categories, scripts and the POSIX classes are",
                     length < 40 ? (int)length : 40, s->pattern + begin);
    p->at = begin + length + 1;
}

void parse_count(Parser *p, const CharSet *set, size_t at) {
    p->ranges += set->count;
    if (p->ranges > RANGES_MAX)
        regex_refuse(p->source, at, "classes of more than %d ranges together; use fewer or smaller ones", RANGES_MAX);
}

bool parse_named(Parser *p, CharSet *set, bool in_class) {
    static const struct {
        char letter;
        const char *name;
    } types[] = {{'w', "word"}, {'d', "digit"}, {'s', "space"}, {'h', "xdigit"}};
    const size_t at = p->at;
    if (parse_word(p, "p{") || parse_word(p, "P{")) {
        property(p, set, p->source->pattern[at] == 'P', in_class, at);
        parse_count(p, set, at);
        return true;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char c = parse_peek(p);
        if (c != types[i].letter && c != types[i].letter - 32) continue;
        p->at++;
        const char *name = in_class && i == 0 ? ":word" : types[i].name;
        charset_property(set, name, strlen(name), c != types[i].letter);
        parse_count(p, set, at);
        return true;
    }
    if (parse_word(p, "p") || parse_word(p, "P"))
        regex_refuse(p->source, at,
                     "\\p without braces means different things in different versions of the library; write \\p{L}");
    return false;
}

static int digit_of(char c, unsigned base) {
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    return v < (int)base ? v : -1;
}

// Up to `most` digits; how many there were.
static size_t digits(Parser *p, unsigned base, size_t most, uint32_t *value) {
    size_t n = 0;
    for (*value = 0; n < most && p->at < p->source->length && digit_of(parse_peek(p), base) >= 0; n++, p->at++)
        *value = *value * base + (uint32_t)digit_of(parse_peek(p), base);
    return n;
}

static uint32_t checked(Parser *p, uint32_t c, size_t at) {
    if (c > CHARACTER_MAX || (c >= 0xD800 && c <= 0xDFFF)) regex_refuse(p->source, at, "U+%X is no character", (unsigned)c);
    return c;
}

// A byte as \xHH or \NNN: beyond ASCII the bytes that follow have to make one character with it.
static uint32_t byte_value(Parser *p, uint32_t first, size_t at) {
    unsigned char bytes[4] = {(unsigned char)first};
    size_t n = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4, zero = 0;
    for (size_t i = 1; i < n; i++) {
        uint32_t more;
        if (!parse_word(p, "\\x") || !digits(p, 16, 2, &more))
            regex_refuse(p->source, at, "bytes that are no UTF-8; write the character as \\x{…}");
        bytes[i] = (unsigned char)more;
    }
    if (first > 0xFF || utf8_length(bytes, n) != (int)n)
        regex_refuse(p->source, at, "bytes that are no UTF-8; write the character as \\x{…}");
    return utf8_next((const char *)bytes, &zero);
}

static uint32_t in_braces(Parser *p, unsigned base, size_t at) {
    uint32_t c;
    p->at += 2; // the letter and the brace
    size_t n = digits(p, base, base == 16 ? 8 : 11, &c);
    if (!parse_word(p, "}"))
        regex_refuse(p->source, at, "a number of one character in braces is read here; write several one by one");
    if (n == 0 || c > CHARACTER_MAX)
        regex_refuse(p->source, at, "the number of a character, up to 10FFFF, is wanted in the braces");
    return checked(p, c, at);
}

uint32_t parse_escaped(Parser *p) {
    static const char letters[] = "tnrfvae", meant[] = "\t\n\r\f\v\a\x1B";
    const Source *s = p->source;
    const size_t at = p->at;
    uint32_t c;
    if (at == s->length) regex_refuse(s, at, "a backslash at the end");
    const char *letter = memchr(letters, s->pattern[at], sizeof letters - 1);
    if (letter) return p->at++, (uint32_t)meant[letter - letters];
    if (s->length - at > 2 && s->pattern[at + 1] == '{' && digit_of(s->pattern[at + 2], 16) >= 0) {
        if (parse_peek(p) == 'x') return in_braces(p, 16, at);
        if (parse_peek(p) == 'o') return in_braces(p, 8, at);
    }
    if (parse_word(p, "x{") || parse_word(p, "o{"))
        return p->at--, (uint32_t)(unsigned char)s->pattern[at]; // no number: the letter
    if (parse_word(p, "x")) {
        digits(p, 16, 2, &c);
        return byte_value(p, c, at);
    }
    if (parse_word(p, "u")) {
        if (digits(p, 16, 4, &c) != 4) regex_refuse(s, at, "\\u wants four hexadecimal digits");
        return checked(p, c, at);
    }
    if (digits(p, 8, 3, &c)) return byte_value(p, c, at);
    if (parse_word(p, "c") || parse_word(p, "C-") || parse_word(p, "M-"))
        regex_refuse(s, at, "control characters are read as \\x{…} here");
    return utf8_next(s->pattern, &p->at);
}

// ---- classes

// [:name:] and [:^name:] at the place; false: it only begins like one.
static bool posix(Parser *p, CharSet *set) {
    const Source *s = p->source;
    const size_t at = p->at;
    if (!parse_word(p, "[:")) return false;
    bool inverted = parse_word(p, "^");
    size_t begin = p->at, n = 0;
    while (begin + n < s->length && s->pattern[begin + n] >= 'a' && s->pattern[begin + n] <= 'z') n++;
    p->at = begin + n;
    if (n == 0 || !parse_word(p, ":]")) {
        p->at = at;
        return false;
    }
    static const char known[] = " alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit ";
    if (n > 6 || !strstr(known, arena_print(s->arena, " %.*s ", (int)n, s->pattern + begin)))
        regex_refuse(s, at, "there is no POSIX class of this name");
    // what is something else in brackets than as \p{…} stands in the table with a colon
    const char *in_brackets = arena_print(s->arena, ":%.*s", (int)n, s->pattern + begin);
    return charset_property(set, in_brackets, n + 1, inverted) || charset_property(set, in_brackets + 1, n, inverted);
}

// What a class is read into: characters side by side, and what was met with && before them.
typedef struct {
    CharSet now, before;
    bool met;
    bool pending;  // a character that may begin a range
    uint32_t from; // it
    enum { START, AFTER_CHARACTER, AFTER_NAME, AFTER_RANGE } state;
} ClassState;

static void settle(ClassState *c) {
    if (c->pending) charset_add(&c->now, c->from, c->from);
    c->pending = false;
    charset_tidy(&c->now);
}

static void meet(ClassState *c) {
    settle(c);
    if (c->met)
        charset_meet(&c->before, &c->now);
    else
        c->before = c->now;
    c->met = true;
    c->now = (CharSet){.arena = c->now.arena};
    c->state = START;
}

static void one(ClassState *c, uint32_t character) {
    settle(c);
    c->pending = true;
    c->from = character;
    c->state = AFTER_CHARACTER;
}

static bool ends_here(const Parser *p) {
    return parse_peek(p) == ']' || (p->source->length - p->at > 1 && memcmp(p->source->pattern + p->at, "&&", 2) == 0);
}

// A "-" was read: the other end of a range, or itself.
static void range(Parser *p, ClassState *c) {
    const Source *s = p->source;
    const size_t at = p->at - 1;
    CharSet named = {.arena = s->arena};
    if (c->state == START || c->state == AFTER_RANGE || ends_here(p)) {
        one(c, '-');
        return;
    }
    if (c->state == AFTER_NAME) regex_refuse(s, at, "a range that begins with a class; write the - first or last");
    if (p->at == s->length) regex_refuse(s, at, "a class that is not closed");
    uint32_t to;
    if (parse_peek(p) == '[') regex_refuse(s, at, "a range that ends in a class");
    if (parse_word(p, "\\")) {
        if (parse_named(p, &named, true)) regex_refuse(s, at, "a range that ends in a class");
        to = parse_word(p, "b") ? '\b' : parse_escaped(p);
    } else {
        to = utf8_next(s->pattern, &p->at);
    }
    if (to < c->from) regex_refuse(s, at, "a range whose end comes before its beginning");
    charset_add(&c->now, c->from, to);
    c->pending = false;
    c->state = AFTER_RANGE;
}

static void class_item(Parser *p, ClassState *c) {
    const Source *s = p->source;
    if (posix(p, &c->now)) {
        settle(c);
        c->state = AFTER_NAME;
    } else if (parse_word(p, "[")) {
        bool inverted;
        CharSet inner = parse_class(p, &inverted);
        if (inverted) charset_invert(&inner);
        parse_count(p, &inner, p->at);
        settle(c);
        charset_join(&c->now, &inner);
        c->state = AFTER_RANGE;
    } else if (parse_word(p, "&&")) {
        meet(c);
    } else if (parse_word(p, "-")) {
        range(p, c);
    } else if (parse_word(p, "\\")) {
        CharSet named = {.arena = s->arena};
        if (!parse_named(p, &named, true)) {
            one(c, parse_word(p, "b") ? '\b' : parse_escaped(p));
            return;
        }
        settle(c);
        charset_join(&c->now, &named);
        c->state = AFTER_NAME;
    } else {
        one(c, utf8_next(s->pattern, &p->at));
    }
}

CharSet parse_class(Parser *p, bool *inverted) {
    const Source *s = p->source;
    const size_t at = p->at - 1;
    ClassState c = {.now = {.arena = s->arena}, .before = {.arena = s->arena}};
    if (++p->depth > DEPTH_MAX) regex_refuse(s, at, "groups and classes in one another, more than %d deep", DEPTH_MAX);
    *inverted = parse_word(p, "^");
    if (parse_peek(p) == ']') {
        p->at++;
        one(&c, ']');
    }
    while (parse_peek(p) != ']') {
        if (p->at == s->length) regex_refuse(s, at, "a class that is not closed");
        class_item(p, &c);
    }
    p->at++;
    p->depth--;
    settle(&c);
    if (c.met) charset_meet(&c.now, &c.before);
    return c.now;
}
