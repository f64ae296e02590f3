// check.h: the harness. NaN fails, nothing to compare fails, an all-zero reference fails.
//
//     int main(void) {
//         check_near("layernorm C=1023", got, want, n, 2.1e-5);
//         return check_end();
//     }
#ifndef RETINA_TEST_CHECK_H
#define RETINA_TEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "io/error.h"

// One line "ok   NAME …" or "FAIL NAME …" each; returns what it printed.
bool check(bool ok, const char *format, ...) PRINTF_LIKE(2, 3);

// ||got - want|| / ||want|| <= allow; every value finite in both, n > 0, ||want|| > 0.
bool check_near(const char *name, const float *got, const float *want, size_t n, double allow);
bool check_near_double(const char *name, const double *got, const double *want, size_t n, double allow);
// max |got - want| <= allow
bool check_within(const char *name, const float *got, const float *want, size_t n, double allow);
// The same bytes, n > 0.
bool check_same(const char *name, const void *got, const void *want, size_t n);
bool check_text(const char *name, const char *got, const char *want);
// |got - want| <= allow; NaN fails.
bool check_value(const char *name, double got, double want, double allow);

// check_dies("name", "part of the message") { code } : the code must die with that part in its message.
#define check_dies(name, part)                                                                     \
    for (Trap check_trap_, *check_once_ = &check_trap_; check_once_; check_once_ = NULL)           \
        for (bool check_ran_ = trap_set(&check_trap_), check_go_ = true; check_go_;                \
             check_died_(name, part, &check_trap_, check_ran_), check_go_ = false)                 \
            if (check_ran_)
void check_died_(const char *name, const char *part, Trap *t, bool ran_through);

double own_seconds(void); // this process's time: on a busy machine the clock on the wall says little

int check_end(void); // prints the count; 0 if nothing failed and something ran

#endif
