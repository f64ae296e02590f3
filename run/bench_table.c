// bench_table.c: see bench_table.h.
#include "bench_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/random.h"
#include "io/thread.h"
#include "model/packed.h"

const char *threads_said(Arena *a) { return threads_count() == 1 ? "CPU time of 1 thread" : arena_print(a, "%d threads", threads_count()); }

float *random_floats(Arena *a, size_t n, const char *what) {
    float *x = take(a, float, n);
    Rng r = rng_of(bench_seed(), what);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(r, i) - 1);
    return x;
}

Table table_open(const BenchAsk *ask, const char *script, const char *argument) {
    Table t = {.arena = ask->arena, .w = ask->out, .rounds = ask->rounds, .threads = threads_count(), .only = ask->rows, .found = ask->found, .packed = ask->packed, .top = take(ask->arena, Ceilings, 1), .gates = take_zero(ask->arena, Gates, 1)};
    bench_say(t.w, "RETINA_BENCH_SEED=%llu draws these numbers again, and the places that are compared.\n", (unsigned long long)bench_seed());
    *t.top = ceilings_measure(ask->arena);
    rounds_usual(t.rounds);
    t.gates->arena = arena_new("gates"); // notes stay when a row's memory is given back
    if (ask->venv) t.peer = take(ask->arena, Peer, 1), *t.peer = peer_start(ask->venv, script, bench_folder(), argument);
    return t;
}

void table_with_blas(Table *t, const BenchAsk *ask) {
    if (!ask->venv) return;
    char who[200];
    t->blas = take(ask->arena, Peer, 1), *t->blas = peer_start(ask->venv, "test/bench/peer_blas.py", bench_folder(), NULL);
    peer_line(t->blas, who, sizeof who, "who %d\n", threads_count());
    t->blas_name = arena_print(ask->arena, "%s", who);
}

void weight_kept(bool packed, Arena *a, const void *weight, size_t size) {
    packed_use(packed);
    packed_keep(a, weight, size);
    packed_use(false);
}

void table_close(Table *t) {
    ceilings_again(t->arena, t->top);
    ceilings_reads(t->arena, t->top);
    ceilings_say(t->top, t->w);
    gates_say(t->gates, t->w);
    arena_free(t->gates->arena);
    if (t->peer) peer_end(t->peer);
    if (t->blas) peer_end(t->blas);
}

bool table_wants(const Table *t, const char *name) {
    bool wanted = !t->only;
    for (const char *part = t->only; !wanted && part; part = strchr(part, '|') ? strchr(part, '|') + 1 : NULL) wanted = strstr(name, arena_print(t->arena, "%.*s", (int)strcspn(part, "|"), part));
    if (wanted && t->found) *t->found = true;
    return wanted;
}

void table_head(const Table *t, const char *what) {
    const char *beside = !t->peer ? "" : t->blas ? " PyTorch, ms | OpenBLAS, ms | over the faster |" : " peer, ms | ratio |";
    bench_say(t->w, "\n| %s | ours, ms | G/s | of the floor |%s error | note |\n|---|---|---|---|%s---|---|", what, beside, !t->peer ? "" : t->blas ? "---|---|---|" : "---|---|");
}

// ---- rows

enum { OURS, PLAIN, BESIDE, PEER, BLAS, ALL }; // places in `at`

typedef struct {
    int at[ALL], count; // its number among the ways; -1: not there
    Rounds rounds;
} RowRounds;

static unsigned set_of(const RowRounds *r, int which) { return r->at[which] < 0 ? 0 : WAY(r->at[which]); }

// What its gates want, first the ratio to the peers, of which noisy tries are said in any case.
static int row_wants(const RowRounds *m, const Row *r, RatioWanted *list) {
    unsigned peers = set_of(m, PEER) | set_of(m, BLAS), blas = set_of(m, BLAS), beside = set_of(m, BESIDE), plain = set_of(m, PLAIN);
    int n = 0;
    if (peers) list[n++] = (RatioWanted){WAY(0), peers, r->most > 0 ? r->most : INFINITY};
    if (blas && r->most_blas > 0) list[n++] = (RatioWanted){WAY(0), blas, r->most_blas};
    if (beside && r->most_beside > 0) list[n++] = (RatioWanted){WAY(0), beside, r->most_beside};
    if (plain && r->least_of_floor > 0) list[n++] = (RatioWanted){WAY(0), plain, r->bytes / r->plain_bytes / r->least_of_floor};
    return n;
}

static RowRounds row_rounds(const Table *t, const Row *r) {
    Work ours = {r->work, r->arg}, plain = {r->plain, r->arg}, beside = r->beside;
    Ask peer = {t->peer, r->ask}, blas = {t->blas, r->ask_blas};
    const struct {
        bool there;
        Way way;
    } all[ALL] = {{true, {work_seconds, &ours}}, {r->plain != NULL, {work_seconds, &plain}}, {r->beside.run != NULL, {work_seconds, &beside}},
                  {t->peer && r->ask, {ask_seconds, &peer}}, {t->blas && r->ask_blas, {ask_seconds, &blas}}};
    Way ways[ALL];
    RowRounds out = {.count = 0};
    for (int k = 0; k < ALL; k++) {
        out.at[k] = all[k].there ? out.count : -1;
        if (all[k].there) ways[out.count++] = all[k].way;
    }
    RatioWanted list[4];
    out.rounds = rounds_wanted(ways, out.count, t->rounds, list, row_wants(&out, r, list));
    return out;
}

double table_floor(const Table *t, double operations, Peak peak) {
    const double peaks[] = {[NO_PEAK] = INFINITY, [PEAK_F32] = t->top->f32, [PEAK_BF16] = t->top->bf16, [PEAK_F64_ONE] = t->top->f32 / 2 / t->threads};
    return operations / peaks[peak];
}

// Floor over time: of operations at the peak, of bytes as fast as they move beside it.
static double of_floor(const Table *t, const Row *r, double ours, double over_plain) {
    return fmax(table_floor(t, r->operations, r->peak) / ours, r->plain ? r->bytes / r->plain_bytes / over_plain : r->bytes / t->top->memory / ours);
}

static const char *time_said(Arena *a, Times t) { return arena_print(a, "%.2f (%.2f – %.2f)", 1e3 * t.median, 1e3 * t.least, 1e3 * t.most); }

// The columns of peers, empty where one has nothing like this.
static const char *peers_said(const Table *t, const RowRounds *m, const Times *of) {
    unsigned peers = set_of(m, PEER) | set_of(m, BLAS);
    const char *text = "";
    for (int k = PEER; k <= BLAS; k++)
        if (k == PEER ? t->peer : t->blas) text = arena_print(t->arena, "%s %s |", text, m->at[k] < 0 ? "" : time_said(t->arena, of[m->at[k]]));
    if (!t->peer) return text;
    return peers ? arena_print(t->arena, "%s %.2f |", text, rounds_fastest(of, WAY(0)) / rounds_fastest(of, peers)) : arena_print(t->arena, "%s |", text);
}

Errors table_errors(const Table *t, const char *name, const Given *given, const Check *check, const char *ask, const char *ask_blas) {
    Errors e = {""};
    if (!check->error) return e;
    size_t at = check->answer ? (size_t)snprintf(e.text, sizeof e.text, "%.1e", check_ours(check, name)) : 0;
    const Ask asks[] = {{t->peer, ask}, {t->blas, ask_blas}};
    if (t->peer) given_write(t->arena, given);
    for (int k = 0; k < 2; k++)
        if (asks[k].peer && asks[k].line)
            at += (size_t)snprintf(e.text + at, sizeof e.text - at, "%s%.1e", at ? ", " : "", check_peer(t->arena, check, asks[k].peer, asks[k].line, name));
    if (t->peer) given_remove(t->arena, given);
    return e;
}

// The columns of speed and of the floor, empty where it is not known.
static const char *speed_said(Arena *a, double rate, double part) {
    return arena_print(a, "%s | %s", rate > 0 ? arena_print(a, rate < 10e9 ? "%.1f" : "%.0f", rate * 1e-9) : "", part > 0 ? arena_print(a, "%.2f", part) : "");
}

static void row_say(const Table *t, const Row *r, const char *errors, const RowRounds *m) {
    Mark mark = arena_mark(t->arena);
    unsigned peers = set_of(m, PEER) | set_of(m, BLAS);
    const Times *of = rounds_shown(&m->rounds, WAY(0), peers);
    double ours = of[0].median, floor = of_floor(t, r, ours, r->plain ? ours / of[m->at[PLAIN]].median : 1);
    bench_say(t->w, "| %s | %s | %s |%s %s | %s |", r->name, time_said(t->arena, of[0]), speed_said(t->arena, (r->operations > 0 ? r->operations : r->bytes) / ours, floor), peers_said(t, m, of),
              errors, rounds_note(&m->rounds));
    arena_release(t->arena, mark);
}

void table_times(const Table *t, const char *name, Times ours, const Times *peer, Done done, const Errors *errors, const char *note) {
    Mark mark = arena_mark(t->arena);
    const char *beside = !t->peer ? "" : !peer ? " | |" : arena_print(t->arena, " %s | %.2f |", time_said(t->arena, *peer), ours.median / peer->median);
    bench_say(t->w, "| %s | %s | %s |%s %s | %s |", name, time_said(t->arena, ours), speed_said(t->arena, done.amount / ours.median, done.floor / ours.median), beside,
              errors ? errors->text : "", note);
    arena_release(t->arena, mark);
}

Measured table_row(const Table *t, const Row *r) {
    Errors errors = table_errors(t, r->name, r->given, &r->check, r->ask, r->ask_blas);
    ceilings_again(t->arena, t->top);
    RowRounds m = row_rounds(t, r);
    row_say(t, r, errors.text, &m);
    unsigned plain = set_of(&m, PLAIN), beside = set_of(&m, BESIDE), peer = set_of(&m, PEER), blas = set_of(&m, BLAS);
    Measured out = {.ours = rounds_shown(&m.rounds, WAY(0), peer | blas)[0].median, .beside = NAN, .ratio = NAN, .ratio_blas = NAN, .over_beside = NAN};
    if (peer | blas) out.ratio = rounds_ratio(&m.rounds, WAY(0), peer | blas);
    if (blas) out.ratio_blas = rounds_ratio(&m.rounds, WAY(0), blas);
    if (beside) out.over_beside = rounds_ratio(&m.rounds, WAY(0), beside), out.beside = rounds_fastest(rounds_shown(&m.rounds, WAY(0), beside), beside);
    out.of_floor = of_floor(t, r, rounds_ratio(&m.rounds, WAY(0), 0), plain ? rounds_ratio(&m.rounds, WAY(0), plain) : 1);
    return out;
}
