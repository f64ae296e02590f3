// test_text.c: captions: words, differences, overlap, collapse.
//
// Seen to catch: a greedy alignment in place of the longest common sequence; words as sets; a repeat of two taken for three;
// bytes in place of characters.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/captions.h"
#include "check.h"
#include "io/random.h"

// "a [b] c": what is marked, in brackets; neighbours join.
static const char *marked(Arena *a, const Piece *p, size_t n) {
    char *out = take(a, char, 4096);
    size_t at = 0;
    bool open = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i].changed != open) out[at++] = (open = p[i].changed) ? '[' : ']';
        memcpy(out + at, p[i].text, p[i].length);
        at += p[i].length;
    }
    if (open) out[at++] = ']';
    out[at] = 0;
    return out;
}

static void difference(Arena *a, const char *x, const char *y, const char *wx, const char *wy) {
    Piece *p, *q;
    size_t n, m;
    caption_difference(a, x, y, &p, &n, &q, &m);
    check_text(x, marked(a, p, n), wx);
    check_text(y, marked(a, q, m), wy);
}

static void test_difference(Arena *a) {
    difference(a, "A red car on a road.", "A blue car on the road.", "A [red] car on [a] road.", "A [blue] car on [the] road.");
    difference(a, "a b c d", "a b c d", "a b c d", "a b c d");
    difference(a, "", "two words", "", "[two words]");
    difference(a, "one", "", "[one]", "");
    difference(a, "the cat, asleep", "the cat asleep", "the cat[,] asleep", "the cat asleep");
    difference(a, "x a b c d", "a b c d y", "[x] a b c d", "a b c d [y]"); // a greedy walk would lose the whole middle
    difference(a, "well-known don't", "well known don't", "[well-known] don't", "[well known] don't");
    difference(a, "caf\xC3\xA9 cr\xC3\xA8me", "caf\xC3\xA9 noir", "caf\xC3\xA9 [cr\xC3\xA8me]", "caf\xC3\xA9 [noir]");
    difference(a, "\xE7\x8C\xAB\xE5\x9D\x90", "\xE7\x8B\x97\xE5\x9D\x90", "[\xE7\x8C\xAB]\xE5\x9D\x90", "[\xE7\x8B\x97]\xE5\x9D\x90"); // cat sits, dog sits
    // pieces join to the text, the unmarked ones of both are equal in order, and there are as many as a plain count says
    Rng r = rng_of(2, "texts");
    bool ok = true;
    for (uint64_t t = 0; t < 300; t++) {
        char x[200] = "", y[200] = "";
        const char *words[5] = {"a ", "b ", "c, ", "d ", "\xC3\xA9 "};
        int n = (int)rng_below(r, 100 * t, 20), m = (int)rng_below(r, 100 * t + 1, 20), seq[2][80], len[2] = {0, 0};
        for (int i = 0; i < n; i++) strcat(x, words[seq[0][len[0]++] = (int)rng_below(r, 100 * t + 2 + (uint64_t)i, 5)]);
        for (int i = 0; i < m; i++) strcat(y, words[seq[1][len[1]++] = (int)rng_below(r, 100 * t + 50 + (uint64_t)i, 5)]);
        Piece *p, *q;
        size_t np, nq;
        caption_difference(a, x, y, &p, &np, &q, &nq);
        char sx[200] = "", sy[200] = "", whole[200] = "";
        size_t common = 0;
        for (size_t i = 0; i < np; i++) {
            strncat(whole, p[i].text, p[i].length);
            if (!p[i].changed && p[i].text[0] != ' ') strncat(sx, p[i].text, p[i].length), strcat(sx, "|"), common++;
        }
        for (size_t i = 0; i < nq; i++)
            if (!q[i].changed && q[i].text[0] != ' ') strncat(sy, q[i].text, q[i].length), strcat(sy, "|");
        // longest common sequence of symbols, "c," being two
        int s[2][160], l[2] = {0, 0}, best[161][161] = {{0}};
        for (int side = 0; side < 2; side++)
            for (int i = 0; i < len[side]; i++) {
                s[side][l[side]++] = seq[side][i];
                if (seq[side][i] == 2) s[side][l[side]++] = 9;
            }
        for (int i = l[0] - 1; i >= 0; i--)
            for (int j = l[1] - 1; j >= 0; j--)
                best[i][j] = s[0][i] == s[1][j] ? best[i + 1][j + 1] + 1 : best[i + 1][j] > best[i][j + 1] ? best[i + 1][j] : best[i][j + 1];
        ok = ok && strcmp(whole, x) == 0 && strcmp(sx, sy) == 0 && (int)common == best[0][0];
    }
    check(ok, "300 random pairs: a longest common sequence");
    char *long_x = malloc(200001), *long_y = malloc(200001);
    for (int i = 0; i < 100000; i++) long_x[2 * i] = (char)('a' + i % 26), long_y[2 * i] = (char)('a' + i % 25), long_x[2 * i + 1] = long_y[2 * i + 1] = ' ';
    long_x[200000] = long_y[200000] = 0;
    Piece *p, *q;
    size_t n, m;
    caption_difference(a, long_x, long_y, &p, &n, &q, &m);
    check(n == 200000 && !p[0].changed && p[199998].changed, "a hundred thousand words end in time");
    free(long_x), free(long_y);
}

static void test_words(Arena *a) {
    check(caption_words("A dog's well-lit room, 3 chairs.") == 6, "words");
    check(caption_words("  \n\t.,! ") == 0 && caption_words("") == 0, "no words");
    check(caption_words("\xE7\x8C\xAB\xE5\x9D\x90") == 2, "characters of a script without spaces");
    check(caption_words("\xff\xfe a \xC3") == 1, "bytes that are no text");
    check(caption_distinct_words("The cat and the Cat and THE dog", a) == 4, "distinct words");
    check_value("F1", caption_f1("a red car on a road", "a blue car on the road", a), 2.0 * 4 / 12, 1e-15);
    check_value("F1 counts how often", caption_f1("the the the the", "the cat", a), 2.0 * 1 / 6, 1e-15);
    check_value("F1 counts how often, the other way", caption_f1("the cat", "the the the", a), 2.0 * 1 / 5, 1e-15);
    check_value("F1 of equal words", caption_f1("Red, car", "car red", a), 1, 0);
    check(caption_f1("", "", a) == 1 && caption_f1("", "x", a) == 0, "F1 of nothing");
    check(caption_equal(" a b\n", "a b") && !caption_equal("a b", "a  b") && !caption_equal("A b", "a b"), "equality");
}

static void test_collapse(Arena *a) {
    const struct {
        const char *text, *reference;
        Collapse want;
    } cases[] = {
        {"A plate with pasta and a fork on a wooden table.", "Pasta on a plate.", CAPTION_SOUND},
        {"", NULL, CAPTION_EMPTY},
        {" .! ", "x", CAPTION_EMPTY},
        {"1.", NULL, CAPTION_SHORT},
        {"A plate", NULL, CAPTION_SHORT},
        {"the the the plate", NULL, CAPTION_REPEATS},
        {"very very good pasta", NULL, CAPTION_SOUND},
        {"it is on the table on the table on the table", NULL, CAPTION_REPEATS},
        {"on the table on the table we eat", NULL, CAPTION_SOUND},
        {"a red car and a red car by a red car and a red car", NULL, CAPTION_SOUND},
        {"one two three four five six seven eight nine one two three four five six seven eight nine one two three four five six seven", NULL, CAPTION_REPEATS},
        {"\xD0\xBA\xD0\xBE\xD1\x82 \xD0\xBD\xD0\xB0 \xD0\xBA\xD0\xBE\xD0\xB2\xD1\x80\xD0\xB5", "A cat on a rug", CAPTION_SCRIPT},
        {"\xD0\xBA\xD0\xBE\xD1\x82 \xD0\xBD\xD0\xB0 \xD0\xBA\xD0\xBE\xD0\xB2\xD1\x80\xD0\xB5", NULL, CAPTION_SOUND},
        {"1 2 3 4 5", "A cat on a rug", CAPTION_SOUND},
        {"\xE4\xB8\x80\xE5\x8F\xAA\xE7\x8C\xAB\xE5\x9D\x90\xE7\x9D\x80", "A cat sits", CAPTION_SCRIPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Collapse got = caption_collapse(cases[i].text, cases[i].reference, a);
        check(got == cases[i].want, "\"%s\": %s", cases[i].text, caption_collapse_name(got));
    }
}

int main(void) {
    Arena *a = arena_new("test");
    test_difference(a);
    test_words(a);
    test_collapse(a);
    arena_free(a);
    return check_end();
}
