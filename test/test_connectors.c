// test_connectors.c: `retina connectors extract` as a program: how often a run opens the pictures.
//
// On a disk in a network an open file costs more than a forward of a small model: each picture is opened once to be known
// again (stamp.h), and once more where its vectors are made.
// Caught when broken on purpose: a part's pictures stamped again when it is saved, or when it is compared.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "io/file.h"
#include "io/image.h"
#include "io/random.h"
#include "scratch.h"

enum { PICTURES = 24, SIDE = 32 };

static Arena *a;
static const char *program, *folder;

static void draw(int i, uint64_t seed) {
    uint8_t rgb[SIDE * SIDE * 3];
    Rng rng = rng_of(seed + (uint64_t)i, "a picture");
    for (size_t k = 0; k < sizeof rgb; k++) rgb[k] = (uint8_t)rng_u32(rng, k);
    Bytes b = ppm_encode(a, rgb, SIDE, SIDE);
    file_write(arena_print(a, "%s/%02d.png", folder, i), b.bytes, b.size);
}

// How often each picture was opened while `retina connectors WORDS` ran: the least and the most. -1: it failed.
static void opens(const char *words, int *least, int *most) {
    int watch = inotify_init1(IN_NONBLOCK), count[PICTURES] = {0};
    *least = *most = -1;
    if (watch < 0 || inotify_add_watch(watch, folder, IN_OPEN | IN_CLOSE_NOWRITE) < 0) return;
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", arena_print(a, "exec %s connectors %s --images %s --part-size 10 --quiet", program, words, folder), (char *)NULL);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    _Alignas(struct inotify_event) char events[1 << 16];
    for (ssize_t n; (n = read(watch, events, sizeof events)) > 0;)
        for (char *p = events; p < events + n; p += sizeof(struct inotify_event) + ((struct inotify_event *)(void *)p)->len) {
            const struct inotify_event *e = (void *)p;
            int i;
            if ((e->mask & IN_OPEN) && e->len && sscanf(e->name, "%2d.png", &i) == 1 && i < PICTURES) count[i]++;
        }
    close(watch);
    if (status != 0) return;
    for (int i = 0; i < PICTURES; i++) {
        if (i == 0 || count[i] < *least) *least = count[i];
        if (count[i] > *most) *most = count[i];
    }
}

static void check_opens(const char *name, const char *words, int least_wanted, int most_wanted) {
    int least, most;
    opens(words, &least, &most);
    check(least == least_wanted && most == most_wanted, "%-44s each picture %d to %d times (wanted %d to %d)", name, least, most, least_wanted, most_wanted);
}

int main(int argc, char **argv) {
    (void)argc;
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); // what a command keeps until its end is no leak
    a = arena_new("test");
    program = arena_print(a, "%s/../retina", path_folder(a, argv[0]));
    folder = scratch_path(a, "pictures");
    for (int i = 0; i < PICTURES; i++) draw(i, 1);
    const char *extract = arena_print(a, "extract --out %s", scratch_path(a, "out"));
    check_opens("vectors are made", extract, 2, 2);
    check_opens("vectors are kept", extract, 1, 1);
    draw(3, 7);
    check_opens("one picture of the first ten is another", extract, 1, 2);
    check_opens("a step that reads vectors", arena_print(a, "geometry --out %s", scratch_path(a, "out")), 1, 1);
    return check_end();
}
