// regex_parse.c: a pattern as a tree.
//
// Source: Oniguruma's doc/RE, syntax ONIG_SYNTAX_ONIGURUMA, and what the library does with what is not written there.
// What it refuses as wrong is refused here; what it knows and this does not (back references, \K, \G, \X, conditions,
// calls, absences, callouts) is refused by its name. Held by: test/test_regex.c, test/peers/check_patterns.py.
// Bites: `{n,m}+` is no possessive repetition but a repetition of a repetition; (?m) is what others call (?s); an option
// alone, `a(?i)b|c`, holds to the end of its group across the alternatives: a(?i:b|c).
#include <stdio.h>
#include <string.h>

#include "regex_parser.h"

#define LENGTH_MAX 16384 // bytes; published patterns have up to 700
#define REPEATS_MAX 10   // of one thing, as in a+?*
#define TIMES_MAX 100000 // the library's own limit of a count

void regex_refuse(const Source *s, size_t at, const char *format, ...) {
    char why[512];
    va_list list;
    va_start(list, format);
    vsnprintf(why, sizeof why, format, list);
    va_end(list);
    die("%s: the pattern %.300s: at byte %zu: %s", s->where, s->pattern, at, why);
}

Node *node_new(const Source *s, NodeKind kind, size_t at) {
    Node *node = take_zero(s->arena, Node, 1);
    node->kind = kind;
    node->at = at;
    return node;
}

static Node *one_of(Parser *p, CharSet set, size_t at) {
    Node *node = node_new(p->source, NODE_CLASS, at);
    node->set = take(p->source->arena, CharSet, 1);
    *node->set = set;
    return node;
}

static Node *parse_either(Parser *p);

bool parse_word(Parser *p, const char *word) {
    size_t k = strlen(word);
    if (p->source->length - p->at < k || memcmp(p->source->pattern + p->at, word, k) != 0) return false;
    p->at += k;
    return true;
}

static bool number(Parser *p, size_t *n) {
    size_t begin = p->at;
    for (*n = 0; parse_peek(p) >= '0' && parse_peek(p) <= '9'; p->at++)
        if ((*n = *n * 10 + (size_t)(parse_peek(p) - '0')) > TIMES_MAX)
            regex_refuse(p->source, begin, "a count above %d", TIMES_MAX);
    return p->at > begin;
}

// ---- groups

// The letters of (?imx-imx; the place is behind them afterwards.
static void options(Parser *p) {
    bool on = true;
    for (;; p->at++) {
        char c = parse_peek(p);
        if (c == ')' || c == ':') return;
        if (c == '-')
            on = false;
        else if (c == 'i')
            p->fold = on;
        else if (c == 'm')
            p->dot_all = on;
        else if (c == 'x')
            p->extended = on;
        else if (c == 's')
            regex_refuse(p->source, p->at, "there is no option s in this syntax: (?m) makes the dot take line breaks");
        else
            regex_refuse(p->source, p->at, "an option of a group that is not read here; i, m and x are");
    }
}

static void refuse_group(Parser *p) {
    static const struct {
        const char *begin, *name;
    } known[] = {{"(?(", "a condition"},
                 {"(?~", "an absence"},
                 {"(?{", "a callout"},
                 {"(?@", "a capture history"},
                 {"(*", "a callout"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (parse_word(p, known[i].begin))
            regex_refuse(p->source, p->at, "%s is not read here; write the pattern without it", known[i].name);
}

// The name of (?<name>…) or (?'name'…), which says nothing here.
static void group_name(Parser *p, char close) {
    while (p->at < p->source->length && parse_peek(p) != close && parse_peek(p) != ')') p->at++;
    if (parse_peek(p) != close) regex_refuse(p->source, p->at, "a group's name that does not end");
    p->at++;
}

// Behind "(": what is in it and up to its ")". NULL: options alone, which hold from here on.
static Node *group(Parser *p, size_t at) {
    const Parser before = *p;
    Node *node = NULL, *inside;
    if (parse_word(p, "?=") || parse_word(p, "?!") || parse_word(p, "?<=") || parse_word(p, "?<!")) {
        node = node_new(p->source, NODE_LOOK, at);
        node->negative = p->source->pattern[p->at - 1] == '!';
        node->behind = p->source->pattern[p->at - 2] == '<';
    } else if (parse_word(p, "?>")) {
        node = node_new(p->source, NODE_ATOMIC, at);
    } else if (parse_word(p, "?<") || parse_word(p, "?'")) {
        group_name(p, p->source->pattern[p->at - 1] == '<' ? '>' : '\'');
        p->groups++;
    } else if (parse_word(p, "?")) {
        options(p);
        if (parse_word(p, ")")) return NULL;
        p->at++; // the colon
    } else {
        p->groups++;
    }
    if (++p->depth > DEPTH_MAX)
        regex_refuse(p->source, at, "groups and classes in one another, more than %d deep", DEPTH_MAX);
    inside = parse_either(p);
    if (!parse_word(p, ")")) regex_refuse(p->source, at, "a group that is not closed");
    p->depth--;
    p->fold = before.fold, p->dot_all = before.dot_all, p->extended = before.extended;
    if (!node) return inside;
    node->first = inside;
    return node;
}

// ---- single things

static Node *place(Parser *p, Place where, size_t at) {
    Node *node = node_new(p->source, NODE_PLACE, at);
    node->place = where;
    return node;
}

static Node *dot(Parser *p, bool all, size_t at) {
    CharSet set = {.arena = p->source->arena};
    if (!all) charset_add(&set, '\n', '\n');
    charset_invert(&set);
    return one_of(p, set, at);
}

// \R: \r\n, which is not given up again for \r, or another line break.
static Node *line_break(Parser *p, size_t at) {
    static const uint32_t ends[][2] = {{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}};
    CharSet set = {.arena = p->source->arena};
    for (int i = 0; i < 3; i++) charset_add(&set, ends[i][0], ends[i][1]);
    Node *atomic = node_new(p->source, NODE_ATOMIC, at), *either = node_new(p->source, NODE_EITHER, at),
         *both = node_new(p->source, NODE_LIST, at);
    both->first = node_new(p->source, NODE_CHAR, at), both->first->c = '\r';
    both->first->next = node_new(p->source, NODE_CHAR, at), both->first->next->c = '\n';
    both->next = one_of(p, set, at);
    either->first = both;
    atomic->first = either;
    return atomic;
}

// A number of one digit, or of a group before it; larger ones are octal numbers of characters.
static bool back_reference(const Parser *p) {
    Parser look = *p;
    size_t n;
    return parse_peek(p) >= '1' && parse_peek(p) <= '9' && number(&look, &n) && (n <= 9 || n <= (size_t)p->groups);
}

// Behind a backslash: what is no character, or NULL.
static Node *escape(Parser *p, size_t at) {
    static const struct {
        char letter;
        Place place;
    } places[] = {{'A', TEXT_BEGIN}, {'z', TEXT_END}, {'Z', TEXT_END_OR_LINE}, {'b', WORD_EDGE}, {'B', NO_WORD_EDGE}};
    CharSet set = {.arena = p->source->arena};
    if (parse_named(p, &set, false)) return one_of(p, set, at);
    char c = parse_peek(p);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (c == places[i].letter && c) return p->at++, place(p, places[i].place, at);
    if (parse_word(p, "N")) return dot(p, false, at);
    if (parse_word(p, "O")) return dot(p, true, at);
    if (parse_word(p, "R")) return line_break(p, at);
    if (back_reference(p) || parse_word(p, "k<") || parse_word(p, "k'"))
        regex_refuse(p->source, at, "back references are not read here; write out what is repeated");
    if (parse_word(p, "g<") || parse_word(p, "g'"))
        regex_refuse(p->source, at, "calls of groups are not read here; write the group out");
    if (c && strchr("GKXyY", c)) regex_refuse(p->source, at, "\\%c is not read here; write the pattern without it", c);
    return NULL;
}

static Node *character(Parser *p, uint32_t c, size_t at) {
    Node *node = node_new(p->source, NODE_CHAR, at);
    node->c = c;
    node->fold = p->fold;
    return node;
}

// A class whose case is of no matter: characters that fold to several stand beside it as these.
static Node *folded_class(Parser *p, CharSet set, bool inverted, size_t at) {
    charset_fold(&set);
    CharSet plain = set;
    if (inverted) charset_invert(&set);
    Node *node = one_of(p, set, at);
    if (inverted) return node;
    Node *either = node_new(p->source, NODE_EITHER, at), **tail = &node->next;
    either->first = node;
    const uint32_t *c;
    for (int i = 0; (c = charset_several(&plain, &i));) {
        Node *list = *tail = node_new(p->source, NODE_LIST, at), **part = &list->first;
        for (; *c; c++, part = &(*part)->next) {
            CharSet same = {.arena = p->source->arena};
            charset_same(&same, *c);
            *part = one_of(p, same, at);
        }
        tail = &list->next;
    }
    return node->next ? either : node;
}

static Node *item(Parser *p) {
    const size_t at = p->at;
    Node *special;
    if (parse_word(p, "[")) {
        bool inverted;
        CharSet set = parse_class(p, &inverted);
        if (p->fold) return folded_class(p, set, inverted, at);
        if (inverted) charset_invert(&set);
        return one_of(p, set, at);
    }
    if (parse_word(p, ".")) return dot(p, p->dot_all, at);
    if (parse_word(p, "^")) return place(p, LINE_BEGIN, at);
    if (parse_word(p, "$")) return place(p, LINE_END, at);
    if (parse_word(p, "\\")) {
        if ((special = escape(p, at))) return special;
        return character(p, parse_escaped(p), at);
    }
    if (strchr("*+?", parse_peek(p)) && parse_peek(p)) regex_refuse(p->source, at, "nothing stands before the repetition");
    return character(p, utf8_next(p->source->pattern, &p->at), at);
}

// ---- repetition

// {n}, {n,}, {,m}, {n,m}; {m,n} with m > n is possessive. Anything else is a brace that stands for itself.
static bool braces(Parser *p, Node *repeat, bool *exactly) {
    const size_t before = p->at;
    p->at++;
    bool low = number(p, &repeat->least), comma = parse_word(p, ","), high = comma && number(p, &repeat->most);
    *exactly = !comma;
    if (!(low || high) || !parse_word(p, "}")) {
        p->at = before;
        return false;
    }
    if (!comma)
        repeat->most = repeat->least;
    else if (!high)
        repeat->most = WITHOUT_END;
    if (repeat->least > repeat->most) {
        size_t swap = repeat->least;
        repeat->least = repeat->most, repeat->most = swap;
        repeat->mode = POSSESSIVE;
    }
    return true;
}

// The repetition of a node at the place, or NULL.
static Node *repetition(Parser *p, Node *child) {
    char c = parse_peek(p);
    if (c == 0 || !strchr("*+?{", c)) return NULL;
    Node *repeat = node_new(p->source, NODE_REPEAT, p->at);
    bool exactly = false;
    if (c == '{') {
        if (!braces(p, repeat, &exactly)) return NULL;
    } else {
        p->at++;
        repeat->least = c == '+';
        repeat->most = c == '?' ? 1 : WITHOUT_END;
    }
    if (!exactly && repeat->mode == GREEDY && parse_word(p, "?")) repeat->mode = LAZY;
    if (c != '{' && repeat->mode == GREEDY && parse_word(p, "+")) repeat->mode = POSSESSIVE;
    if (child->kind == NODE_PLACE || child->kind == NODE_LOOK)
        regex_refuse(p->source, repeat->at, "a place is repeated, which takes no characters");
    repeat->first = child;
    return repeat;
}

// ---- sequences and alternatives

// Comments, and in (?x) white space.
static void skip(Parser *p) {
    const Source *s = p->source;
    for (;;) {
        size_t begin = p->at;
        if (parse_word(p, "(?#")) {
            while (p->at < s->length && s->pattern[p->at] != ')')
                p->at += s->pattern[p->at] == '\\' && p->at + 1 < s->length ? 2 : 1;
            if (!parse_word(p, ")")) regex_refuse(s, begin, "a comment that does not end");
        } else if (p->extended && parse_peek(p) == '#') {
            while (p->at < s->length && s->pattern[p->at] != '\n') p->at++;
        } else if (p->extended && parse_peek(p) && strchr(" \t\n\r\f", parse_peek(p))) {
            p->at++;
        } else {
            return;
        }
    }
}

static Node *sequence(Parser *p) {
    Node *list = node_new(p->source, NODE_LIST, p->at), **tail = &list->first;
    for (skip(p); p->at < p->source->length && parse_peek(p) != '|' && parse_peek(p) != ')'; skip(p)) {
        const size_t at = p->at;
        refuse_group(p);
        Node *node = parse_word(p, "(") ? group(p, at) : item(p), *repeated;
        if (!node) { // options alone: the rest of the group, with its alternatives
            if (++p->depth > DEPTH_MAX) regex_refuse(p->source, at, "options, more than %d one after the other", DEPTH_MAX);
            *tail = parse_either(p);
            p->depth--;
            return list;
        }
        skip(p);
        for (int deep = 0; (repeated = repetition(p, node)); deep++, skip(p)) {
            if (deep == REPEATS_MAX) regex_refuse(p->source, p->at, "repetitions of repetitions, more than %d", REPEATS_MAX);
            node = repeated;
        }
        *tail = node;
        tail = &node->next;
    }
    return list;
}

static Node *parse_either(Parser *p) {
    Node *either = node_new(p->source, NODE_EITHER, p->at), **tail = &either->first;
    do {
        *tail = sequence(p);
        tail = &(*tail)->next;
    } while (parse_word(p, "|"));
    return either->first->next ? either : either->first;
}

Node *regex_parse(const Source *s) {
    if (s->length > LENGTH_MAX) die("%s: a pattern of %zu bytes; up to %d are read", s->where, s->length, LENGTH_MAX);
    size_t good = utf8_valid(s->pattern, s->length);
    if (good < s->length) regex_refuse(s, good, "no UTF-8");
    Parser p = {.source = s};
    Node *node = parse_either(&p);
    if (p.at < s->length) regex_refuse(s, p.at, "a ) that closes nothing");
    return node;
}
