// test_models.c: every tap of every family against the reference in float32, module by module.
//
// Bound: 1e-5 relative per tap (models.md 8: float32 chains of a few blocks measure 1e-7 to 1e-6).
// Caught when broken on purpose: swapped axes of the patch embedding, a dropped bias, positions shifted by one, one
// block fewer, the other GELU, a window one token wider, keys of the wrong group.
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "golden.h"
#include "io/file.h"
#include "model/device.h"
#include "model/generate.h"
#include "model/model.h"

#define ALLOW 1e-5

// Every generate() call of the reference with its settings: the same ids.
static void answers(Arena *a, Golden *g, const Model *m, Inputs in, const char *name) {
    if (in.ids.shape[0] != 1) return;
    in.mask = NO_TENSOR;
    for (size_t k = 0; k < golden_answers(g); k++) {
        GoldenAnswer want = golden_answer(g, k);
        GenerateOptions o = generate_options(a, m);
        const Json *s = want.settings;
        o.max_new = (int)json_int_or(s, "max_new_tokens", 20);
        if (json_get(s, "min_new_tokens")) o.min_new = (int)json_int(s, "min_new_tokens"), o.min_length = 0;
        const Json *early = json_get(s, "early_stopping");
        o.early = !early ? o.early : early->kind == JSON_TEXT ? EARLY_NEVER : early->truth ? EARLY_FIRST : EARLY_USUAL;
        o.beams = (int)json_int_or(s, "num_beams", 1);
        o.length_penalty = json_real_or(s, "length_penalty", 1);
        o.repetition_penalty = json_real_or(s, "repetition_penalty", o.repetition_penalty);
        o.no_repeat_ngram = (int)json_int_or(s, "no_repeat_ngram_size", o.no_repeat_ngram);
        Generated *got = generate(a, m, &in, 1, &o, NULL);
        bool same = (size_t)got->count == want.count;
        for (size_t i = 0; same && i < want.count; i++) same = got->ids[i] == (int32_t)want.ids[i];
        check(same, "%s: generate %zu (beams %d, penalty %g, n-gram %d, at least %d): %d ids, %s", name, k, o.beams, o.repetition_penalty,
              o.no_repeat_ngram, o.min_new, got->count, got->stopped);
    }
}

// The dry run reaches the taps in the reference's order, with the reference's shapes.
static void listed_in_order(const Golden *g, const TapInfo *list, size_t n, const char *name) {
    size_t at = 0;
    const char *wrong = NULL;
    for (size_t i = 0; i < n && !wrong; i++) {
        if (strchr(list[i].name, '#') || golden_optional(g, list[i].name)) continue;
        const GoldenTensor *want = at < golden_taps(g) ? golden_tap_at(g, at++) : NULL;
        if (!want || strcmp(want->name, list[i].name) != 0 || !tensor_same_shape(want->shape, list[i].shape)) wrong = list[i].name;
    }
    check(!wrong && at == golden_taps(g), "%s: %zu taps are listed as the reference reaches them%s%s", name, at, wrong ? ", but not " : "", wrong ? wrong : "");
}

// Where nobody asks, operations are fused: the results keep their bits, and the memory is what the dry run said.
static void untapped(const Outputs *seen, const Model *m, const Inputs *in, const char *name) {
    Arena *scratch = arena_new("without taps");
    size_t planned = model_scratch(scratch, m, in);
    arena_free(scratch);
    scratch = arena_new("without taps");
    Outputs out = model_forward(run_new(scratch), m, in);
    const Tensor *a = (const Tensor *)seen, *b = (const Tensor *)&out;
    bool same = true;
    for (size_t i = 0; i < sizeof out / sizeof *a; i++)
        same = same && tensor_given(a[i]) == tensor_given(b[i]) && (!tensor_given(a[i]) || memcmp(a[i].data, b[i].data, tensor_bytes(a[i])) == 0);
    check(same, "%s: without taps the same bits", name);
    check(arena_peak(scratch) <= planned + 4096, "%s: %zu bytes were taken, %zu planned", name, arena_peak(scratch), planned);
    arena_free(scratch);
}

static void golden_case(const char *name, const char *golden, const char *directory) {
    Arena *a = arena_new("test"), *scratch = arena_new("test scratch");
    Trap trap;
    if (!trap_set(&trap)) {
        check(false, "%s: %s", name, trap.message);
    } else {
        Golden *g = golden_open(a, golden);
        Model *m = model_open(a, directory, false);
        Inputs in = golden_inputs(g);
        in.interpolate = strstr(golden, "interpolated") != NULL;
        Taps *taps = taps_asking(a, model_taps(a, m, &in), NULL, 0);
        const TapInfo *list;
        size_t n = taps_listed(taps, &list);
        for (size_t i = 0; i < n; i++)
            if (!strchr(list[i].name, '#')) taps_read(taps, list[i].name, golden_sink, g);
        listed_in_order(g, list, n, name);
        Run *run = run_new(scratch);
        run->taps = taps;
        Outputs out = model_forward(run, m, &in);
        golden_end(g, name, ALLOW);
        untapped(&out, m, &in, name);
        if (tensor_given(out.logits)) {
            const GoldenTensor *want = golden_result(g, "logits");
            double d = golden_distance(g, want, out.logits);
            check(d <= ALLOW, "%s: logits rel %.1e (allow %.0e)", name, d, ALLOW);
        }
        if (m->family->next) answers(a, g, m, in, name);
        trap_end(&trap);
    }
    arena_free(a);
    arena_free(scratch);
}

static void family_case(const char *directory, const char *golden, const char *weights) {
    char name[200], golden_file[400], model[400];
    snprintf(name, sizeof name, "%s%s%s %s", directory, *weights ? "/" : "", weights, golden);
    snprintf(golden_file, sizeof golden_file, "test/golden/%s/%s.safetensors", directory, golden);
    snprintf(model, sizeof model, "test/golden/%s/%s", directory, weights);
    golden_case(name, golden_file, model);
}

// Directories as test/reference/ writes them, anywhere: all their golden files.
static void given_directory(const char *path) {
    Arena *a = arena_new("directories");
    size_t n;
    char **file = folder_list(a, path, &n);
    for (size_t i = 0; i < n; i++)
        if (strncmp(path_name(file[i]), "golden", 6) == 0) golden_case(path, file[i], path);
    arena_free(a);
}

int main(int count, char **argument) {
    for (int i = 1; i < count; i++) given_directory(argument[i]);
    if (count > 1) return check_end();
    static const char *const plain[] = {"clip-openai", "clip-gelu", "clip-vision", "siglip-small", "siglip-vision", "dinov2-small", "dinov2-registers", "dinov2-swiglu", "dinov3-small", "dinov3-gated", "llama-2", "llama-3", "llama-biases", "mistral-window", "mistral-headless", "qwen2-small",
                                        "qwen2-window", "qwen3-small", "olmo-clip", "olmo2-small", "gemma2-small", "llama-yarn", "qwen2-dynamic", "mistral-longrope", "qwen3-settings", "llava-default",
                                        "llava-full", "llava-gemma2", "bert-small", "roberta-small", "coca-small", "coca-equal", "coca-plain"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) family_case(plain[i], "golden", "");
    family_case("clip-vision-projection", "golden", "");
    family_case("clip-text-projection", "golden", "");
    family_case("llava-default", "golden-batch", "");
    family_case("llama-2", "golden-batch", "");
    family_case("qwen2-dynamic", "golden-batch", "");
    family_case("mistral-longrope", "golden-batch", "");
    family_case("bert-small", "golden-pair", "");
    family_case("clip-openai", "golden-interpolated", "");
    family_case("siglip-small", "golden-interpolated", "");
    family_case("dinov2-small", "golden-other", "");
    family_case("dinov2-registers", "golden-other", "");
    family_case("dinov3-small", "golden-other", "");
    family_case("bert-eras", "golden", "a");
    family_case("bert-eras", "golden", "bin"); // pytorch_model.bin
    family_case("roberta-eras", "golden", "a");
    family_case("gemma2-eras", "golden", "a");
    family_case("qwen2-eras", "golden", "a");
    family_case("qwen3-eras", "golden", "a");
    static const char *const eras[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) family_case("llava-eras", "golden", eras[i]);
    family_case("llava-eras", "golden", "a-bin"); // pytorch_model-0000n-of-… and their index
    return check_end();
}
