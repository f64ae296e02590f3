// analysis_golden.h: lists of numbers from test/golden/analysis.json (made by test/reference/analysis.py).
#ifndef RETINA_TEST_ANALYSIS_GOLDEN_H
#define RETINA_TEST_ANALYSIS_GOLDEN_H

#include "io/json.h"

static inline const Json *golden(Arena *a) { return json_read(a, "test/golden/analysis.json"); }

static inline double *golden_list(Arena *a, const Json *object, const char *key, size_t *n) {
    const Json *list = json_get(object, key);
    need(list && list->kind == JSON_ARRAY && list->count > 0, "analysis.json: no list \"%s\"", key);
    double *x = take(a, double, list->count);
    for (size_t i = 0; i < list->count; i++) x[i] = list->items[i].number;
    if (n) *n = list->count;
    return x;
}

static inline float *golden_floats(Arena *a, const Json *object, const char *key, size_t *n) {
    size_t count;
    double *x = golden_list(a, object, key, &count);
    float *f = take(a, float, count);
    for (size_t i = 0; i < count; i++) f[i] = (float)x[i];
    if (n) *n = count;
    return f;
}

#endif
