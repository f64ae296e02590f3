// tokenizer_pattern.c: what a tokenizer file looks for in a text.
//
// There is no regex engine here. A pattern is one of three things: a fixed text; one of the
// published expressions, recognised by comparing its text (tokenizer_scan.c); or alternatives that
// are each a run of one class of characters (`\s+`, ` {2,}`, `[!-/:-@]`). Anything else is an error
// that prints it. Held by: test/test_tokenizer.c, test/peers/check_tokenizers.py.
#include <stdlib.h>
#include <string.h>

#include "tokenizer_parts.h"

// One class with a repetition.
typedef struct {
    bool ascii[128];
    uint32_t other[8]; // characters beyond ASCII
    int others;
    uint32_t flags; // UNI_* that it takes as well
    size_t least, most;
    bool at_start, at_end; // \A before, \z after it
} Run;

#define RUNS_MAX 8

struct Pattern {
    Piece literal;
    ScanFn *scan;
    Run *runs;
    size_t run_count;
};

// ---- runs of one class

// One character of a pattern, escapes resolved; false where it is an operator that a run cannot
// have.
static bool plain_character(const char **p, bool in_class, uint32_t *c) {
    size_t at = 0;
    if (**p == 0) return false;
    if (**p != '\\') {
        if (strchr(in_class ? "[]^" : ".^$*+?()[]{}|", **p)) return false;
        if (in_class && **p == '&' && (*p)[1] == '&') return false; // an intersection
        *c = utf8_next(*p, &at);
        *p += at;
        return true;
    }
    char e = (*p)[1];
    *p += 2;
    switch (e) {
    case 'n':
        *c = '\n';
        return true;
    case 'r':
        *c = '\r';
        return true;
    case 't':
        *c = '\t';
        return true;
    case 'f':
        *c = '\f';
        return true;
    case 'v':
        *c = '\v';
        return true;
    default:
        *c = (unsigned char)e;
        return e && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ", e) != NULL;
    }
}

// \s and \p{L}, \p{M}, \p{N} as one flag.
static uint32_t class_escape(const char **p) {
    static const struct {
        const char *text;
        uint32_t flag;
    } known[] = {{"\\s", UNI_SPACE}, {"\\p{L}", UNI_L}, {"\\p{M}", UNI_M}, {"\\p{N}", UNI_N}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t k = strlen(known[i].text);
        if (strncmp(*p, known[i].text, k) == 0) {
            *p += k;
            return known[i].flag;
        }
    }
    return 0;
}

static bool run_add(Run *r, uint32_t from, uint32_t to) {
    if (from > to || (to >= 128 && from != to)) return false;
    if (to >= 128) {
        if (r->others == (int)(sizeof r->other / sizeof *r->other)) return false;
        r->other[r->others++] = to;
        return true;
    }
    for (uint32_t c = from; c <= to; c++) r->ascii[c] = true;
    return true;
}

static bool run_class(Run *r, const char **p) {
    uint32_t from, to, flag;
    if (**p != '[') {
        if ((flag = class_escape(p)))
            r->flags |= flag;
        else if (!plain_character(p, false, &from) || !run_add(r, from, from))
            return false;
        return true;
    }
    for ((*p)++; **p != ']';) {
        if ((flag = class_escape(p))) {
            r->flags |= flag;
            continue;
        }
        if (**p == '^' && (*p)[-1] != '[') { // it means "not" only as the first
            (*p)++;
            if (!run_add(r, '^', '^')) return false;
            continue;
        }
        if (!plain_character(p, true, &from)) return false;
        to = from;
        if (**p == '-' && (*p)[1] != ']') {
            (*p)++;
            if (!plain_character(p, true, &to)) return false;
        }
        if (!run_add(r, from, to)) return false;
    }
    (*p)++;
    return true;
}

static bool run_times(Run *r, const char **p) {
    r->least = r->most = 1;
    if (**p == '+') {
        r->most = SIZE_MAX;
        (*p)++;
    } else if (**p == '{') {
        char *end;
        if ((*p)[1] < '1' || (*p)[1] > '9') return false;
        r->least = strtoul(*p + 1, &end, 10);
        r->most = r->least;
        if (*end == ',') {
            r->most = SIZE_MAX;
            end++;
            if (*end >= '0' && *end <= '9') r->most = strtoul(end, &end, 10);
        }
        if (*end != '}' || r->most < r->least) return false;
        *p = end + 1;
    }
    return strchr("|\\", **p) != NULL; // the end, another alternative, or \z
}

static bool runs_read(Pattern *pattern, Arena *a, const char *p) {
    pattern->runs = take_zero(a, Run, RUNS_MAX);
    while (pattern->run_count < RUNS_MAX) {
        Run *r = &pattern->runs[pattern->run_count++];
        if (strncmp(p, "\\A", 2) == 0) r->at_start = true, p += 2;
        if (!run_class(r, &p) || !run_times(r, &p)) return false;
        if (strncmp(p, "\\z", 2) == 0) r->at_end = true, p += 2;
        if (*p == 0) return true;
        if (*p++ != '|') return false;
    }
    return false;
}

static bool run_has(const Run *r, uint32_t c) {
    if ((c < 128 && r->ascii[c]) || (r->flags && (unicode_flags(c) & r->flags))) return true;
    for (int i = 0; i < r->others; i++)
        if (c == r->other[i]) return true;
    return false;
}

// *dead: up to there no match can begin, because one that began earlier was already too short, or
// did not reach the end.
static size_t scan_run(const Run *r, const char *text, size_t n, size_t at, size_t *dead) {
    if (at < *dead || (r->at_start && at > 0)) return at;
    size_t end = at, count = 0;
    while (end < n && count < r->most) {
        size_t next = end;
        if (!run_has(r, utf8_next(text, &next))) break;
        end = next;
        count++;
    }
    if (count >= r->least && (!r->at_end || end == n)) return end;
    if (count < r->most) *dead = end;
    return at;
}

// ---- all of them

Pattern *pattern_literal(Arena *a, Piece text) {
    Pattern *p = take_zero(a, Pattern, 1);
    p->literal = text;
    return p;
}

Pattern *pattern_gpt2(Arena *a) {
    Pattern *p = take_zero(a, Pattern, 1);
    p->scan = scan_published(pattern_words);
    return p;
}

Pattern *pattern_read(Arena *a, const Json *json, const char *where) {
    const Json *literal = json_get(json, "String"), *regex = json_get(json, "Regex");
    if (json && json->kind == JSON_TEXT) literal = json;
    need(literal || regex, "%s: a pattern that is neither {\"String\": …} nor {\"Regex\": …}",
         where);
    const Json *given = literal ? literal : regex;
    need(given->kind == JSON_TEXT && given->length > 0,
         "%s: a pattern that is not a text or is empty", where);
    Pattern *p = take_zero(a, Pattern, 1);
    if (literal) {
        p->literal = piece_copy(a, (Piece){literal->text, literal->length});
        return p;
    }
    p->scan = scan_published(regex->text);
    if (!p->scan && !runs_read(p, a, regex->text))
        die("%s: the pattern %s is none of the published ones that this program knows; add a "
            "scanner to "
            "model/tokenizer_scan.c",
            where, regex->text);
    return p;
}

bool pattern_find(const Pattern *p, const char *text, size_t n, size_t at, size_t *begin,
                  size_t *end) {
    if (p->literal.length) {
        const size_t k = p->literal.length;
        for (; n - at >= k; at++) {
            const char *hit = memchr(text + at, p->literal.text[0], n - at - k + 1);
            if (!hit) return false;
            at = (size_t)(hit - text);
            if (memcmp(hit, p->literal.text, k) == 0) {
                *begin = at, *end = at + k;
                return true;
            }
        }
        return false;
    }
    size_t dead[RUNS_MAX] = {0};
    while (at < n) {
        size_t stop = at;
        if (p->scan) stop = p->scan(text, n, at);
        for (size_t i = 0; i < p->run_count && stop == at; i++)
            stop = scan_run(&p->runs[i], text, n, at, &dead[i]);
        if (stop > at) {
            *begin = at, *end = stop;
            return true;
        }
        utf8_next(text, &at);
    }
    return false;
}
