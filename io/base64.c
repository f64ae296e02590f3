// base64.c: see base64.h.
#include "base64.h"

char *base64_encode(Arena *a, const void *bytes, size_t size) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    char *out = take(a, char, size_add(size_mul(size / 3 + 1, 4, "base64"), 1, "base64")), *o = out;
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t v = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (n > 2 ? in[i + 2] : 0u);
        *o++ = letters[v >> 18];
        *o++ = letters[v >> 12 & 63];
        *o++ = n > 1 ? letters[v >> 6 & 63] : '=';
        *o++ = n > 2 ? letters[v & 63] : '=';
    }
    *o = 0;
    return out;
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

Bytes base64_decode(Arena *a, const char *text, size_t length, Base64Form form, const char *where) {
    uint8_t *out = take(a, uint8_t, length / 4 * 3 + 4), *o = out;
    uint32_t bits = 0;
    int letters = 0, padding = 0; // of the current group of four
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (form == BASE64_LOOSE && (c == ' ' || (c >= '\t' && c <= '\r'))) continue;
        int v = value_of(c);
        if (c == '=') {
            padding++;
            need(letters >= 2 && letters + padding <= 4, "%s: base64: character %zu: a '=' that pads nothing", where, i + 1);
            continue;
        }
        need(v >= 0, "%s: base64: character %zu is 0x%02X, which is not in the alphabet", where, i + 1, (unsigned char)c);
        need(padding == 0, "%s: base64: character %zu: text after the padding", where, i + 1);
        bits = bits << 6 | (uint32_t)v;
        if (++letters == 4) {
            *o++ = (uint8_t)(bits >> 16);
            *o++ = (uint8_t)(bits >> 8);
            *o++ = (uint8_t)bits;
            letters = 0;
            bits = 0;
        }
    }
    need(letters != 1 && (letters == 0 || letters + padding == 4 || (form == BASE64_LOOSE && padding == 0)),
         "%s: base64: %zu characters end in the middle of a group of four; the text is cut", where, length);
    if (letters) {
        bits <<= 6 * (4 - letters);
        int bytes = letters - 1;
        need(form == BASE64_LOOSE || (bits & ((1u << 8 * (3 - bytes)) - 1)) == 0, "%s: base64: the last character has bits that belong to no byte", where);
        for (int i = 0; i < bytes; i++) *o++ = (uint8_t)(bits >> (16 - 8 * i));
    }
    return (Bytes){.bytes = out, .size = (size_t)(o - out), .path = where};
}
