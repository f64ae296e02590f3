// fuzz_text.c: any text through the tokenizers of all golden directories, and back: at once and as a stream; cut and whole.
#include <glob.h>
#include <string.h>

#include "fuzz.h"
#include "io/utf8.h"
#include "model/tokenizer.h"

#define TOKENIZERS_MAX 64

static const Tokenizer *all[TOKENIZERS_MAX];
static size_t count;

static void load(void) {
    glob_t found;
    need(glob("test/golden/tokenizers/*/tokenizer_config.json", 0, NULL, &found) == 0, "no golden tokenizers");
    static Arena *kept;
    kept = arena_new("tokenizers");
    for (size_t i = 0; i < found.gl_pathc && count < TOKENIZERS_MAX; i++) {
        *strrchr(found.gl_pathv[i], '/') = 0;
        all[count++] = tokenizer_load(kept, arena_text(kept, found.gl_pathv[i], strlen(found.gl_pathv[i])), false);
    }
    globfree(&found);
}

static void streamed(Arena *a, const Tokenizer *t, Ids ids, const char *whole, size_t n) {
    TokenStream *s = stream_new(t, a, true);
    size_t at = 0;
    for (size_t i = 0; i <= ids.count; i++) {
        const char *piece = i < ids.count ? stream_put(s, ids.ids[i]) : stream_end(s);
        size_t k = strlen(piece);
        if (memchr(whole, 0, n)) return; // pieces are closed by 0, so such a text cannot be compared
        if (k > n - at || memcmp(piece, whole + at, k) != 0) die("the stream's text differs from the whole one");
        at += k;
    }
    if (at != n) die("the stream's text is shorter than the whole one");
}

// A tokenizer is given a text, no file: who has one says where the text stood.
static void refused(Arena *a, const Tokenizer *t, Bytes input) {
    Trap trap;
    if (trap_set(&trap)) {
        tokenizer_encode(t, a, (const char *)input.bytes, input.size, false);
        trap_end(&trap);
        die("a text that is not UTF-8 was taken");
    }
    die(FUZZ_PATH ": %s", trap.message);
}

static void parse(Arena *a, Bytes input) {
    if (!count) load();
    const Tokenizer *t = all[input.size % count];
    if (utf8_valid((const char *)input.bytes, input.size) != input.size) refused(a, t, input);
    Ids ids = tokenizer_encode(t, a, (const char *)input.bytes, input.size, input.size % 2);
    for (size_t i = 0; i < ids.count; i++)
        if (!tokenizer_token(t, ids.ids[i], NULL)) die("an id without a token");
    size_t n;
    const char *whole = tokenizer_decode(t, a, ids.ids, ids.count, true, &n);
    if (utf8_valid(whole, n) != n) die("a text that is not UTF-8");
    streamed(a, t, ids, whole, n);
    Ids cut = tokenizer_encode_cut(t, a, (const char *)input.bytes, input.size, 9);
    if (cut.count > 9) die("cut to more than asked for");
}

const Fuzz fuzz_target = {
    .name = "text",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/text.*", NULL},
    .words = (const char *const[]){"<s>", "</s>", "[CLS]", "<|endoftext|>", "<image>", "\xE2\x96\x81", " ", "  ", "\n", "\r\n", "'s", "'S", "123", "\xCC\x81", "\xC5\xBF", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80",
                                   "\xEF\xB7\xBA", "\xE2\x80\x8D", "\xEA\xB0\x80", "\xE1\x84\x80\xE1\x85\xA1", "<0x41>", "##", "</w>", "\xC4\xA0", "\xC2\xA0", "\xEF\xBF\xBD", "\x80", "\xC3", "\xF4\x90\x80\x80", NULL},
    .memory = (size_t)64 << 20, // a decoder makes a piece of text, 128 bytes with its guard, for every token and step
};
