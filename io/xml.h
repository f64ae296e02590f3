// xml.h: the part of XML that annotation files use: elements, attributes, text, CDATA; comments and instructions are passed
// over. Documents that define entities of their own are refused: they can be made to grow without bound.
#ifndef RETINA_IO_XML_H
#define RETINA_IO_XML_H

#include "file.h"

typedef struct Xml Xml;
struct Xml {
    const char *name;
    const char *text;            // its own text, children's left out, references decoded, spaces at both ends removed
    const Xml *first, *next;     // child; sibling
    const char *const *attributes; // name, value, name, value …, closed by NULL
    const char *path;
    uint64_t line;
};

const Xml *xml_parse(Arena *a, Bytes file); // the root element; dies with file and line
const Xml *xml_read(Arena *a, const char *path);

const Xml *xml_child(const Xml *x, const char *name);   // the first of that name, or NULL
const Xml *xml_next(const Xml *x);                      // the next sibling of the same name, or NULL
const char *xml_attribute(const Xml *x, const char *name); // NULL: it has none
const char *xml_text(const Xml *x, const char *dotted);    // "object.bndbox.xmin"; dies when one of them is missing
double xml_real(const Xml *x, const char *dotted);

#endif
