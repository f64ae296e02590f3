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
    const char *where = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", *name = "/retina-bench.XXXXXX";
    folder = malloc(strlen(where) + strlen(name) + 1);
    need(folder, "bench: no memory for a name");
    strcpy(folder, where), strcat(folder, name);
    need(mkdtemp(folder), "bench: %s: no folder can be made there", folder);
    need(atexit(folder_remove) == 0, "bench: %s would stay", folder);
    return folder;
}

double check_ours(const Check *c, const char *name) {
    double error = c->error(c->arg, c->answer);
    need(error <= c->allowed, "bench: %s is wrong by %.1e; nothing is timed", name, error);
    return error;
}

void given_write(Arena *a, const Given *given) {
    for (int i = 0; i < GIVEN_MOST && given[i].name; i++) file_draft(path_join(a, bench_folder(), given[i].name), given[i].data, given[i].bytes);
}

double check_peer(Arena *a, const Check *c, Peer *peer, const char *line, const char *name) {
    Mark mark = arena_mark(a);
    const char *path = path_join(a, bench_folder(), "answer");
    unlink(path); // of the row before
    peer_ask(peer, "check %s\n", line);
    Bytes answer = file_read(a, path);
    need(answer.size == c->count * sizeof(float), "bench: %s: the peer answered %zu numbers where %zu are right", name, answer.size / sizeof(float), c->count);
    double error = c->error(c->arg, (const float *)(const void *)answer.bytes);
    need(error <= c->allowed_peer, "bench: %s: on the same inputs the peer is wrong by %.1e; nothing is timed", name, error);
    arena_release(a, mark);
    return error;
}

double exact_distance(const void *exact, const float *x) {
    const Exact *e = exact;
    const float *y = e->y;
    double apart = 0, norm = 0;
    for (size_t i = 0; i < e->n; i++) {
        double d = (double)x[i] - (double)y[i];
        apart += d * d, norm += (double)y[i] * (double)y[i];
    }
    return sqrt(apart / norm);
}
