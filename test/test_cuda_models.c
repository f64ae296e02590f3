// test_cuda_models.c: every tap of tiny models and every id that they generate, by the GPU's backend on the emulated GPU: the bits
// of the CPU.
//
// Bound: none, the bits are the same: every kernel sums in the CPU's order (model/ops.h), so a whole forward does. Nothing may be
// reported by the emulator on the way: no step outside a tensor, no number that nobody wrote, no race.
// Caught when broken on purpose: a weight that is read in another type, positions that are sent a step late, a bias left out, a
// graph that keeps the ids of the first step, copies of weights that outlive their model, a buffer filled anew while the GPU still reads it, a
// text that gets what was chosen for it after its end.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cuda/backend.h"
#include "cuda/memory.h"
#include "cuda_check.h"
#include "golden.h"
#include "io/file.h"
#include "model/generate.h"
#include "model/model.h"

typedef struct {
    Arena *arena;
    const char *names[2048];
    Tensor values[2048];
    size_t count;
} Seen;

static void keep(void *arg, const char *name, Tensor x) {
    Seen *s = arg;
    if (s->count == 2048) return;
    s->names[s->count] = arena_text(s->arena, name, strlen(name));
    s->values[s->count] = tensor_take(s->arena, DTYPE_F32, x.ndim, x.shape);
    memcpy(s->values[s->count++].data, x.data, tensor_bytes(x));
}

static bool same(Tensor a, Tensor b) { return tensor_same_shape(a, b) && memcmp(a.data, b.data, tensor_bytes(a)) == 0; }

static Seen *taps_of(Arena *a, const Model *m, const Inputs *in, Tensor *logits, const char *replaced, Tensor with) {
    Seen *s = take_zero(a, Seen, 1);
    s->arena = a;
    Taps *taps = taps_asking(a, model_taps(a, m, in), NULL, 0);
    taps_read(taps, "*", keep, s);
    if (replaced) taps_replace(taps, replaced, with);
    Arena *scratch = arena_new("a forward");
    Run *run = run_on(scratch, m->device);
    run->taps = taps;
    Outputs out = model_forward(run, m, in);
    *logits = NO_TENSOR;
    if (tensor_given(out.logits)) {
        *logits = tensor_take(a, DTYPE_F32, out.logits.ndim, out.logits.shape);
        memcpy(logits->data, run_read(run, out.logits).data, tensor_bytes(*logits));
    }
    arena_free(scratch);
    return s;
}

static void compare(const char *name, const Seen *want, const Seen *got) {
    size_t bad = 0, n = want->count < got->count ? want->count : got->count;
    const char *first = "none";
    for (size_t i = 0; i < n; i++)
        if ((strcmp(want->names[i], got->names[i]) != 0 || !same(want->values[i], got->values[i])) && bad++ == 0) first = want->names[i];
    check(want->count > 0 && got->count == want->count && bad == 0, "%s: %zu taps of the GPU, %zu of the CPU; others: %zu, the first is %s", name, got->count, want->count, bad,
          first);
}

static void quiet_emulator(const char *name) {
    check(emu_reports() == 0, "%s: nothing for the emulator to report: %s", name, emu_reports() ? emu_first_report() : "nothing");
    emu_forget();
}

static Tensor mask_of(Arena *a, Tensor given) {
    if (!tensor_given(given)) return NO_TENSOR;
    Tensor m = tensor_take(a, DTYPE_U8, given.ndim, given.shape);
    for (size_t i = 0; i < tensor_count(given); i++) ((uint8_t *)m.data)[i] = i32(given)[i] != 0;
    return m;
}

static Generated *answers(Arena *a, const Model *m, const Inputs *in, int count, int beams, bool sample) {
    GenerateOptions o = generate_options(a, m);
    o.max_new = 6, o.min_new = 6, o.beams = beams, o.sample = sample, o.seed = 3;
    return generate(a, m, in, count, &o, NULL);
}

static bool same_answers(const Generated *x, const Generated *y, int count) {
    bool equal = true;
    for (int i = 0; i < count; i++)
        equal = equal && x[i].count == y[i].count && memcmp(x[i].ids, y[i].ids, (size_t)x[i].count * sizeof *x[i].ids) == 0 &&
                memcmp(x[i].logprobs, y[i].logprobs, (size_t)x[i].count * sizeof *x[i].logprobs) == 0;
    return equal;
}

// Two texts of different lengths together, greedy, drawn, and one by beams.
static void generation(Arena *a, const char *name, const Model *cpu, const Model *gpu, Inputs in) {
    in.mask = NO_TENSOR;
    long T = in.ids.shape[1];
    if (in.ids.shape[0] != 1) return;
    Inputs two[2] = {in, in};
    if (!tensor_given(in.pixels) && T > 2) two[1].ids = tensor_of(i32(in.ids), DTYPE_I32, DIMS(1, T - 1));
    EmuGraphCounts before = emu_graph_counts();
    check(same_answers(answers(a, cpu, two, 2, 1, false), answers(a, gpu, two, 2, 1, false), 2), "%s: two greedy texts", name);
    check(same_answers(answers(a, cpu, two, 2, 1, true), answers(a, gpu, two, 2, 1, true), 2), "%s: two drawn texts", name);
    check(same_answers(answers(a, cpu, &in, 1, 3, false), answers(a, gpu, &in, 1, 3, false), 1), "%s: three beams", name);
    EmuGraphCounts after = emu_graph_counts();
#ifdef RETINA_EMULATE
    int launched = after.launched - before.launched, built = after.built - before.built, updated = after.updated - before.updated;
    check(launched >= 8 && built + updated < launched - 2, "%s: steps are repeated as graphs, most as they are: %d launched, %d built, %d updated", name, launched, built, updated);
#else
    (void)before, (void)after;
#endif
}

static void model_case(const char *directory, const char *golden, bool generates) {
    char name[200], file[400], path[400];
    snprintf(name, sizeof name, "%s %s", directory, golden);
    snprintf(file, sizeof file, "test/golden/%s/%s.safetensors", directory, golden);
    snprintf(path, sizeof path, "test/golden/%s", directory);
    Arena *a = arena_new("test");
    Trap trap;
    if (!trap_set(&trap)) {
        check(false, "%s: %s", name, trap.message);
        arena_free(a);
        return;
    }
    const char *why;
    Golden *g = golden_open(a, file);
    Inputs in = {.pixels = golden_input(g, "pixel_values"), .ids = golden_input(g, "input_ids"), .types = golden_input(g, "token_type_ids"),
                 .interpolate = strstr(golden, "interpolated") != NULL};
    in.mask = mask_of(a, golden_input(g, "attention_mask"));
    device_use(device_cpu());
    Model *cpu = model_open(a, path, false);
    device_use(device_cuda(&why));
    Model *gpu = model_open(a, path, false);
    check(strcmp(gpu->device->name, "cuda") == 0 && strcmp(cpu->device->name, "cpu") == 0, "%s: a model stays where it was opened", name);
    Tensor logits, other;
    Seen *want = taps_of(a, cpu, &in, &logits, NULL, NO_TENSOR);
    compare(name, want, taps_of(a, gpu, &in, &other, NULL, NO_TENSOR));
    if (tensor_given(logits)) check(same(logits, other), "%s: logits", name);
    size_t middle = want->count / 2; // replaced by other numbers: what follows changes alike
    while (middle && strchr(want->names[middle], '#')) middle--;
    Tensor with = tensor_take(a, DTYPE_F32, want->values[middle].ndim, want->values[middle].shape);
    for (size_t i = 0; i < tensor_count(with); i++) f32(with)[i] = (float)((i * 37 % 101)) / 100 - 0.5f;
    Seen *changed = taps_of(a, cpu, &in, &logits, want->names[middle], with);
    compare(arena_print(a, "%s with %s replaced", name, want->names[middle]), changed, taps_of(a, gpu, &in, &other, want->names[middle], with));
    quiet_emulator(name);
    if (generates && cpu->family->next) {
        generation(a, name, cpu, gpu, in);
        quiet_emulator(name);
    }
    trap_end(&trap);
    arena_free(a); // and with it the copies of the weights: the next model lies at the same addresses
}

typedef struct {
    int count[3], most; // text i hears so many ids and i more
    int64_t sum[3];
} Listener;

static bool heard(void *arg, int text, int32_t id) {
    Listener *l = arg;
    l->sum[text] = l->sum[text] * 31 + id;
    return ++l->count[text] < l->most + text;
}

typedef struct {
    const char *name;
    bool sample;
    int eos;   // a text ends with an id that stands here in text 0, or in text i at i more; 0: none does
    int heard; // Listener.most; 0: nobody listens
    double penalty;
} Ending;

static Generated *ended_by(Arena *a, const Model *m, const Inputs *in, int count, const Ending *e, const int32_t *eos, Listener *l) {
    GenerateOptions o = generate_options(a, m);
    o.max_new = 9, o.sample = e->sample, o.seed = 5, o.eos = eos, o.eos_count = e->eos ? count : 0, o.repetition_penalty = e->penalty;
    *l = (Listener){.most = e->heard};
    if (e->heard) o.heard = heard, o.arg = l;
    return generate(a, m, in, count, &o, NULL);
}

// Steps are given to the GPU before the ids of the step before are here: the same answers and the same ends, whether the GPU is quick or late. A step
// more than is looked at has been begun where a text's end is not foreseen, and none where rules ask for the last id.
static void ends(const char *directory) {
    static const Ending cases[] = {{"no end", false, 0, 0, 1}, {"drawn", true, 0, 0, 1}, {"end tokens", false, 3, 0, 1}, {"drawn, end tokens", true, 3, 0, 1}, {"a listener", false, 0, 3, 1}, {"drawn, a penalty", true, 3, 0, 1.3}};
    int32_t ids[] = {1, 5, 9, 3};
    Inputs in[3];
    const char *why;
    Arena *a = arena_new("test");
    device_use(device_cpu());
    Model *cpu = model_open(a, directory, false);
    device_use(device_cuda(&why));
    Model *gpu = model_open(a, directory, false);
    for (int i = 0; i < 3; i++) in[i] = (Inputs){.ids = tensor_of(ids, DTYPE_I32, DIMS(1, 2 + i))};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int count = 1; count <= 3; count += 2) {
            const Ending *e = &cases[k];
            Listener here, there;
            Generated *want = ended_by(a, cpu, in, count, &(Ending){.sample = e->sample, .penalty = e->penalty}, NULL, &here);
            int32_t eos[3];
            for (int i = 0; i < count; i++) eos[i] = want[i].ids[e->eos + i];
            want = ended_by(a, cpu, in, count, e, eos, &here);
            int longest = 0;
            for (int i = 0; i < count; i++) longest = want[i].count > longest ? want[i].count : longest;
            for (int late = 0; late < 2; late++) {
                int before = emu_graph_counts().launched;
                emu_late(late);
                Generated *got = ended_by(a, gpu, in, count, e, eos, &there);
                emu_late(false);
                bool same_ends = memcmp(&here, &there, sizeof here) == 0;
                for (int i = 0; i < count; i++) same_ends = same_ends && strcmp(want[i].stopped, got[i].stopped) == 0 && memcmp(want[i].entropies, got[i].entropies, (size_t)want[i].count * sizeof(double)) == 0;
                check(same_ends && same_answers(want, got, count), "%s, %s: %d texts, the longest of %d ids, on a %s GPU", directory, e->name, count, longest, late ? "late" : "quick");
#ifdef RETINA_EMULATE
                int steps = emu_graph_counts().launched - before, more = longest > 1 && longest < 9 && e->penalty == 1;
                check(steps == longest - 1 + more, "%s, %s: %d steps for %d ids", directory, e->name, steps, longest);
#else
                (void)before;
#endif
            }
        }
    quiet_emulator(directory);
    arena_free(a);
}

// Answers of steps that repeat are the CPU's ids; probabilities are as near as what the CPU rounds more:
// a step's queries and the softmax's weights (attention_avx512bf16.c), which attention_few.cu keeps in f32. Measured: 4e-3.
static void bf16_answers(const char *directory) {
    Arena *a = arena_new("test");
    const char *why;
    int32_t ids[] = {1, 5, 9, 3};
    Inputs in[3];
    device_use(device_cpu()->bf16());
    Model *cpu = model_open(a, directory, false);
    device_use(device_cuda(&why)->bf16());
    Model *m = model_open(a, directory, false);
    for (int i = 0; i < 3; i++) in[i] = (Inputs){.ids = tensor_of(ids, DTYPE_I32, DIMS(1, 2 + i))};
    for (int count = 1; count <= 3; count += 2) {
        Generated *out = answers(a, m, in, count, 1, false), *want = answers(a, cpu, in, count, 1, false);
        emu_backwards(true);
        check(same_answers(out, answers(a, m, in, count, 1, false), count), "%s in bf16: %d texts again, in another order of threads: the same bits", directory, count);
        emu_backwards(false);
        for (int i = 0; i < count; i++) {
            check(memcmp(want[i].ids, out[i].ids, (size_t)want[i].count * sizeof(int32_t)) == 0, "%s: text %d of %d in bf16: the CPU's ids", directory, i, count);
            check_near("its log probabilities", out[i].logprobs, want[i].logprobs, (size_t)want[i].count, 1e-2);
        }
    }
    arena_free(a);
}

// The middle tap replaced: its place holds the other numbers, rounded at most, and what follows goes on from them.
static void replaced_in_bf16(const char *directory, const Model *cpu, const Model *gpu, const Inputs *in, const Seen *plain) {
    Arena *a = arena_new("test");
    const size_t middle = plain->count / 2, last = plain->count - 1;
    Tensor with = tensor_take(a, DTYPE_F32, plain->values[middle].ndim, plain->values[middle].shape), none;
    for (size_t i = 0; i < tensor_count(with); i++) f32(with)[i] = (float)(i * 37 % 101) / 100 - 0.5f;
    Seen *want = taps_of(a, cpu, in, &none, plain->names[middle], with), *got = taps_of(a, gpu, in, &none, plain->names[middle], with);
    check_near(arena_print(a, "%s in bf16: %s replaced", directory, plain->names[middle]), f32(got->values[middle]), f32(with), tensor_count(with), 3e-3);
    check_near(arena_print(a, "%s in bf16: %s behind it", directory, plain->names[last]), f32(got->values[last]), f32(want->values[last]), tensor_count(want->values[last]), 2e-2);
    check(memcmp(plain->values[last].data, want->values[last].data, tensor_bytes(want->values[last])) != 0, "%s in bf16: which is not what it was", directory);
    arena_free(a);
}

// --dtype bf16: what goes into products is kept in bf16, and residuals are added where a product ends unless somebody looks at the taps
// between. Within the rounding of the CPU's bf16, with all taps read and with none.
static void bf16_case(const char *directory) {
    char path[400], file[400];
    snprintf(path, sizeof path, "test/golden/%s", directory);
    snprintf(file, sizeof file, "test/golden/%s/golden.safetensors", directory);
    Arena *a = arena_new("test");
    const char *why;
    Golden *g = golden_open(a, file);
    Inputs in = {.pixels = golden_input(g, "pixel_values")};
    device_use(device_cpu()->bf16());
    Model *cpu = model_open(a, path, false);
    device_use(device_cuda(&why)->bf16());
    Model *gpu = model_open(a, path, false);
    emu_forget();
    Tensor none;
    Seen *want = taps_of(a, cpu, &in, &none, NULL, NO_TENSOR), *got = taps_of(a, gpu, &in, &none, NULL, NO_TENSOR);
    double worst = 0;
    const char *where = "nowhere";
    for (size_t i = 0; i < want->count && i < got->count; i++) {
        double wrong = 0, all = 0;
        for (size_t e = 0; e < tensor_count(want->values[i]); e++) {
            double w = (double)f32(want->values[i])[e], d = (double)f32(got->values[i])[e] - w;
            wrong += d * d, all += w * w;
        }
        if (!(sqrt(wrong / all) <= worst)) worst = sqrt(wrong / all), where = want->names[i];
    }
    check(want->count > 0 && want->count == got->count && worst < 2e-2, "%s in bf16: %zu taps, the furthest is %s: %.1e", directory, got->count, where, worst);
    replaced_in_bf16(directory, cpu, gpu, &in, want);
    emu_backwards(true);
    compare(arena_print(a, "%s in bf16 again, in another order of threads", directory), got, taps_of(a, gpu, &in, &none, NULL, NO_TENSOR));
    emu_backwards(false);
    Run *here = run_on(a, cpu->device), *there = run_on(a, gpu->device);
    Outputs x = model_forward(here, cpu, &in), y = model_forward(there, gpu, &in);
    Tensor hidden = run_read(there, y.hidden);
    check_near(directory, f32(hidden), f32(x.hidden), tensor_count(hidden), 2e-2);
    quiet_emulator(directory);
    arena_free(a);
}

#ifdef RETINA_EMULATE
// Across the boundary goes what was asked for: a tap that is read comes down, alone; one that is replaced goes up, and nothing comes down for it.
static void only_what_was_asked(const char *directory, const char *tap, bool bf16) {
    Arena *a = arena_new("test");
    const char *why;
    const Device *device = device_cuda(&why);
    device_use(bf16 ? device->bf16() : device);
    Model *m = model_open(a, directory, false);
    Inputs in = {.pixels = golden_input(golden_open(a, arena_print(a, "%s/golden.safetensors", directory)), "pixel_values")};
    Tensor none;
    taps_of(a, m, &in, &none, NULL, NO_TENSOR); // the weights come up
    EmuCounts counts[3];
    Seen s = {.arena = a};
    for (int i = 0; i < 3; i++) { // nothing, one read, one replaced
        Taps *taps = taps_asking(a, model_taps(a, m, &in), NULL, 0);
        if (i == 1) taps_read(taps, tap, keep, &s);
        if (i == 2) taps_replace(taps, tap, s.values[0]);
        Arena *scratch = arena_new("a forward");
        Run *run = run_on(scratch, m->device);
        run->taps = taps;
        emu_forget();
        model_forward(run, m, &in);
        counts[i] = emu_counts();
        arena_free(scratch);
    }
    const size_t bytes = s.count == 1 ? tensor_bytes(s.values[0]) : 0, stored = counts[1].copied_down;
    check(s.count == 1 && counts[0].copied_down == 0 && (stored == bytes || (bf16 && stored == bytes / 2)) && counts[1].copied_up == counts[0].copied_up,
          "%s%s, %s read: %zu bytes come down for %zu", directory, bf16 ? " in bf16" : "", tap, stored, bytes);
    check(counts[2].copied_down == 0 && counts[2].copied_up == counts[0].copied_up + stored, "%s%s, %s replaced: %zu bytes go up for it, %zu come down", directory, bf16 ? " in bf16" : "", tap,
          (size_t)(counts[2].copied_up - counts[0].copied_up), (size_t)counts[2].copied_down);
    arena_free(a);
}

static long spoken_batch(const char *message) { // of "--batch N would fit"
    const char *at = strstr(message, "--batch ");
    return at ? strtol(at + 8, NULL, 10) : -1;
}

// A forward of so many pictures in so many bytes; what it dies of goes to `message`.
static bool fits(const Model *m, Tensor pictures, long count, size_t bytes, char *message) {
    Arena *a = arena_new("a forward");
    Inputs in = {.pixels = pictures};
    in.pixels.shape[0] = count;
    Trap trap;
    bool done = false;
    emu_limit(bytes);
    if (!trap_set(&trap)) snprintf(message, 1024, "%s", trap.message);
    else {
        model_forward(run_on(a, m->device), m, &in);
        trap_end(&trap);
        done = true;
    }
    emu_limit(0);
    arena_free(a);
    return done;
}

// Too many pictures for the memory: told before anything is computed, or by the first operation for which there is no room (the weights
// come up with the operations); the --batch that is named fits, and three times as many do not.
static void too_many(const char *directory) {
    Arena *a = arena_new("test");
    const char *why;
    char message[1024];
    device_use(device_cuda(&why));
    Model *m = model_open(a, directory, false);
    Tensor golden = golden_input(golden_open(a, arena_print(a, "%s/golden.safetensors", directory)), "pixel_values"), many = tensor_take(a, DTYPE_F32, DIMS(256, 3, golden.shape[2], golden.shape[3]));
    for (size_t i = 0; i < tensor_count(many); i++) f32(many)[i] = f32(golden)[i % tensor_count(golden)];
    const size_t before = emu_in_use() + (1 << 20), scratch = model_scratch(a, m, &(Inputs){.pixels = many}); // the weights are small
    for (int i = 0; i < 2; i++) { // the first with weights that are still to come
        const size_t bytes = before + scratch / 10 * (size_t)(3 * i + 2);
        char again[1024] = "it fits";
        const bool all = fits(m, many, 256, bytes, message);
        const long n = spoken_batch(message);
        check(!all && n > 0 && n < 256 && fits(m, many, n, bytes, again), "256 pictures in %zu KiB: %s; %ld: %s", bytes >> 10, message, n, again);
        check(n > 85 || !fits(m, many, 3 * n, bytes, message), "three times as many do not");
    }
    fits(m, many, 1, before - (1000 << 10), message); // the weights have 256 KiB
    check(strstr(message, "not even --batch 1 would fit; use --device cpu") != NULL, "%s, no room at all: %s", directory, message);
    quiet_emulator(directory);
    arena_free(a);
}
#endif

int main(void) {
    const char *why;
    check(device_cuda(&why) != NULL, "%s", device_cuda_name());
#ifdef RETINA_EMULATE
    too_many("test/golden/clip-vision");
    for (int bf16 = 0; bf16 < 2; bf16++)
        for (int i = 0; i < 2; i++) only_what_was_asked("test/golden/clip-vision", (const char *[]){"encoder.layers.0", "encoder.layers.1.layer_norm1"}[i], bf16);
#endif
    model_case("clip-openai", "golden", false);
    model_case("clip-openai", "golden-interpolated", false);
    model_case("siglip-small", "golden", false);
    model_case("dinov2-registers", "golden-other", false);
    model_case("dinov3-small", "golden", false);
    model_case("bert-small", "golden-pair", false);
    model_case("roberta-small", "golden", false);
    model_case("llama-3", "golden", true);
    model_case("qwen2-dynamic", "golden", true);
    model_case("mistral-window", "golden", false);
    model_case("qwen3-small", "golden", false);
    model_case("olmo2-small", "golden", false);
    model_case("gemma2-small", "golden", true);
    model_case("llava-default", "golden", true);
    model_case("coca-small", "golden", false);
    bf16_case("clip-vision");
    bf16_case("siglip-vision");
    bf16_case("dinov2-swiglu");
    bf16_answers("test/golden/llama-3");
    ends("test/golden/llama-3");
    if (real_shapes()) {
        static const char *const more[] = {"llama-2", "llama-biases", "llava-eras", "llava-full", "qwen2-small", "qwen2-window", "qwen3-eras", "gemma2-eras", "dinov2-small", "dinov2-swiglu",
                                           "dinov3-gated", "roberta-eras", "bert-eras", "siglip-vision", "clip-gelu", "clip-vision", "coca-plain"};
        for (size_t i = 0; i < sizeof more / sizeof *more; i++) model_case(more[i], "golden", false);
    }
    return check_end();
}
