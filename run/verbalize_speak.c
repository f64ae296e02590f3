// verbalize_speak.c: reads the states behind every block of a vision tower, and lets the model's own decoder speak from them.
//
// Everything goes through taps: the blocks' taps are read, and the tap of the layer that the model itself uses is replaced. What
// the model does behind that layer (dropping the class token, pooling, projecting) is then done to the foreign state as it would
// be to its own: there is no second path. Replacing the native layer's state by itself gives the model's own caption, bit for bit.
#include <math.h>
#include <string.h>

#include "model/choose.h"
#include "model/clip.h"
#include "model/coca_generate.h"
#include "model/generate.h"
#include "model/llava.h"
#include "model/prompt.h"
#include "verbalize.h"

struct SpeakerOwn {
    Verbalize *study;
    Prompter prompter;
    GenerateOptions options;
    Tensor prompt;       // ids
    CocaOptions coca;
    const char **native; // taps that are replaced, closed by NULL
    // retrieval
    const char *const *bank;
    size_t bank_count;
    float *bank_vectors; // (bank_count, projection), of length one
    int projection;
};

const char *speaker_tap(const Speaker *k, Arena *a, int l) {
    if (k->kind == SPEAKS_COCA) {
        static const char *const parts[] = {"", ".ln_1", ".attn"};
        return l == 0 ? "visual.ln_pre" : arena_print(a, "visual.transformer.resblocks.%d%s", l - 1, parts[k->own->study->tap]);
    }
    const Llava *llava = k->model->own;
    const Clip *clip = k->model->own;
    const char *prefix = k->kind == SPEAKS_LLAVA ? llava->vision->prefix : clip->vision->prefix;
    return l == 0 ? arena_print(a, "%spre_layrnorm", prefix) : arena_print(a, "%sencoder.layers.%d", prefix, l - 1);
}

// A large model needs minutes for the layers of one picture.
static bool hear(void *arg, int text, int32_t id) {
    Speaker *k = arg;
    (void)text, (void)id;
    if (k->bar) progress_at(k->bar, k->bar_at += k->bar_step);
    return true;
}

static void open_llava(Speaker *k, Verbalize *s) {
    const Llava *m = k->model->own;
    struct SpeakerOwn *o = k->own;
    Arena *a = s->arena;
    k->kind = SPEAKS_LLAVA;
    k->L = m->vision->cfg.L, k->T = m->vision->T, k->C = m->vision->cfg.C;
    k->native = m->layers[m->layer_count - 1], k->first_token = m->drop_cls;
    k->what = arena_print(a, "LLaVA: %d vision blocks, the projector reads state %d, then %d text blocks", k->L, k->native, m->text->cfg.L);
    o->native = take_zero(a, const char *, (size_t)m->layer_count + 1);
    for (int i = 0; i < m->layer_count; i++) o->native[i] = speaker_tap(k, a, m->layers[i]);
    o->prompter = prompter_load(a, k->model);
    o->prompt = prompt_ids(a, &o->prompter, s->prompt, 1, false);
    o->options = generate_options(a, k->model);
    o->options.max_new = s->max_new, o->options.min_new = s->min_new;
    o->options.heard = hear, o->options.arg = k;
}

static void open_coca(Speaker *k, Verbalize *s) {
    const Coca *m = k->model->own;
    struct SpeakerOwn *o = k->own;
    k->kind = SPEAKS_COCA;
    k->L = k->native = m->cfg.vision.L, k->T = m->T, k->C = m->cfg.vision.C;
    k->what = arena_print(s->arena, "CoCa: %d vision blocks, a pooler of %d queries, %d decoder blocks", k->L, m->cfg.Q, m->cfg.cross.L);
    o->prompter = (Prompter){.model = k->model, .tokenizer = s->tokenizer ? tokenizer_load_openclip(s->arena, s->tokenizer) : tokenizer_load(s->arena, s->model_dir, false)};
    int32_t highest = tokenizer_highest(o->prompter.tokenizer);
    need(highest == m->cfg.V - 1, "%s: a tokenizer of %d ids, and the model %s has %d; give its own --tokenizer", s->tokenizer ? s->tokenizer : s->model_dir, highest + 1, s->model_dir, m->cfg.V);
    CocaOptions *c = &o->coca;
    *c = coca_options(k->model);
    static const CocaWay ways[] = {COCA_TOP_K, COCA_TOP_K, COCA_TOP_P, COCA_BEAMS, COCA_LATER_BEAMS}; // as --decode names them
    c->way = ways[s->decode];
    if (s->seq_len < c->seq_len) c->seq_len = s->seq_len; // coca_options has cut it to what the model holds
    else if (s->seq_len > c->seq_len && s->seq_len <= k->model->context + 1) c->seq_len = s->seq_len;
    else if (s->seq_len > c->seq_len) note("--seq-len %d: the model holds %d", s->seq_len, c->seq_len);
    c->min_seq_len = s->min_seq_len < c->seq_len ? s->min_seq_len : c->seq_len - 1;
    c->top_k = s->decode == DECODE_GREEDY ? 1 : s->top_k, c->top_p = s->top_p, c->temperature = s->temperature, c->repetition_penalty = s->repetition_penalty, c->seed = (uint64_t)s->seed;
    c->fixed_length = s->fixed_length, c->temperature_first = s->temperature_first;
    if (s->max_seq_len) c->max_seq_len = s->max_seq_len;
    const int32_t own[3] = {c->pad, c->eos, c->sot};
    static const char *const names[3] = {"pad_token_id", "eos_token_id", "sot_token_id"};
    for (int i = 0; i < 3; i++) need(!s->config_ids[i] || s->config_ids[i] == own[i], "--config: %s %d, the model's is %d", names[i], s->config_ids[i], own[i]);
    if (s->prompt && *s->prompt) { // words that each caption begins with
        Ids ids = tokenizer_encode(o->prompter.tokenizer, s->arena, s->prompt, strlen(s->prompt), false);
        c->prompt = ids.ids, c->prompt_count = (int)ids.count;
        need(c->prompt_count + 2 < c->seq_len, "--prompt-text: its %d tokens leave no room for a caption of %d", c->prompt_count, c->seq_len);
    }
}

static void open_clip(Speaker *k, Verbalize *s) {
    const Clip *m = k->model->own;
    k->kind = SPEAKS_CLIP;
    k->L = k->native = m->vision->cfg.L, k->T = m->vision->T, k->C = m->vision->cfg.C;
    k->what = arena_print(s->arena, "CLIP, no decoder: the nearest caption of a bank, not verbalisation; %d vision blocks, the tower's own norm and projection", k->L);
    k->own->native = take_zero(s->arena, const char *, 2);
    k->own->native[0] = speaker_tap(k, s->arena, k->L);
    k->own->projection = m->projection;
    k->own->prompter = prompter_load(s->arena, k->model);
}

// "all", "0,all", "1,5,24": ascending, each once.
static void layers_parse(Speaker *k, Verbalize *s) {
    bool *wanted = take_zero(s->arena, bool, (size_t)k->L + 1);
    const char *c = s->layers_text;
    while (*c) {
        size_t n = strcspn(c, ",");
        if (n == 3 && strncmp(c, "all", 3) == 0) {
            for (int l = 1; l <= k->L; l++) wanted[l] = true;
        } else {
            int l = 0;
            for (size_t i = 0; i < n; i++) {
                if (c[i] < '0' || c[i] > '9' || l > k->L) die_usage("--layers %s: numbers from 0 (before the first block) to %d, with commas, or all", s->layers_text, k->L);
                l = l * 10 + c[i] - '0';
            }
            if (n == 0 || l > k->L) die_usage("--layers %s: numbers from 0 (before the first block) to %d, with commas, or all", s->layers_text, k->L);
            wanted[l] = true;
        }
        c += n;
        if (*c == ',' && !*++c) die_usage("--layers %s: ends with a comma", s->layers_text);
    }
    k->layers = take(s->arena, int, (size_t)k->L + 1);
    for (int l = 0; l <= k->L; l++)
        if (wanted[l]) k->layers[k->layer_count++] = l;
    if (!k->layer_count) die_usage("--layers: none is given");
}

Speaker *verbalize_speaker(Verbalize *s) {
    if (s->speaker) return s->speaker;
    Speaker *k = take_zero(s->arena, Speaker, 1);
    k->own = take_zero(s->arena, struct SpeakerOwn, 1);
    k->own->study = s;
    k->model = s->model = model_open(s->arena, s->model_dir, false);
    k->model->compute = s->compute;
    const char *family = k->model->family->name;
    if (strcmp(family, "llava") == 0) open_llava(k, s);
    else if (strcmp(family, "coca") == 0) open_coca(k, s);
    else if (strcmp(family, "clip") == 0) open_clip(k, s);
    else die("%s: a %s model; verbalize reads CoCa and LLaVA-type models, and CLIP models by their nearest captions", s->model_dir, family);
    k->preprocess = preprocess_read(s->arena, s->model_dir);
    layers_parse(k, s);
    if (s->tap && k->kind != SPEAKS_COCA) die_usage("--tap: modules inside a block are read of CoCa models only");
    if (s->tap && k->layers[0] == 0) die_usage("--tap: layer 0 has no such module; choose --layers from 1 on");
    if (s->tuned && k->kind != SPEAKS_COCA) die_usage("--tuned: maps are of CoCa models; %s is a %s model", s->model_dir, family);
    need(!s->tuned || file_exists(s->tuned), "%s: there is no such file of maps; `retina verbalize tune` writes one", s->tuned);
    if (s->decode && k->kind != SPEAKS_COCA) die_usage("--decode: other ways than greedy are CoCa's; %s is a %s model", s->model_dir, family);
    return s->speaker = k;
}

bool speaker_retrieves(const Speaker *k) { return k->kind == SPEAKS_CLIP; }

// ---- reading

typedef struct {
    Tensor *states;
    Speaker *speaker;
    Arena *arena;
    const char **names; // (layer_count)
} Sink;

static void keep(void *arg, const char *name, Tensor x) {
    Sink *s = arg;
    for (int i = 0; i < s->speaker->layer_count; i++) {
        if (strcmp(s->names[i], name) != 0) continue;
        s->states[i] = tensor_take(s->arena, DTYPE_F32, x.ndim, x.shape);
        memcpy(s->states[i].data, x.data, tensor_bytes(x));
    }
}

Tensor *speaker_states(Speaker *k, Arena *a, Tensor pixels) {
    Sink sink = {.states = take_zero(a, Tensor, (size_t)k->layer_count), .speaker = k, .arena = a, .names = take(a, const char *, (size_t)k->layer_count)};
    Arena *scratch = arena_new("a vision tower");
    Inputs in = {.pixels = pixels};
    Taps *taps = taps_asking(scratch, model_taps(scratch, k->model, &in), NULL, 0);
    for (int i = 0; i < k->layer_count; i++) {
        sink.names[i] = speaker_tap(k, a, k->layers[i]);
        taps_read(taps, sink.names[i], keep, &sink);
    }
    Run *run = run_on(scratch, k->model->device);
    run->taps = taps;
    run->stop = true;
    model_forward(run, k->model, &in);
    for (int i = 0; i < k->layer_count; i++) need(tensor_given(sink.states[i]), "%s: the tap %s was not reached", k->model->dir, sink.names[i]);
    arena_free(scratch);
    return sink.states;
}

// ---- speaking

static void *kept(Arena *a, const void *from, size_t size) {
    void *to = take(a, char, size);
    memcpy(to, from, size);
    return to;
}

// entropies NULL: a search, which has none.
static void keep_steps(Arena *a, Spoken *s, const int32_t *ids, const float *logprobs, const double *entropies) {
    size_t n = (size_t)s->step_count;
    s->ids = kept(a, ids, n * sizeof *ids), s->logprobs = kept(a, logprobs, n * sizeof *logprobs);
    if (entropies) s->steps = kept(a, entropies, n * sizeof *entropies);
}

static void mean_entropy(Spoken *s) {
    double sum = 0;
    for (int i = 0; i < s->step_count; i++) sum += s->steps[i];
    s->entropy = s->step_count ? sum / s->step_count : NAN;
}

static Spoken *say_llava(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, int rows, bool zero) {
    struct SpeakerOwn *o = k->own;
    const Llava *m = k->model->own;
    Arena *scratch = arena_new("captions of layers");
    Inputs *prompts = take_zero(scratch, Inputs, (size_t)rows);
    Taps **taps = take(scratch, Taps *, (size_t)rows);
    Taps *listing = model_taps(scratch, k->model, &(Inputs){.pixels = pixels[0], .ids = o->prompt}); // one for all: their shapes agree
    Tensor nothing = NO_TENSOR;
    if (zero) {
        nothing = tensor_take(scratch, DTYPE_F32, DIMS(1, llava_image_tokens(m), m->text->cfg.C));
        memset(nothing.data, 0, tensor_bytes(nothing));
    }
    for (int r = 0; r < rows; r++) {
        prompts[r] = (Inputs){.pixels = pixels[r], .ids = o->prompt};
        taps[r] = taps_asking(scratch, listing, NULL, 0);
        if (zero) taps_replace(taps[r], "model.multi_modal_projector", nothing);
        else
            for (const char **n = o->native; *n; n++) taps_replace(taps[r], *n, tensor_view(states[r], DIMS(1, k->T, k->C)));
    }
    Generated *g = generate(scratch, k->model, prompts, rows, &o->options, taps);
    Spoken *said = take_zero(a, Spoken, (size_t)rows);
    for (int r = 0; r < rows; r++) {
        said[r] = (Spoken){.text = tokenizer_caption(o->prompter.tokenizer, a, g[r].ids, (size_t)g[r].count, false), .tokens = g[r].count,
                           .finished = strcmp(g[r].stopped, "eos") == 0, .step_count = g[r].count, .score = NAN};
        keep_steps(a, &said[r], g[r].ids, g[r].logprobs, g[r].entropies);
        mean_entropy(&said[r]);
    }
    arena_free(scratch);
    return said;
}

static Spoken *say_coca(Speaker *k, Arena *a, const Tensor *states, int rows, const uint64_t *keys, bool zero) {
    const Coca *m = k->model->own;
    Arena *scratch = arena_new("captions of layers");
    Tensor all = tensor_take(scratch, DTYPE_F32, DIMS(rows, k->T, k->C)), tokens;
    size_t each = (size_t)k->T * (size_t)k->C;
    for (int r = 0; r < rows; r++) memcpy(f32(all) + (size_t)r * each, states[r].data, each * sizeof(float));
    Run *run = run_on(scratch, k->model->device);
    tokens = run_read(run, coca_image_tokens(run, m, coca_pool(run, m, all)));
    if (zero) memset(tokens.data, 0, tensor_bytes(tokens));
    CocaOptions o = k->own->coca;
    o.keys = keys;
    o.top = k->own->study->save_steps ? SPOKEN_TOP < m->cfg.V ? SPOKEN_TOP : 0 : 0;
    Caption *c = coca_generate(scratch, k->model, tokens, &o);
    Spoken *said = take_zero(a, Spoken, (size_t)rows);
    for (int r = 0; r < rows; r++) {
        said[r] = (Spoken){.text = coca_words(a, k->own->prompter.tokenizer, &o, &c[r]), .tokens = c[r].count - 1, .finished = c[r].finished, .step_count = c[r].steps, .score = NAN,
                           .entropy = c[r].steps && c[r].entropy ? c[r].mean_entropy : NAN};
        if (!said[r].step_count) continue;
        keep_steps(a, &said[r], c[r].ids + c[r].count - c[r].steps, c[r].logprobs, c[r].entropy);
        if (!o.top || !c[r].top_ids) continue;
        said[r].top_ids = kept(a, c[r].top_ids, (size_t)(c[r].steps * o.top) * sizeof(int32_t)), said[r].top_logprobs = kept(a, c[r].top_logprobs, (size_t)(c[r].steps * o.top) * sizeof(float));
    }
    arena_free(scratch);
    return said;
}

// ---- retrieval

// The vector to length one.
static void unit(float *v, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    double length = sqrt(sum);
    for (int i = 0; i < n; i++) v[i] = (float)((double)v[i] / (length > 0 ? length : 1));
}

void speaker_bank(Speaker *k, Arena *a, const char *const *captions, size_t count) {
    struct SpeakerOwn *o = k->own;
    need(count >= 2, "a bank of %zu captions: retrieval needs some to choose from; give --bank FILE or pictures with captions beside them", count);
    o->bank = captions, o->bank_count = count;
    o->bank_vectors = take(a, float, count * (size_t)o->projection);
    Arena *scratch = arena_new("the caption bank");
    for (size_t i = 0; i < count; i++) {
        Mark mark = arena_mark(scratch);
        Ids ids = tokenizer_encode_cut(o->prompter.tokenizer, scratch, captions[i], strlen(captions[i]), (size_t)k->model->context);
        Inputs in = {.ids = tensor_of(ids.ids, DTYPE_I32, DIMS(1, (long)ids.count))};
        Run *run = run_on(scratch, k->model->device);
        Outputs out = model_forward(run, k->model, &in);
        float *v = o->bank_vectors + i * (size_t)o->projection;
        memcpy(v, run_read(run, out.text_embeds).data, (size_t)o->projection * sizeof *v);
        unit(v, o->projection);
        arena_release(scratch, mark);
    }
    arena_free(scratch);
}

static Spoken *say_clip(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, int rows, bool zero) {
    struct SpeakerOwn *o = k->own;
    need(o->bank, "retrieval without a bank of captions");
    Arena *scratch = arena_new("nearest captions");
    Tensor one = pixels[0];
    Inputs in = {.pixels = tensor_take(scratch, DTYPE_F32, DIMS(rows, one.shape[1], one.shape[2], one.shape[3]))};
    Tensor with = tensor_take(scratch, DTYPE_F32, DIMS(rows, k->T, k->C));
    for (int r = 0; r < rows; r++) {
        memcpy(f32(in.pixels) + (size_t)r * tensor_count(one), pixels[r].data, tensor_bytes(one));
        if (zero) memset(f32(with) + (size_t)r * (size_t)(k->T * k->C), 0, (size_t)(k->T * k->C) * sizeof(float));
        else memcpy(f32(with) + (size_t)r * (size_t)(k->T * k->C), states[r].data, (size_t)(k->T * k->C) * sizeof(float));
    }
    Taps *taps = taps_asking(scratch, model_taps(scratch, k->model, &in), NULL, 0);
    taps_replace(taps, o->native[0], with);
    Run *run = run_on(scratch, k->model->device);
    run->taps = taps;
    Outputs out = model_forward(run, k->model, &in);
    Tensor vectors = run_read(run, out.image_embeds);
    Spoken *said = take_zero(a, Spoken, (size_t)rows);
    for (int r = 0; r < rows; r++) {
        float *v = f32(vectors) + (size_t)r * (size_t)o->projection;
        unit(v, o->projection);
        size_t best = 0;
        double top = -INFINITY;
        for (size_t i = 0; i < o->bank_count; i++) {
            double dot = 0;
            for (int c = 0; c < o->projection; c++) dot += (double)v[c] * (double)o->bank_vectors[i * (size_t)o->projection + (size_t)c];
            if (dot > top) top = dot, best = i;
        }
        said[r] = (Spoken){.text = o->bank[best], .finished = true, .entropy = NAN, .score = top};
    }
    arena_free(scratch);
    return said;
}

Spoken *speaker_say(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, int rows, const uint64_t *keys, bool zero) {
    switch (k->kind) {
    case SPEAKS_CLIP: return say_clip(k, a, states, pixels, rows, zero);
    case SPEAKS_COCA: return say_coca(k, a, states, rows, keys, zero);
    default: return say_llava(k, a, states, pixels, rows, zero);
    }
}

// ---- reading texts

Ids speaker_words(const Speaker *k, Arena *a, const char *text) { return tokenizer_encode(k->own->prompter.tokenizer, a, text, strlen(text), false); }

// Mean over ids[first …) of log p(id | what stands before), logits[i] predicting ids[i + 1].
static double mean_logprob(Arena *scratch, const float *logits, int V, const int32_t *ids, long first, long count) {
    double sum = 0;
    for (long i = first; i < count; i++) {
        const float *z = logits + (size_t)(i - 1) * (size_t)V;
        sum += (double)z[ids[i]] - scores_distribution(scratch, z, V, 1).log_sum;
    }
    return sum / (double)(count - first);
}

static double *read_llava(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, const char *const *texts, int rows) {
    struct SpeakerOwn *o = k->own;
    double *out = take(a, double, (size_t)rows);
    int32_t eos = o->options.eos_count ? o->options.eos[0] : -1;
    long P = o->prompt.shape[1];
    for (int r = 0; r < rows; r++) { // one by one: the projector's input is replaced in each
        Arena *scratch = arena_new("a text that is read");
        Ids text = tokenizer_encode(o->prompter.tokenizer, scratch, texts[r], strlen(texts[r]), false);
        long n = P + (long)text.count + (eos >= 0);
        Tensor ids = tensor_take(scratch, DTYPE_I32, DIMS(1, n));
        memcpy(i32(ids), i32(o->prompt), (size_t)P * sizeof(int32_t));
        memcpy(i32(ids) + P, text.ids, text.count * sizeof(int32_t));
        if (eos >= 0) i32(ids)[n - 1] = eos;
        Inputs in = {.pixels = pixels[r], .ids = ids};
        Taps *taps = taps_asking(scratch, model_taps(scratch, k->model, &in), NULL, 0);
        for (const char **t = o->native; *t; t++) taps_replace(taps, *t, tensor_view(states[r], DIMS(1, k->T, k->C)));
        Run *run = run_on(scratch, k->model->device);
        run->taps = taps;
        Outputs got = model_forward(run, k->model, &in);
        out[r] = n > P ? mean_logprob(scratch, f32(run_read(run, got.logits)), k->model->vocabulary, i32(ids), P, n) : NAN;
        arena_free(scratch);
    }
    return out;
}

static double *read_coca(Speaker *k, Arena *a, const Tensor *states, const char *const *texts, int rows) {
    const Coca *m = k->model->own;
    const CocaOptions *o = &k->own->coca;
    Arena *scratch = arena_new("texts that are read");
    double *out = take(a, double, (size_t)rows);
    long most = m->cfg.context < m->cfg.decoder_context ? m->cfg.context : m->cfg.decoder_context, longest = 0;
    Ids *words = take(scratch, Ids, (size_t)rows);
    for (int r = 0; r < rows; r++) {
        words[r] = tokenizer_encode(k->own->prompter.tokenizer, scratch, texts[r], strlen(texts[r]), false);
        if ((long)words[r].count > most - 1) words[r].count = (size_t)most - 1; // start and words are fed, the end is predicted
        if ((long)words[r].count + 1 > longest) longest = (long)words[r].count + 1;
    }
    Tensor ids = tensor_take(scratch, DTYPE_I32, DIMS(rows, longest)), all = tensor_take(scratch, DTYPE_F32, DIMS(rows, k->T, k->C));
    size_t each = (size_t)k->T * (size_t)k->C;
    for (int r = 0; r < rows; r++) {
        int32_t *row = i32(ids) + r * longest;
        for (long t = 0; t < longest; t++) row[t] = t == 0 ? o->sot : t <= (long)words[r].count ? words[r].ids[t - 1] : m->cfg.pad;
        memcpy(f32(all) + (size_t)r * each, states[r].data, each * sizeof(float));
    }
    Run *run = run_on(scratch, k->model->device);
    Tensor vector; // nobody wants it
    Tensor tokens = coca_text(run, m, ids, &vector), logits = coca_decode(run, m, tokens, coca_image_tokens(run, m, coca_pool(run, m, all)));
    logits = run_read(run, logits);
    int32_t *said = take(scratch, int32_t, (size_t)longest + 1);
    for (int r = 0; r < rows; r++) {
        long n = (long)words[r].count + 2;
        memcpy(said, i32(ids) + r * longest, (size_t)(n - 1) * sizeof *said);
        said[n - 1] = o->eos;
        out[r] = mean_logprob(scratch, f32(logits) + (size_t)(r * longest) * (size_t)k->model->vocabulary, k->model->vocabulary, said, 1, n);
    }
    arena_free(scratch);
    return out;
}

double *speaker_likelihood(Speaker *k, Arena *a, const Tensor *states, const Tensor *pixels, const char *const *texts, int rows) {
    return k->kind == SPEAKS_COCA ? read_coca(k, a, states, texts, rows) : read_llava(k, a, states, pixels, texts, rows);
}

size_t speaker_row_bytes(const Speaker *k) {
    if (k->kind == SPEAKS_CLIP) return (size_t)(k->T * k->C) * 8 * sizeof(float);
    if (k->kind == SPEAKS_COCA) { // cross-attention's keys and values of the image tokens, the decoder's own, the pooler's scores
        const Coca *c = k->model->own;
        size_t tokens = (size_t)c->cfg.Q - 1 + 2 * (size_t)k->own->coca.seq_len;
        return (tokens * (size_t)c->cfg.E * (size_t)c->cfg.cross.L * 2 + (size_t)(k->T * k->C) * 4) * sizeof(float);
    }
    const Llava *m = k->model->own;
    const LlamaConfig *t = &m->text->cfg;
    return ((size_t)k->own->prompt.shape[1] + (size_t)k->own->options.max_new) * (size_t)(t->G * t->D) * (size_t)t->L * 2 * sizeof(float);
}
