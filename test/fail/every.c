// every.c: every place of a command where the system may say no, in one run of it. The linker puts this in the place of
// io/fail.c's own count (test/fail/every.sh): where a call of the kind that RETINA_FAIL names is due, the process forks, in the
// child that call fails, and the parent goes on as if nothing had been asked. A child has a copy of the present folder to
// itself, open files included, so a command that writes into it must name its outputs by relative paths, and there are no
// threads: none can be made. When a child ends, what it said and left is held against the rules of test/fail.sh.
//
// FAIL_BOX is a folder: good/ holds what a good run leaves; report gets a line for everything that is wrong; tried gets the
// number of places; states/ gets each state that some child left once, so that a script can go on from there.
// FAIL_UNLIKE: an expression for names of files that differ from run to run. FAIL_STUDY: pictures may be missing in the end.
// FAIL_PART: the process is one of several that leave what a good run leaves.
// FAIL_CHILDREN: as many at a time.
#define _GNU_SOURCE // memmem, dup3
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/checksum.h"
#include "io/fail.h"

enum { PATH_MOST = 4096, CHILDREN_MOST = 256, PATIENCE = 300 };

typedef struct {
    pid_t pid;
    long place;
} Child;

static struct {
    bool begun, failed; // failed: this is a child, whose failure is behind it
    char box[PATH_MOST / 2], folder[PATH_MOST / 2];
    regex_t unlike;
    bool study;
    long places;
    int most, count;
    Child children[CHILDREN_MOST];
} every;

static const struct {
    const char *name;
    int reason;
} kinds[] = {[FAIL_MALLOC] = {"malloc", ENOMEM}, [FAIL_READ] = {"read", EIO}, [FAIL_WRITE] = {"write", ENOSPC}, [FAIL_RENAME] = {"rename", EIO}, [FAIL_FSYNC] = {"fsync", EIO}, [FAIL_THREAD] = {"thread", EAGAIN}};

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "every: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void joined(char *out, const char *folder, const char *name) {
    must((size_t)snprintf(out, PATH_MOST, "%s/%s", folder, name) < PATH_MOST, name);
}

// ---- folders

static char *read_whole(const char *path, size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) return NULL;
    char *bytes = malloc((size_t)st.st_size + 1);
    must(bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size, path);
    close(fd);
    *size = (size_t)st.st_size;
    bytes[*size] = 0;
    return bytes;
}

static void write_whole(const char *path, const void *bytes, size_t size, int mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0666);
    must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, path);
    close(fd);
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

// Every file and folder below, by its path from there.
static void each(const char *folder, const char *below, void (*with)(const char *folder, const char *path, bool is_folder, void *data), void *data) {
    char here[PATH_MOST], path[PATH_MOST], full[PATH_MOST];
    joined(here, folder, below);
    struct dirent **names;
    int n = scandir(here, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        struct stat st;
        if (!is_dots(names[i]->d_name)) {
            if (*below) joined(path, below, names[i]->d_name);
            else snprintf(path, sizeof path, "%s", names[i]->d_name);
            joined(full, folder, path);
            bool is_folder = stat(full, &st) == 0 && S_ISDIR(st.st_mode);
            if (is_folder) with(folder, path, true, data), each(folder, path, with, data);
            else with(folder, path, false, data);
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
}

static void copy_one(const char *folder, const char *path, bool is_folder, void *to) {
    char from[PATH_MOST], there[PATH_MOST];
    joined(from, folder, path);
    joined(there, to, path);
    if (is_folder) {
        must(mkdir(there, 0777) == 0, there);
        return;
    }
    size_t size;
    char *bytes = read_whole(from, &size);
    must(bytes, from);
    write_whole(there, bytes, size, O_EXCL);
    free(bytes);
}

static void remove_tree(const char *folder) {
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char full[PATH_MOST];
        joined(full, folder, names[i]->d_name);
        if (!is_dots(names[i]->d_name) && unlink(full) != 0) remove_tree(full);
        free(names[i]);
    }
    if (n >= 0) free(names);
    rmdir(folder);
}

// ---- what a child left

typedef struct {
    const char *good;
    bool listed;            // a picture that could not be read is where such pictures are listed
    char wrong[PATH_MOST]; // the first file that a good run does not leave so
    uint64_t state;
} Left;

static bool ends(const char *text, const char *end) { return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0; }
static const char *name_of(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static bool lists(const char *path, const char *bytes, size_t size) {
    static const char reason[] = "Input/output error", missing[] = "\"missing\":\"[";
    if (ends(path, "failed.csv") || (strstr(path, "captions/part-") && ends(path, ".json"))) return memmem(bytes, size, reason, sizeof reason - 1);
    if (strcmp(name_of(path), "calibration.safetensors") != 0) return false;
    const char *at = memmem(bytes, size < 4096 ? size : 4096, missing, sizeof missing - 1);
    return at && at[sizeof missing - 1] >= '0' && at[sizeof missing - 1] <= '9';
}

static void look(const char *folder, const char *path, bool is_folder, void *data) {
    Left *left = data;
    left->state = (left->state ^ crc32_of(0, (const uint8_t *)path, strlen(path))) * 1099511628211u;
    if (is_folder) return;
    char full[PATH_MOST];
    size_t size, good_size = 0;
    joined(full, folder, path);
    char *bytes = read_whole(full, &size);
    must(bytes, full);
    left->state = (left->state ^ size) * 1099511628211u;
    left->state = (left->state ^ crc32_of(0, (const uint8_t *)bytes, size)) * 1099511628211u;
    left->listed |= lists(path, bytes, size);
    bool temporary = strstr(name_of(path), ".tmp.");
    if (temporary || regexec(&every.unlike, name_of(path), 0, NULL, 0) != 0) {
        joined(full, left->good, path);
        char *good = temporary ? NULL : read_whole(full, &good_size);
        if ((!good || good_size != size || memcmp(good, bytes, size) != 0) && !left->wrong[0]) snprintf(left->wrong, sizeof left->wrong, "%s", path);
        free(good);
    }
    free(bytes);
}

static void missing_one(const char *folder, const char *path, bool is_folder, void *data) {
    char **to = data, full[PATH_MOST];
    struct stat st;
    joined(full, to[0], path);
    if (!is_folder && stat(full, &st) != 0 && !to[1][0]) snprintf(to[1], PATH_MOST, "%s", path);
}

static void complain(long place, const char *what, const char *more) {
    char line[1024], path[PATH_MOST];
    snprintf(line, sizeof line, "%s %ld: %s%.500s", kinds[fail_kind].name, place, what, more);
    for (char *c = line; *c; c++)
        if (*c == '\n') *c = '|';
    strcat(line, "\n");
    joined(path, every.box, "report");
    write_whole(path, line, strlen(line), O_APPEND);
}

// The rules of test/fail.sh: either all is well in the end, or the command ends with one line and leaves good files only.
static void judge(long place, int status) {
    char name[64], folder[PATH_MOST], error[PATH_MOST], good[PATH_MOST], state[PATH_MOST], missing[PATH_MOST] = "";
    snprintf(name, sizeof name, "child.%ld", place);
    joined(folder, every.box, name);
    snprintf(name, sizeof name, "stderr.%ld", place);
    joined(error, every.box, name);
    joined(good, every.box, "good");
    Left left = {.good = good};
    each(folder, "", look, &left);
    if (!getenv("FAIL_PART")) each(good, "", missing_one, (char *[]){folder, missing});
    size_t size = 0, lines = 0;
    char *said = read_whole(error, &size);
    for (size_t i = 0; i < size; i++) lines += said[i] == '\n';
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    bool listed = fail_kind == FAIL_READ && code <= 1 && lines <= 1 && left.listed;
    if (code == 0 && !listed) {
        if (left.wrong[0]) complain(place, "all is well, but another is ", left.wrong);
        if (missing[0]) complain(place, "all is well, but there is no ", missing);
    } else if (!listed) {
        if (code != 1 || lines != 1 || strncmp(said, "retina: ", 8) != 0) complain(place, code == 1 ? "not one line: " : "no orderly end: ", said);
        if (left.wrong[0]) complain(place, "left behind: ", left.wrong);
    }
    snprintf(name, sizeof name, "states/%016llx", (unsigned long long)left.state);
    joined(state, every.box, name);
    if ((listed && every.study) || rename(folder, state) != 0) remove_tree(folder);
    unlink(error);
    free(said);
}

// ---- children

static void reap(void) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    must(pid > 0, "no child to wait for");
    for (int i = 0; i < every.count; i++)
        if (every.children[i].pid == pid) {
            judge(every.children[i].place, status);
            every.children[i] = every.children[--every.count];
            return;
        }
}

static void finish(void) {
    if (every.failed || !every.begun) return;
    while (every.count) reap();
    char line[64], path[PATH_MOST];
    joined(path, every.box, "tried");
    snprintf(line, sizeof line, " %s %ld", kinds[fail_kind].name, every.places);
    write_whole(path, line, strlen(line), O_APPEND);
}

static void begin(void) {
    const char *box = getenv("FAIL_BOX"), *unlike = getenv("FAIL_UNLIKE"), *children = getenv("FAIL_CHILDREN");
    char whole[1024];
    errno = EINVAL;
    must(box && strlen(box) < sizeof every.box && getcwd(every.folder, sizeof every.folder), "FAIL_BOX");
    strcpy(every.box, box);
    snprintf(whole, sizeof whole, "^(%s)$", unlike ? unlike : "-");
    must(regcomp(&every.unlike, whole, REG_EXTENDED | REG_NOSUB) == 0, "FAIL_UNLIKE");
    every.study = getenv("FAIL_STUDY");
    every.most = children ? atoi(children) : 2;
    must(every.most > 0 && every.most <= CHILDREN_MOST, "FAIL_CHILDREN");
    every.begun = true;
    atexit(finish);
}

// What is open below the folder: noted before the parent goes on, opened again below the copy at the same place.
typedef struct {
    int fd, flags;
    off_t at;
    char path[PATH_MOST]; // below the folder
} Open;

static int noted(Open *list, int most) {
    size_t n = strlen(every.folder);
    int count = 0;
    for (int fd = 3; fd < 256; fd++) {
        char link[64], path[PATH_MOST];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length < 0) continue;
        path[length] = 0;
        int flags = fcntl(fd, F_GETFL);
        if (strncmp(path, every.folder, n) != 0 || path[n] != '/' || flags & O_DIRECTORY) continue;
        must(count < most, "many open files");
        list[count] = (Open){.fd = fd, .flags = flags & (O_ACCMODE | O_APPEND), .at = lseek(fd, 0, SEEK_CUR)};
        strcpy(list[count++].path, path + n + 1);
    }
    return count;
}

static void open_again(const Open *o, const char *copy) {
    char there[PATH_MOST];
    joined(there, copy, o->path);
    int again = open(there, o->flags | O_CLOEXEC);
    must(again >= 0 && lseek(again, o->at, SEEK_SET) >= 0 && dup3(again, o->fd, O_CLOEXEC) == o->fd, there);
    close(again);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) { return EAGAIN; }

bool __wrap_fail_counts(void);
bool __wrap_fail_counts(void) {
    if (every.failed) return false;
    if (!every.begun) begin();
    every.places++;
    while (every.count == every.most) reap();
    char name[64], copy[PATH_MOST], error[PATH_MOST];
    snprintf(name, sizeof name, "child.%ld", every.places);
    joined(copy, every.box, name);
    snprintf(name, sizeof name, "stderr.%ld", every.places);
    joined(error, every.box, name);
    must(mkdir(copy, 0777) == 0, copy);
    each(every.folder, "", copy_one, copy);
    static Open open_files[32];
    int open_count = noted(open_files, 32);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid > 0) {
        every.children[every.count++] = (Child){pid, every.places};
        return false;
    }
    every.failed = true;
    alarm(PATIENCE);
    for (int i = 0; i < open_count; i++) open_again(&open_files[i], copy);
    must(chdir(copy) == 0 && freopen(error, "w", stderr) && freopen("/dev/null", "w", stdout), error);
    errno = kinds[fail_kind].reason;
    return true;
}
