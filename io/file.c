// file.c: see file.h.
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "held.h"
#include "pages.h"
#include "temporary.h"

struct Writer {
    Held held;
    FILE *f;
    char *path, *temporary;
    uint64_t offset;
    bool draft; // renamed without waiting for the disk
};

#define READER_ROOM ((size_t)256 * 1024)

struct Reader {
    Held held;
    int fd;
    const char *path;
    bool regular;
    uint64_t size, passed;  // passed: bytes before the buffer
    size_t filled, at;
    uint8_t buffer[];
};

typedef struct {
    Held held;
    const uint8_t *begin;
    size_t size;
    char path[]; // a copy: the arena that names the file may be gone when a fault comes
} Mapping;

static void writer_dropped(Held *h) {
    Writer *w = (Writer *)h;
    if (w->f) fclose(w->f);
    if (w->temporary) unlink(w->temporary);
    free(w->path);
    free(w->temporary);
    free(w);
}

static void mapping_dropped(Held *h) {
    Mapping *m = (Mapping *)h;
    munmap((void *)(uintptr_t)m->begin, m->size);
    free(m);
}

static void remove_temporaries(void) {
    for (const Held *h = held_list(); h; h = h->next)
        if (h->drop == writer_dropped && ((const Writer *)h)->temporary) unlink(((const Writer *)h)->temporary);
}

// Touching a page that a mapped file no longer has raises SIGBUS, wherever the program is. Only what is safe in a
// signal handler happens here: write, unlink, _exit.
static void on_fault(int signal_number, siginfo_t *info, void *context) {
    const uint8_t *at = info->si_addr;
    for (const Held *h = held_list(); h; h = h->next) {
        const Mapping *m = (const Mapping *)h;
        if (h->drop != mapping_dropped || at < m->begin || at >= m->begin + m->size) continue;
        const char *end = ": the file became shorter, or unreadable, while it was in use; restore it and start again\n";
        if (write(2, "retina: ", 8) < 0 || write(2, m->path, strlen(m->path)) < 0 || write(2, end, strlen(end)) < 0) {}
        remove_temporaries();
        _exit(1);
    }
    signal(signal_number, SIG_DFL); // not ours: ends the program as it would have without us
    raise(signal_number);
}

static void watch_faults(void) {
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    sigaction(SIGBUS, &act, NULL);
}

Bytes file_map(Arena *a, const char *path) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_faults);
    size_t n = strlen(path) + 1;
    memory_opened(path);
    const char *kept = arena_text(a, path, n - 1); // before anything is open: these two may die
    Mapping *m = memory_take(sizeof *m + n, path);
    *m = (Mapping){.size = 0};
    memcpy(m->path, path, n);
    int fd = fail_now(FAIL_READ) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe that nobody writes to would keep us here
    const char *fault = fd < 0 ? "cannot be opened" : NULL;
    int reason = errno;
    struct stat st = {0};
    if (!fault && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) fault = "not a regular file", reason = 0;
    if (!fault && st.st_size > 0) {
        void *p = fail_now(FAIL_READ) ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) fault = "cannot be mapped", reason = errno;
        else m->begin = p, m->size = (size_t)st.st_size, pages_huge_wanted(p, m->size);
    }
    if (fd >= 0) close(fd);
    if (fault || m->size == 0) free(m);
    need(!fault, "%s: %s%s%s", path, fault, reason ? ": " : "", reason ? strerror(reason) : "");
    if (st.st_size == 0) return (Bytes){.bytes = (const uint8_t *)"", .path = kept};
    held_add(&m->held, mapping_dropped);
    return (Bytes){.bytes = m->begin, .size = m->size, .path = kept};
}

void file_unmap(Bytes b) {
    for (const Held *h = held_list(); h && b.size; h = h->next) {
        Mapping *m = (Mapping *)(uintptr_t)h;
        if (h->drop != mapping_dropped || m->begin != b.bytes) continue;
        held_remove(&m->held);
        mapping_dropped(&m->held);
        return;
    }
}

// ---- from front to back

static void reader_dropped(Held *h) {
    Reader *r = (Reader *)h;
    if (r->fd > 0) close(r->fd);
    free(r);
}

static Reader *reader_make(const char *path, size_t room) {
    bool is_stdin = strcmp(path, "-") == 0;
    if (is_stdin) path = "stdin";
    size_t n = strlen(path) + 1;
    memory_opened(path);
    Reader *r = memory_take(sizeof *r + room + n, path);
    *r = (Reader){.fd = is_stdin ? 0 : -1, .path = (char *)r->buffer + room};
    memcpy(r->buffer + room, path, n);
    held_add(&r->held, reader_dropped);
    if (!is_stdin) r->fd = fail_now(FAIL_READ) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    need(r->fd >= 0, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    need(fstat(r->fd, &st) != 0 || !S_ISDIR(st.st_mode), "%s: is a folder; a file is wanted here", path);
    r->regular = S_ISREG(st.st_mode);
    r->size = r->regular ? (uint64_t)st.st_size : 0;
    return r;
}

Reader *reader_open(const char *path) { return reader_make(path, READER_ROOM); }

const char *reader_path(const Reader *r) { return r->path; }

static size_t read_some(Reader *r, void *out, size_t size) {
    for (;;) {
        ssize_t n = fail_now(FAIL_READ) ? -1 : read(r->fd, out, size);
        if (n < 0 && errno == EINTR) continue;
        need(n >= 0, "%s: cannot be read: %s", r->path, strerror(errno));
        return (size_t)n;
    }
}

size_t reader_peek(Reader *r, const uint8_t **bytes) {
    if (r->at == r->filled) {
        r->passed += r->filled;
        r->at = r->filled = 0; // also when the next line dies
        r->filled = read_some(r, r->buffer, READER_ROOM);
    }
    *bytes = r->buffer + r->at;
    return r->filled - r->at;
}

void reader_pass(Reader *r, size_t size) { r->at += size; }

size_t reader_read(Reader *r, void *out, size_t size) {
    size_t done = 0;
    while (done < size) {
        const uint8_t *bytes;
        size_t n = reader_peek(r, &bytes);
        if (n == 0) break;
        if (n > size - done) n = size - done;
        memcpy((uint8_t *)out + done, bytes, n);
        reader_pass(r, n);
        done += n;
    }
    return done;
}

void reader_go(Reader *r, uint64_t offset) {
    need(r->regular, "%s: its parts are wanted in another order than a pipe gives them; save it as a file first", r->path);
    r->passed = offset;
    r->at = r->filled = 0;
    need(lseek(r->fd, (off_t)offset, SEEK_SET) >= 0, "%s: cannot be read: %s", r->path, strerror(errno));
}

bool reader_skip(Reader *r, uint64_t size) {
    uint64_t here = r->filled - r->at;
    if (r->regular && size > here) { // the end of a file is known; a pipe must be read to its end
        uint64_t at = reader_offset(r);
        if (size > r->size || at > r->size - size) return false;
        reader_go(r, at + size);
        return true;
    }
    while (size > 0) {
        const uint8_t *bytes;
        size_t n = reader_peek(r, &bytes);
        if (n == 0) return false;
        if (n > size) n = (size_t)size;
        reader_pass(r, n);
        size -= n;
    }
    return true;
}

uint64_t reader_offset(const Reader *r) { return r->passed + r->at; }

bool reader_size(const Reader *r, uint64_t *size) {
    *size = r->size;
    return r->regular;
}

void reader_close(Reader *r) {
    held_remove(&r->held);
    reader_dropped(&r->held);
}

// Reads until the end, so pipes and /dev/stdin work and the size is only a first guess.
Bytes file_read(Arena *a, const char *path) {
    Reader *r = reader_make(path, 0);
    size_t room = r->regular ? size_add((size_t)r->size, 1, path) : 65536, size = 0;
    uint8_t *p = take(a, uint8_t, size_add(room, 1, path));
    for (size_t n; (n = read_some(r, p + size, room - size)) > 0;) {
        size += n;
        if (size < room) continue;
        p = arena_grow(a, p, size, room * 2 + 1, 1);
        room *= 2;
    }
    p[size] = 0;
    Bytes b = {.bytes = p, .size = size, .path = arena_text(a, r->path, strlen(r->path))};
    reader_close(r);
    return b;
}

bool file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool folder_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool folder_same(const char *a, const char *b) {
    struct stat s, t;
    return stat(a, &s) == 0 && stat(b, &t) == 0 && S_ISDIR(s.st_mode) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

char *file_shipped(Arena *a, const char *path) {
    struct stat st;
    char program[4096], *slash;
    ssize_t n = stat(path, &st) == 0 ? -1 : readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    if (!(slash = strrchr(program, '/'))) return arena_text(a, path, strlen(path));
    *slash = 0;
    char *beside = path_join(a, program, path), *installed = arena_print(a, "%s/../share/retina/%s", program, path);
    return stat(beside, &st) == 0 ? beside : stat(installed, &st) == 0 ? installed : arena_text(a, path, strlen(path));
}

void folder_make(const char *path) {
    size_t n = strlen(path);
    char *p = memory_take(n + 1, "folder name");
    memcpy(p, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (p[i] != '/' && p[i] != 0) continue;
        char was = p[i];
        p[i] = 0;
        if (!folder_exists(p) && (fail_now(FAIL_WRITE) || mkdir(p, 0777) != 0) && errno != EEXIST) { // EEXIST: another process was faster
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
    DIR *d = fail_now(FAIL_READ) ? NULL : opendir(path);
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

char *path_folder(Arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    return arena_text(a, path, slash ? (size_t)(slash - path) + (slash == path) : 0);
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

char *path_quoted(Arena *a, const char *path) {
    size_t quotes = 0;
    for (const char *p = path; *p; p++) quotes += *p == '\'';
    char *out = take(a, char, size_add(strlen(path) + 3, size_mul(quotes, 3, path), path)), *end = out;
    *end++ = '\'';
    for (const char *p = path; *p; p++) {
        if (*p == '\'') memcpy(end, "'\\'", 3), end += 3; // ends the word, a quote, begins it again with the quote itself
        *end++ = *p;
    }
    *end++ = '\'', *end = 0;
    return out;
}

// Closes, removes the half-written file and dies: the one way out when the system refuses a write.
static _Noreturn void writer_fail(Writer *w, const char *what, int reason) {
    char path[600];
    snprintf(path, sizeof path, "%s", w->path);
    held_remove(&w->held);
    writer_dropped(&w->held);
    die("%s: %s: %s", path, what, strerror(reason));
}

// Interrupted, ended, hung up, nobody reads what is printed: half-written files go first, then the signal does what it always does.
static void on_end(int signal_number) {
    remove_temporaries();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_ends(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU, SIGXFSZ};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction now, act = {.sa_handler = on_end};
        sigemptyset(&act.sa_mask);
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) sigaction(ends[i], &act, NULL); // what nohup ignores stays ignored
    }
}

Writer *writer_open(const char *path) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_ends);
    struct stat st;
    need(*path && path[strlen(path) - 1] != '/', "%s: names no file to write", *path ? path : "\"\"");
    need(stat(path, &st) != 0 || S_ISREG(st.st_mode), "%s: is %s; a file to write is wanted, which is made beside it and renamed into its place", path, S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    const char *slash = strrchr(path, '/');
    if (slash && slash != path) {
        size_t n = (size_t)(slash - path);
        char *folder = memory_take(n + 1, path);
        memcpy(folder, path, n);
        folder[n] = 0;
        if (!folder_exists(folder)) folder_make(folder);
        temporary_sweep(folder);
        free(folder);
    } else {
        temporary_sweep(slash ? "/" : "");
    }
    size_t n = strlen(path);
    Writer *w = memory_take(sizeof *w, path);
    *w = (Writer){.offset = 0};
    held_add(&w->held, writer_dropped);
    at_death(remove_temporaries);
    w->path = memory_take(n + 1, path);
    memcpy(w->path, path, n + 1);
    w->temporary = temporary_name(path);
    w->f = fail_now(FAIL_WRITE) ? NULL : fopen(w->temporary, "wb+");
    if (!w->f) writer_fail(w, "cannot be written", errno);
    return w;
}

void writer_put(Writer *w, const void *bytes, size_t size) {
    if (size && (fail_now(FAIL_WRITE) || fwrite(bytes, 1, size, w->f) != size)) writer_fail(w, "cannot be written", errno);
    w->offset += size;
}

void writer_print(Writer *w, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = fail_now(FAIL_WRITE) ? -1 : vfprintf(w->f, format, list);
    va_end(list);
    if (n < 0) writer_fail(w, "cannot be written", errno);
    w->offset += (uint64_t)n;
}

void writer_patch(Writer *w, uint64_t offset, const void *bytes, size_t size) {
    if (fail_now(FAIL_WRITE) || fseeko(w->f, (off_t)offset, SEEK_SET) != 0 || fwrite(bytes, 1, size, w->f) != size ||
        fseeko(w->f, (off_t)w->offset, SEEK_SET) != 0)
        writer_fail(w, "cannot be written", errno);
}

uint64_t writer_offset(const Writer *w) { return w->offset; }

void writer_close(Writer *w) {
    if (fail_now(FAIL_WRITE) || fflush(w->f) != 0) writer_fail(w, "cannot be written", errno);
    if (!w->draft && (fail_now(FAIL_FSYNC) || fsync(fileno(w->f)) != 0)) writer_fail(w, "cannot be written to the disk", errno);
    FILE *f = w->f;
    w->f = NULL;
    if (fclose(f) != 0) writer_fail(w, "cannot be closed", errno);
    if (fail_now(FAIL_RENAME) || rename(w->temporary, w->path) != 0) writer_fail(w, "cannot be renamed into place", errno);
    free(w->temporary);
    w->temporary = NULL; // it has become the file
    writer_drop(w);
}

void writer_drop(Writer *w) {
    held_remove(&w->held);
    writer_dropped(&w->held);
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
