// xml.c: see xml.h.
//
// Source: XML 1.0, fifth edition. Elements are read with a stack of our own, so their depth costs memory, not the stack.
#include "xml.h"

#include <string.h>
#include <strings.h>

#include "number.h"
#include "stray.h"
#include "utf8.h"

#define DEPTH_MAX 256
#define ENCODING "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-" // letters of a name of letters

typedef struct {
    Xml *element, *last_child;
    char *text; // collected so far
    size_t used, room;
} Open;

typedef struct {
    Arena *arena;
    const char *path, *begin, *at, *end;
    const char *counted; // lines are counted up to here
    uint64_t line;
} Parser;

static uint64_t line_here(Parser *p) {
    for (; p->counted < p->at; p->counted++) p->line += *p->counted == '\n';
    return p->line;
}

static _Noreturn void refuse(Parser *p, const char *what) { die("%s:%llu: not XML that is read here: %s", p->path, (unsigned long long)line_here(p), what); }

static bool begins(const Parser *p, const char *word) {
    size_t n = strlen(word);
    return (size_t)(p->end - p->at) >= n && memcmp(p->at, word, n) == 0;
}

static bool passed(Parser *p, const char *word) {
    if (!begins(p, word)) return false;
    p->at += strlen(word);
    return true;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void spaces(Parser *p) {
    while (p->at < p->end && is_space(*p->at)) p->at++;
}

// Passes over everything up to and with `stop`; returns where it begins.
static const char *up_to(Parser *p, const char *stop, const char *what) {
    const char *begin = p->at;
    for (; p->at < p->end; p->at++) {
        const char *next = memchr(p->at, stop[0], (size_t)(p->end - p->at));
        if (!next) break;
        p->at = next;
        if (passed(p, stop)) return begin;
    }
    p->at = begin;
    refuse(p, what);
}

static bool is_name(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || (unsigned char)c >= 0x80 || (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static const char *name_read(Parser *p) {
    const char *begin = p->at;
    while (p->at < p->end && is_name(*p->at, p->at == begin)) p->at++;
    if (p->at == begin) refuse(p, "no name where one is due");
    return arena_text(p->arena, begin, (size_t)(p->at - begin));
}

// "&lt;" or "&#x41;" at p->at, decoded to `o`; returns the place after it. Never longer than it was.
static char *reference(Parser *p, char *o) {
    static const struct {
        const char *name;
        char c;
    } five[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < 5; i++)
        if (passed(p, five[i].name)) {
            *o = five[i].c;
            return o + 1;
        }
    if (!passed(p, "&#")) refuse(p, "an entity that is not one of XML's own five");
    bool hex = passed(p, "x");
    uint32_t u = 0, digits = 0;
    for (; p->at < p->end && *p->at != ';'; p->at++, digits++) {
        char c = *p->at;
        uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : hex && c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : hex && c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 99;
        if (d == 99 || u > 0x10FFFF) refuse(p, "a character reference that is none");
        u = u * (hex ? 16 : 10) + d;
    }
    if (!passed(p, ";") || digits == 0 || u > 0x10FFFF || (u >= 0xD800 && u <= 0xDFFF) || (u < 0x20 && !is_space((char)u)) || (u & ~1u) == 0xFFFE) refuse(p, "a character reference that is none");
    return utf8_put(o, u);
}

static const char *value_read(Parser *p) { // of an attribute
    char quote = p->at < p->end ? *p->at : 0;
    if (quote != '"' && quote != '\'') refuse(p, "an attribute without its quotes");
    p->at++;
    const char *close = memchr(p->at, quote, (size_t)(p->end - p->at));
    if (!close) refuse(p, "an attribute that does not end");
    char *text = take(p->arena, char, (size_t)(close - p->at) + 1), *o = text;
    while (p->at < close) {
        if (*p->at == '<') refuse(p, "'<' in an attribute");
        if (*p->at == '&') o = reference(p, o);
        else *o++ = is_space(*p->at) ? ' ' : *p->at, p->at++;
    }
    if (p->at != close) refuse(p, "a character reference that is none");
    p->at++;
    *o = 0;
    return text;
}

// " name="value"… up to '>' or "/>".
static const char *const *attributes_read(Parser *p) {
    const char **list = NULL;
    size_t n = 0, room = 0;
    for (;;) {
        const char *before = p->at;
        spaces(p);
        if (p->at == p->end) refuse(p, "a tag that does not end");
        if (*p->at == '>' || *p->at == '/' || *p->at == '?') break;
        if (p->at == before) refuse(p, "attributes without a space between them");
        if (n + 3 > room) {
            list = arena_grow(p->arena, list, n, room ? room * 2 : 8, sizeof *list);
            room = room ? room * 2 : 8;
        }
        list[n] = name_read(p);
        for (size_t i = 0; i < n; i += 2)
            if (strcmp(list[i], list[n]) == 0) refuse(p, "an attribute twice");
        if (n > 512) refuse(p, "more than 256 attributes in one tag");
        spaces(p);
        if (!passed(p, "=")) refuse(p, "an attribute without its value");
        spaces(p);
        list[n + 1] = value_read(p);
        n += 2;
    }
    static const char *const none[] = {NULL};
    if (n == 0) return none;
    list[n] = NULL;
    return list;
}

// ---- elements

typedef struct {
    Open stack[DEPTH_MAX];
    int depth;
    Xml *root;
} Tree;

static void text_put(Parser *p, Tree *t, const char *text, size_t n) {
    if (n == 0) return;
    Open *o = &t->stack[t->depth - 1];
    if (o->room - o->used <= n) {
        size_t room = o->room * 2 > o->used + n + 1 ? o->room * 2 : o->used + n + 1;
        o->text = arena_grow(p->arena, o->text, o->used, room, 1);
        o->room = room;
    }
    memcpy(o->text + o->used, text, n);
    o->used += n;
}

static void text_read(Parser *p, Tree *t) { // up to the next '<'
    while (p->at < p->end && *p->at != '<') {
        if (t->depth == 0) {
            if (!is_space(*p->at)) refuse(p, "text outside of the root element");
            p->at++;
        } else if (*p->at == '&') {
            char room[8];
            text_put(p, t, room, (size_t)(reference(p, room) - room));
        } else {
            const char *begin = p->at;
            for (; p->at < p->end && *p->at != '<' && *p->at != '&'; p->at++)
                if (*p->at == '>' && p->at - begin >= 2 && p->at[-1] == ']' && p->at[-2] == ']') refuse(p, "\"]]>\" outside of a CDATA section");
            text_put(p, t, begin, (size_t)(p->at - begin));
        }
    }
}

static void element_open(Parser *p, Tree *t) {
    if (t->depth == 0 && t->root) refuse(p, "a second root element");
    if (t->depth == DEPTH_MAX) refuse(p, "more than 256 elements inside each other");
    Xml *x = take_zero(p->arena, Xml, 1);
    *x = (Xml){.path = p->path, .line = line_here(p), .text = ""};
    x->name = name_read(p);
    x->attributes = attributes_read(p);
    if (t->depth) {
        Open *parent = &t->stack[t->depth - 1];
        if (parent->last_child) parent->last_child->next = x;
        else parent->element->first = x;
        parent->last_child = x;
    } else {
        t->root = x;
    }
    bool empty = passed(p, "/");
    if (!passed(p, ">")) refuse(p, "a tag that does not end");
    if (!empty) t->stack[t->depth++] = (Open){.element = x};
}

static void element_close(Parser *p, Tree *t) {
    const char *name = name_read(p);
    spaces(p);
    if (!passed(p, ">")) refuse(p, "a closing tag that does not end");
    if (t->depth == 0) refuse(p, "a closing tag without its element");
    Open *o = &t->stack[--t->depth];
    if (strcmp(name, o->element->name) != 0)
        die("%s:%llu: </%s> where </%s> of line %llu is due", p->path, (unsigned long long)line_here(p), name, o->element->name, (unsigned long long)o->element->line);
    size_t begin = 0, end = o->used;
    while (begin < end && is_space(o->text[begin])) begin++;
    while (end > begin && is_space(o->text[end - 1])) end--;
    if (!o->text) return;
    o->text[end] = 0;
    o->element->text = o->text + begin;
}

static void instruction_check(Parser *p, const char *begin, const char *end) {
    const char *after = begin;
    while (after < end && is_name(*after, after == begin)) after++;
    if (after == begin) refuse(p, "no name where one is due");
    if (after < end && !is_space(*after)) refuse(p, "an instruction without a space behind its name");
    if (after - begin == 3 && strncasecmp(begin, "xml", 3) == 0) refuse(p, "<?xml that is not the file's beginning");
}

static void markup_read(Parser *p, Tree *t) { // at a '<'
    const char *begin;
    if (passed(p, "<!--")) {
        begin = up_to(p, "-->", "a comment that does not end");
        for (const char *end = p->at - 3; begin < end; begin++)
            if (begin[0] == '-' && begin[1] == '-') refuse(p, "\"--\" inside a comment");
    } else if (passed(p, "<?")) {
        begin = up_to(p, "?>", "an instruction that does not end");
        instruction_check(p, begin, p->at - 2);
    } else if (passed(p, "<![CDATA[")) {
        if (t->depth == 0) refuse(p, "text outside of the root element");
        begin = up_to(p, "]]>", "a CDATA section that does not end");
        text_put(p, t, begin, (size_t)(p->at - 3 - begin));
    } else if (passed(p, "<!DOCTYPE")) {
        begin = up_to(p, ">", "a document type that does not end");
        if (memchr(begin, '[', (size_t)(p->at - begin))) refuse(p, "a document type with declarations, such as of entities");
    } else if (passed(p, "</")) {
        element_close(p, t);
    } else {
        passed(p, "<");
        element_open(p, t);
    }
}

// As XML wants it before anything else: \r\n and \r count as \n.
static Bytes line_ends(Arena *a, Bytes f) {
    if (!f.size || !memchr(f.bytes, '\r', f.size)) return f;
    uint8_t *text = take(a, uint8_t, f.size), *o = text;
    for (size_t i = 0; i < f.size; i++) {
        *o++ = f.bytes[i] == '\r' ? '\n' : f.bytes[i];
        if (f.bytes[i] == '\r' && i + 1 < f.size && f.bytes[i + 1] == '\n') i++;
    }
    return (Bytes){.bytes = text, .size = (size_t)(o - text), .path = f.path};
}

// <?xml version="1.N" encoding="…" standalone="…"?>, of which the last two may be left out: what it says of the file's letters.
static const char *declaration_read(Parser *p) {
    static const char *const names[] = {"version", "encoding", "standalone"}, *const form = "a first line <?xml … ?> of another form";
    const char *letters = "UTF-8", *begin = p->at;
    if (!begins(p, "<?xml") || p->end - p->at < 6 || is_name(p->at[5], false)) return letters;
    up_to(p, "?>", "an instruction that does not end");
    p->at = begin + 5;
    const char *const *said = attributes_read(p);
    bool fits = passed(p, "?>") && said[0] && strcmp(said[0], "version") == 0;
    for (size_t i = 0, k = 0; fits && said[i]; i += 2) {
        while (k < 3 && strcmp(names[k], said[i]) != 0) k++;
        const char *value = said[i + 1];
        size_t n = strlen(value);
        fits = k < 3 && n > 0;
        if (k == 0) fits = n > 2 && strncmp(value, "1.", 2) == 0 && strspn(value + 2, "0123456789") == n - 2;
        if (k == 1) fits = n > 0 && is_name(*value, true) && strspn(value, ENCODING) == n, letters = value;
        if (k == 2) fits = strcmp(value, "yes") == 0 || strcmp(value, "no") == 0;
    }
    if (!fits) p->at = begin, refuse(p, form);
    return letters;
}

// Letters that are no UTF-8, or said to be none though they are not only ASCII's, and characters that XML does not have.
static void letters_check(Parser *p, Bytes f, const char *letters) {
    size_t good = utf8_valid(f.bytes, f.size), ascii = 0;
    while (ascii < f.size && f.bytes[ascii] < 0x80) ascii++;
    need(ascii == f.size || strcasecmp(letters, "UTF-8") == 0, "%s:1: its first line says %s; convert it with `iconv -f %s -t utf-8`, and have it say UTF-8", f.path, letters, letters);
    if (good < f.size) {
        p->at = p->begin + good;
        refuse(p, "a byte that is not UTF-8; convert the file, as with `iconv -f latin1 -t utf-8`");
    }
    need(f.size == 0 || !memchr(f.bytes, 0, f.size), "%s: a zero byte; this is no XML, or UTF-16 (convert it with `iconv -f utf-16 -t utf-8`)", f.path);
    for (const char *c = p->begin; c < p->end; c++) {
        bool control = (unsigned char)*c < 0x20 && !is_space(*c), none = p->end - c > 2 && memcmp(c, "\xEF\xBF", 2) == 0 && ((unsigned char)c[2] & 0xFE) == 0xBE;
        if (control || none) p->at = c, refuse(p, "a control character");
    }
}

const Xml *xml_parse(Arena *a, Bytes f) {
    stray_refuse_text(f, "");
    f = line_ends(a, f);
    size_t mark = f.size >= 3 && memcmp(f.bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    Parser p = {.arena = a, .path = f.path, .begin = (const char *)f.bytes, .at = (const char *)f.bytes + mark, .end = (const char *)f.bytes + f.size, .line = 1};
    p.counted = p.begin;
    const char *letters = declaration_read(&p), *at = p.at;
    letters_check(&p, f, letters);
    p.at = at;
    Tree *t = take_zero(a, Tree, 1);
    for (text_read(&p, t); p.at < p.end; text_read(&p, t)) markup_read(&p, t);
    if (t->depth) die("%s: ends inside <%s> of line %llu", f.path, t->stack[t->depth - 1].element->name, (unsigned long long)t->stack[t->depth - 1].element->line);
    need(t->root, "%s: holds no XML element", f.path);
    return t->root;
}

const Xml *xml_read(Arena *a, const char *path) { return xml_parse(a, file_read(a, path)); }

// ---- looking around

static const Xml *named(const Xml *x, const char *name, size_t n) {
    while (x && (strlen(x->name) != n || memcmp(x->name, name, n) != 0)) x = x->next;
    return x;
}

const Xml *xml_child(const Xml *x, const char *name) { return named(x->first, name, strlen(name)); }
const Xml *xml_next(const Xml *x) { return named(x->next, x->name, strlen(x->name)); }

const char *xml_attribute(const Xml *x, const char *name) {
    for (size_t i = 0; x->attributes[i]; i += 2)
        if (strcmp(x->attributes[i], name) == 0) return x->attributes[i + 1];
    return NULL;
}

static const Xml *wanted(const Xml *x, const char *dotted) {
    for (const char *at = dotted;;) {
        size_t n = strcspn(at, ".");
        const Xml *inside = named(x->first, at, n);
        need(inside, "%s:%llu: <%s> holds no <%.*s>", x->path, (unsigned long long)x->line, x->name, (int)n, at);
        x = inside;
        if (!at[n]) return x;
        at += n + 1;
    }
}

const char *xml_text(const Xml *x, const char *dotted) { return wanted(x, dotted)->text; }

double xml_real(const Xml *x, const char *dotted) {
    double v;
    const Xml *inside = wanted(x, dotted);
    need(real_parse(inside->text, &v), "%s:%llu: <%s> is \"%.40s\"; a number is wanted", x->path, (unsigned long long)inside->line, inside->name, inside->text);
    return v;
}
