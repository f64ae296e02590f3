// json_get.c: see json.h. What is asked of a parsed text.
#include <math.h>
#include <string.h>

#include "json.h"

const Json *json_get(const Json *o, const char *key) {
    const Json *v = json_find(o, key, strlen(key));
    return v && v->kind != JSON_NULL ? v : NULL;
}

void json_keys_once(const Json *o) {
    if (o && o->twin) die("%s: the object that begins at byte %zu has the key \"%.80s\" twice", o->source, o->offset, o->twin);
}

const Json *json_path(const Json *o, const char *dotted) {
    while (o) {
        const char *dot = strchr(dotted, '.');
        size_t n = dot ? (size_t)(dot - dotted) : strlen(dotted);
        o = json_find(o, dotted, n);
        if (o && o->kind == JSON_NULL) return NULL;
        if (!dot) return o;
        dotted = dot + 1;
    }
    return NULL;
}

static const char *kind_name(const Json *v) {
    static const char *names[] = {"null", "true or false", "a number", "a text", "an array", "an object"};
    return names[v->kind];
}

static const Json *wanted(const Json *o, const char *key) {
    const Json *v = json_get(o, key);
    need(v, "%s: \"%s\" is missing", o ? o->source : "(nothing)", key);
    return v;
}

int64_t json_int(const Json *o, const char *key) {
    const Json *v = wanted(o, key);
    if (v->kind == JSON_NUMBER && !v->integral && v->number == floor(v->number) && fabs(v->number) < 0x1p53)
        return (int64_t)v->number; // 1e5 and 2.0 are whole numbers too
    need(v->kind == JSON_NUMBER && v->integral, "%s: \"%s\" is %s, a whole number is wanted", v->source, key, kind_name(v));
    return v->integer;
}

int64_t json_int_or(const Json *o, const char *key, int64_t otherwise) { return json_get(o, key) ? json_int(o, key) : otherwise; }

int32_t json_int32(const Json *o, const char *key) {
    int64_t v = json_int(o, key);
    need(v >= INT32_MIN && v <= INT32_MAX, "%s: \"%s\" is %lld, which is beyond what can be", json_get(o, key)->source, key, (long long)v);
    return (int32_t)v;
}

int32_t json_int32_or(const Json *o, const char *key, int32_t otherwise) { return json_get(o, key) ? json_int32(o, key) : otherwise; }

double json_real(const Json *o, const char *key) {
    const Json *v = wanted(o, key);
    need(v->kind == JSON_NUMBER, "%s: \"%s\" is %s, a number is wanted", v->source, key, kind_name(v));
    return v->number;
}

double json_real_or(const Json *o, const char *key, double otherwise) { return json_get(o, key) ? json_real(o, key) : otherwise; }

bool json_bool_or(const Json *o, const char *key, bool otherwise) {
    const Json *v = json_get(o, key);
    if (!v) return otherwise;
    need(v->kind == JSON_BOOL, "%s: \"%s\" is %s, true or false is wanted", v->source, key, kind_name(v));
    return v->truth;
}

const char *json_text(const Json *o, const char *key) {
    const Json *v = wanted(o, key);
    need(v->kind == JSON_TEXT, "%s: \"%s\" is %s, a text is wanted", v->source, key, kind_name(v));
    return v->text;
}

const char *json_text_or(const Json *o, const char *key, const char *otherwise) { return json_get(o, key) ? json_text(o, key) : otherwise; }
