// bench_peer.c: see bench_peer.h.
#include "bench_peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "model/cpu.h"

// What a peer's libraries are told: threads that wait sleep, and no better instructions than ours (RETINA_ISA) are used; products of bf16
// without AMX meet at most AVX512_BF16 (performance.md 4.1). What is set already stays.
static void peer_surroundings(void) {
    static const char *const avx2[][2] = {{"OPENBLAS_CORETYPE", "Haswell"}, {"MKL_ENABLE_INSTRUCTIONS", "AVX2"}, {"ONEDNN_MAX_CPU_ISA", "AVX2"}, {"ATEN_CPU_CAPABILITY", "avx2"}};
    setenv("OMP_WAIT_POLICY", "passive", 0);
    setenv("OPENBLAS_THREAD_TIMEOUT", "4", 0);
    for (size_t i = 0; cpu_level() == CPU_AVX2 && i < sizeof avx2 / sizeof *avx2; i++) setenv(avx2[i][0], avx2[i][1], 0);
    if (cpu_level() == CPU_AVX512 && cpu_bf16() != BF16_AMX) setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", 0);
}

Peer peer_start(const char *venv, const char *script, const char *folder, const char *argument) {
    int in[2], out[2];
    need(pipe(in) == 0 && pipe(out) == 0, "bench: no pipe to the peer");
    for (int i = 0; i < 2; i++) fcntl(in[i], F_SETFD, FD_CLOEXEC), fcntl(out[i], F_SETFD, FD_CLOEXEC); // another peer that held them would keep this one from its end
    char python[4096];
    int n = snprintf(python, sizeof python, "%s/bin/python", venv);
    need((size_t)n < sizeof python && access(python, X_OK) == 0, "--peers %s: has no bin/python", venv);
    pid_t pid = fork();
    need(pid >= 0, "bench: the peer cannot be started");
    if (pid == 0) {
        dup2(in[0], 0), dup2(out[1], 1);
        close(in[1]), close(out[0]);
        peer_surroundings();
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGTERM); // it ends with us in the middle of its work, too
#endif
        execl(python, python, script, folder, argument, (char *)NULL);
        _exit(127);
    }
    close(in[0]), close(out[1]);
    signal(SIGPIPE, SIG_IGN);
    return (Peer){.to = fdopen(in[1], "w"), .from = fdopen(out[0], "r"), .pid = pid};
}

static void say(Peer *p, const char *format, va_list list) {
    vfprintf(p->to, format, list);
    fflush(p->to);
}

static void hear(Peer *p, char *answer, size_t room) {
    need(fgets(answer, (int)room, p->from), "bench: the peer gave no answer; does that environment hold what its script in test/bench/ imports?");
    need(strchr(answer, '\n'), "bench: the peer's answer is cut at \"%.80s\"", answer);
    answer[strcspn(answer, "\n")] = 0;
}

double peer_ask(Peer *p, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say(p, format, list);
    va_end(list);
    char answer[200], *end;
    hear(p, answer, sizeof answer);
    double seconds = strtod(answer, &end);
    need(end != answer, "bench: the peer said \"%s\" where a time is right", answer);
    snprintf(p->way, sizeof p->way, "%s", end + strspn(end, " "));
    return seconds;
}

void peer_line(Peer *p, char *answer, size_t room, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say(p, format, list);
    va_end(list);
    hear(p, answer, room);
}

const char *peer_who(Peer *p) {
    if (!*p->who) peer_line(p, p->who, sizeof p->who, "who\n");
    return p->who;
}

const char *peer_without(Arena *a, Peer *p, const char *library) {
    if (!p) return "without --peers";
    const char *there = strstr(peer_who(p), library), *missing = strstr(p->who, "; without ");
    return there && (!missing || there < missing) ? NULL : arena_print(a, "without %s", library);
}

const char *peer_head(Arena *a, Peer *p) { return p ? arena_print(a, " Peers: %s.", peer_who(p)) : ""; }

void peer_ways_add(PeerWays *ways, Arena *a, const Peer *p, const char *row) {
    int k = 0;
    while (k < ways->count && strcmp(ways->way[k], p->way) != 0) k++;
    need(k < PEER_WAYS, "bench: a peer of more ways than there is room for");
    if (k == ways->count) ways->way[ways->count++] = arena_print(a, "%s", p->way), ways->rows[k] = row;
    else ways->rows[k] = arena_print(a, "%s; %s", ways->rows[k], row);
}

const char *peer_ways_said(const PeerWays *ways, Arena *a) {
    const char *text = "";
    for (int k = 0; k < ways->count; k++) text = arena_print(a, "%s%s%s: %s", text, k ? ". " : "", ways->way[k], ways->rows[k]);
    return text;
}

void peer_end(Peer *p) {
    fclose(p->to);
    waitpid(p->pid, NULL, 0);
}

static int ascending(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b; }

Times times_of(double *t, int n) {
    qsort(t, (size_t)n, sizeof *t, ascending);
    return (Times){t[n / 2], t[0], t[n - 1]};
}

double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bench_say(Writer *file, const char *format, ...) {
    Arena *a = arena_new("a line of the bench");
    va_list list;
    va_start(list, format);
    const char *line = arena_vprint(a, format, list);
    va_end(list);
    printf("%s\n", line);
    fflush(stdout);
    if (file) writer_print(file, "%s\n", line);
    arena_free(a);
}
