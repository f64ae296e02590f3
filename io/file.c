// file.c: see file.h.
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct Writer {
    FILE *f;
    char *path, *temporary;
    uint64_t offset;
    bool draft; // renamed without waiting for the disk
    Writer *next;
};

static Writer *open_writers = NULL; // their temporary files are removed when the program dies

Bytes file_map(Arena *a, const char *path) {
    int fd = open(path, O_RDONLY);
    need(fd >= 0, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        die("%s: not a regular file", path);
    }
    Bytes b = {.size = (size_t)st.st_size, .path = arena_text(a, path, strlen(path))};
    if (b.size) {
        void *p = mmap(NULL, b.size, PROT_READ, MAP_PRIVATE, fd, 0);
        int reason = errno;
        close(fd);
        need(p != MAP_FAILED, "%s: cannot be mapped: %s", path, strerror(reason));
        b.bytes = p;
    } else {
        close(fd);
        b.bytes = (const uint8_t *)"";
    }
    return b;
}

void file_unmap(Bytes b) {
    if (b.size) munmap((void *)(uintptr_t)b.bytes, b.size);
}

// Reads until the end, so pipes and /dev/stdin work and st_size is only a first guess.
Bytes file_read(Arena *a, const char *path) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? 0 : open(path, O_RDONLY);
    need(fd >= 0, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    size_t room = 65536;
    if (fstat(fd, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            close(fd);
            die("%s: is a folder; a file is wanted here", path);
        }
        if (S_ISREG(st.st_mode)) room = (size_t)st.st_size + 1;
    }
    uint8_t *p = take(a, uint8_t, room + 1);
    size_t size = 0;
    for (;;) {
        if (size == room) {
            p = arena_grow(a, p, size, room * 2 + 1, 1);
            room *= 2;
        }
        ssize_t n = read(fd, p + size, room - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int reason = errno;
            if (!is_stdin) close(fd);
            die("%s: cannot be read: %s", path, strerror(reason));
        }
        if (n == 0) break;
        size += (size_t)n;
    }
    if (!is_stdin) close(fd);
    p[size] = 0;
    return (Bytes){.bytes = p, .size = size, .path = is_stdin ? "stdin" : arena_text(a, path, strlen(path))};
}

bool file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool folder_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void folder_make(const char *path) {
    size_t n = strlen(path);
    char *p = memory_take(n + 1, "folder name");
    memcpy(p, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (p[i] != '/' && p[i] != 0) continue;
        char was = p[i];
        p[i] = 0;
        if (mkdir(p, 0777) != 0 && errno != EEXIST && !folder_exists(p)) {
            int reason = errno;
            free(p);
            die("%s: the folder cannot be made: %s", path, strerror(reason));
        }
        p[i] = was;
    }
    free(p);
    need(folder_exists(path), "%s: is not a folder", path);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **folder_list(Arena *a, const char *path, size_t *count) {
    DIR *d = opendir(path);
    need(d, "%s: the folder cannot be read: %s", path, strerror(errno));
    size_t n = 0, room = 64;
    char **list = take(a, char *, room);
    for (struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (n == room) {
            list = arena_grow(a, list, n, room * 2, sizeof *list);
            room *= 2;
        }
        list[n++] = path_join(a, path, e->d_name);
    }
    closedir(d);
    qsort(list, n, sizeof *list, by_bytes);
    *count = n;
    return list;
}

char *path_join(Arena *a, const char *folder, const char *name) {
    size_t n = strlen(folder);
    if (n == 0) return arena_text(a, name, strlen(name));
    return arena_print(a, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

const char *path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *path_extension(const char *path) {
    const char *dot = strrchr(path_name(path), '.');
    return dot && dot != path_name(path) ? dot + 1 : "";
}

char *path_stem(Arena *a, const char *path) {
    const char *name = path_name(path), *extension = path_extension(path);
    size_t n = *extension ? (size_t)(extension - name) - 1 : strlen(name);
    return arena_text(a, name, n);
}

static void remove_temporaries(void) {
    for (Writer *w = open_writers; w; w = w->next) unlink(w->temporary);
}

static void writer_forget(Writer *w) {
    for (Writer **p = &open_writers; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
    free(w->path);
    free(w->temporary);
    free(w);
}

// Closes, removes the half-written file and dies: the one way out when the system refuses a write.
static _Noreturn void writer_fail(Writer *w, const char *what, int reason) {
    char path[600];
    snprintf(path, sizeof path, "%s", w->path);
    if (w->f) fclose(w->f);
    unlink(w->temporary);
    writer_forget(w);
    die("%s: %s: %s", path, what, strerror(reason));
}

Writer *writer_open(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash && slash != path) {
        size_t n = (size_t)(slash - path);
        char *folder = memory_take(n + 1, path);
        memcpy(folder, path, n);
        folder[n] = 0;
        if (!folder_exists(folder)) folder_make(folder);
        free(folder);
    }
    size_t n = strlen(path);
    Writer *w = memory_take(sizeof *w, path);
    *w = (Writer){.path = memory_take(n + 1, path), .temporary = memory_take(n + 32, path)};
    memcpy(w->path, path, n + 1);
    snprintf(w->temporary, n + 32, "%s.tmp.%ld", path, (long)getpid());
    w->next = open_writers;
    open_writers = w;
    at_death(remove_temporaries);
    w->f = fopen(w->temporary, "wb+");
    if (!w->f) writer_fail(w, "cannot be written", errno);
    return w;
}

void writer_put(Writer *w, const void *bytes, size_t size) {
    if (size && fwrite(bytes, 1, size, w->f) != size) writer_fail(w, "cannot be written", errno);
    w->offset += size;
}

void writer_print(Writer *w, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vfprintf(w->f, format, list);
    va_end(list);
    if (n < 0) writer_fail(w, "cannot be written", errno);
    w->offset += (uint64_t)n;
}

void writer_patch(Writer *w, uint64_t offset, const void *bytes, size_t size) {
    if (fseeko(w->f, (off_t)offset, SEEK_SET) != 0 || fwrite(bytes, 1, size, w->f) != size ||
        fseeko(w->f, (off_t)w->offset, SEEK_SET) != 0)
        writer_fail(w, "cannot be written", errno);
}

uint64_t writer_offset(const Writer *w) { return w->offset; }

void writer_close(Writer *w) {
    if (fflush(w->f) != 0 || (!w->draft && fsync(fileno(w->f)) != 0)) writer_fail(w, "cannot be written", errno);
    FILE *f = w->f;
    w->f = NULL;
    if (fclose(f) != 0) writer_fail(w, "cannot be closed", errno);
    if (rename(w->temporary, w->path) != 0) writer_fail(w, "cannot be renamed into place", errno);
    writer_forget(w);
}

void writer_drop(Writer *w) {
    fclose(w->f);
    unlink(w->temporary);
    writer_forget(w);
}

void file_write(const char *path, const void *bytes, size_t size) {
    Writer *w = writer_open(path);
    writer_put(w, bytes, size);
    writer_close(w);
}

void file_draft(const char *path, const void *bytes, size_t size) {
    Writer *w = writer_open(path);
    w->draft = true;
    writer_put(w, bytes, size);
    writer_close(w);
}
