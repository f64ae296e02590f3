// fail.c: see fail.h.
#include "fail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

FailKind fail_kind = FAIL_NONE;
static atomic_long left;

static const struct {
    const char *name;
    int reason;
} kinds[] = {[FAIL_MALLOC] = {"malloc", ENOMEM}, [FAIL_READ] = {"read", EIO}, [FAIL_WRITE] = {"write", ENOSPC}, [FAIL_RENAME] = {"rename", EIO},
             [FAIL_FSYNC] = {"fsync", EIO}, [FAIL_THREAD] = {"thread", EAGAIN}};

static void fail_report(void) { fprintf(stderr, "retina: RETINA_FAIL: %ld of %s\n", -atomic_load(&left), kinds[fail_kind].name); }

// Before main, because the first malloc may be the one.
__attribute__((constructor)) static void fail_setup(void) {
    const char *wish = getenv("RETINA_FAIL"), *colon = wish ? strchr(wish, ':') : NULL;
    if (!wish || !*wish) return;
    for (size_t k = FAIL_MALLOC; colon && k <= FAIL_THREAD; k++) {
        if (strlen(kinds[k].name) != (size_t)(colon - wish) || strncmp(kinds[k].name, wish, (size_t)(colon - wish)) != 0) continue;
        char *end;
        long n = strtol(colon + 1, &end, 10);
        if (n < 0 || end == colon + 1 || *end) break;
        atomic_store(&left, n);
        fail_kind = (FailKind)k;
        if (n == 0) atexit(fail_report);
        return;
    }
    die_usage("RETINA_FAIL is \"%s\"; malloc:N, read:N, write:N, rename:N, fsync:N or thread:N is wanted", wish);
}

bool fail_counts(void) {
    if (atomic_fetch_sub(&left, 1) != 1) return false;
    errno = kinds[fail_kind].reason;
    return true;
}
