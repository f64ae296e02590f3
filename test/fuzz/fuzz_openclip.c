// fuzz_openclip.c: any text as OpenCLIP's tokenizers clean it. What comes out is UTF-8, has single spaces inside and none at its ends.
#include <string.h>

#include "fuzz.h"
#include "io/utf8.h"
#include "model/openclip_text.h"

static void parse(Arena *a, Bytes input) {
    need(utf8_valid(input.bytes, input.size) == input.size, FUZZ_PATH ": not UTF-8");
    for (int lower = 0; lower < 2; lower++) {
        size_t n;
        const char *text = openclip_clean(a, (const char *)input.bytes, input.size, lower, &n);
        fuzz_touch(text, n + 1);
        if (utf8_valid(text, n) != n) die("what was cleaned is no UTF-8");
        for (size_t i = 0; i < n; i++)
            if (text[i] == ' ' && (i == 0 || i + 1 == n || text[i + 1] == ' ')) die("a space too many");
    }
}

const Fuzz fuzz_target = {
    .name = "openclip",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/text.*", "test/fuzz/seeds/openclip.*", NULL},
    .words = (const char *const[]){"\u00C3\u00B6", "\u00E2\u20AC\u2122", "\u00C3\u201A\u00C2\u00B0", "\u00D0\xC2\x91", "\u00ED\u00A0\u00BD\u00ED\u00B8\xC2\x80", "\u00C0\xC2\x80", "\u00C3 ", "\u00E2\u20AC\uFFFD", "\u00C0\n", "&amp;", "&eacute;", "&#x", "<", "\n",
                                   "\x1b[31m", "\u03A3", "\u0301", "\uFB01", "\u2018", "\u00A0", "\r\n", NULL},
};
