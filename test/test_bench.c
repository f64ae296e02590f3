// test_bench.c: what `retina bench` concludes from times: which tries are made again and which count, ratios, the verdicts of gates, and who its peers
// are.
//
// The ways here take no time: each says what a list holds, so that every answer is known beforehand.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "run/bench_gates.h"
#include "run/bench_rounds.h"
#include "scratch.h"

enum { ROUNDS = 3 };

// ---- times

// A way that says its times in turn; before each try it is asked once more, which counts for nothing.
typedef struct {
    double times[TRIES][ROUNDS];
    int calls;
    char name, *log; // in the order of calls, or NULL
} Said;

static double said_seconds(void *arg) {
    Said *s = arg;
    int round = s->calls % (ROUNDS + 1), try = s->calls / (ROUNDS + 1);
    s->calls++;
    if (s->log) s->log[strlen(s->log)] = s->name;
    return round == 0 ? 1000 : s->times[try][round - 1];
}

static Rounds of_two(Said *ours, Said *peer, double most) {
    return rounds_wanted((Way[]){{said_seconds, ours}, {said_seconds, peer}}, 2, ROUNDS, &(RatioWanted){WAY(0), WAY(1), most}, 1);
}

static void is(const char *name, const Rounds *r, int tries, double best, double shown, const char *note) {
    const Times *of = rounds_shown(r, WAY(0), WAY(1));
    check(r->tries == tries, "%s: %d tries of %d", name, r->tries, tries);
    check_value(name, rounds_ratio(r, WAY(0), WAY(1)), best, 1e-12);
    check_value(name, of[0].median / of[1].median, shown, 1e-12);
    check_text(name, rounds_note(r), note);
}

static void test_times(void) {
    double t[] = {5, 1, 4, 2, 3};
    Times of = times_of(t, 5);
    check(of.median == 3 && of.least == 1 && of.most == 5, "median, least and most: %g, %g, %g", of.median, of.least, of.most);
}

static void test_order(void) {
    char log[40] = "";
    Said a = {.times = {{1, 1, 1}}, .name = 'a', .log = log}, b = a, c = a;
    b.name = 'b', c.name = 'c';
    rounds_of((Way[]){{said_seconds, &a}, {said_seconds, &b}, {said_seconds, &c}}, 3, ROUNDS);
    check_text("ways alternate, after each ran once", log, "abcabcabcabc");
}

// ---- tries

static void test_quiet(void) {
    Said ours = {.times = {{2, 2.2, 2.1}}}, peer = {.times = {{3, 3, 4.5}}}; // 1.5 times is still quiet
    Rounds r = of_two(&ours, &peer, 1.1);
    is("a quiet try", &r, 1, 2.1 / 3, 2.1 / 3, "");
    ours = (Said){.times = {{1.1, 1.1, 1.1}}}, peer = (Said){.times = {{1, 1, 1}}};
    r = of_two(&ours, &peer, 1.1);
    is("what reaches its bound exactly", &r, 1, 1.1, 1.1, "");
}

static void test_noisy(void) {
    Said ours = {.times = {{1, 1, 1.6}, {2, 2, 2}}}, peer = {.times = {{4, 4, 4}, {4, 4, 4}}};
    Rounds r = of_two(&ours, &peer, INFINITY);
    is("a noisy try, then a quiet one, which alone counts", &r, 2, 0.5, 0.5, "measured again");
    ours = (Said){.times = {{1, 1, 1}, {2, 2, 2}}}, peer = (Said){.times = {{4, 4, 6.1}, {4, 4, 4}}};
    r = of_two(&ours, &peer, INFINITY);
    is("the peer's noise", &r, 2, 0.5, 0.5, "measured again");
    ours = (Said){.times = {{3, 1, 3}, {1, 2, 1}, {2, 2, 4}}}, peer = (Said){.times = {{4, 4, 4}, {4, 4, 4}, {4, 4, 4}}};
    r = of_two(&ours, &peer, INFINITY);
    is("three noisy tries: the best counts, the middle one is shown", &r, 3, 0.25, 0.5, "noisy, thrice: 0.75, 0.25, 0.50");
    ours.calls = peer.calls = 0;
    r = rounds_of((Way[]){{said_seconds, &ours}, {said_seconds, &peer}}, 2, ROUNDS);
    is("without a gate", &r, 3, 0.25, 0.5, "noisy, thrice");
}

static void test_missed(void) {
    Said ours = {.times = {{1.3, 1.3, 1.3}, {1.1, 1.1, 1.1}, {1.2, 1.2, 1.2}}}, peer = {.times = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}};
    Rounds r = of_two(&ours, &peer, 1.15);
    is("a quiet try that misses: three, the best counts", &r, 3, 1.1, 1.2, "missed, thrice: 1.30, 1.10, 1.20 (wanted: ≤ 1.15)");
    ours = (Said){.times = {{1, 1, 2}, {1.3, 1.3, 1.3}, {1.25, 1.25, 1.25}}}, peer.calls = 0;
    r = of_two(&ours, &peer, 1.15);
    is("a noisy try, then a quiet one that misses", &r, 3, 1, 1.25, "missed, thrice: 1.00, 1.30, 1.25 (wanted: ≤ 1.15)");
    ours = (Said){.times = {{1.3, 1.3, 1.3}, {1, 1, 2}, {1, 1, 2}}}, peer.calls = 0;
    r = of_two(&ours, &peer, 1.15);
    is("one that misses, then noise", &r, 3, 1, 1, "missed, thrice: 1.30, 1.00, 1.00 (wanted: ≤ 1.15)");
    ours = (Said){.times = {{1, 1, 2}, {1, 1, 2}, {1.3, 1.3, 1.3}}}, peer.calls = 0;
    r = of_two(&ours, &peer, 1.15);
    is("noise, and a miss at last", &r, 3, 1, 1, "missed, thrice: 1.00, 1.00, 1.30 (wanted: ≤ 1.15)");
}

static void test_second_wish(void) {
    Said ours = {.times = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}}, peer = {.times = {{2, 2, 2}, {2, 2, 2}, {2, 2, 2}}}, beside = {.times = {{0.7, 0.7, 0.7}, {0.8, 0.8, 0.8}, {0.75, 0.75, 0.75}}};
    Rounds r = rounds_wanted((Way[]){{said_seconds, &ours}, {said_seconds, &peer}, {said_seconds, &beside}}, 3, ROUNDS, (RatioWanted[]){{WAY(0), WAY(1), 1.0}, {WAY(0), WAY(2), 1.35}}, 2);
    check_text("the wish that was missed is told", rounds_note(&r), "missed, thrice: 1.43, 1.25, 1.33 (wanted: ≤ 1.35)");
    check_value("its best", rounds_ratio(&r, WAY(0), WAY(2)), 1 / 0.8, 1e-12);
}

static void test_sets(void) {
    Said a = {.times = {{2, 2, 2}}}, b = {.times = {{3, 3, 3}}}, c = {.times = {{4, 4, 4}}}, d = {.times = {{8, 8, 8}}};
    Rounds r = rounds_of((Way[]){{said_seconds, &a}, {said_seconds, &b}, {said_seconds, &c}, {said_seconds, &d}}, 4, ROUNDS);
    check_value("the fastest of a set counts, on both sides", rounds_ratio(&r, WAY(0) | WAY(1), WAY(2) | WAY(3)), 0.5, 1e-12);
    check_value("over nothing it is the time", rounds_ratio(&r, WAY(1), 0), 3, 1e-12);
}

static void test_count(void) {
    Said ours = {.times = {{1, 1, 1}}}, peer = {.times = {{1, 1, 1}}};
    rounds_usual(11);
    Rounds r = of_two(&ours, &peer, INFINITY);
    check(r.rounds == ROUNDS, "rounds that were made: %d", r.rounds);
    check_text("another number than the head's is told", rounds_note(&r), "3 rounds");
    rounds_usual(ROUNDS);
    ours.calls = peer.calls = 0;
    r = of_two(&ours, &peer, INFINITY);
    check_text("the head's is not", rounds_note(&r), "");
    check_dies("more rounds than are made", "100 rounds") rounds_of((Way[]){{said_seconds, &ours}}, 1, ROUNDS_MOST + 1);
    ours = (Said){.times = {{1, NAN, 1}}};
    check_dies("a time that is no number", "nan seconds") rounds_of((Way[]){{said_seconds, &ours}}, 1, ROUNDS);
}

// ---- gates

static const char *gates_text(Arena *a, const Gates *g) {
    const char *path = scratch_path(a, "gates.md");
    Writer *w = writer_open(path);
    gates_say(g, w);
    writer_close(w);
    Bytes b = file_read(a, path);
    return arena_text(a, (const char *)b.bytes, b.size);
}

static void test_gates(Arena *a) {
    Gates *g = take_zero(a, Gates, 1);
    g->arena = a;
    char name[20] = "small";
    gate_note(g, (Gate){.what = name, .detail = "of 3", .value = 0.8, .bound = 1.1, .goal = 0.8});
    strcpy(name, "written over"); // what is noted was copied
    gate_note(g, (Gate){.what = "middling", .value = 1.1, .bound = 1.1, .goal = 1.0});
    gate_note(g, (Gate){.what = "large", .value = 1.1001, .bound = 1.1, .goal = 1.0});
    gate_note(g, (Gate){.what = "without a goal", .value = 1, .bound = 1.1});
    gate_note(g, (Gate){.what = "fast", .value = 30, .bound = 20, .goal = 28, .at_least = true});
    gate_note(g, (Gate){.what = "not so fast", .value = 20, .bound = 20, .goal = 28, .at_least = true});
    gate_note(g, (Gate){.what = "slow", .value = 19.9, .bound = 20, .goal = 28, .at_least = true});
    gate_note(g, (Gate){.what = "no number", .value = NAN, .bound = 1});
    gate_note(g, (Gate){.what = "no number at least", .value = NAN, .bound = 0, .at_least = true});
    gate_note(g, (Gate){.what = "exact", .value = 1.5e-7, .bound = 2e-7});
    gate_note(g, (Gate){.what = "another machine's", .value = NAN, .bound = 1, .elsewhere = "no tiles"});
    gate_note(g, (Gate){.what = "excused", .value = 3, .bound = 1, .goal = 0.5, .elsewhere = "no room"});
    gate_note(NULL, (Gate){.what = "nobody listens"});
    check_text("gates", gates_text(a, g),
               "\n| gate | wanted | goal | here | verdict |\n|---|---|---|---|---|\n"
               "| small; of 3 | ≤ 1.10 | ≤ 0.80 | 0.800 | held and goal reached |\n"
               "| middling | ≤ 1.10 | ≤ 1.00 | 1.100 | held, short of its goal |\n"
               "| large | ≤ 1.10 | ≤ 1.00 | 1.100 | MISSED |\n"
               "| without a goal | ≤ 1.10 |  | 1.000 | held |\n"
               "| fast | ≥ 20.00 | ≥ 28.00 | 30.0 | held and goal reached |\n"
               "| not so fast | ≥ 20.00 | ≥ 28.00 | 20.0 | held, short of its goal |\n"
               "| slow | ≥ 20.00 | ≥ 28.00 | 19.9 | MISSED |\n"
               "| no number | ≤ 1.00 |  |  | MISSED |\n"
               "| no number at least | ≥ 0e+00 |  |  | MISSED |\n"
               "| exact | ≤ 2e-07 |  | 1.5e-07 | held |\n"
               "| another machine's | ≤ 1.00 |  |  | not asked: no tiles |\n"
               "| excused | ≤ 1.00 | ≤ 0.50 | 3.000 | not asked: no room |\n"
               "\n10 gates asked: 6 held, 4 missed; 2 goals short; 2 not asked.\n"
               "\nMissed: large; slow; no number; no number at least.\n"
               "\nShort of their goals: middling; not so fast.\n"
               "\nNot asked: another machine's (no tiles); excused (no room).\n");
    Gates *none = take_zero(a, Gates, 1);
    check(gates_text(a, none)[0] == 0, "of no gates nothing is said");
}

static void test_ratios(Arena *a) {
    Ratios r = {0};
    check(isnan(ratios_largest(&r)) && isnan(ratios_mean(&r)), "of no ratios none is the largest");
    check(!ratios_elsewhere(&r, NULL, NULL), "none, of all rows: the gate is asked");
    check_text("none, of rows that were named", ratios_elsewhere(&r, "8192", NULL), "--rows names none of its rows");
    check_text("another reason goes first", ratios_elsewhere(&r, "8192", "without --peers"), "without --peers");
    ratios_add(&r, 1, "first"), ratios_add(&r, 8, "second"), ratios_add(&r, NAN, "without a peer"), ratios_add(&r, 0.125, "last");
    check_value("the largest", ratios_largest(&r), 8, 0);
    check(!ratios_elsewhere(&r, "8192", NULL), "some, of rows that were named: the gate is asked");
    check_value("the geometric mean", ratios_mean(&r), 1, 1e-12);
    check_text("in words", ratios_said(a, &r), "of 3, largest 8.00 (second), geometric mean 1.00");
}

// ---- peers

static Peer peer_saying(Arena *a, const char *lines) { return (Peer){.to = fopen("/dev/null", "w"), .from = fopen(scratch_text(a, "answers", lines), "r")}; }

static void test_peer(Arena *a) {
    Peer p = peer_saying(a, "Torch 2, OpenBLAS 3; without faiss-cpu, scipy's OpenBLAS 4\n0.5 f32 packed\n0.25\n2e-3 bf16\n1.5 f32 packed\n");
    check_text("without peers", peer_without(a, NULL, "Torch"), "without --peers");
    check(!peer_without(a, &p, "Torch") && !peer_without(a, &p, "OpenBLAS"), "what answers is there");
    check_text("what it says it lacks", peer_without(a, &p, "faiss-cpu"), "without faiss-cpu");
    check_text("the last that it lacks", peer_without(a, &p, "scipy's"), "without scipy's");
    check_text("what it does not speak of", peer_without(a, &p, "MKL"), "without MKL");
    check_text("for the head", peer_head(a, &p), " Peers: Torch 2, OpenBLAS 3; without faiss-cpu, scipy's OpenBLAS 4.");
    PeerWays ways = {0};
    static const char *const rows[] = {"a", "b", "c", "d"};
    const double seconds[] = {0.5, 0.25, 2e-3, 1.5};
    for (int i = 0; i < 4; i++) {
        check_value("seconds", peer_ask(&p, "row\n"), seconds[i], 0);
        peer_ways_add(&ways, a, &p, rows[i]);
    }
    check_text("ways", peer_ways_said(&ways, a), "f32 packed: a; d. : b. bf16: c");
    fclose(p.to), fclose(p.from);
}

int main(void) {
    Arena *a = arena_new("test");
    test_times();
    test_order();
    test_quiet();
    test_noisy();
    test_missed();
    test_second_wish();
    test_sets();
    test_count();
    test_gates(a);
    test_ratios(a);
    test_peer(a);
    arena_free(a);
    return check_end();
}
