// test_regex.c: regular expressions against what the `tokenizers` library gave for them (test/reference/patterns.py); the
// hand-written scanners against the engine; hostile patterns and texts.
//
// Caught when broken on purpose: alternatives taken in another order, a lazy repetition that is greedy, {n,m}+ taken for
// possessive, an empty match right behind the one before, (?m) that changes ^ and $, a line that begins at the end, && that binds
// closer than standing side by side, \w in brackets taken for the one outside, ß that is not ss, a look behind that may end
// elsewhere, an atomic group that is entered again, a failure that is remembered at the wrong place.
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "io/json.h"
#include "io/progress.h"
#include "io/random.h"
#include "model/regex_parts.h"
#include "model/tokenizer_parts.h"

// ---- against the library

// The text with a mark for every match. `remember`: its failures, from the first step on.
static Piece marked(Arena *a, const Regex *r, const char *text, size_t n, bool remember) {
    Growing out = {.arena = a};
    RegexRoom room = regex_room(a);
    RegexSearch s = regex_search(r, text, n, &room);
    if (remember) s.remember_from = 0;
    size_t at = 0, begin, end;
    while (regex_next(&s, &begin, &end)) {
        growing_put(&out, text + at, begin - at);
        growing_put(&out, "\x02", 1);
        at = end;
    }
    growing_put(&out, text + at, n - at);
    growing_put(&out, "", 1);
    return (Piece){out.text, out.length - 1};
}

// [pattern, texts, texts with marks]; no texts: the library refuses it; no marks: only this program does.
static int one_pattern(Arena *a, const Json *one, int *compared) {
    const Json *pattern = &one->items[0], *texts = &one->items[1];
    const bool refused = texts->kind == JSON_NULL || one->items[2].kind == JSON_NULL;
    Trap trap;
    if (!trap_set(&trap)) {
        if (!refused) printf("     %s\n", trap.message);
        return !refused;
    }
    const Regex *r = regex_read(a, pattern->text, pattern->length, "golden");
    int wrong = refused;
    for (size_t i = 0; !refused && i < 2 * texts->count; i++) {
        const Json *text = &texts->items[i / 2], *want = &one->items[2].items[i / 2];
        Piece got = marked(a, r, text->text, text->length, i % 2);
        ++*compared;
        if (got.length == want->length && memcmp(got.text, want->text, got.length) == 0) continue;
        if (wrong++ < 3) printf("     %s on \"%s\": \"%s\", not \"%s\"\n", pattern->text, text->text, got.text, want->text);
    }
    if (refused) printf("     %s is read\n", pattern->text);
    trap_end(&trap);
    return wrong;
}

static void golden(Arena *a, const Json *cases) {
    int wrong = 0, compared = 0;
    for (size_t i = 0; i < cases->count; i++) {
        Mark mark = arena_mark(a);
        wrong += one_pattern(a, &cases->items[i], &compared);
        arena_release(a, mark);
    }
    check(cases->count > 600 && compared > 5000 && wrong == 0, "%zu patterns on %d texts, remembering and not: %d wrong", cases->count, compared, wrong);
}

// FNV-1a of the ends of a class's ranges; texts have no surrogates.
static uint64_t class_hash(const RegexClass *k) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < k->set.count; i++) {
        Range halves[2] = {k->set.ranges[i], {1, 0}};
        if (halves[0].from < 0xD800 && halves[0].to > 0xDFFF) halves[1] = (Range){0xE000, halves[0].to};
        if (halves[0].from < 0xD800 && halves[0].to >= 0xD800) halves[0].to = 0xD7FF;
        if (halves[0].from >= 0xD800 && halves[0].from <= 0xDFFF) halves[0].from = 0xE000;
        for (int k2 = 0; k2 < 2; k2++) {
            if (halves[k2].from > halves[k2].to) continue;
            uint32_t ends[2] = {halves[k2].from, halves[k2].to};
            for (int e = 0; e < 6; e++) h = (h ^ (ends[e / 3] >> 8 * (e % 3) & 255)) * 1099511628211u;
        }
    }
    return h;
}

static void properties(Arena *a) {
    const Json *list = json_read(a, "test/golden/properties.json");
    int wrong = 0;
    for (size_t i = 0; i < list->count; i++) {
        const Json *one = list->items[i].items;
        const Regex *r = regex_read(a, one[0].text, one[0].length, "golden");
        const char *got = arena_print(a, "%016llx", (unsigned long long)class_hash(&r->classes[0]));
        if (strcmp(got, one[1].text) != 0 && wrong++ < 9) printf("     %s has other characters\n", one[0].text);
    }
    check(list->count > 50 && wrong == 0, "%zu names, every character of Unicode: %d wrong", list->count, wrong);
}

// ---- through the tokenizer's steps

typedef struct {
    const Json *want;
    size_t at;
    bool same;
} Pieces;

static void piece_out(void *self, Piece word) {
    Pieces *p = self;
    const Json *want = p->at < p->want->count ? &p->want->items[p->at] : NULL;
    p->same &= want && want->length == word.length && memcmp(want->text, word.text, word.length) == 0;
    p->at++;
}

static void steps(Arena *a, const Json *splits, const Json *normalizers) {
    int wrong = 0;
    for (size_t i = 0; i < splits->count; i++) {
        const Json *one = splits->items[i].items;
        Splits s = splits_read(a, &one[0], "golden");
        Growing *buffers = take_zero(a, Growing, 2 * s.count);
        RegexRoom *rooms = take(a, RegexRoom, s.count);
        for (size_t k = 0; k < s.count; k++) rooms[k] = regex_room(a);
        for (size_t k = 0; k < 2 * s.count; k++) buffers[k].arena = a;
        Pieces p = {&one[2], 0, true};
        splits_apply(&s, buffers, rooms, (Piece){one[1].text, one[1].length}, 0, piece_out, &p);
        if ((!p.same || p.at != p.want->count) && wrong++ < 3) printf("     pieces of \"%s\", case %zu\n", one[1].text, i);
    }
    check(splits->count > 300 && wrong == 0, "%zu texts in pieces, every behaviour, %d wrong", splits->count, wrong);
    wrong = 0;
    for (size_t i = 0; i < normalizers->count; i++) {
        const Json *one = normalizers->items[i].items;
        Normals n = normals_read(a, &one[0], "golden");
        Growing buffers[2] = {{.arena = a}, {.arena = a}};
        RegexRoom room = regex_room(a);
        size_t origin = 0;
        Piece got = normals_apply(&n, buffers, &room, (Piece){one[1].text, one[1].length}, &origin);
        if ((got.length != one[2].length || (got.length && memcmp(got.text, one[2].text, got.length) != 0)) && wrong++ < 3) printf("     \"%s\", case %zu\n", one[1].text, i);
    }
    check(normalizers->count > 50 && wrong == 0, "%zu texts normalised, %d wrong", normalizers->count, wrong);
}

// ---- the scanners

static size_t random_text(Rng rng, uint64_t *drawn, char *out, size_t most) {
    static const char *const pieces[] = {"a", "Bc", "D", "x", "'s", "'LL", "'\xC5\xBF", "'", " ", " ", "  ", "\n", "\r\n", "\t", "1", "234", "5678", ".", "!?", "/", "<|", "<|endoftext|>", "_", "\xC3\xA9", "\xC3\x89",
                                         "\xE4\xB8\xAD", "\xCC\x81", "\xC7\x85", "\xD0\xB6", "\xE0\xA4\x95\xE0\xA5\x8D", "\xC2\xA0", "\xE3\x80\x80", "\xE2\x85\xA7", "\xC2\xBD", "\xF0\x9F\x98\x80", "\xE2\x80\xA8", "\xCA\xB0"};
    size_t n = 0;
    for (uint64_t k = rng_below(rng, (*drawn)++, 24); k > 0; k--) {
        const char *p = pieces[rng_below(rng, (*drawn)++, sizeof pieces / sizeof *pieces)];
        if (n + strlen(p) > most) break;
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
    }
    return n;
}

static void scanners(Arena *a, const Json *published) {
    Rng rng = rng_of(20261126, "scanners");
    uint64_t drawn = 0;
    for (size_t i = 0; i < published->count; i++) {
        const char *pattern = published->items[i].text;
        ScanFn *scan = scan_published(pattern);
        const Regex *r = regex_read(a, pattern, strlen(pattern), "published");
        int wrong = 0;
        for (int turn = 0; scan && turn < 3000; turn++) {
            Mark mark = arena_mark(a);
            char text[256];
            size_t n = random_text(rng, &drawn, text, sizeof text), begin, end, at = 0;
            RegexRoom room = regex_room(a);
            RegexSearch s = regex_search(r, text, n, &room);
            while (at < n) {
                size_t stop = scan(text, n, at);
                if (stop == at) {
                    utf8_next(text, &at);
                    continue;
                }
                if (!regex_next(&s, &begin, &end) || begin != at || end != stop) break;
                at = stop;
            }
            if (at < n || regex_next(&s, &begin, &end)) wrong += 1;
            arena_release(a, mark);
        }
        check(scan && wrong == 0, "scanner and engine, %.40s…: %d of 3000 texts differ", pattern, wrong);
    }
}

// ---- what is refused, and what must end

static void refuses(const char *pattern, size_t length, const char *message) {
    Arena *a = arena_new("refused");
    check_dies(message, message) { regex_read(a, pattern, length, "here"); }
    arena_free(a);
}

static const char *times(Arena *a, const char *text, size_t count) {
    Growing out = {.arena = a};
    for (size_t i = 0; i < count; i++) growing_put(&out, text, strlen(text));
    growing_put(&out, "", 1);
    return out.text;
}

static void refusals(void) {
    static const char *const named[][2] = {
        {"ab(a)\\1", "at byte 5: back references are not read here"}, {"\\k<n>", "back references"}, {"\\g<1>", "calls of groups"}, {"(?(1)a|b)", "a condition is not read"},
        {"(?~ab)", "an absence"}, {"(?{x})", "a callout"}, {"(*FAIL)", "a callout"}, {"a\\K", "\\K is not read"}, {"\\Ga", "\\G is not read"}, {"\\X", "\\X is not read"},
        {"(?<=a+)b", "a look behind of no fixed length"}, {"(?s).", "there is no option s"}, {"a(?W)b", "at byte 3: an option"}, {"\\p{Foo}", "the property \"Foo\" is not known"}, {"[a-[b]]", "a range that ends in a class"},
        {"[z-a]", "whose end comes before"}, {"(a", "a group that is not closed"}, {"a)", "a ) that closes nothing"}, {"[a", "a class that is not closed"}, {"+a", "nothing stands before"}, {"\xC3", "no UTF-8"},
        {"a\\", "a backslash at the end"}, {"[[:no:]]", "no POSIX class"}, {"\\x{110000}", "up to 10FFFF"}, {"\\uD800", "no character"}, {"a{100001}", "a count above"}, {"\\cA", "control characters"}, {"^*", "a place is repeated"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) refuses(named[i][0], strlen(named[i][0]), named[i][1]);
    Arena *a = arena_new("long patterns");
    const char *deep = times(a, "(", 300), *classes = times(a, "[", 300), *longest = times(a, "ab", 9000), *repeats = times(a, "*", 300);
    refuses(deep, strlen(deep), "more than 250 deep");
    refuses(classes, strlen(classes), "more than 250 deep");
    refuses(longest, strlen(longest), "up to 16384 are read");
    refuses(arena_print(a, "a%s", repeats), 301, "repetitions of repetitions");
    const char *ranges = times(a, "[\\p{L}\\p{N}]", 400);
    refuses(ranges, strlen(ranges), "more than 50000 ranges");
    refuses("((((ab){99}){99}){99}){99}", 26, "longer than 10000 steps");
    refuses("(((((){90000}){90000}){90000}){90000})", 38, "longer than 10000 steps");
    arena_free(a);
}

// How long all matches of a text of two pieces take, in steps a byte; the number of matches.
static size_t matches(Arena *a, const char *pattern, const char *text, size_t n, double *steps) {
    Mark mark = arena_mark(a);
    const Regex *r = regex_read(a, pattern, strlen(pattern), "hostile");
    RegexRoom room = regex_room(a);
    RegexSearch s = regex_search(r, text, n, &room);
    size_t count = 0, begin, end;
    while (regex_next(&s, &begin, &end)) count++;
    *steps = (double)room.steps / (double)(n + 1);
    arena_release(a, mark);
    return count;
}

static void lines(void) {
    // what backtracking alone takes quadratic or exponential time for
    static const struct {
        const char *pattern, *unit, *end;
        size_t count; // of matches
    } cases[] = {{"\\s+$", " ", "x", 0}, {"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", " ", "x", 2}, {"\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s", " ", "x", 2}, {"\\d{1,3}(?=(?:\\d{3})*\\b)", "123", ".", 349526}, {"(?=(\\d{3})+(?!\\d))", "123", "x", 349526},
                 {"(a|a)*b", "a", "c", 0}, {"(a+)+b", "a", "c", 0}, {"(x+x+)+y", "x", "z", 0}, {"(?:ab)*c", "ab", "d", 0}, {".*b|a", "a", "c", 1048577 - 1}, {"(?:a|ab)*?(?:c|d)", "ab", "e", 0}, {"a*?b", "a", "c", 0}, {"a*a*a*b", "a", "c", 0}};
    Arena *a = arena_new("hostile");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Growing text = {.arena = a};
        while (text.length < 1 << 20) growing_put(&text, cases[i].unit, strlen(cases[i].unit));
        growing_put(&text, cases[i].end, 1);
        double steps, begin = seconds_now();
        size_t count = matches(a, cases[i].pattern, text.text, text.length, &steps);
        // 70 a byte: what the worst of these takes when everything is remembered from the 17th step a byte on, twice
        check(count == cases[i].count && steps < 70, "%-28s 1 MiB of %s: %zu matches, %.1f steps a byte (allow 70), %.2f s", cases[i].pattern, cases[i].unit, count, steps, seconds_now() - begin);
    }
    const char *text = times(a, "a", 3000);
    double steps;
    check_dies("a loop around what can be empty", "needs too many steps") { matches(a, "(?:(?:a|a|)*(?:a|a|))*b", text, 3000, &steps); }
    check_dies("a look behind that looks far", "needs too many steps") { matches(a, "(?<=(?:a|a){0,40}b)a", text, 3000, &steps); }
    arena_free(a);
}

int main(void) {
    quiet = true;
    Arena *a = arena_new("patterns");
    const Json *file = json_read(a, "test/golden/patterns.json");
    golden(a, json_get(file, "cases"));
    properties(a);
    steps(a, json_get(file, "splits"), json_get(file, "normalizers"));
    scanners(a, json_get(file, "published"));
    refusals();
    lines();
    arena_free(a);
    return check_end();
}
