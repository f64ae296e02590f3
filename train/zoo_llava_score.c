// zoo_llava_score.c: what the zoo's `llava` says about held-out pictures, against the world's truth.
//
// Captions: greedy, the words are read back as groups "two small red discs": colours and shapes as sets per picture
// (precision, recall), the number of objects, the habitat. Questions: the first word of the answer, one turn each.
#include <string.h>

#include "io/progress.h"
#include "model/choose.h"
#include "model/llava.h"
#include "zoo_llava.h"

enum { SCORED = 600, CHUNK = 50, WORDS_MAX = 48 };

typedef struct {
    int objects;
    uint32_t colours, shapes; // bit sets
    int habitat;              // -1: none named
} Told;

static int word_index(const char *const *names, int n, const char *word) {
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], word) == 0) return i;
    return -1;
}

static Told told_by(const char *text) {
    static const char *const numbers[] = {"no", "one", "two", "three", "four"};
    Told t = {.habitat = -1};
    int number = 0;
    for (const char *p = text; *p;) {
        char word[64];
        size_t n = strcspn(p, " ,.");
        if (n > 0 && n < sizeof word) {
            memcpy(word, p, n);
            word[n] = 0;
            int k;
            if (strcmp(word, "a") == 0 || strcmp(word, "an") == 0) number = 1;
            else if ((k = word_index(numbers, 5, word)) >= 0) number = k;
            else if ((k = word_index(colour_names, COLOURS, word)) >= 0) t.colours |= 1u << k;
            else if ((k = word_index(habitat_names, HABITATS, word)) >= 0) t.habitat = k;
            else if ((k = word_index(shape_names, SHAPES, word)) >= 0 || (k = word_index(shape_plurals, SHAPES, word)) >= 0) {
                t.shapes |= 1u << k;
                t.objects += number;
                number = 0;
            }
        }
        p += n;
        p += *p != 0;
    }
    return t;
}

static Told told_truth(const WorldScene *s) {
    Told t = {.objects = s->count, .habitat = (int)s->habitat};
    for (int i = 0; i < s->count; i++) t.colours |= 1u << s->object[i].colour, t.shapes |= 1u << s->object[i].shape;
    return t;
}

static int bits(uint32_t x) {
    int n = 0;
    for (; x; x &= x - 1) n++;
    return n;
}

typedef struct {
    Score *colour_p, *colour_r, *shape_p, *shape_r, *count, *habitat;
    Score *ask[ASK_KINDS];
    int64_t colour_seen[COLOURS], shape_seen[SHAPES], count_seen[WORLD_OBJECTS + 1], habitat_seen[HABITATS]; // for the blind guess
    const char *answers[ASK_KINDS][32]; // different answers and how often
    int64_t answered[ASK_KINDS][32];
} Tally;

static void tally_caption(Tally *y, const char *text, const WorldScene *s) {
    Told said = told_by(text), truth = told_truth(s);
    y->colour_p->right += bits(said.colours & truth.colours), y->colour_p->of += bits(said.colours);
    y->colour_r->right += bits(said.colours & truth.colours), y->colour_r->of += bits(truth.colours);
    y->shape_p->right += bits(said.shapes & truth.shapes), y->shape_p->of += bits(said.shapes);
    y->shape_r->right += bits(said.shapes & truth.shapes), y->shape_r->of += bits(truth.shapes);
    y->count->right += said.objects == truth.objects, y->count->of++;
    y->habitat->right += said.habitat == truth.habitat, y->habitat->of++;
    for (int i = 0; i < COLOURS; i++) y->colour_seen[i] += truth.colours >> i & 1;
    for (int i = 0; i < SHAPES; i++) y->shape_seen[i] += truth.shapes >> i & 1;
    y->count_seen[truth.objects]++, y->habitat_seen[truth.habitat]++;
}

static void tally_answer(Tally *y, int kind, const char *answer, bool right) {
    int i = 0;
    while (i < 31 && y->answers[kind][i] && strcmp(y->answers[kind][i], answer) != 0) i++;
    y->answers[kind][i] = answer;
    y->answered[kind][i]++;
    y->ask[kind]->right += right, y->ask[kind]->of++;
}

// Embeddings of prompts with the visual rows of each one's picture; prompts of different lengths are padded at the end.
static Tensor prompts_embed(Run *run, const Llava *m, const Speaker *who, const Ids *prompts, int n, Tensor visual, Tensor *last) {
    size_t T = 0;
    for (int i = 0; i < n; i++) T = prompts[i].count > T ? prompts[i].count : T;
    Tensor ids = run_tensor(run, DTYPE_I32, DIMS(n, (long)T));
    *last = run_tensor(run, DTYPE_I32, DIMS(n));
    for (size_t i = 0; i < (size_t)n; i++) {
        for (size_t t = 0; t < T; t++)
            i32(ids)[i * T + t] = t < prompts[i].count ? prompts[i].ids[t] : tokenizer_named(who->tok, TOKEN_EOS);
        i32(*last)[i] = (int32_t)prompts[i].count - 1;
    }
    return llava_merge(run, m, llama_embed(run, m->text, ids), ids, visual);
}

static void captions_score(const Llava *m, const Model *model, const Speaker *who, const WorldScene *scenes, Tensor visual, Tally *y) {
    Arena *a = arena_new("captions");
    Run *run = run_new(a);
    Ids prompt = dialog_prompt(a, who, DESCRIBE, true), prompts[CHUNK];
    for (int i = 0; i < CHUNK; i++) prompts[i] = prompt;
    Cache *cache = model->family->cache(a, model, CHUNK, (int)prompt.count + WORDS_MAX);
    Tensor last, x = prompts_embed(run, m, who, prompts, CHUNK, visual, &last);
    Tensor h = rows_at(run, llama_forward(run, m->text, x, NO_TENSOR, cache), last);
    int32_t said[CHUNK][WORDS_MAX], end = tokenizer_named(who->tok, TOKEN_EOS);
    size_t count[CHUNK] = {0};
    bool done[CHUNK] = {0};
    for (int step = 0; step < WORDS_MAX; step++) {
        Tensor logits = llama_logits(run, m->text, h), ids = run_tensor(run, DTYPE_I32, DIMS(CHUNK, 1));
        bool all = true;
        for (int i = 0; i < CHUNK; i++) {
            int32_t next = scores_largest(f32(logits) + (long)i * m->text->cfg.V, m->text->cfg.V);
            done[i] = done[i] || next == end;
            if (!done[i]) said[i][count[i]++] = next;
            i32(ids)[i] = next;
            all = all && done[i];
        }
        if (all || step + 1 == WORDS_MAX) break;
        h = llama_forward(run, m->text, llama_embed(run, m->text, ids), NO_TENSOR, cache);
        h = tensor_view(h, DIMS(CHUNK, m->text->cfg.C));
    }
    for (int i = 0; i < CHUNK; i++) tally_caption(y, tokenizer_decode(who->tok, a, said[i], count[i], false, NULL), &scenes[i]);
    arena_free(a);
}

static void questions_score(const Llava *m, const Speaker *who, const WorldScene *scenes, Tensor visual, Tally *y) {
    for (int kind = 0; kind < ASK_KINDS; kind++) {
        Arena *a = arena_new("questions");
        Run *run = run_new(a);
        WorldQuestion q[CHUNK];
        Ids prompts[CHUNK];
        bool has[CHUNK];
        for (int i = 0; i < CHUNK; i++) {
            has[i] = world_ask(&q[i], &scenes[i], (AskKind)kind, rng_sub(scenes[i].rng, (uint64_t)(132 + kind)));
            prompts[i] = dialog_prompt(a, who, has[i] ? q[i].question : DESCRIBE, true);
        }
        Tensor last, x = prompts_embed(run, m, who, prompts, CHUNK, visual, &last);
        Tensor h = rows_at(run, llama_forward(run, m->text, x, NO_TENSOR, NULL), last), logits = llama_logits(run, m->text, h);
        for (int i = 0; i < CHUNK; i++) {
            if (!has[i]) continue;
            Ids answer = tokenizer_encode(who->tok, a, q[i].answer, strlen(q[i].answer), false);
            tally_answer(y, kind, q[i].answer, scores_largest(f32(logits) + (long)i * m->text->cfg.V, m->text->cfg.V) == answer.ids[0]);
        }
        arena_free(a);
    }
}

static double largest(const int64_t *seen, int n, int64_t of) {
    int64_t most = 0;
    for (int i = 0; i < n; i++) most = seen[i] > most ? seen[i] : most;
    return of ? (double)most / (double)of : 0;
}

size_t llava_scores(Arena *a, const Trainee *t, const Speaker *who, uint64_t seed, Score *out) {
    static const double bars[ASK_KINDS] = {[ASK_COLOUR] = 0.95, [ASK_SHAPE] = 0.95, [ASK_HABITAT] = 0.95, [ASK_SIDE] = 0.9, [ASK_LEVEL] = 0.9, [ASK_THERE] = 0.9};
    Tally *y = take_zero(a, Tally, 1);
    size_t n = 0;
    out[n] = (Score){.name = "captions: colours, precision", .bar = 0.95}, y->colour_p = &out[n++];
    out[n] = (Score){.name = "captions: colours, recall", .bar = 0.95}, y->colour_r = &out[n++];
    out[n] = (Score){.name = "captions: shapes, precision", .bar = 0.95}, y->shape_p = &out[n++];
    out[n] = (Score){.name = "captions: shapes, recall", .bar = 0.95}, y->shape_r = &out[n++];
    out[n] = (Score){.name = "captions: number of objects", .bar = 0.9}, y->count = &out[n++];
    out[n] = (Score){.name = "captions: habitat", .bar = 0.99}, y->habitat = &out[n++];
    for (int k = 0; k < ASK_KINDS; k++) {
        out[n] = (Score){.name = arena_print(a, "question: %s", ask_names[k]), .bar = bars[k]};
        y->ask[k] = &out[n++];
    }
    const Model *model = trainee_model(a, t);
    const Llava *m = model->own;
    Progress bar = progress_start("llava: scores", SCORED);
    for (int first = 0; first < SCORED; first += CHUNK) {
        Arena *scratch = arena_new("pictures");
        Run *run = run_new(scratch);
        WorldScene scenes[CHUNK];
        Tensor pixels = zoo_held_out(scratch, scenes, seed + 2, (uint64_t)first, CHUNK);
        Tensor visual = llava_project(run, m, llava_visual(run, m, pixels));
        captions_score(m, model, who, scenes, visual, y);
        questions_score(m, who, scenes, visual, y);
        arena_free(scratch);
        progress_at(&bar, (size_t)(first + CHUNK));
    }
    progress_end(&bar);
    // Blind: the one word that is right most often; its recall is its share of all true words.
    y->colour_p->blind = largest(y->colour_seen, COLOURS, SCORED), y->colour_r->blind = largest(y->colour_seen, COLOURS, y->colour_r->of);
    y->shape_p->blind = largest(y->shape_seen, SHAPES, SCORED), y->shape_r->blind = largest(y->shape_seen, SHAPES, y->shape_r->of);
    y->count->blind = largest(y->count_seen, WORLD_OBJECTS + 1, SCORED), y->habitat->blind = largest(y->habitat_seen, HABITATS, SCORED);
    for (int k = 0; k < ASK_KINDS; k++) y->ask[k]->blind = largest(y->answered[k], 32, y->ask[k]->of);
    for (size_t i = 0; i < n; i++) out[i].value = out[i].of ? (double)out[i].right / (double)out[i].of : 0;
    return n;
}
