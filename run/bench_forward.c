// bench_forward.c: see bench_forward.h. A picture is computed alone and by four at once, on both sides: the better one of each counts. Beside
// them, in the same rounds, run the forward's own products alone: which they are is noted while it runs once, with the model's weights (bench_noted.h).
// Split bf16 is what f32 could be: its peer computes in f32.
#include "bench_forward.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench_noted.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/device.h"
#include "model/kernels.h"
#include "model/packed.h"

enum { AT_ONCE = 4 };
#define LEAST_OVER_PEER 1.0 // pictures a second: the gates
#define MOST_OVER_PRODUCTS 1.35

typedef struct {
    const Model *m;
    Inputs in;
    int batch;
    size_t planned, used;
    Noted noted; // what it does
} Forward;

static void forward_work(void *arg) {
    Forward *f = arg;
    Arena *scratch = arena_new("a forward");
    model_forward(run_new(scratch), f->m, &f->in);
    f->used = arena_peak(scratch);
    arena_free(scratch);
}

static double forward_each(void *arg) { return work_seconds(&(Work){forward_work, arg}) / ((const Forward *)arg)->batch; }

// A text of any ids; where pictures go in, too, it begins with as many of the image's as they take.
static void ids_fill(const Model *m, Tensor ids, bool pictures) {
    long T = ids.shape[1], images = pictures && m->image_token >= 0 ? m->image_tokens : 0;
    Rng r = rng_of(bench_seed(), "ids");
    need(T > images, "bench forward: --tokens %ld: a picture takes %ld of them, and more are wanted", T, images);
    for (long i = 0; i < (long)tensor_count(ids); i++) {
        int32_t id = (int32_t)rng_below(r, (uint64_t)i, (uint64_t)m->vocabulary);
        i32(ids)[i] = i % T < images ? m->image_token : id == m->image_token ? 0 : id;
    }
}

static double ask_each(void *arg) { return ask_seconds(arg) / AT_ONCE; } // a picture's part

static Inputs inputs_of(Arena *a, const Model *m, int batch, int tokens) {
    Inputs in = m->family->example(a, m, 0, 0, tokens);
    if (tensor_given(in.pixels)) {
        in.pixels.shape[0] = batch;
        in.pixels = tensor_take(a, DTYPE_F32, in.pixels.ndim, in.pixels.shape);
        for (size_t i = 0; i < tensor_count(in.pixels); i++) f32(in.pixels)[i] = (float)rng_normal(rng_of(bench_seed(), "pixels"), i);
    }
    if (tensor_given(in.ids)) {
        in.ids.shape[0] = batch;
        in.ids = tensor_take(a, DTYPE_I32, in.ids.ndim, in.ids.shape);
        ids_fill(m, in.ids, tensor_given(in.pixels));
    }
    return in;
}

static const char *peer_type(const Model *m) { return compute_name(m->compute == COMPUTE_BF16X3 ? COMPUTE_F32 : m->compute); }

static Forward forward_of(Arena *a, const Model *m, int batch, int tokens) {
    Forward f = {.m = m, .in = inputs_of(a, m, batch, tokens), .batch = batch};
    f.planned = model_scratch(a, m, &f.in);
    Arena *scratch = arena_new("a forward");
    model_forward(run_on(scratch, noted_by(&f.noted, a, model_device(m))), m, &f.in);
    arena_free(scratch);
    return f;
}

// Of split bf16 nobody knows a peak: it is three products, and more.
static Peak peak_of(const Model *m) { return m->compute == COMPUTE_F32 ? PEAK_F32 : m->compute == COMPUTE_BF16 ? PEAK_BF16 : NO_PEAK; }

static void memory_say(const Table *t, const Forward *f) {
    bench_say(t->w, "| … | memory %zu KiB of %zu KiB planned; %.4g GFLOP, of them %.4g of attention | | | | | |", f->used >> 10, f->planned >> 10,
              noted_operations(&f->noted) * 1e-9, f->noted.attention * 1e-9);
    need(f->used <= f->planned + (64 << 10), "bench: a forward took %zu bytes, the dry run said %zu", f->used, f->planned);
}

// ---- answers, compared before they are timed

typedef struct {
    const float *numbers;
    size_t count;
    const char *name; // transformers' own
} Answer;

float *answer_copied(Arena *a, Run *run, Tensor x) {
    Tensor numbers = run_read(run, x);
    float *copy = take(a, float, tensor_count(numbers));
    memcpy(copy, f32(numbers), tensor_bytes(numbers));
    return copy;
}

static Answer answer_of(Arena *a, const Model *m, Compute how, const Inputs *in) {
    Model as = *m;
    as.compute = how;
    Arena *scratch = arena_new("a forward");
    Run *run = run_new(scratch);
    Outputs out = model_forward(run, &as, in);
    const struct {
        Tensor tensor;
        const char *name;
    } all[] = {{out.logits, "logits"}, {out.hidden, "last_hidden_state"}, {out.image_embeds, "image_embeds"}, {out.text_embeds, "text_embeds"}};
    size_t which = 0;
    while (which + 1 < sizeof all / sizeof *all && !tensor_given(all[which].tensor)) which++;
    Answer answer = {answer_copied(a, run, all[which].tensor), tensor_count(all[which].tensor), all[which].name};
    arena_free(scratch);
    return answer;
}

// f32 is another order of sums (1.4e-6 after 24 layers); of bf16 transformers is 0.012 away after 24 layers, 0.016 after 8 of a Llama.
double forward_allowed(Compute how) { return how == COMPUTE_BF16 ? 0.05 : 1e-4; }

// What a row's errors are of: our f32 and, where the row is of another type, our answer; and what the peer is asked (NULL: nobody).
typedef struct {
    Check check;
    const char *ask;
} Comparison;

static Comparison comparison(Arena *a, const Table *t, const Forward *f, int tokens, bool peer) {
    const Model *m = f->m;
    if (m->compute == COMPUTE_F32 && !(t->peer && peer)) return (Comparison){.ask = NULL};
    Reference *reference = take(a, Reference, 1);
    Answer right = answer_of(a, m, COMPUTE_F32, &f->in);
    *reference = (Reference){right.numbers, right.count};
    const float *ours = m->compute == COMPUTE_F32 ? NULL : answer_of(a, m, m->compute, &f->in).numbers;
    Comparison c = {.check = {relative_distance, reference, ours, right.count, forward_allowed(m->compute), forward_allowed(m->compute)}};
    if (peer) c.ask = arena_print(a, "forward %s %s %d %d %d", peer_type(m), right.name, f->batch, tokens, threads_count());
    return c;
}

// ---- the products of a forward

typedef struct {
    const Noted *noted;
    float *x, *out;
} Products;

static Products products_of(Arena *a, const Noted *noted) {
    size_t x = 0, out = 0;
    for (size_t i = 0; i < noted->count; i++) {
        size_t rows = (size_t)noted->list[i].rows, K = (size_t)noted->list[i].w.shape[1], N = (size_t)noted->list[i].w.shape[0];
        x = rows * K > x ? rows * K : x, out = rows * N > out ? rows * N : out;
    }
    return (Products){noted, random_floats(a, x, "inputs of products"), take(a, float, out)};
}

static void products_work(void *arg) {
    const Products *p = arg;
    for (size_t i = 0; i < p->noted->count; i++) {
        const Product *k = &p->noted->list[i];
        p->noted->real->linear(tensor_of(p->out, DTYPE_F32, DIMS(k->rows, k->w.shape[0])), tensor_of(p->x, DTYPE_F32, DIMS(k->rows, k->w.shape[1])), k->w, k->b);
    }
}

// ---- pictures

static Errors pictures_errors(const Table *t, const Forward *f, const Comparison *c) {
    const Given given[GIVEN_MOST] = {{"pixels", f->in.pixels.data, tensor_bytes(f->in.pixels)}};
    return table_errors(t, "a picture's forward", given, &c->check, c->ask, NULL);
}

static void pictures(Arena *a, const Table *t, const Model *m) {
    enum { ONE, FOUR, PRODUCTS, PEER_ONE, PEER_FOUR };
    const char *type = compute_name(m->compute), *name = arena_print(a, "one picture, %s", type);
    if (!table_wants(t, name)) return;
    Mark mark = arena_mark(a);
    Forward one = forward_of(a, m, 1, 0), four = forward_of(a, m, AT_ONCE, 0);
    Products products = products_of(a, &one.noted);
    Work alone = {products_work, &products};
    const Comparison of_one = comparison(a, t, &one, 0, true), of_four = comparison(a, t, &four, 0, true);
    const Errors errors[] = {pictures_errors(t, &one, &of_one), pictures_errors(t, &four, &of_four)};
    Ask ask_one = {t->peer, of_one.ask}, ask_four = {t->peer, of_four.ask};
    ceilings_again(a, t->top);
    const unsigned ours = WAY(ONE) | WAY(FOUR), theirs = WAY(PEER_ONE) | WAY(PEER_FOUR);
    RatioWanted wanted[2];
    int wants = 0;
    if (t->peer) wanted[wants++] = (RatioWanted){ours, theirs, 1 / LEAST_OVER_PEER};
    if (m->compute == COMPUTE_BF16) wanted[wants++] = (RatioWanted){WAY(ONE), WAY(PRODUCTS), MOST_OVER_PRODUCTS};
    Rounds r = rounds_wanted((Way[]){{forward_each, &one}, {forward_each, &four}, {work_seconds, &alone}, {ask_seconds, &ask_one}, {ask_each, &ask_four}}, t->peer ? 5 : 3, t->rounds, wanted, wants);
    const Times *of = rounds_shown(&r, ours, t->peer ? theirs : 0);
    const Done all = {noted_operations(&one.noted), table_floor(t, noted_operations(&one.noted), peak_of(m))}, products_only = {one.noted.products, table_floor(t, one.noted.products, peak_of(m))};
    table_times(t, name, of[ONE], t->peer ? &of[PEER_ONE] : NULL, all, &errors[0], rounds_note(&r));
    memory_say(t, &one);
    table_times(t, arena_print(a, "each of %d pictures at once, %s", AT_ONCE, type), of[FOUR], t->peer ? &of[PEER_FOUR] : NULL, all, &errors[1], "");
    memory_say(t, &four);
    table_times(t, arena_print(a, "the %zu products of one picture alone, %s", one.noted.count, type), of[PRODUCTS], NULL, products_only, NULL, "");
    bench_say(t->w, "| … | %.3f pictures a second | | | | | |", 1 / rounds_fastest(of, ours));
    gate_note(t->gates, (Gate){.what = arena_print(t->arena, "pictures a second over transformers', %s, the better of 1 and %d at once on each side", type, AT_ONCE),
                               .value = t->peer ? 1 / rounds_ratio(&r, ours, theirs) : NAN, .bound = LEAST_OVER_PEER, .goal = 1.3, .at_least = true, .elsewhere = peer_without(t->arena, t->peer, "transformers")});
    if (m->compute == COMPUTE_BF16) // the spec's row is that of bf16
        gate_note(t->gates, (Gate){.what = "a picture's forward over its own products alone, bf16", .value = rounds_ratio(&r, WAY(ONE), WAY(PRODUCTS)), .bound = MOST_OVER_PRODUCTS, .goal = 1.20});
    arena_release(a, mark);
}

// ---- texts

// The peer widens the whole model to f32 at once; ours stays as it lies in its file.
static bool has_room_in_f32(const Model *m) {
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return 4 * (double)weights_parameters(m->weights) < 0.8 * memory;
}

static void prompt(Arena *a, const Table *t, const Model *m, int tokens) {
    bool with_picture = tensor_given(m->family->example(a, m, 0, 0, tokens).pixels);
    const char *type = compute_name(m->compute), *name = arena_print(a, "%s, %s", with_picture ? "picture and prompt" : "prompt", type);
    if (!table_wants(t, name)) return;
    Mark mark = arena_mark(a);
    Forward f = forward_of(a, m, 1, tokens);
    bool fits = m->compute == COMPUTE_BF16 || has_room_in_f32(m);
    if (t->peer && !fits) note("%s: no room for the peer in f32", m->dir);
    const Comparison c = comparison(a, t, &f, (int)f.in.ids.shape[1], fits);
    table_row(t, &(Row){.name = name, .ask = c.ask, .work = forward_work, .arg = &f, .operations = noted_operations(&f.noted), .peak = peak_of(m),
                       .given = {{"ids", f.in.ids.data, tensor_bytes(f.in.ids)}}, .check = c.check});
    memory_say(t, &f);
    arena_release(a, mark);
}

// Where positions are learned, no text is longer; one id comes behind those asked for where texts are continued.
static void tokens_fit(const Model *m, int tokens) {
    bool generates = m->family->next != NULL;
    int most = m->context - generates;
    need((generates && !m->padded) || tokens <= most, "bench forward: --tokens %d: %s holds %d%s; --tokens %d is the most", tokens, m->dir, m->context, generates ? ", the next one included" : "", most);
}

void bench_forward(const BenchAsk *given, const char *directory, int tokens) {
    Arena *a = given->arena;
    packed_use(given->packed);
    Model *m = model_open(a, directory, false);
    const Inputs like = m->family->example(a, m, 0, 0, tokens);
    bool text = tensor_given(like.ids), both = text && tensor_given(like.pixels);
    if (text) tokens_fit(m, tokens);
    BenchAsk ask = *given;
    if (both) ask.venv = NULL; // peer_speed.py asks transformers for pictures, or for texts
    Table t = table_open(&ask, "test/bench/peer_speed.py", directory);
    bench_say(t.w, "\n`retina bench forward%s`, %s (%s, %.0f million parameters), %s, bf16 by %s, %s, %d alternating rounds; the peer is transformers in the same type, of bf16x3 in f32."
                   " Error: of each one's answer to the same inputs, ours first, its distance from our own in f32.%s%s",
              ask.packed ? " --packed" : "", path_name(directory), m->family->name, (double)weights_parameters(m->weights) / 1e6, cpu_describe(), gemm_bf16_path(), threads_said(a), t.rounds, peer_head(a, t.peer),
              both ? arena_print(a, "\nNo peer for %s, which takes a picture and a text: ours alone.", path_name(directory)) : "");
    table_head(&t, "forward");
    for (Compute how = COMPUTE_F32; how <= COMPUTE_BF16X3; how++) {
        m->compute = how;
        if (how == COMPUTE_BF16X3 && model_device(m) == m->device) continue; // it is f32
        if (text) prompt(a, &t, m, tokens);
        else pictures(a, &t, m);
        if (m->family->next && how == COMPUTE_BF16) bench_decode(a, &t, m, tokens);
    }
    table_close(&t);
}
