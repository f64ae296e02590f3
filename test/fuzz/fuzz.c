// fuzz.c: see fuzz.h.
#include "fuzz.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "io/progress.h"
#include "io/random.h"
#include "model/unicode.h"
#include "test/picture_pack.h"

#define HANG_SECONDS 10
#define SIZE_MAX_BYTES ((size_t)1 << 16) // inputs do not grow beyond, or beyond their seed
#define SMALL ((size_t)3 << 10)          // most inputs are made of seeds up to here, and do not grow to more than twice
                                         // their seed: what is wrong with a file is seldom its length
#define SEEDS_MAX 512
#define PACKED_MAX ((size_t)4 << 10) // larger ones of a pack are left out: they make every run slow
#define ARENA_KEPT ((size_t)16 << 20) // an arena that was once larger is not used again; any target may take so much

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

// ---- arenas that parsers open for themselves: a new one costs more than most runs, so they are kept. The linker puts
// these in the place of io/memory.c's own; what is released is hidden from the parser as if it were freed.

#define KEPT_MAX 16
static Arena *kept_arenas[KEPT_MAX];
static size_t kept_count;

Arena *__real_arena_new(const char *what);
Arena *__wrap_arena_new(const char *what);
void __real_arena_free(Arena *a);
void __wrap_arena_free(Arena *a);

Arena *__wrap_arena_new(const char *what) { return kept_count ? kept_arenas[--kept_count] : __real_arena_new(what); }

void __wrap_arena_free(Arena *a) {
    if (!a) return;
    if (kept_count == KEPT_MAX || arena_peak(a) > ARENA_KEPT) {
        __real_arena_free(a);
        return;
    }
    arena_release(a, (Mark){0});
    kept_arenas[kept_count++] = a;
}

// ---- one input

static _Noreturn void failure(const char *what) {
    fprintf(stderr, "%s: %s\n", fuzz_target.name, what);
    abort();
}

void fuzz_touch(const void *bytes, size_t size) {
    const void *volatile same = bytes; // the sanitizer looks at all of both
    if (size && memcmp(bytes, same, size) != 0) failure("bytes that change by themselves");
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

static double own_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void one(const uint8_t *bytes, size_t size) {
    uint8_t *exact = malloc(size ? size : 1); // so that a step beyond is seen
    memcpy(exact, bytes, size);
    fuzz_input(exact, size);
    static Arena *kept; // a new one for every run takes longer than most runs
    if (!kept) kept = arena_new("fuzz");
    Arena *a = kept;
    Mark mark = arena_mark(a);
    Trap trap;
    memory_opened(FUZZ_PATH);
    double start = own_seconds();
    if (trap_set(&trap)) {
        fuzz_target.parse(a, (Bytes){.bytes = exact, .size = size, .path = FUZZ_PATH});
        trap_end(&trap);
        state.accepted++;
    } else {
        state.refused++;
        message_count(trap.message);
        bool named = strstr(trap.message, FUZZ_PATH) || strstr(trap.message, FUZZ_DIR);
        if (!named || strstr(trap.message, ": the system has no ")) fprintf(stderr, "%s\n", trap.message), failure(named ? "the system failed" : "a message without the file");
    }
    double took = own_seconds() - start;
    if (took > state.slowest) state.slowest = took;
    size_t peak = arena_peak(a), allowed = (fuzz_target.memory ? fuzz_target.memory : ARENA_KEPT) + size * 256;
    if (peak > state.peak) state.peak = peak;
    if (peak > allowed) {
        fprintf(stderr, "%zu bytes of arena for %zu of input\n", peak, size);
        failure("too much memory");
    }
    arena_release(a, mark);
    if (peak > ARENA_KEPT) {
        arena_free(kept);
        kept = NULL;
    }
    free(exact);
}

Bytes fuzz_part(Bytes input, size_t i) {
    const uint8_t *end = input.bytes + input.size, *at = input.bytes, *zero;
    for (; i > 0 && (zero = memchr(at, 0, (size_t)(end - at))); i--) at = zero + 1;
    if (i > 0) return (Bytes){.bytes = end, .path = input.path};
    zero = memchr(at, 0, (size_t)(end - at));
    return (Bytes){.bytes = at, .size = (size_t)((zero ? zero : end) - at), .path = input.path};
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
const char *__asan_default_options(void) { return "abort_on_error=1:quarantine_size_mb=2:malloc_context_size=4"; }
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

typedef struct {
    Text items[SEEDS_MAX];
    size_t count, largest, small[SEEDS_MAX], small_count; // small: their places among the items
} Seeds;

static void seed_add(Seeds *s, Bytes b) {
    need(s->count < SEEDS_MAX, "%s: more than %d seeds", fuzz_target.name, SEEDS_MAX);
    if (b.size <= SMALL) s->small[s->small_count++] = s->count;
    s->items[s->count++] = (Text){.bytes = (uint8_t *)(uintptr_t)b.bytes, .size = b.size};
    if (b.size > s->largest) s->largest = b.size;
}

static void seed_pack(Seeds *s, Arena *a, const char *path) {
    for (Pack p = pack_open(a, path); pack_next(&p);)
        if (p.file.size <= PACKED_MAX) seed_add(s, p.file);
}

// The files of `names` ("a b c") in a folder, joined by zeros; those that are not there are empty.
static void seed_joined(Seeds *s, Arena *a, const char *dir, const char *names) {
    Growing all = {.arena = a};
    for (size_t i = 0, n; n = strcspn(names, " "), n > 0; i++) {
        char *path = path_join(a, dir, arena_text(a, names, n));
        if (i > 0) growing_put(&all, "", 1);
        if (file_exists(path)) {
            Bytes b = file_read(a, path);
            growing_put(&all, (const char *)b.bytes, b.size);
        }
        names += n + (names[n] == ' ');
    }
    seed_add(s, (Bytes){.bytes = (uint8_t *)all.text, .size = all.length});
}

static void load(Seeds *s, Arena *a) {
    for (const char *const *seed = fuzz_target.seeds; *seed; seed++) {
        const char *colon = strstr(*seed, ": ");
        size_t n = colon ? (size_t)(colon - *seed) : strlen(*seed);
        glob_t found;
        need(glob(arena_text(a, *seed, n), 0, NULL, &found) == 0, "%s: no such file", *seed);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const char *path = arena_text(a, found.gl_pathv[i], strlen(found.gl_pathv[i]));
            if (colon) seed_joined(s, a, path, colon + 2);
            else if (strcmp(path_extension(path), "pack") == 0) seed_pack(s, a, path);
            else seed_add(s, file_read(a, path));
        }
        globfree(&found);
    }
}

static const Text *drawn(Dice *d, const Seeds *s) {
    bool any = s->small_count == 0 || below(d, 16) == 0;
    return &s->items[any ? below(d, s->count) : s->small[below(d, s->small_count)]];
}

int main(int argc, char **argv) { // RUNS [FIRST [SEED [SECONDS]]]
    uint64_t runs = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    state.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    double seconds = argc > 4 ? strtod(argv[4], NULL) : 0; // 0: until all runs are done
    quiet = true;
    Arena *a = arena_new("seeds");
    static Seeds seeds;
    load(&seeds, a);
    Text t = {0};
    size_t words = 0;
    while (fuzz_target.words && fuzz_target.words[words]) words++;
    const size_t room = seeds.largest * 2 > SIZE_MAX_BYTES ? seeds.largest * 2 + 64 : SIZE_MAX_BYTES;
    t.bytes = malloc(room);
    signal(SIGPROF, tick); // of our own time: a busy machine does not hang a parser
    setitimer(ITIMER_PROF, &(struct itimerval){{1, 0}, {1, 0}}, NULL);
    signal(SIGABRT, on_abort);
    for (size_t i = 0; i < seeds.count; i++) one(seeds.items[i].bytes, seeds.items[i].size); // as they are
    double start = seconds_now();
    uint64_t run = first;
    for (; run < first + runs && (seconds == 0 || run % 64 || seconds_now() - start < seconds); run++) {
        state.run = run;
        Dice d = {rng_sub(rng_of(state.seed, fuzz_target.name), run), 0};
        const Text *from = drawn(&d, &seeds), *other = drawn(&d, &seeds);
        memcpy(t.bytes, from->bytes, from->size);
        t.size = from->size;
        t.room = below(&d, 64) ? from->size * 2 + 64 : room;
        size_t times = 1;
        while (times < 32 && below(&d, 2)) times++;
        while (times-- > 0) mutate_once(&d, &t, other, fuzz_target.words, words);
        if (runs == 1) { // the input itself, to look at
            FILE *f = fopen("fuzz-input", "wb");
            if (f) fwrite(t.bytes, 1, t.size, f), fclose(f);
        }
        one(t.bytes, t.size);
    }
    runs = run - first;
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
