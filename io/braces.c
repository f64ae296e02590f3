// braces.c: brace_expand of tar.h.
//
// Source: the bash manual, "Brace Expansion"; where it is silent, the package braceexpand, which webdataset calls.
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "tar.h"

#define NAMES_MAX 1000000
#define BYTES_MAX ((size_t)256 << 20) // of all names together, with those that are parts of others
#define DEPTH_MAX 32

typedef struct {
    char **items;
    size_t count, room;
} List;

typedef struct {
    Arena *arena;
    const char *pattern; // for messages, which hold no more than its beginning
    size_t bytes;        // of names so far
    int depth;
} Braces;

// Asked before the names are made: a few dozen characters may stand for more than any memory holds.
static void room_for(Braces *b, uint64_t names, uint64_t length) {
    need(names <= NAMES_MAX, "%.200s: stands for more than %d names", b->pattern, NAMES_MAX);
    need(length <= BYTES_MAX && names * length <= BYTES_MAX - b->bytes, "%.200s: stands for names of more than %zu bytes", b->pattern, BYTES_MAX);
    b->bytes += names * length;
}

static void add(Braces *b, List *l, char *text) {
    need(l->count < NAMES_MAX, "%.200s: stands for more than %d names", b->pattern, NAMES_MAX);
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        l->items = arena_grow(b->arena, l->items, l->count, room, sizeof *l->items);
        l->room = room;
    }
    l->items[l->count++] = text;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// Every beginning with every ending.
static List product(Braces *b, const List *begin, const List *end) {
    if (begin->count == 1 && !begin->items[0][0]) return *end;
    List l = {0};
    size_t longest[2] = {1, 1}; // with the closing 0
    for (size_t i = 0; i < begin->count; i++) longest[0] = larger(longest[0], strlen(begin->items[i]));
    for (size_t i = 0; i < end->count; i++) longest[1] = larger(longest[1], strlen(end->items[i]));
    room_for(b, (uint64_t)begin->count * end->count, longest[0] + longest[1]);
    for (size_t i = 0; i < begin->count; i++) {
        size_t n = strlen(begin->items[i]);
        for (size_t k = 0; k < end->count; k++) {
            size_t m = strlen(end->items[k]) + 1;
            char *text = take(b->arena, char, n + m);
            memcpy(text, begin->items[i], n);
            memcpy(text + n, end->items[k], m);
            add(b, &l, text);
        }
    }
    return l;
}

static size_t skip_one(const char *p, size_t i, size_t n) { return p[i] == '\\' && i + 1 < n ? 2 : 1; }

// The place of the '}' that closes the '{' at i.
static size_t closing(Braces *b, const char *p, size_t i, size_t n) {
    int depth = 0;
    for (; i < n; i += skip_one(p, i, n)) {
        if (p[i] == '{') depth++;
        if (p[i] == '}' && --depth == 0) return i;
    }
    die("%.200s: a brace that is not closed", b->pattern);
}

// Splits "first..last" or "first..last..step"; false when it is neither.
static bool range_split(Braces *b, const char *p, size_t n, char *part[3]) {
    const char *text = arena_text(b->arena, p, n), *dots = strstr(text, ".."), *more = dots ? strstr(dots + 2, "..") : NULL;
    if (!dots) return false;
    part[0] = arena_text(b->arena, text, (size_t)(dots - text));
    part[1] = arena_text(b->arena, dots + 2, more ? (size_t)(more - dots - 2) : strlen(dots + 2));
    part[2] = more ? arena_text(b->arena, more + 2, strlen(more + 2)) : NULL;
    return true;
}

static bool whole(const char *text, int64_t *value) { // '-' digits: no '+'
    return *text != '+' && int_parse(text, value) && *value > -(INT64_C(1) << 60) && *value < INT64_C(1) << 60;
}

static int letter(const char *text) { // place in A…Za…z, or -1
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *at = *text && !text[1] ? strchr(letters, *text) : NULL;
    return at ? (int)(at - letters) : -1;
}

// {1..3}, {01..10..2}, {a..e}; a leading zero anywhere pads all. False when it is no range.
static bool range_expand(Braces *b, const char *p, size_t n, List *l) {
    char *part[3];
    int64_t first, last, step = 1;
    if (!range_split(b, p, n, part)) return false;
    bool numbers = whole(part[0], &first) && whole(part[1], &last);
    if (!numbers) {
        first = letter(part[0]);
        last = letter(part[1]);
        if (first < 0 || last < 0) return false;
    }
    if (part[2] && !whole(part[2], &step)) return false;
    step = step < 0 ? -step : step > 0 ? step : 1;
    int width = 0;
    for (int i = 0; i < 2 && numbers; i++) {
        const char *digits = part[i] + (*part[i] == '-');
        if (*digits == '0' && strcmp(part[i], "0") != 0 && strcmp(part[i], "-0") != 0) width = (int)(strlen(part[0]) > strlen(part[1]) ? strlen(part[0]) : strlen(part[1]));
    }
    room_for(b, ((uint64_t)(first <= last ? last - first : first - last)) / (uint64_t)step + 1, (uint64_t)larger((size_t)width, 20));
    for (int64_t i = first; first <= last ? i <= last : i >= last; i += first <= last ? step : -step)
        add(b, l, numbers ? arena_print(b->arena, "%0*lld", width, (long long)i) : arena_print(b->arena, "%c", (int)(i < 26 ? 'A' + i : 'a' + i - 26)));
    return true;
}

static List expand(Braces *b, const char *p, size_t n);

// What stands between braces: a range, a list, or, with neither, itself and its braces.
static List inside(Braces *b, const char *p, size_t n) {
    List l = {0};
    if (range_expand(b, p, n, &l)) return l;
    size_t begin = 0, commas = 0;
    for (size_t i = 0; i <= n;) {
        if (i < n && p[i] == '{') {
            i = closing(b, p, i, n) + 1;
            continue;
        }
        if ((i < n && p[i] == ',') || (i == n && commas)) {
            List one = expand(b, p + begin, i - begin);
            for (size_t k = 0; k < one.count; k++) add(b, &l, one.items[k]);
            begin = i + 1;
            commas++;
        }
        i += i < n ? skip_one(p, i, n) : 1;
    }
    if (commas) return l;
    List middle = expand(b, p, n);
    for (size_t k = 0; k < middle.count; k++) add(b, &l, arena_print(b->arena, "{%s}", middle.items[k]));
    return l;
}

static List expand(Braces *b, const char *p, size_t n) {
    List l = {0};
    need(++b->depth <= DEPTH_MAX, "%.200s: more than %d braces inside each other", b->pattern, DEPTH_MAX);
    add(b, &l, "");
    for (size_t i = 0; i < n;) {
        List next = {0};
        if (p[i] == '{') {
            size_t end = closing(b, p, i, n);
            next = inside(b, p + i + 1, end - i - 1);
            i = end + 1;
        } else {
            char *text = take(b->arena, char, n - i + 1), *o = text;
            for (; i < n && p[i] != '{'; i += skip_one(p, i, n)) {
                need(p[i] != '}', "%.200s: a brace that was not opened", b->pattern);
                *o++ = p[i + skip_one(p, i, n) - 1]; // "\{" is '{'
            }
            *o = 0;
            add(b, &next, text);
        }
        l = product(b, &l, &next);
    }
    b->depth--;
    return l;
}

char **brace_expand(Arena *a, const char *pattern, size_t *count) {
    Braces b = {.arena = a, .pattern = pattern};
    List l = expand(&b, pattern, strlen(pattern));
    *count = l.count;
    return l.items;
}
