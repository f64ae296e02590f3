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

void progress_resume(Progress *p, size_t done) { p->done = p->start_done = (double)done; }

static void time_text(char *t, size_t n, double s) {
    if (s < 100) snprintf(t, n, "%.0f s", s);
    else if (s < 6000) snprintf(t, n, "%.0f min", s / 60);
    else snprintf(t, n, "%.1f h", s / 3600);
}

void progress_at(Progress *p, double done) {
    p->done = done;
    if (quiet) return;
    double now = seconds_now(), passed = now - p->started;
    const double total = (double)p->total;
    bool finished = p->total && done >= total;
    double rate = passed > 0 ? (done - p->start_done) / passed : 0;
    char left[32], state[64] = ""; // "12/s  3 s left"
    if (done > 0) strcpy(state, "from an earlier run");
    if (rate > 0) snprintf(state, sizeof state, rate >= 10 ? "%.0f/s" : rate >= 0.1 ? "%.2f/s" : "%.0f s each", rate >= 0.1 ? rate : 1 / rate);
    if (p->total && rate > 0) {
        time_text(left, sizeof left, (total - done) / rate);
        snprintf(state + strlen(state), sizeof state - strlen(state), "  %s left", left);
    }
    if (isatty(2)) {
        if (now - p->shown < EVERY_SECONDS && !finished) return;
        p->shown = now;
        char bar[WIDTH + 1];
        int full = p->total ? (int)(done * WIDTH / total) : 0;
        for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
        bar[WIDTH] = 0;
        fprintf(stderr, "\r%s [%s] %zu/%zu  %s   ", p->what, bar, (size_t)done, p->total, state);
        bar_stands = true;
    } else {
        int tenths = p->total ? (int)(done * 10 / total) : (int)(passed / 30);
        if (tenths <= p->tenths) return;
        p->tenths = tenths;
        if (p->total) fprintf(stderr, "%s %zu/%zu  %s\n", p->what, (size_t)done, p->total, state);
        else fprintf(stderr, "%s %zu  %s\n", p->what, (size_t)done, state);
    }
}

void progress_end(Progress *p) {
    if (bar_stands) fprintf(stderr, "\n");
    bar_stands = false;
}
