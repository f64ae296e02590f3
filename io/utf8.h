// utf8.h: is it UTF-8 (no overlong forms, no surrogates, nothing beyond U+10FFFF), and which characters are it?
#ifndef RETINA_IO_UTF8_H
#define RETINA_IO_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Bytes of the sequence at s (1..4), or 0 when it is none. left >= 1.
static inline int utf8_length(const unsigned char *s, size_t left) {
    unsigned c = s[0];
    int n = c < 0x80 ? 1 : c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (n == 0 || left < (size_t)n) return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if ((c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) || (c == 0xF0 && s[1] < 0x90) || (c == 0xF4 && s[1] > 0x8F)) return 0;
    return n;
}

// How many bytes are UTF-8: n, or the place of the first that is not.
static inline size_t utf8_valid(const void *text, size_t n) {
    const unsigned char *s = text;
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= 8 && (memcpy(&eight, s + i, 8), (eight & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        int k = utf8_length(s + i, n - i);
        if (k == 0) break;
        i += (size_t)k;
    }
    return i;
}

// The code point at text + *at, which is valid UTF-8; *at moves behind it.
static inline uint32_t utf8_next(const char *text, size_t *at) {
    const unsigned char *s = (const unsigned char *)text + *at;
    int n = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    uint32_t u = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) u = u << 6 | (s[i] & 0x3F);
    *at += (size_t)n;
    return u;
}

// Where the character that ends at `at` begins, in valid UTF-8; at >= 1.
static inline size_t utf8_before(const char *text, size_t at) {
    do at--;
    while (((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

// Puts the sequence of a code point and returns the place after it; what is no code point becomes U+FFFD.
static inline char *utf8_put(char *o, uint32_t u) {
    if (u > 0x10FFFF || (u >= 0xD800 && u <= 0xDFFF)) u = 0xFFFD;
    if (u < 0x80) {
        *o++ = (char)u;
    } else if (u < 0x800) {
        *o++ = (char)(0xC0 | u >> 6);
        *o++ = (char)(0x80 | (u & 63));
    } else if (u < 0x10000) {
        *o++ = (char)(0xE0 | u >> 12);
        *o++ = (char)(0x80 | (u >> 6 & 63));
        *o++ = (char)(0x80 | (u & 63));
    } else {
        *o++ = (char)(0xF0 | u >> 18);
        *o++ = (char)(0x80 | (u >> 12 & 63));
        *o++ = (char)(0x80 | (u >> 6 & 63));
        *o++ = (char)(0x80 | (u & 63));
    }
    return o;
}

#endif
