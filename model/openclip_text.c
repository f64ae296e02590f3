// openclip_text.c: see openclip_text.h. Held by: test/test_openclip_text.c, against ftfy 6.3 and Python's html.
//
// Bites: the two ways of reading "&…;" differ. ftfy wants the semicolon and takes names in capitals; Python's html.unescape does
// without the semicolon for the old names, and takes the longest name that the letters begin with.
#include "openclip_text.h"

#include <string.h>

#include "html_entities.h"
#include "mojibake.h"
#include "sigma_tables.h"
#include "unicode.h"

#define NAME_MOST 32 // characters of a name, the semicolon not counted

// ---- names and numbers of characters

static const char *named(const HtmlEntity *table, int count, const char *name, size_t n) {
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2, order = strncmp(table[middle].name, name, n);
        if (order == 0 && table[middle].name[n]) order = 1;
        if (order == 0) return table[middle].text;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

static const char *entity(const char *name, size_t n) { return named(html_entities, html_entities_count, name, n); }

// The longest name that the text begins with, shorter than it; 0: none.
static size_t prefix(const char *name, size_t n) {
    size_t longest = n - 1 < NAME_MOST ? n - 1 : NAME_MOST;
    for (size_t m = longest; n > 2 && m >= 2; m--)
        if (entity(name, m)) return m;
    return 0;
}

static void put_number(Growing *g, uint32_t c) {
    if (c == 0 || (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) growing_char(g, 0xFFFD);
    else if (c >= 0x80 && c <= 0x9F) growing_char(g, windows_control(c)); // as HTML takes Windows' bytes
    else if ((c < 0x20 && !strchr("\t\n\f\r", (int)c)) || c == 0x7F || (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE) return; // no characters
    else growing_char(g, c);
}

static int digit_of(char c, int base) {
    if (c >= '0' && c <= '9') return c - '0';
    if (base == 16 && c >= 'a' && c <= 'f') return c - 'a' + 10;
    return base == 16 && c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "#65", "#x41" at the start of the text: how many bytes, without a semicolon; 0: no number.
static size_t number(const char *text, size_t n, uint32_t *value) {
    if (n < 2 || text[0] != '#') return 0;
    int base = text[1] == 'x' || text[1] == 'X' ? 16 : 10;
    size_t from = base == 16 ? 2 : 1, at = from;
    for (*value = 0; at < n && digit_of(text[at], base) >= 0; at++)
        if (*value <= 0x10FFFF) *value = *value * (uint32_t)base + (uint32_t)digit_of(text[at], base); // beyond, all are the same
    return at > from ? at : 0;
}

// ---- html.unescape

// How many bytes of a name stand there, a semicolon included: up to 32 characters that are none of "\t\n\f <&#;".
static size_t name_length(const char *text, size_t n) {
    size_t at = 0;
    for (int count = 0; at < n && count < NAME_MOST && !(text[at] && strchr("\t\n\f <&#;", text[at])); count++) utf8_next(text, &at);
    return at > 0 && at < n && text[at] == ';' ? at + 1 : at;
}

static void unescape(Growing *out, const char *text, size_t n) {
    out->length = 0;
    for (size_t at = 0; at < n;) {
        const char *and = memchr(text + at, '&', n - at);
        size_t plain = and ? (size_t)(and - text) - at : n - at, left = n - at - plain;
        growing_put(out, text + at, plain);
        at += plain;
        if (!and) break;
        uint32_t c = 0;
        size_t digits = number(text + at + 1, left - 1, &c), name = name_length(text + at + 1, left - 1), m;
        const char *whole = name ? entity(text + at + 1, name) : NULL;
        if (digits) {
            put_number(out, c);
            at += 1 + digits + (1 + digits < left && text[at + 1 + digits] == ';');
        } else if (whole) {
            growing_put(out, whole, strlen(whole));
            at += 1 + name;
        } else if (name && (m = prefix(text + at + 1, name))) {
            const char *character = entity(text + at + 1, m);
            growing_put(out, character, strlen(character));
            at += 1 + m;
        } else {
            growing_put(out, "&", 1);
            at++;
        }
    }
}

// ---- ftfy

// The character of a name in capitals that is no HTML: that of the small name, as a capital.
static const char *capital(const char *name, size_t n) {
    char small[NAME_MOST + 1];
    if (n > NAME_MOST || prefix(name, n)) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (name[i] >= 'a' && name[i] <= 'z') return NULL;
        small[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    const char *text = named(html_capitals, html_capitals_count, name, n);
    return text ? text : entity(small, n);
}

static bool alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// "&name;" and "&#65;" with their semicolon only, 24 letters at most.
static void unescape_closed(Growing *out, const char *text, size_t n) {
    out->length = 0;
    for (size_t at = 0; at < n;) {
        size_t end = at + 1;
        if (text[at] != '&') {
            growing_put(out, text + at++, 1);
            continue;
        }
        if (end < n && text[end] == '#') end++;
        size_t letters = end;
        while (end < n && end - letters < 24 && alphanumeric(text[end])) end++;
        bool closed = end > letters && end < n && text[end] == ';';
        const char *name = text + at + 1, *character = NULL;
        size_t length = end - at; // with the semicolon
        uint32_t c;
        if (closed && *name == '#' && number(name, length, &c) == length - 1 && c != ';') {
            put_number(out, c);
        } else if (closed && *name != '#' && ((character = entity(name, length)) || (character = capital(name, length)))) {
            growing_put(out, character, strlen(character));
        } else {
            growing_put(out, text + at++, 1);
            continue;
        }
        at = end + 1;
    }
}

static const char *ligature(uint32_t c) {
    static const struct {
        uint32_t from;
        const char *to;
    } list[] = {{0x132, "IJ"}, {0x133, "ij"}, {0x149, "\u02BCn"}, {0x1C4, "D\u017D"}, {0x1C5, "D\u017E"}, {0x1C6, "d\u017E"}, {0x1C7, "LJ"}, {0x1C8, "Lj"}, {0x1C9, "lj"}, {0x1CA, "NJ"}, {0x1CB, "Nj"},
                {0x1CC, "nj"}, {0x1F1, "DZ"}, {0x1F2, "Dz"}, {0x1F3, "dz"}, {0xFB00, "ff"}, {0xFB01, "fi"}, {0xFB02, "fl"}, {0xFB03, "ffi"}, {0xFB04, "ffl"}, {0xFB05, "\u017Ft"}, {0xFB06, "st"}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].from == c) return list[i].to;
    return NULL;
}

// Windows' characters in the places of controls, ligatures, widths, quotes, line breaks.
static void repair(Growing *out, const char *text, size_t n) {
    out->length = 0;
    for (size_t at = 0; at < n;) {
        size_t begin = at;
        uint32_t c = windows_control(utf8_next(text, &at));
        const char *letters = ligature(c);
        if (letters) {
            growing_put(out, letters, strlen(letters));
            continue;
        }
        if (c > 0xFF00 && c < 0xFFF0) {
            unicode_normalize(out, NFKC, text + begin, at - begin);
            continue;
        }
        if (c == '\r' && at < n && text[at] == '\n') continue;
        if (c == 0x3000) c = ' ';
        else if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) c = '\'';
        else if (c >= 0x201C && c <= 0x201F) c = '"';
        else if (c == '\r' || c == 0x2028 || c == 0x2029) c = '\n';
        growing_char(out, c);
    }
}

// "ESC [ 36;44 m": what a terminal takes as a colour. Its end; `at` when there is none.
static size_t terminal_escape(const char *text, size_t n, size_t at) {
    size_t end = at;
    if (n - at < 3 || text[at] != 0x1B || text[at + 1] != '[') return at;
    for (end = at + 2; end < n && ((text[end] >= '0' && text[end] <= '9') || text[end] == ';'); end++) {}
    return end < n && ((text[end] >= 'a' && text[end] <= 'z') || (text[end] >= 'A' && text[end] <= 'Z')) ? end + 1 : at;
}

static bool control(uint32_t c) {
    return c < 9 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F || (c >= 0x206A && c < 0x2070) || c == 0xFEFF || (c >= 0xFFF9 && c < 0xFFFD);
}

static void strip_controls(Growing *out, const char *text, size_t n) {
    out->length = 0;
    for (size_t at = 0; at < n;) {
        size_t escape = terminal_escape(text, n, at);
        if (escape > at) {
            at = escape;
            continue;
        }
        uint32_t c = utf8_next(text, &at);
        if (!control(c)) growing_char(out, c);
    }
}

// One line, repaired until nothing changes any more.
static void fix_line(Growing *out, Arena *a, const char *text, size_t n, bool unescapes) {
    Growing now = {.arena = a}, other = {.arena = a}, before = {.arena = a};
    growing_put(&now, text, n);
    do {
        before.length = 0;
        growing_put(&before, now.text, now.length);
        if (unescapes) unescape_closed(&other, now.text, now.length);
        else other.length = 0, growing_put(&other, now.text, now.length);
        now.length = 0;
        mojibake_fix(&now, other.text, other.length);
        other.length = 0;
        growing_put(&other, now.text, now.length);
        repair(&now, other.text, other.length);
        strip_controls(&other, now.text, now.length);
        now.length = 0;
        unicode_normalize(&now, NFC, other.text, other.length);
    } while (now.length != before.length || (now.length && memcmp(now.text, before.text, now.length) != 0));
    growing_put(out, now.text, now.length);
}

// From the first line on that holds a "<", text is taken for HTML that means what it says.
static void fix(Growing *out, Arena *a, const char *text, size_t n) {
    bool unescapes = true;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at + 1 : n - at;
        if (memchr(text + at, '<', length)) unescapes = false;
        fix_line(out, a, text + at, length, unescapes);
        at += length;
    }
}

// ---- white space, small letters

static bool within(const SigmaRange *table, int count, uint32_t c) {
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (c > table[middle].last) low = middle + 1;
        else high = middle;
    }
    return low < count && c >= table[low].first;
}

static bool passed_over(uint32_t c) { return within(sigma_skipped, sigma_skipped_count, c); }
static bool cased(uint32_t c) { return unicode_flags(c) & (UNI_UPPER | UNI_LOWER) || within(sigma_cased, sigma_cased_count, c); }

static bool cased_before(const char *text, size_t at) {
    while (at > 0) {
        size_t next = at = utf8_before(text, at);
        uint32_t c = utf8_next(text, &next);
        if (!passed_over(c)) return cased(c);
    }
    return false;
}

static bool cased_after(const char *text, size_t n, size_t at) {
    while (at < n) {
        uint32_t c = utf8_next(text, &at);
        if (!passed_over(c)) return cased(c);
    }
    return false;
}

// A sigma that ends a word has a small form of its own.
static void put_lower(Growing *out, const char *text, size_t n, size_t begin, size_t end, uint32_t c) {
    uint32_t lower[2];
    if (c == 0x3A3 && cased_before(text, begin) && !cased_after(text, n, end)) {
        growing_char(out, 0x3C2);
        return;
    }
    int count = unicode_lower(c, lower);
    for (int i = 0; i < count; i++) growing_char(out, lower[i]);
}

char *openclip_clean(Arena *a, const char *text, size_t n, bool lower, size_t *length) {
    Growing fixed = {.arena = a}, once = {.arena = a}, twice = {.arena = a}, out = {.arena = a};
    fix(&fixed, a, text, n);
    unescape(&once, fixed.text, fixed.length);
    unescape(&twice, once.text, once.length);
    bool space = false;
    for (size_t at = 0; at < twice.length;) {
        size_t begin = at;
        uint32_t c = utf8_next(twice.text, &at);
        if (unicode_flags(c) & UNI_SPACE) {
            space = out.length > 0;
            continue;
        }
        if (space) growing_char(&out, ' ');
        space = false;
        if (lower) put_lower(&out, twice.text, twice.length, begin, at, c);
        else growing_char(&out, c);
    }
    if (length) *length = out.length;
    growing_put(&out, "", 1);
    return out.text;
}
