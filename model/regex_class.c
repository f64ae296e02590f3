// regex_class.c: sets of characters, by range, by name and by case.
//
// Source: the names and their characters are those of Oniguruma inside `tokenizers`, asked character by character
// (test/reference/unicode_properties.py). Held by: test/test_regex.c, every name against the library.
// Bites: a set is tidied only when it is asked something, so adding a thousand ranges sorts once.
#include <stdlib.h>
#include <string.h>

#include "regex_parts.h"
#include "unicode_properties.h"

// ---- ranges

static void make_room(CharSet *s, size_t more) {
    if (s->room - s->count >= more) return;
    size_t room = s->count + more > 2 * s->room ? s->count + more : 2 * s->room;
    s->ranges = arena_grow(s->arena, s->ranges, s->count, room, sizeof *s->ranges);
    s->room = room;
}

void charset_add(CharSet *s, uint32_t from, uint32_t to) {
    if (s->count == s->room) {
        charset_tidy(s); // may make room
        make_room(s, s->count >= s->room / 2 ? 8 : 1);
    }
    s->untidy |= s->count > 0 && from <= s->ranges[s->count - 1].to + 1;
    s->ranges[s->count++] = (Range){from, to};
}

static int by_start(const void *a, const void *b) {
    uint32_t x = ((const Range *)a)->from, y = ((const Range *)b)->from;
    return (x > y) - (x < y);
}

void charset_tidy(CharSet *s) {
    if (!s->untidy) return;
    qsort(s->ranges, s->count, sizeof *s->ranges, by_start);
    size_t kept = 1;
    for (size_t i = 1; i < s->count; i++) {
        Range *last = &s->ranges[kept - 1], r = s->ranges[i];
        if (r.from > last->to + 1)
            s->ranges[kept++] = r;
        else if (r.to > last->to)
            last->to = r.to;
    }
    s->count = kept;
    s->untidy = false;
}

void charset_join(CharSet *s, const CharSet *other) {
    make_room(s, other->count);
    for (size_t i = 0; i < other->count; i++) charset_add(s, other->ranges[i].from, other->ranges[i].to);
    charset_tidy(s);
}

void charset_meet(CharSet *s, const CharSet *other) {
    CharSet both = {.arena = s->arena};
    for (size_t i = 0, j = 0; i < s->count && j < other->count;) {
        Range a = s->ranges[i], b = other->ranges[j];
        uint32_t from = a.from > b.from ? a.from : b.from, to = a.to < b.to ? a.to : b.to;
        if (from <= to) charset_add(&both, from, to);
        if (a.to < b.to)
            i++;
        else
            j++;
    }
    *s = both;
}

void charset_invert(CharSet *s) {
    CharSet rest = {.arena = s->arena};
    uint32_t from = 0;
    make_room(&rest, s->count + 1);
    for (size_t i = 0; i < s->count; i++) {
        if (s->ranges[i].from > from) charset_add(&rest, from, s->ranges[i].from - 1);
        from = s->ranges[i].to + 1;
    }
    if (from <= CHARACTER_MAX) charset_add(&rest, from, CHARACTER_MAX);
    *s = rest;
}

bool charset_has(const CharSet *s, uint32_t c) {
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ranges[middle].to < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && s->ranges[low].from <= c;
}

// ---- names

// The name as the table has it: small letters, without spaces, hyphens and underscores; false if it is longer than any.
static bool plain_name(char *plain, size_t room, const char *name, size_t length) {
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (c == ' ' || c == '-' || c == '_') continue;
        if (n + 1 == room || c == 0) return false;
        plain[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    plain[n] = 0;
    return n > 0;
}

static int by_name(const void *key, const void *property) { return strcmp(key, ((const UnicodeProperty *)property)->name); }

static bool wanted(const UnicodeProperty *p, uint32_t number) {
    return p->kind == CATEGORIES ? p->value >> number & 1 : p->value == number;
}

bool charset_property(CharSet *s, const char *name, size_t length, bool inverted) {
    char plain[48];
    if (!plain_name(plain, sizeof plain, name, length)) return false;
    const UnicodeProperty *p =
        bsearch(plain, unicode_properties, (size_t)unicode_property_count, sizeof *unicode_properties, by_name);
    if (!p) return false;
    const uint32_t *runs = p->kind == SCRIPT ? unicode_script_runs : unicode_category_runs;
    const int count = p->kind == SCRIPT ? unicode_script_run_count : unicode_category_run_count;
    CharSet named = {.arena = s->arena};
    size_t ranges = p->ranges;
    for (int i = 0; i < count; i++) ranges += wanted(p, runs[i] & 255);
    make_room(&named, ranges);
    for (int i = 0; i < count; i++)
        if (wanted(p, runs[i] & 255)) charset_add(&named, runs[i] >> 8, i + 1 < count ? (runs[i + 1] >> 8) - 1 : CHARACTER_MAX);
    for (const uint32_t *r = unicode_property_ranges + p->first, *end = r + 2 * p->ranges; r < end; r += 2)
        charset_add(&named, r[0], r[1]);
    charset_tidy(&named);
    if (inverted) charset_invert(&named);
    if (s->count)
        charset_join(s, &named);
    else
        *s = named;
    return true;
}

// ---- case

uint32_t folded(uint32_t c) {
    int low = 0, high = unicode_fold_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (unicode_fold_from[middle] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < unicode_fold_count && unicode_fold_from[low] == c ? unicode_fold_to[low] : c;
}

const uint32_t *folded_several(uint32_t c) {
    for (int i = 0; i < unicode_fold_several_count; i++)
        if (unicode_fold_several[i][0] == c) return &unicode_fold_several[i][1];
    return NULL;
}

const uint32_t *several_to_one(int i, uint32_t *c) {
    if (i >= unicode_fold_several_count) return NULL;
    *c = unicode_fold_several[i][0];
    return &unicode_fold_several[i][1];
}

const uint32_t *charset_several(const CharSet *s, int *i) {
    while (*i < unicode_fold_several_count) {
        const uint32_t *entry = unicode_fold_several[(*i)++];
        if (charset_has(s, entry[0])) return entry + 1;
    }
    return NULL;
}

void charset_same(CharSet *s, uint32_t c) {
    const uint32_t one = folded(c);
    charset_add(s, one, one);
    for (int i = 0; i < unicode_fold_count; i++)
        if (unicode_fold_to[i] == one) charset_add(s, unicode_fold_from[i], unicode_fold_from[i]);
    charset_tidy(s);
}

void charset_fold(CharSet *s) {
    CharSet before = *s, more = {.arena = s->arena};
    for (int i = 0; i < unicode_fold_count; i++)
        if (charset_has(&before, unicode_fold_from[i])) charset_add(&more, unicode_fold_to[i], unicode_fold_to[i]);
    charset_join(s, &more);
    before = *s, more = (CharSet){.arena = s->arena};
    for (int i = 0; i < unicode_fold_count; i++)
        if (charset_has(&before, unicode_fold_to[i])) charset_add(&more, unicode_fold_from[i], unicode_fold_from[i]);
    charset_join(s, &more);
}
