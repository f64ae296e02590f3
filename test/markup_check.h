// markup_check.h: is a text well-formed markup? For tests of SVG and HTML.
#ifndef RETINA_TEST_MARKUP_CHECK_H
#define RETINA_TEST_MARKUP_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Elements closed in order, attributes quoted and not repeated, no bare & or <. NULL if all is well, else what is wrong. Elements that HTML
// never closes (meta, br, img, input, link, col) may stay open when `html`; script and style may hold anything.
static inline const char *markup_fault(const char *t, bool html) {
    static char fault[200], open[64][24];
    int depth = 0;
    const char *whole = t;
#define FAULT(what) return snprintf(fault, sizeof fault, "%s at byte %ld: %.40s", what, (long)(t - whole), t), fault
    while (*t) {
        if (*t == '&') {
            size_t n = 1 + strcspn(t + 1, ";<& ");
            if (t[n] != ';') FAULT("a bare &");
            t += n;
            continue;
        }
        if (*t != '<') {
            t++;
            continue;
        }
        if (strncmp(t, "<!doctype html>", 15) == 0 && html) {
            t += 15;
            continue;
        }
        bool closing = t[1] == '/';
        const char *name = t + 1 + closing;
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
        if (n == 0 || n > 23) FAULT("no element name");
        if (closing) {
            if (depth == 0 || strlen(open[depth - 1]) != n || strncmp(open[depth - 1], name, n) != 0) FAULT("closes what is not open");
            depth--;
            if (name[n] != '>') FAULT("a closing tag with more in it");
            t = name + n + 1;
            continue;
        }
        const char *a = name + n;
        char seen[32][24];
        int attributes = 0;
        while (*a == ' ' || *a == '\n') {
            a += strspn(a, " \n");
            if (*a == '>' || *a == '/') break;
            size_t k = strcspn(a, "= >\n/");
            if (k == 0 || k > 23 || attributes == 32) FAULT("an attribute without a name");
            for (int i = 0; i < attributes; i++)
                if (strlen(seen[i]) == k && strncmp(seen[i], a, k) == 0) FAULT("an attribute twice");
            memcpy(seen[attributes], a, k);
            seen[attributes++][k] = 0;
            a += k;
            if (*a != '=') {
                if (html) continue; // "open", "hidden"
                FAULT("an attribute without a value");
            }
            if (a[1] != '"') FAULT("an attribute that is not quoted");
            const char *end = strchr(a + 2, '"');
            if (!end) FAULT("a quote that does not close");
            if (memchr(a + 2, '<', (size_t)(end - a - 2))) FAULT("< in an attribute");
            a = end + 1;
        }
        bool empty = *a == '/';
        if (empty) a++;
        if (*a != '>') FAULT("a tag that does not end");
        a++;
        static const char *const alone[] = {"meta", "br", "img", "input", "link", "col"};
        for (size_t i = 0; html && i < sizeof alone / sizeof *alone; i++)
            if (strlen(alone[i]) == n && strncmp(alone[i], name, n) == 0) empty = true;
        if (!empty) {
            if (depth == 64) FAULT("too deep");
            memcpy(open[depth], name, n);
            open[depth++][n] = 0;
            if (strcmp(open[depth - 1], "script") == 0 || strcmp(open[depth - 1], "style") == 0) {
                char end[32];
                snprintf(end, sizeof end, "</%s>", open[depth - 1]);
                a = strstr(a, end);
                if (!a) FAULT("a script or style that does not end");
            }
        }
        t = a;
    }
    if (depth) {
        snprintf(fault, sizeof fault, "<%s> is not closed", open[depth - 1]);
        return fault;
    }
#undef FAULT
    return NULL;
}

#endif
