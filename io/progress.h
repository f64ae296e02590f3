// progress.h: a bar with rate and time left on a terminal, ten plain lines elsewhere. On stderr.
#ifndef RETINA_IO_PROGRESS_H
#define RETINA_IO_PROGRESS_H

#include <stddef.h>

typedef struct {
    const char *what;
    size_t total;
    double done, start_done;
    double started, shown; // seconds
    int tenths;
} Progress;

Progress progress_start(const char *what, size_t total); // total 0: unknown
void progress_resume(Progress *p, size_t done);          // work that an earlier run had done: not in the rate
void progress_at(Progress *p, double done);              // a fraction: of the next one, where one takes long
void progress_end(Progress *p);
double seconds_now(void); // monotonic

#endif
