// bench_peer.h: a Python program that times the same work in the same run: one line asks, one number of seconds answers.
#ifndef RETINA_RUN_BENCH_PEER_H
#define RETINA_RUN_BENCH_PEER_H

#include <stdio.h>
#include <sys/types.h>

#include "io/error.h"
#include "io/file.h"

typedef struct {
    FILE *to, *from;
    pid_t pid;
} Peer;

Peer peer_start(const char *venv, const char *script, const char *folder, const char *argument); // the script's arguments: bench_folder(), or "", and one that may be NULL
double peer_ask(Peer *p, const char *format, ...) PRINTF_LIKE(2, 3);
void peer_line(Peer *p, char *answer, size_t room, const char *format, ...) PRINTF_LIKE(4, 5); // the whole line of the answer
void peer_end(Peer *p);

typedef struct {
    double median, least, most;
} Times;
Times times_of(double *t, int n);
double cpu_seconds(void); // of this thread's own time: other programs do not count

// A line to the terminal, and into the file when there is one.
void bench_say(Writer *file, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
