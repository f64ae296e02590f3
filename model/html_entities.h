// html_entities.h: the names of characters in HTML, without the "&". Old ones stand with and without their semicolon. Sorted by
// name as strcmp does.
#ifndef RETINA_MODEL_HTML_ENTITIES_H
#define RETINA_MODEL_HTML_ENTITIES_H

typedef struct {
    const char *name, *text;
} HtmlEntity;

extern const HtmlEntity html_entities[];
extern const int html_entities_count;
extern const HtmlEntity html_capitals[]; // names in capitals that are no HTML, and capital letters: "NTILDE;"
extern const int html_capitals_count;

#endif
