// tokenizer_openclip.c: OpenCLIP's own vocabulary file, bpe_simple_vocab_16e6.txt, packed or not: a list of merges from which the
// vocabulary follows (verbalize.md 1.5): the bytes in CLIP's order, the bytes that end a word, the merges, start and end.
#include <string.h>

#include "io/file.h"
#include "io/inflate.h"
#include "tokenizer_parts.h"

enum { MERGES_MOST = 49152 - 256 - 2, TEXT_MOST = 1 << 24 }; // the reference takes so many lines behind the first; bytes of text

// The content of a gzip file (RFC 1952).
static Bytes unpacked(Arena *a, Bytes b, const char *path) {
    size_t at = 10;
    need(b.size > 18 && b.bytes[0] == 0x1F && b.bytes[1] == 0x8B && b.bytes[2] == 8, "%s: is no gzip file", path);
    uint8_t flags = b.bytes[3];
    if (flags & 4) at += 2 + (size_t)b.bytes[10] + (size_t)b.bytes[11] * 256;
    for (int text = 8; text <= 16; text *= 2) // name, comment
        if (flags & text) {
            while (at < b.size && b.bytes[at]) at++;
            at++;
        }
    if (flags & 2) at += 2;
    need(at < b.size - 8, "%s: a gzip file that ends in its head", path);
    const uint8_t *end = b.bytes + b.size - 4;
    size_t size = (size_t)end[0] | (size_t)end[1] << 8 | (size_t)end[2] << 16 | (size_t)end[3] << 24;
    need(size <= TEXT_MOST && size / 1100 <= b.size, "%s: says that it holds %zu bytes", path, size); // deflate packs 1032 to 1 at best
    uint8_t *out = take(a, uint8_t, size + 1);
    inflate(out, size, b.bytes + at, b.size - at, INFLATE_RAW, path);
    out[size] = 0;
    return (Bytes){.bytes = out, .size = size};
}

// CLIP's order of the 256 bytes: those that are letters in their own right first.
static void bytes_in_order(uint8_t order[256]) {
    int n = 0;
    for (int rest = 0; rest < 2; rest++)
        for (int b = 0; b < 256; b++) {
            bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            if (plain != rest) order[n++] = (uint8_t)b;
        }
}

const char *openclip_vocabulary(Arena *a, const char *dir, const Json **vocabulary, const Json **merges) {
    static const char *const names[] = {"bpe_simple_vocab_16e6.txt", "bpe_simple_vocab_16e6.txt.gz"};
    char *path = path_join(a, dir, names[0]);
    bool packed = !file_exists(path);
    if (packed && !file_exists(path = path_join(a, dir, names[1]))) return NULL;
    Bytes b = file_read(a, path);
    if (packed) b = unpacked(a, b, path);
    const char *text = (const char *)b.bytes;
    size_t bad = utf8_valid(text, b.size);
    need(bad == b.size, "%s: not UTF-8 at byte %zu", path, bad);
    JsonOut *words = json_out(a, -1), *pairs = json_out(a, -1);
    json_open(words, NULL, '{'), json_open(pairs, NULL, '[');
    int64_t id = 0;
    uint8_t order[256];
    bytes_in_order(order);
    for (int end = 0; end < 2; end++)
        for (int i = 0; i < 256; i++) {
            Growing letter = {.arena = a};
            bytes_put(&letter, (Piece){(const char *)&order[i], 1});
            json_put_int(words, arena_print(a, "%.*s%s", (int)letter.length, letter.text, end ? "</w>" : ""), id++);
        }
    size_t at = 0, line = 0;
    for (; at < b.size && line <= MERGES_MOST; line++) {
        const char *stop = memchr(text + at, '\n', b.size - at);
        size_t n = stop ? (size_t)(stop - text) - at : b.size - at;
        const char *space = memchr(text + at, ' ', n);
        if (line > 0 && n > 0) { // the first tells the version
            need(space && !memchr(space + 1, ' ', n - (size_t)(space + 1 - text - at)), "%s:%zu: two parts of a word are wanted", path, line + 1);
            json_put_text_n(pairs, NULL, text + at, n);
            json_put_int(words, arena_print(a, "%.*s%.*s", (int)(space - text - at), text + at, (int)(n - (size_t)(space + 1 - text - at)), space + 1), id++);
        }
        at += n + 1;
    }
    json_put_int(words, "<|startoftext|>", id), json_put_int(words, "<|endoftext|>", id + 1);
    json_close(words), json_close(pairs);
    size_t n;
    const char *out = json_done(words, &n);
    *vocabulary = json_parse(a, out, n, path);
    out = json_done(pairs, &n);
    *merges = json_parse(a, out, n, path);
    return path;
}
