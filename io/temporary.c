// temporary.c: see temporary.h.
//
// A signal that can be caught takes its half-written files along (file.c); kill -9, a crash of the machine and a job that is out of
// memory do not, and a part of 1.5 GB would stand there for good. Its name says whose it is: a machine, so that another one
// that writes into the same folder is left alone, and a process, which is asked whether it lives.
#include "temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "memory.h"

// FNV-1a of the machine's name: short, for a file's name may have 255 bytes.
static uint32_t machine(void) {
    char name[256] = "";
    (void)gethostname(name, sizeof name - 1);
    uint32_t h = 2166136261u;
    for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 16777619u;
    return h;
}

char *temporary_name(const char *path) {
    size_t room = strlen(path) + 48;
    char *name = memory_take(room, path);
    snprintf(name, room, "%s.tmp.%08x.%ld", path, (unsigned)machine(), (long)getpid());
    return name;
}

// The process that is writing a file of this name; 0: no temporary file of this machine's.
static long writer_of(const char *name, const char *mark) {
    const char *at = NULL;
    for (const char *c = name; (c = strstr(c, mark)); c++) at = c;
    if (!at || at == name) return 0;
    const char *digits = at + strlen(mark);
    size_t n = strspn(digits, "0123456789");
    return n > 0 && n < 10 && digits[n] == 0 ? atol(digits) : 0;
}

static void sweep(const char *folder) {
    DIR *d = fail_now(FAIL_READ) ? NULL : opendir(*folder ? folder : ".");
    if (!d) return; // whoever writes there will say why
    char mark[24];
    snprintf(mark, sizeof mark, ".tmp.%08x.", (unsigned)machine());
    for (struct dirent *e; (e = readdir(d));) {
        long process = writer_of(e->d_name, mark);
        if (process && kill((pid_t)process, 0) != 0 && errno == ESRCH) (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

void temporary_sweep(const char *folder) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct Swept {
        struct Swept *next;
        char folder[];
    } *swept;
    size_t n = strlen(folder) + 1;
    struct Swept *mine = memory_take(sizeof *mine + n, folder), *s; // before the lock: it may not come back
    memcpy(mine->folder, folder, n);
    pthread_mutex_lock(&lock);
    for (s = swept; s && strcmp(s->folder, folder) != 0;) s = s->next;
    if (s) {
        free(mine);
    } else {
        mine->next = swept;
        swept = mine;
        sweep(folder);
    }
    pthread_mutex_unlock(&lock);
}
