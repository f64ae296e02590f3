// fuzz.c: see fuzz.h.
#include "fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "io/progress.h"
#include "io/random.h"

#define HANG_SECONDS 10
#define SIZE_MAX_BYTES ((size_t)1 << 16) // inputs do not grow beyond, or beyond their seed

static struct {
    volatile uint64_t run, seen; // by the watchdog
    volatile int ticks;
    uint64_t seed, accepted, refused, kinds;
    uint64_t message_seen[1 << 14]; // hashes of messages without their numbers
    size_t peak;
    double slowest;
} state;

#ifndef LIBFUZZER // which mutates by itself

typedef struct {
    uint8_t *bytes;
    size_t size, room;
} Text;

typedef struct {
    Rng rng;
    uint64_t drawn;
} Dice;

static size_t below(Dice *d, size_t n) { return (size_t)rng_below(d->rng, d->drawn++, n); }

// ---- mutation

static void replace(Text *t, size_t at, size_t old, const void *bytes, size_t size) {
    size_t after = t->size - at - old;
    if (at + size + after > t->room) return;
    memmove(t->bytes + at + size, t->bytes + at + old, after);
    if (size) memmove(t->bytes + at, bytes, size);
    t->size = at + size + after;
}

static void put_number(Dice *d, Text *t) { // a whole number of 1, 2, 4 or 8 bytes in either order, near an edge
    static const uint64_t edges[] = {0, 1, 2, 3, 7, 8, 16, 64, 127, 128, 255, 256, 512, 1023, 4096, 32767, 32768, 65535, 65536, (uint64_t)1 << 24, INT32_MAX, (uint64_t)1 << 31,
                                     UINT32_MAX, (uint64_t)1 << 32, (uint64_t)1 << 40, (uint64_t)1 << 62, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX};
    size_t width = (size_t)1 << below(d, 4);
    if (t->size < width) return;
    size_t at = below(d, t->size - width + 1);
    uint64_t v = edges[below(d, sizeof edges / sizeof *edges)] + below(d, 3) - 1;
    if (below(d, 4) == 0) v = t->size - at - below(d, 5); // the bytes that are left, or nearly
    bool big = below(d, 2);
    for (size_t i = 0; i < width; i++) t->bytes[at + (big ? width - 1 - i : i)] = (uint8_t)(v >> (8 * i));
}

static void put_digits(Dice *d, Text *t) { // a run of digits becomes another number
    static const char *const numbers[] = {"0", "1", "-1", "2", "9", "255", "65536", "2147483647", "4294967295", "9223372036854775807", "18446744073709551615", "99999999999999999999", "1e309",
                                          "00", "0x10", "1.5", "", "77777777777"};
    if (t->size == 0) return;
    size_t at = below(d, t->size), end;
    while (at < t->size && (t->bytes[at] < '0' || t->bytes[at] > '9')) at++;
    for (end = at; end < t->size && t->bytes[end] >= '0' && t->bytes[end] <= '9';) end++;
    const char *n = numbers[below(d, sizeof numbers / sizeof *numbers)];
    if (at < end) replace(t, at, end - at, n, strlen(n));
}

static void mutate_once(Dice *d, Text *t, const Text *other, const char *const *words, size_t word_count) {
    size_t at = t->size ? below(d, t->size) : 0, left = t->size - at, n = left ? below(d, left < 64 || below(d, 8) == 0 ? left : 64) + 1 : 0;
    switch (below(d, word_count ? 11 : 10)) {
    case 0: if (left) t->bytes[at] ^= (uint8_t)(1 << below(d, 8)); break;
    case 1: if (left) t->bytes[at] = (uint8_t)below(d, 256); break;
    case 2: put_number(d, t); break;
    case 3: put_digits(d, t); break;
    case 4: replace(t, at, n, NULL, 0); break;                                                       // take away
    case 5: { // double, perhaps many times
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, t->bytes + at, n);
        for (size_t times = below(d, 16) ? 1 : below(d, 200); times > 0; times--) replace(t, at, 0, copy, n);
        free(copy);
        break;
    }
    case 6: { // move
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, t->bytes + at, n);
        replace(t, at, n, NULL, 0);
        replace(t, below(d, t->size + 1), 0, copy, n);
        free(copy);
        break;
    }
    case 7: if (below(d, 4) == 0) t->size = at; break;                                               // cut off
    case 8: { // a piece of another good file
        if (!other->size) break;
        size_t from = below(d, other->size), most = other->size - from, k = below(d, most < 256 ? most : 256) + 1;
        replace(t, at, below(d, 2) ? (k < left ? k : left) : 0, other->bytes + from, k);
        break;
    }
    case 9: if (left) memset(t->bytes + at, below(d, 3) ? (int)below(d, 256) : 0, n); break;
    default: {
        const char *w = words[below(d, word_count)];
        replace(t, at, below(d, 2) && strlen(w) <= left ? strlen(w) : 0, w, strlen(w));
    }
    }
}

#endif

// ---- one input

void fuzz_touch(const void *bytes, size_t size) {
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
}

static _Noreturn void failure(const char *what) {
    fprintf(stderr, "%s: %s\n", fuzz_target.name, what);
    abort();
}

static void message_count(const char *text) {
    uint64_t h = 1469598103934665603u;
    for (; *text; text++)
        if (*text < '0' || *text > '9') h = (h ^ (uint8_t)*text) * 1099511628211u;
    for (size_t i = h % (sizeof state.message_seen / sizeof *state.message_seen), n = 0; n < 64; i = (i + 1) % (sizeof state.message_seen / sizeof *state.message_seen), n++) {
        if (state.message_seen[i] == h) return;
        if (state.message_seen[i]) continue;
        state.message_seen[i] = h;
        state.kinds++;
        return;
    }
}

static void one(const uint8_t *bytes, size_t size) {
    uint8_t *exact = malloc(size ? size : 1); // so that a step beyond is seen
    memcpy(exact, bytes, size);
    fuzz_input(exact, size);
    Arena *a = arena_new("fuzz");
    Trap trap;
    double start = seconds_now();
    if (trap_set(&trap)) {
        fuzz_target.parse(a, (Bytes){.bytes = exact, .size = size, .path = FUZZ_PATH});
        trap_end(&trap);
        state.accepted++;
    } else {
        state.refused++;
        message_count(trap.message);
        const char *said = strchr(trap.message, ':'); // after the name of the arena or of the input
        if (!said || strncmp(said, ": the system has no ", 20) == 0) failure(said ? trap.message : "a message without its place");
    }
    double took = seconds_now() - start;
    if (took > state.slowest) state.slowest = took;
    size_t peak = arena_peak(a), allowed = (fuzz_target.memory ? fuzz_target.memory : (size_t)16 << 20) + size * 256;
    if (peak > state.peak) state.peak = peak;
    if (peak > allowed) {
        fprintf(stderr, "%zu bytes of arena for %zu of input\n", peak, size);
        failure("too much memory");
    }
    arena_free(a);
    free(exact);
}

#ifdef LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    quiet = true;
    one(bytes, size);
    return 0;
}

#else

static void tick(int signal_number) {
    if (state.run != state.seen) state.seen = state.run, state.ticks = 0;
    else if (++state.ticks >= HANG_SECONDS) failure("takes more than ten seconds");
}

// Both sanitizers are to end by SIGABRT, whose handler says which run it was.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "abort_on_error=1"; }
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

static void on_abort(int signal_number) {
    char line[300];
    int n = snprintf(line, sizeof line, "\n%s: run %llu; again: make fuzz TARGET=%s FIRST=%llu RUNS=1 SEED=%llu\n", fuzz_target.name, (unsigned long long)state.run,
                     fuzz_target.name, (unsigned long long)state.run, (unsigned long long)state.seed);
    if (write(2, line, (size_t)n) < 0) {}
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

static size_t load(Arena *a, Text seeds[64], size_t *largest) {
    size_t n = 0;
    *largest = 0;
    for (; fuzz_target.seeds[n] && n < 64; n++) {
        Bytes b = file_read(a, fuzz_target.seeds[n]);
        seeds[n] = (Text){.bytes = (uint8_t *)(uintptr_t)b.bytes, .size = b.size};
        if (b.size > *largest) *largest = b.size;
    }
    need(n > 0, "%s: no seeds", fuzz_target.name);
    return n;
}

int main(int argc, char **argv) { // RUNS [FIRST [SEED]]
    uint64_t runs = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    state.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    quiet = true;
    Arena *a = arena_new("seeds");
    Text seeds[64], t = {0};
    size_t largest, seed_count = load(a, seeds, &largest), words = 0;
    while (fuzz_target.words && fuzz_target.words[words]) words++;
    t.room = largest > SIZE_MAX_BYTES ? largest + 4096 : SIZE_MAX_BYTES;
    t.bytes = malloc(t.room);
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &(struct itimerval){{1, 0}, {1, 0}}, NULL);
    signal(SIGABRT, on_abort);
    for (size_t i = 0; i < seed_count; i++) one(seeds[i].bytes, seeds[i].size); // as they are
    double start = seconds_now();
    for (uint64_t run = first; run < first + runs; run++) {
        state.run = run;
        Dice d = {rng_sub(rng_of(state.seed, fuzz_target.name), run), 0};
        const Text *from = &seeds[below(&d, seed_count)], *other = &seeds[below(&d, seed_count)];
        memcpy(t.bytes, from->bytes, from->size);
        t.size = from->size;
        size_t times = 1;
        while (times < 32 && below(&d, 2)) times++;
        while (times-- > 0) mutate_once(&d, &t, other, fuzz_target.words, words);
        if (runs == 1) { // the input itself, to look at
            FILE *f = fopen("fuzz-input", "wb");
            if (f) fwrite(t.bytes, 1, t.size, f), fclose(f);
        }
        one(t.bytes, t.size);
    }
    size_t open_files;
    folder_list(a, "/proc/self/fd", &open_files);
    if (open_files > 8) failure("files were left open");
    printf("ok   fuzz %s: %llu runs, %llu accepted, %llu refused with %llu messages; slowest %.3f s, most memory %zu KiB; %.0f runs a second\n", fuzz_target.name,
           (unsigned long long)runs, (unsigned long long)state.accepted, (unsigned long long)state.refused, (unsigned long long)state.kinds, state.slowest, state.peak >> 10,
           (double)runs / (seconds_now() - start));
    free(t.bytes);
    arena_free(a);
    return 0;
}

#endif
