// fail.h: makes the N-th call of a kind fail, so that a test can try every place where the system may say no.
//
//     RETINA_FAIL=malloc:3 ./retina info DIR        RETINA_FAIL=write:1 …   read, rename, fsync, thread
//     RETINA_FAIL=malloc:0 ./retina info DIR        none fails; at the end a line says how many there were
//
// Unset, it costs one comparison a call.
#ifndef RETINA_IO_FAIL_H
#define RETINA_IO_FAIL_H

#include <stdbool.h>

typedef enum { FAIL_NONE, FAIL_MALLOC, FAIL_READ, FAIL_WRITE, FAIL_RENAME, FAIL_FSYNC, FAIL_THREAD } FailKind;

extern FailKind fail_kind;
bool fail_counts(void); // true for the N-th call, with errno as the system would set it

#define fail_now(kind) (__builtin_expect(fail_kind == (kind), 0) && fail_counts())

#endif
