// tokenizer_pattern.c: what a tokenizer file looks for in a text.
//
// A pattern is a fixed text; or one of the published expressions, recognised by comparing its text, which has a hand-written
// scanner (tokenizer_scan.c); or any other expression (regex.h). Held by: test/test_tokenizer.c, test/test_regex.c,
// test/peers/check_tokenizers.py.
#include <string.h>

#include "tokenizer_parts.h"

struct Pattern {
    Piece literal;
    ScanFn *scan;
    Regex *regex;
};

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
    need(given->kind == JSON_TEXT && (given->length > 0 || given == regex),
         "%s: a pattern that is not a text or is empty", where);
    Pattern *p = take_zero(a, Pattern, 1);
    if (literal)
        p->literal = piece_copy(a, (Piece){literal->text, literal->length});
    else if (strlen(regex->text) < regex->length || !(p->scan = scan_published(regex->text)))
        p->regex = regex_read(a, regex->text, regex->length, where);
    return p;
}

PatternSearch pattern_search(const Pattern *p, Piece text, RegexRoom *room) {
    PatternSearch s = {.pattern = p, .text = text};
    if (p->regex) s.regex = regex_search(p->regex, text.text, text.length, room);
    return s;
}

static bool literal_next(PatternSearch *s, size_t *begin, size_t *end) {
    const char *text = s->text.text;
    const size_t n = s->text.length, k = s->pattern->literal.length;
    for (; n - s->at >= k; s->at++) {
        const char *hit = memchr(text + s->at, s->pattern->literal.text[0], n - s->at - k + 1);
        if (!hit) return false;
        s->at = (size_t)(hit - text);
        if (memcmp(hit, s->pattern->literal.text, k) == 0) {
            *begin = s->at, *end = s->at += k;
            return true;
        }
    }
    return false;
}

bool pattern_next(PatternSearch *s, size_t *begin, size_t *end) {
    if (s->pattern->regex) return regex_next(&s->regex, begin, end);
    if (!s->pattern->scan) return literal_next(s, begin, end);
    while (s->at < s->text.length) {
        *begin = s->at;
        *end = s->at = s->pattern->scan(s->text.text, s->text.length, *begin);
        if (*end > *begin) return true;
        utf8_next(s->text.text, &s->at);
    }
    return false;
}
