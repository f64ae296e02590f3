// test_files.c: readers, writers, mappings; what a trap gives back; a mapped file cut off under the reader; failing calls.
//
// Caught when broken on purpose: a trap that does not close files; a writer that renames before fsync fails; the fault
// handler that leaves the temporary file; reader_skip past the end of a file taken as success.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "io/file.h"
#include "io/temporary.h"
#include "io/json.h"
#include "scratch.h"

static size_t open_files(void) { // descriptors and mappings of this process
    Arena *a = arena_new("count");
    size_t n;
    folder_list(a, "/proc/self/fd", &n);
    Bytes maps = file_read(a, "/proc/self/maps");
    for (size_t i = 0; i + 7 < maps.size; i++) n += memcmp(maps.bytes + i, "/retina.", 8) == 0;
    arena_free(a);
    return n;
}

static void test_reader(Arena *a) {
    size_t n = 700001;
    uint8_t *bytes = take(a, uint8_t, n), *back = take_zero(a, uint8_t, n);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    const char *path = scratch_file(a, "data", bytes, n);
    Reader *r = reader_open(path);
    check(reader_read(r, back, 10) == 10 && reader_skip(r, 600000) && reader_offset(r) == 600010, "reader: read, skip");
    check(reader_read(r, back + 600010, n) == n - 600010 && reader_read(r, back, 1) == 0, "reader: the rest, then the end");
    check_same("reader: first bytes", back, bytes, 10);
    check_same("reader: last bytes", back + 600010, bytes + 600010, n - 600010);
    check(reader_skip(r, 0) && !reader_skip(r, 1), "reader: nothing to skip at the end");
    reader_close(r);
    r = reader_open(path);
    check(reader_skip(r, n) && !reader_skip(r, 1) && reader_offset(r) == n, "reader: skip to the very end");
    reader_close(r);
    r = reader_open(path);
    check(!reader_skip(r, n + 1) && !reader_skip(r, UINT64_MAX), "reader: no skip beyond");
    reader_close(r);

    const char *pipe_path = scratch_path(a, "pipe");
    check(mkfifo(pipe_path, 0600) == 0, "reader: a pipe made");
    for (int turn = 0; turn < 2; turn++) {
        pid_t child = fork();
        if (child == 0) {
            int fd = open(pipe_path, O_WRONLY);
            for (size_t at = 0; at < n;) {
                ssize_t put = write(fd, bytes + at, n - at < 4099 ? n - at : 4099);
                if (put <= 0) _exit(1);
                at += (size_t)put;
            }
            _exit(0);
        }
        if (turn == 0) {
            Bytes all = file_read(a, pipe_path);
            check(all.size == n, "pipe: read whole");
            check_same("pipe: bytes", all.bytes, bytes, n);
        } else {
            r = reader_open(pipe_path);
            check(reader_skip(r, 300000) && reader_read(r, back, n) == n - 300000, "pipe: skip, read");
            check_same("pipe: bytes", back, bytes + 300000, n - 300000);
            check(!reader_skip(r, 1), "pipe: no skip beyond");
            reader_close(r);
        }
        waitpid(child, NULL, 0);
    }
}

// However long a name is, the message has its beginning and the reason.
static bool reason_kept(Arena *a, size_t n) {
    char *name = take(a, char, n + 1);
    memset(name, 'n', n);
    name[0] = '<', name[n] = 0;
    Trap trap;
    if (trap_set(&trap)) die("%s: the reason", name);
    size_t length = strlen(trap.message);
    bool whole = length == n + strlen(": the reason"), cut = length == sizeof trap.message - 1 && strstr(trap.message, " ... n");
    return trap.message[0] == '<' && (whole || cut) && strcmp(trap.message + length - 12, ": the reason") == 0;
}

static void test_long_messages(Arena *a) {
    size_t kept = 0;
    for (size_t n = 900; n < 1200; n++) kept += reason_kept(a, n);
    check(kept == 300, "%zu of 300 messages about names of 900 to 1199 bytes keep their reason", kept);
}

static void test_traps(Arena *a) {
    const char *path = scratch_file(a, "some", "some bytes", 10);
    const char *target = scratch_path(a, "target");
    size_t before = open_files();
    for (int i = 0; i < 3; i++) {
        check_dies("trap: with a mapping, a reader and a writer open", "enough") {
            file_map(a, path);
            reader_open(path);
            writer_put(writer_open(target), "x", 1);
            Trap inner;
            if (trap_set(&inner)) {
                reader_open(path); // stays open: its trap ended well, the outer one closes it
                trap_end(&inner);
            }
            die("enough");
        }
        check_dies("trap: broken JSON with open brackets", "not JSON") json_parse(a, "[[1,2,3", 7, "x");
    }
    check(open_files() == before, "trap: all given back");
    size_t left;
    folder_list(a, scratch_path(a, ""), &left);
    check(!file_exists(target) && left == 3, "trap: no file, no temporary file");
    Bytes kept = file_map(a, path); // from before the trap: must survive it
    check_dies("trap: a mapping from before", "gone") die("gone");
    check_same("trap: is still there", kept.bytes, "some bytes", 10);
    file_unmap(kept);
    check(open_files() == before, "unmapped");
    check_dies("not there", "cannot be opened: No such file") file_map(a, scratch_path(a, "nothing"));
    check_dies("a folder mapped", "not a regular file") file_map(a, scratch_path(a, ""));
    check_dies("a folder read", "is a folder") file_read(a, scratch_path(a, ""));
}

// Runs `what` in a child; its standard error goes to `said`. Returns the exit status, or minus the signal.
static int child(void (*what)(Arena *), Arena *a, char said[4096]) {
    int ends[2];
    if (pipe(ends) != 0) return -1000;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        what(a);
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t k; n < 4095 && (k = read(ends[0], said + n, 4095 - n)) > 0;) n += (size_t)k;
    said[n] = 0;
    if (n && said[n - 1] == '\n') said[n - 1] = 0;
    close(ends[0]);
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void cut_off(Arena *a) {
    size_t n = 1 << 20;
    const char *path = scratch_file(a, "shrinking", take_zero(a, uint8_t, n), n);
    Bytes b = file_map(a, path);
    writer_put(writer_open(scratch_path(a, "half")), "x", 1);
    if (truncate(path, 10) != 0) _exit(7);
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < b.size; i += 4096) sum = (uint8_t)(sum + b.bytes[i]);
}

static void killed(Arena *a) {
    writer_put(writer_open(scratch_path(a, "killed/part")), "x", 1);
    raise(SIGKILL);
}

static void put_by_hand(const char *path) {
    FILE *f = fopen(path, "w");
    check(f && fclose(f) == 0, "%s is there", path);
}

// Of three files that look half-written, the one whose process is gone goes when somebody else writes into the folder.
static void test_leftovers(Arena *a) {
    char said[4096];
    size_t n;
    child(killed, a, said);
    char **left = folder_list(a, scratch_path(a, "killed"), &n);
    check(n == 1 && strstr(left[0], "/part.tmp."), "a killed writer leaves its half: %zu files", n);
    char *mine = temporary_name(scratch_path(a, "killed/of_who_lives"));
    put_by_hand(arena_print(a, "%.*s.%ld", (int)(strrchr(mine, '.') - mine), mine, (long)getppid()));
    put_by_hand(scratch_path(a, "killed/of_elsewhere.tmp.00000000.99999999"));
    free(mine);
    file_write(scratch_path(a, "killed/other"), "x", 1);
    left = folder_list(a, scratch_path(a, "killed"), &n);
    check(n == 3 && strstr(left[0], "/of_elsewhere") && strstr(left[1], "/of_who_lives") && strstr(left[2], "/other"), "the next writer takes it away, and no other's: %zu files", n);
}

static void own_fault(Arena *a) { raise(SIGBUS); }

static void test_names(Arena *a) {
    static const struct {
        const char *path, *folder, *name, *stem, *extension;
    } paths[] = {{"a/b.c", "a", "b.c", "b", "c"}, {"b.c", "", "b.c", "b", "c"}, {"/b.tar.gz", "/", "b.tar.gz", "b.tar", "gz"}, {"/a.d/b", "/a.d", "b", "b", ""}, {"a/.b", "a", ".b", ".b", ""}, {"", "", "", "", ""}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *p = paths[i].path, *folder = path_folder(a, p);
        check(strcmp(folder, paths[i].folder) == 0 && strcmp(path_name(p), paths[i].name) == 0 && strcmp(path_stem(a, p), paths[i].stem) == 0 &&
                  strcmp(path_extension(p), paths[i].extension) == 0 && strcmp(path_join(a, folder, path_name(p)), p) == 0,
              "the parts of \"%s\", joined again", p);
    }
}

static void test_fault(Arena *a) {
    char said[4096];
    file_unmap(file_map(a, scratch_file(a, "x", "x", 1))); // the handler is set
    int status = child(cut_off, a, said);
    check(status == 1 && strstr(said, "retina: ") == said && strstr(said, "/shrinking: the file became shorter") && !strchr(said, '\n'),
          "cut off while mapped: exit %d: %s", status, said);
    size_t n;
    char **left = folder_list(a, scratch_path(a, ""), &n);
    for (size_t i = 0; i < n; i++) check(!strstr(left[i], ".tmp."), "cut off while mapped: no temporary file: %s", left[i]);
    status = child(own_fault, a, said);
    check(status != 0 && status != 1, "a fault that is not a file's is not hidden: %d", status);
}

// The program under test runs with RETINA_FAIL set: its own binary, with an argument, so that the setting is seen at start.
static const char *self;

static void test_failing(Arena *a) {
    static const struct {
        const char *kind, *part;
    } all[] = {{"malloc", "memory left"}, {"read", "Input/output error"}, {"write", "No space left"}, {"rename", "renamed into place"}, {"fsync", "to the disk"}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        int n = 1, status;
        do {
            const char *from = scratch_file(a, "failing/in", "{\"a\": [1, 2, 3]}", 16), *to = scratch_path(a, "failing/out");
            unlink(to);
            const char *log = scratch_path(a, "log");
            status = system(arena_print(a, "RETINA_FAIL=%s:%d %s copy %s %s 2> %s", all[k].kind, n, self, from, to, log));
            status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            Bytes said = file_read(a, log);
            char *text = arena_text(a, (const char *)said.bytes, said.size);
            if (said.size) text[said.size - 1] = 0;
            size_t left, lines = 0;
            for (size_t i = 0; i < said.size; i++) lines += said.bytes[i] == '\n';
            folder_list(a, scratch_path(a, "failing"), &left);
            if (status == 0) check(left == 2 && said.size == 0, "%s %d: done", all[k].kind, n);
            else
                check(status == 1 && left == 1 && lines == 1 && strstr(text, all[k].part) && strncmp(text, "retina: ", 8) == 0,
                      "%s %d: exit %d, %zu files, %s", all[k].kind, n, status, left, text);
            if (status && k == 0 && n > 1) check(strstr(text, "/failing/") != NULL, "malloc %d: the file in hand is not named: %s", n, text); // the first is copy's arena
            n++;
        } while (status == 1 && n < 100);
        check(n > 2, "%s: failed %d times before it went well", all[k].kind, n - 2);
    }
    check(system(arena_print(a, "RETINA_FAIL=malloc:2 %s trapped 2>/dev/null", self)) / 256 == 1, "want of memory is not trapped");
    check(system(arena_print(a, "RETINA_FAIL=malloc:0 %s trapped 2>&1 | grep -q '2 of malloc'", self)) == 0, "RETINA_FAIL=malloc:0 counts");
    check(system(arena_print(a, "RETINA_FAIL=nonsense %s copy a b 2>/dev/null", self)) / 256 == 2, "a wish that is not understood is wrong use");
}

// Want of memory is no input's fault: no trap takes it for a bad file.
static int trapped(void) {
    Trap trap;
    if (trap_set(&trap)) {
        arena_take(arena_new("trapped"), 1, 1);
        trap_end(&trap);
    }
    return 0;
}

static int copy(const char *from, const char *to) {
    Arena *a = arena_new("copy");
    const Json *j = json_read(a, from);
    Bytes b = file_map(a, from);
    Writer *w = writer_open(to);
    writer_put(w, b.bytes, b.size);
    writer_print(w, "%zu", j->count);
    writer_patch(w, 0, "[", 1);
    writer_close(w);
    file_unmap(b);
    arena_free(a);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "copy") == 0) return copy(argv[2], argv[3]);
    if (argc == 2 && strcmp(argv[1], "trapped") == 0) return trapped();
    self = argv[0];
    Arena *a = arena_new("test");
    test_reader(a);
    test_long_messages(a);
    test_traps(a);
    test_names(a);
    test_fault(a);
    test_leftovers(a);
    test_failing(a);
    arena_free(a);
    return check_end();
}
