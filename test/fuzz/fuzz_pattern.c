// fuzz_pattern.c: a regular expression and a text: every match lies behind the one before, on whole characters; and what remembers
// its failures from the first step on finds the same.
#include <string.h>

#include "fuzz.h"
#include "io/utf8.h"
#include "model/regex.h"

#define MATCHES_MAX 512

typedef struct {
    size_t begin[MATCHES_MAX], end[MATCHES_MAX], count;
} Found;

static void find(Arena *a, const Regex *r, const char *text, size_t n, bool remember, Found *f) {
    RegexRoom room = regex_room(a);
    RegexSearch s = regex_search(r, text, n, &room);
    if (remember) s.remember_from = 0;
    size_t last = 0, begin, end;
    for (f->count = 0; f->count < MATCHES_MAX && regex_next(&s, &begin, &end); f->count++) {
        if (begin < last || end < begin || end > n) die("a match outside the text");
        if (utf8_valid(text, begin) < begin || utf8_valid(text, end) < end) die("a match that ends inside a character");
        f->begin[f->count] = begin, f->end[f->count] = last = end;
    }
}

static void parse(Arena *a, Bytes input) {
    Bytes pattern = fuzz_part(input, 0);
    Bytes rest = {.bytes = input.bytes + pattern.size, .size = input.size - pattern.size};
    const char *text = (const char *)rest.bytes;
    size_t n = utf8_valid(text, rest.size);
    if (n > 300) n = utf8_valid(text, 300); // what takes too many steps takes them all, and a second
    const Regex *r = regex_read(a, (const char *)pattern.bytes, pattern.size, FUZZ_PATH);
    static Found plain, remembered;
    find(a, r, text, n, false, &plain);
    find(a, r, text, n, true, &remembered);
    if (plain.count != remembered.count) die("other matches when failures are remembered");
    for (size_t i = 0; i < plain.count; i++)
        if (plain.begin[i] != remembered.begin[i] || plain.end[i] != remembered.end[i]) die("another match when failures are remembered");
}

const Fuzz fuzz_target = {
    .name = "pattern",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/pattern.*", NULL},
    .words = (const char *const[]){"|", "(", ")", "(?:", "(?>", "(?=", "(?!", "(?<=", "(?<!", "(?i)", "(?i:", "(?m:", "(?x)", "*", "+", "?", "*?", "+?", "*+", "++", "{2,3}", "{,2}", "{2}", "{3,1}", "[", "]", "[^", "&&", "-", "[:alpha:]",
                                   "\\p{L}", "\\P{Lu}", "\\p{Han}", "\\s", "\\S", "\\w", "\\W", "\\d", "\\b", "\\B", "\\A", "\\z", "\\Z", "^", "$", ".", "\\R", "\\x{41}", "\\u00e9", "a", "b", "ss", "\xC3\x9F", "\xE4\xB8\xAD", "\n", " ", NULL},
    .memory = (size_t)256 << 20, // ten thousand instructions with their tables, and ten million steps that may all wait on the stack
};
