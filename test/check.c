// check.c: see check.h.
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int passed = 0, failed = 0;

static void count(bool ok) {
    if (ok) passed++;
    else failed++;
    fflush(stdout);
}

bool check(bool ok, const char *format, ...) {
    va_list list;
    va_start(list, format);
    printf(ok ? "ok   " : "FAIL ");
    vprintf(format, list);
    printf("\n");
    va_end(list);
    count(ok);
    return ok;
}

static double number(const void *list, bool wide, size_t i) { return wide ? ((const double *)list)[i] : (double)((const float *)list)[i]; }

static bool near(const char *name, const void *got, const void *want, bool wide, size_t n, double allow) {
    double diff = 0, norm = 0, worst = 0;
    size_t bad = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        double g = number(got, wide, i), w = number(want, wide, i);
        if (!isfinite(g) || !isfinite(w)) {
            if (bad++ == 0) at = i;
            continue;
        }
        diff += (g - w) * (g - w);
        norm += w * w;
        if (fabs(g - w) > worst && bad == 0) worst = fabs(g - w), at = i;
    }
    double rel = sqrt(diff / norm);
    bool ok = n > 0 && bad == 0 && norm > 0 && rel <= allow;
    printf("%s %-40s rel %.1e (allow %.1e)  worst %.1e at %zu of %zu%s\n", ok ? "ok  " : "FAIL", name, rel, allow, worst, at, n,
           n == 0 ? "  NOTHING COMPARED" : bad ? "  NOT FINITE" : norm == 0 ? "  REFERENCE IS ALL ZERO" : "");
    count(ok);
    return ok;
}

bool check_near(const char *name, const float *got, const float *want, size_t n, double allow) { return near(name, got, want, false, n, allow); }
bool check_near_double(const char *name, const double *got, const double *want, size_t n, double allow) { return near(name, got, want, true, n, allow); }

bool check_within(const char *name, const float *got, const float *want, size_t n, double allow) {
    double worst = 0;
    size_t bad = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= allow)) bad++;
        if (!(d <= worst)) worst = d, at = i;
    }
    bool ok = n > 0 && bad == 0;
    printf("%s %-40s worst %.1e at %zu of %zu (allow %.1e)\n", ok ? "ok  " : "FAIL", name, worst, at, n, allow);
    count(ok);
    return ok;
}

bool check_same(const char *name, const void *got, const void *want, size_t n) {
    const unsigned char *g = got, *w = want;
    size_t different = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        if (g[i] != w[i] && different++ == 0) at = i;
    bool ok = n > 0 && different == 0;
    printf("%s %-40s %zu of %zu bytes differ", ok ? "ok  " : "FAIL", name, different, n);
    if (different) printf(", first at %zu: %d, not %d", at, g[at], w[at]);
    printf("\n");
    count(ok);
    return ok;
}

bool check_text(const char *name, const char *got, const char *want) {
    bool ok = got && want && strcmp(got, want) == 0;
    if (ok) printf("ok   %s\n", name);
    else printf("FAIL %s: got \"%s\", want \"%s\"\n", name, got ? got : "(nothing)", want ? want : "(nothing)");
    count(ok);
    return ok;
}

bool check_value(const char *name, double got, double want, double allow) {
    bool ok = fabs(got - want) <= allow;
    printf("%s %-40s %.12g, want %.12g (allow %.1e)\n", ok ? "ok  " : "FAIL", name, got, want, allow);
    count(ok);
    return ok;
}

void check_died_(const char *name, const char *part, Trap *t, bool ran_through) {
    if (ran_through) {
        trap_end(t);
        check(false, "%s: was accepted; a message with \"%s\" was wanted", name, part);
    } else {
        check(strstr(t->message, part) != NULL, "%s: %s", name, t->message);
    }
}

double own_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

int check_end(void) {
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
