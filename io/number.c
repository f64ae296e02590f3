// number.c: see number.h.
#include "number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Digits and exponent: value = 0.d1d2d3… * 10^point.
typedef struct {
    char digits[20];
    int count, point;
} Decimal;

static Decimal rounded(double positive, int count) {
    char t[40];
    snprintf(t, sizeof t, "%.*e", count - 1, positive); // "d.ddde±xx"
    Decimal d = {.count = 0, .point = atoi(strchr(t, 'e') + 1) + 1};
    for (const char *c = t; *c != 'e'; c++)
        if (*c != '.') d.digits[d.count++] = *c;
    while (d.count > 1 && d.digits[d.count - 1] == '0') d.count--;
    return d;
}

static double value_of(const Decimal *d, bool single) {
    char t[40];
    snprintf(t, sizeof t, "0.%.*se%d", d->count, d->digits, d->point);
    return single ? strtof(t, NULL) : strtod(t, NULL);
}

// The last of `count` digits one up.
static Decimal next_up(Decimal d, int count) {
    while (d.count < count) d.digits[d.count++] = '0';
    int i = count - 1;
    while (i >= 0 && d.digits[i] == '9') i--;
    if (i < 0) return (Decimal){.digits = "1", .count = 1, .point = d.point + 1};
    d.digits[i]++;
    d.count = i + 1;
    return d;
}

// A decimal of 15 digits (6 for a float) that reads back is found by rounding to 15. With more digits, the nearest
// decimal is also the right one, except at powers of two: there the numbers below lie twice as dense as those above, so
// the nearest may belong to the neighbour while the next one up still reads back.
static Decimal shortest(double positive, bool single) {
    int exponent;
    bool power_of_two = frexp(positive, &exponent) == 0.5;
    int first = single ? FLT_DIG : DBL_DIG, last = single ? 9 : 17;
    if (positive < (single ? (double)FLT_MIN : DBL_MIN)) first = 1; // subnormal: fewer digits are known
    for (int count = first;; count++) {
        Decimal d = rounded(positive, count);
        if (count == last || value_of(&d, single) == positive) return d;
        if (!power_of_two) continue;
        d = next_up(d, count);
        if (value_of(&d, single) == positive) return d;
    }
}

static const char *repr(double value, bool single, char t[32]) {
    if (isnan(value)) return strcpy(t, "nan");
    if (isinf(value)) return strcpy(t, value < 0 ? "-inf" : "inf");
    char *o = t;
    if (signbit(value)) *o++ = '-';
    if (value == 0) return strcpy(o, "0.0"), t;
    Decimal d = shortest(fabs(value), single);
    if (d.point > 16 || d.point < -3) { // 1e+16 and 1e-05 are the first that Python writes so
        *o++ = d.digits[0];
        if (d.count > 1) o += sprintf(o, ".%.*s", d.count - 1, d.digits + 1);
        sprintf(o, "e%+03d", d.point - 1);
    } else if (d.point <= 0) {
        sprintf(o, "0.%.*s%.*s", -d.point, "0000", d.count, d.digits);
    } else if (d.count <= d.point) {
        sprintf(o, "%.*s%.*s.0", d.count, d.digits, d.point - d.count, "0000000000000000");
    } else {
        sprintf(o, "%.*s.%.*s", d.point, d.digits, d.count - d.point, d.digits + d.point);
    }
    return t;
}

const char *real_repr(double value, char t[32]) { return repr(value, false, t); }
const char *float_repr(float value, char t[32]) { return repr((double)value, true, t); }

const char *real_text(double value, char t[32]) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(t, 32, "%.*g", digits, value);
        if (strtod(t, NULL) == value) break;
    }
    return t;
}

static const char *digits(const char *c) {
    while (*c >= '0' && *c <= '9') c++;
    return c;
}

bool real_parse(const char *text, double *value) {
    bool negative = *text == '-';
    const char *c = text + (negative || *text == '+');
    bool inf = strcasecmp(c, "inf") == 0 || strcasecmp(c, "infinity") == 0;
    if (inf || strcasecmp(c, "nan") == 0) {
        *value = !inf ? NAN : negative ? -INFINITY : INFINITY;
        return true;
    }
    const char *whole = c, *point = c = digits(c);
    if (*c == '.') c = digits(c + 1);
    if (point == whole && c <= point + 1) return false; // not a digit before or after the point
    if (*c == 'e' || *c == 'E') {
        const char *exponent = c + 1 + (c[1] == '-' || c[1] == '+');
        c = digits(exponent);
        if (c == exponent) return false;
    }
    if (*c) return false;
    *value = strtod(text, NULL);
    return true;
}

bool int_parse(const char *text, int64_t *value) {
    bool negative = *text == '-';
    const char *c = text + (negative || *text == '+');
    if (!*c) return false;
    uint64_t u = 0, limit = (uint64_t)INT64_MAX + negative;
    for (; *c; c++) {
        if (*c < '0' || *c > '9') return false;
        uint64_t d = (uint64_t)(*c - '0');
        if (u > (limit - d) / 10) return false;
        u = u * 10 + d;
    }
    *value = negative ? (int64_t)(0 - u) : (int64_t)u;
    return true;
}
