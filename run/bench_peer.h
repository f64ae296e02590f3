// bench_peer.h: a Python program that times the same work in the same run: one line asks, one number of seconds answers.
#ifndef RETINA_RUN_BENCH_PEER_H
#define RETINA_RUN_BENCH_PEER_H

#include <stdio.h>
#include <sys/types.h>

#include "io/error.h"
#include "io/file.h"
#include "io/memory.h"

typedef struct {
    FILE *to, *from;
    pid_t pid;
    char who[600], way[120]; // what it said of itself (peer_who), and behind the last number: by which of several ways it computed
} Peer;

Peer peer_start(const char *venv, const char *script, const char *folder, const char *argument); // the script's arguments: bench_folder(), or "", and one that may be NULL
double peer_ask(Peer *p, const char *format, ...) PRINTF_LIKE(2, 3);
void peer_line(Peer *p, char *answer, size_t room, const char *format, ...) PRINTF_LIKE(4, 5); // the whole line of the answer
const char *peer_who(Peer *p);                                                                    // libraries and versions; "; without " those that are missing
const char *peer_without(Arena *a, Peer *p, const char *library);                                 // "without LIBRARY", named as in `who`, or "without --peers"; NULL: it has it
const char *peer_head(Arena *a, Peer *p);                                                         // for the head of a page: " Peers: WHO."; "" without one
void peer_end(Peer *p);

// By which way a peer computed which rows: "f32 packed ahead: 577 x 1024 x 1024; …. bf16: …".
enum { PEER_WAYS = 12 };
typedef struct {
    int count;
    const char *way[PEER_WAYS], *rows[PEER_WAYS];
} PeerWays;
void peer_ways_add(PeerWays *ways, Arena *a, const Peer *p, const char *row);
const char *peer_ways_said(const PeerWays *ways, Arena *a);

typedef struct {
    double median, least, most;
} Times;
Times times_of(double *t, int n);
double cpu_seconds(void); // of this thread's own time: other programs do not count

// A line to the terminal, and into the file when there is one.
void bench_say(Writer *file, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
