// bench_given.c: see bench_given.h.
#include "bench_given.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *folder;

static void folder_remove(void) {
    Arena *a = arena_new("files of a bench");
    size_t n;
    char **names = folder_list(a, folder, &n);
    for (size_t i = 0; i < n; i++) unlink(names[i]);
    rmdir(folder);
    arena_free(a);
    free(folder);
}

const char *bench_folder(void) {
    if (folder) return folder;
    Arena *a = arena_new("a bench's folder");
    const char *where = getenv("TMPDIR"), *name = path_join(a, where && *where ? where : "/tmp", "retina-bench.XXXXXX");
    folder = memory_take(strlen(name) + 1, "a bench's folder");
    strcpy(folder, name);
    arena_free(a);
    need(mkdtemp(folder), "bench: %s: no folder can be made there", folder);
    need(atexit(folder_remove) == 0, "bench: %s would stay", folder);
    return folder;
}

void given_write(Arena *a, const Given *given) {
    for (int i = 0; i < GIVEN_MOST && given[i].name; i++) file_draft(path_join(a, bench_folder(), given[i].name), given[i].data, given[i].bytes);
}

void given_remove(Arena *a, const Given *given) {
    for (int i = 0; i < GIVEN_MOST && given[i].name; i++) unlink(path_join(a, bench_folder(), given[i].name));
}

double check_ours(const Check *c, const char *name) {
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
    double error = c->error(c->arg, (const float *)(const void *)answer.bytes);
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
