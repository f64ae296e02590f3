// progress.c: see progress.h.
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#define WIDTH 24          // characters of the bar
#define EVERY_SECONDS 0.1 // between two drawings

double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

Progress progress_start(const char *what, size_t total) {
    double now = seconds_now();
    return (Progress){.what = what, .total = total, .started = now, .shown = now - 1};
}

void progress_resume(Progress *p, size_t done) { p->done = p->start_done = done; }

static void time_text(char *t, size_t n, double s) {
    if (s < 100) snprintf(t, n, "%.0f s", s);
    else if (s < 6000) snprintf(t, n, "%.0f min", s / 60);
    else snprintf(t, n, "%.1f h", s / 3600);
}

void progress_at(Progress *p, size_t done) {
    p->done = done;
    if (quiet) return;
    double now = seconds_now(), passed = now - p->started;
    bool finished = p->total && done >= p->total;
    double rate = passed > 0 ? (double)(done - p->start_done) / passed : 0;
    char left[32], state[64] = "from an earlier run"; // "12/s  3 s left"
    if (rate > 0) snprintf(state, sizeof state, rate >= 10 ? "%.0f/s" : "%.2f/s", rate);
    if (p->total && rate > 0) {
        time_text(left, sizeof left, (double)(p->total - done) / rate);
        snprintf(state + strlen(state), sizeof state - strlen(state), "  %s left", left);
    }
    if (isatty(2)) {
        if (now - p->shown < EVERY_SECONDS && !finished) return;
        p->shown = now;
        char bar[WIDTH + 1];
        int full = p->total ? (int)(done * WIDTH / p->total) : 0;
        for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
        bar[WIDTH] = 0;
        fprintf(stderr, "\r%s [%s] %zu/%zu  %s   ", p->what, bar, done, p->total, state);
        bar_stands = true;
    } else {
        int tenths = p->total ? (int)(done * 10 / p->total) : (int)(passed / 30);
        if (tenths <= p->tenths) return;
        p->tenths = tenths;
        if (p->total) fprintf(stderr, "%s %zu/%zu  %s\n", p->what, done, p->total, state);
        else fprintf(stderr, "%s %zu  %s\n", p->what, done, state);
    }
}

void progress_end(Progress *p) {
    if (bar_stands) fprintf(stderr, "\n");
    bar_stands = false;
}
