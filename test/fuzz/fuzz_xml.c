// fuzz_xml.c: annotation files.
#include <string.h>

#include "fuzz.h"
#include "io/xml.h"

static void look(const Xml *x) {
    for (; x; x = x->next) {
        fuzz_touch(x->name, strlen(x->name) + 1);
        fuzz_touch(x->text, strlen(x->text) + 1);
        for (size_t i = 0; x->attributes[i]; i++) fuzz_touch(x->attributes[i], strlen(x->attributes[i]) + 1);
        look(x->first);
    }
}

static void parse(Arena *a, Bytes input) { look(xml_parse(a, input)); }

const Fuzz fuzz_target = {.name = "xml", .parse = parse, .seeds = (const char *const[]){"test/fuzz/seeds/annotation.xml", NULL},
                          .words = (const char *const[]){"<a>", "</a>", "<a/>", "&lt;", "&#65;", "&#x41;", "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE", " b='c'", "<", ">", NULL}};
