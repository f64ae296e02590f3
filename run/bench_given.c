// bench_given.c: see bench_given.h.
#include "bench_given.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/progress.h"
#include "io/random.h"

// ---- what a run draws

uint64_t bench_seed(void) {
    static uint64_t seed;
    static bool known;
    if (known) return seed;
    const char *given = getenv("RETINA_BENCH_SEED");
    char *end = NULL;
    seed = given && *given ? strtoull(given, &end, 10) : (uint64_t)(seconds_now() * 1e6 + (double)getpid() * 7919) % 1000000000;
    need(!end || !*end, "RETINA_BENCH_SEED=%s: a number is wanted", given);
    known = true;
    return seed;
}

void places_drawn(size_t place[PLACES], const char *what, size_t n) {
    for (int i = 0; i < PLACES - 1; i++) place[i] = (size_t)rng_below(rng_of(bench_seed(), what), (uint64_t)i, n);
    place[PLACES - 1] = n - 1;
}

// ---- files

static char *folder;
static int alive = -1; // the end of a pipe that only this program holds
static pid_t watcher;

static void folder_remove(void) {
    close(alive);
    waitpid(watcher, NULL, 0);
}

// A shell waits until this program is no more, whichever way it ends, a signal included, and removes the folder then.
static void folder_watch(void) {
    int ends[2];
    need(pipe(ends) == 0, "bench: no pipe to whoever removes %s", folder);
    for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC); // a peer that held them would keep the folder
    watcher = fork();
    need(watcher >= 0, "bench: %s would stay", folder);
    if (watcher == 0) {
        dup2(ends[0], 0);
        execl("/bin/sh", "sh", "-c", "trap '' INT TERM HUP PIPE; read -r nothing; rm -rf -- \"$1\" || rm -rf -- \"$1\"", "sh", folder, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    alive = ends[1];
    need(atexit(folder_remove) == 0, "bench: %s would stay", folder);
}

const char *bench_folder(void) {
    if (folder) return folder;
    Arena *a = arena_new("a bench's folder");
    const char *where = getenv("TMPDIR"), *name = path_join(a, where && *where ? where : "/tmp", "retina-bench.XXXXXX");
    folder = memory_take(strlen(name) + 1, "a bench's folder");
    strcpy(folder, name);
    arena_free(a);
    need(mkdtemp(folder), "bench: %s: no folder can be made there", folder);
    folder_watch();
    return folder;
}

void given_write(Arena *a, const Given *given) {
    for (int i = 0; i < GIVEN_MOST && given[i].name; i++) file_draft(path_join(a, bench_folder(), given[i].name), given[i].data, given[i].bytes);
}

void given_remove(Arena *a, const Given *given) {
    for (int i = 0; i < GIVEN_MOST && given[i].name; i++) unlink(path_join(a, bench_folder(), given[i].name));
}

// Poison that was never written over, or nonsense, anywhere in an answer.
static void all_finite(const float *x, size_t n, const char *name, const char *whose) {
    size_t bad = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (!isfinite(x[i])) bad++, first = i;
    need(bad == 0, "bench: %s: of %s %zu numbers %zu are not finite, the first one number %zu; nothing is timed", name, whose, n, bad, first);
}

double check_ours(const Check *c, const char *name) {
    all_finite(c->answer, c->count, name, "our");
    double error = c->error(c->arg, c->answer);
    need(error <= c->allowed, "bench: %s is wrong by %.1e; nothing is timed", name, error);
    return error;
}

double check_peer(Arena *a, const Check *c, Peer *peer, const char *line, const char *name) {
    Mark mark = arena_mark(a);
    const char *path = path_join(a, bench_folder(), "answer");
    peer_ask(peer, "check %s\n", line);
    need(file_exists(path), "bench: %s: the peer wrote no answer", name);
    Bytes answer = file_read(a, path);
    unlink(path);
    need(answer.size == c->count * sizeof(float), "bench: %s: the peer answered %zu numbers where %zu are right", name, answer.size / sizeof(float), c->count);
    const float *theirs = (const float *)(const void *)answer.bytes;
    all_finite(theirs, c->count, name, "the peer's");
    double error = c->error(c->arg, theirs);
    need(error <= c->allowed_peer, "bench: %s: on the same inputs the peer is wrong by %.1e; nothing is timed", name, error);
    arena_release(a, mark);
    return error;
}

void poison(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = NAN;
}

float *poisoned(Arena *a, size_t n) {
    float *x = take(a, float, n);
    poison(x, n);
    return x;
}

double worse(double worst, double error) { return error <= worst || isnan(worst) ? worst : error; }

double relative_distance(const void *reference, const float *x) {
    const Reference *r = reference;
    double apart = 0, norm = 0;
    for (size_t i = 0; i < r->n; i++) {
        double y = (double)r->y[i], d = (double)x[i] - y;
        apart += d * d, norm += y * y;
    }
    return sqrt(apart / norm);
}
