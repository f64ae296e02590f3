// scratch.c: see scratch.h.
#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

static char folder[4096];
static pid_t owner;

static void remove_tree(const char *path) {
    struct stat st;
    DIR *d = lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        char inside[8192];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(inside, sizeof inside, "%s/%s", path, e->d_name);
        remove_tree(inside);
    }
    if (d) closedir(d);
    remove(path);
}

static void remove_all(void) {
    if (getpid() == owner) remove_tree(folder); // not from a test's children
}

const char *scratch_path(Arena *a, const char *name) {
    if (!folder[0]) {
        const char *where = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/retina.XXXXXX", where && *where ? where : "/tmp");
        need(mkdtemp(folder), "%s: cannot be made", folder);
        owner = getpid();
        atexit(remove_all);
    }
    return path_join(a, folder, name);
}

const char *scratch_file(Arena *a, const char *name, const void *bytes, size_t size) {
    const char *path = scratch_path(a, name);
    file_write(path, bytes, size);
    return path;
}

const char *scratch_text(Arena *a, const char *name, const char *text) { return scratch_file(a, name, text, strlen(text)); }
