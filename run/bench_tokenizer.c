// bench_tokenizer.c: see bench_tokenizer.h.
//
// Prose is 1 MiB of lines of words that come again as often as in a language (rank r with a frequency near 1/r), in
// several scripts. The others are 1 MiB each without any place where a text could be parted: what a quadratic step would
// make endless. Each is also timed at an eighth of the size; "growth" is the time for the whole over eight times that for
// the eighth: 1 is linear, 8 quadratic.
#include "bench_tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "bench_peer.h"
#include "io/random.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

#define SIZE ((size_t)1 << 20)
#define PART (SIZE / 8)
#define TOO_LONG 20.0 // seconds for the eighth: then the whole is not tried

static uint64_t drawn;
static Rng rng;

static size_t below(size_t n) { return (size_t)rng_below(rng, drawn++, n); }

static void word_put(Growing *out, size_t which) { // the same word for the same number
    static const uint32_t scripts[][2] = {{'a', 26}, {'a', 26}, {'a', 26}, {'a', 26}, {0x430, 32}, {0x3B1, 24}, {0x4E00, 500}, {0x5D0, 27}};
    Rng r = rng_sub(rng_of(1, "word"), which);
    const uint32_t *script = scripts[rng_below(r, 0, sizeof scripts / sizeof *scripts)];
    size_t length = 1 + (size_t)rng_below(r, 1, 9);
    for (size_t i = 0; i < length; i++) growing_char(out, script[0] + (uint32_t)rng_below(r, 2 + i, script[1]));
}

static void prose(Growing *out) {
    for (size_t line = 0; out->length < SIZE;) {
        size_t half = (size_t)1 << below(12); // uniform in the logarithm of the rank: a frequency of 1/r
        word_put(out, half + below(half));
        if (below(40) == 0) growing_char(out, '0' + (uint32_t)below(10));
        static const char *const between[] = {" ", " ", " ", " ", " ", " ", " ", ", ", ". ", "'s "};
        const char *space = between[below(10)];
        growing_put(out, space, strlen(space));
        if (out->length - line > 90) growing_put(out, "\n", 1), line = out->length;
    }
}

static void letters(Growing *out) { growing_char(out, 'a' + (uint32_t)below(26)); }
static void one_letter(Growing *out) { growing_put(out, "a", 1); }
static void cases(Growing *out) { growing_char(out, (below(2) ? 'a' : 'A') + (uint32_t)below(26)); }
static void capitals(Growing *out) { growing_put(out, "A", 1); }
static void digits(Growing *out) { growing_char(out, '0' + (uint32_t)below(10)); }
static void dashes(Growing *out) { growing_put(out, "-", 1); }
static void brackets(Growing *out) { growing_put(out, "<", 1); }
static void quotes(Growing *out) { growing_put(out, "'", 1); }
static void spaces(Growing *out) { growing_put(out, " ", 1); }
static void breaks(Growing *out) { growing_put(out, "\n", 1); }
static void chinese(Growing *out) { growing_char(out, 0x4E00 + (uint32_t)below(5000)); }
static void hangul(Growing *out) { growing_char(out, 0x1100 + (uint32_t)below(3) + 0x61 * (out->length / 3 % 2)); }
static void marks(Growing *out) { growing_char(out, out->length ? 0x300 + (uint32_t)below(0x40) : 'e'); }
static void emoji(Growing *out) { growing_put(out, "\xF0\x9F\x91\xA9\xE2\x80\x8D", 7); }
static void metaspaces(Growing *out) { growing_put(out, "\xE2\x96\x81", 3); }
static void unknown(Growing *out) { growing_char(out, 0x10000 + (uint32_t)below(0x1000)); }
static void zeros(Growing *out) { growing_put(out, "", 1); }

static const struct {
    const char *name;
    void (*more)(Growing *out);
} lines[] = {{"prose", prose},          {"letters", letters},   {"aaaa", one_letter},      {"aAbC", cases},     {"AAAA", capitals}, {"digits", digits},
             {"dashes", dashes},        {"brackets", brackets}, {"quotes", quotes},        {"spaces", spaces},  {"breaks", breaks}, {"Chinese", chinese},
             {"Hangul parts", hangul},  {"marks", marks},       {"joined emoji", emoji},   {"marks of spaces", metaspaces},
             {"unknown", unknown},      {"zero bytes", zeros}};
#define LINES (sizeof lines / sizeof *lines)

// The first n bytes, cut where a character ends.
static size_t cut(const Growing *text, size_t n) {
    while (n < text->length && ((unsigned char)text->text[n] & 0xC0) == 0x80) n--;
    return n < text->length ? n : text->length;
}

// Best of three if it is quick. Negative: the text is refused (a vocabulary without an unknown token).
static double seconds(Arena *a, const Tokenizer *t, const char *text, size_t n) {
    volatile double best = 1e30;
    for (volatile int round = 0; round < 3; round++) {
        Mark mark = arena_mark(a);
        Trap trap;
        if (!trap_set(&trap)) {
            arena_release(a, mark);
            return -1;
        }
        double start = cpu_seconds();
        tokenizer_encode(t, a, text, n, true);
        double took = cpu_seconds() - start;
        trap_end(&trap);
        arena_release(a, mark);
        if (took < best) best = took;
        if (took > 1) break;
    }
    return best;
}

static void line_of(Arena *a, const Tokenizer *t, const char *dir, const Growing *texts, Writer *w) {
    double slowest = 0, worst = 0;
    const char *slow = "", *grows = "";
    double first = -1;
    for (size_t i = 0; i < LINES; i++) {
        double part = seconds(a, t, texts[i].text, cut(&texts[i], PART));
        if (part < 0) continue;
        double whole = part > TOO_LONG ? 64 * part : seconds(a, t, texts[i].text, cut(&texts[i], SIZE));
        double growth = whole / (8 * part), rate = (double)SIZE * 1e-6 / whole;
        if (i == 0) first = rate;
        else if (slowest == 0 || rate < slowest) slowest = rate, slow = lines[i].name;
        if (growth > worst) worst = growth, grows = lines[i].name;
    }
    const char *row = arena_print(a, "| %s | %s | %.1f | %.1f | %s | %.2f | %s |", path_name(dir), tokenizer_kind(t), first, slowest, slow, worst, grows);
    printf("%s\n", row);
    fflush(stdout);
    if (w) writer_print(w, "%s\n", row);
}

void bench_tokenizer(Arena *a, const char *const *dirs, size_t count, Writer *w) {
    Growing *texts = take_zero(a, Growing, LINES);
    for (size_t i = 0; i < LINES; i++) {
        texts[i].arena = a;
        rng = rng_of(1, lines[i].name), drawn = 0;
        while (texts[i].length < SIZE) lines[i].more(&texts[i]);
    }
    static const char head[] = "Texts of 1 MiB through one thread, MB per second of its time; the slowest of 17 texts without a break, and the largest growth of time with size\n"
                               "(1 is linear, 8 quadratic). `retina bench tokenizer DIR…`\n\n"
                               "| tokenizer | kind | prose | slowest | which | growth | of |\n|---|---|--:|--:|---|--:|---|";
    printf("%s\n", head);
    if (w) writer_print(w, "%s\n", head);
    for (size_t i = 0; i < count; i++) {
        Mark mark = arena_mark(a);
        line_of(a, tokenizer_load(a, dirs[i], false), dirs[i], texts, w);
        arena_release(a, mark);
    }
}
