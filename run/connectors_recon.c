// connectors_recon.c: step `recon`: how much of what the connector was given can be rebuilt from what it gave.
//
// Corrected: parts by groups of equal pictures, early stopping on clean validation pictures, the best weights kept,
// every figure beside what predicting the mean costs. --faithful: the original's split and schedule, last weights.
#include <stdio.h>
#include <string.h>

#include "connectors.h"
#include "io/csv.h"
#include "io/progress.h"

static void read_post(void *arg, size_t image, float *out) { vectors_post(arg, image, out); }
static void read_pre(void *arg, size_t image, float *out) { vectors_pre(arg, image, out); }

static ReconConfig config_of(Study *s, const Vectors *v) {
    int widest = v->D_pre > v->D_post ? v->D_pre : v->D_post;
    bool small = widest <= 512 && !s->faithful; // a small model's vectors want larger and more frequent steps
    return (ReconConfig){.I = v->D_post, .O = v->D_pre, .h = s->hidden < widest ? s->hidden : widest, .layers = s->layers, .dropout = 0.1, .batch = 8,
                         .epochs = s->epochs, .patience = 10, .lr = small ? 3e-3 : 3e-4, .decay = 0.01, .min_delta = s->faithful ? 1e-3 : 1e-4,
                         .warmup = small ? 50 : 500, .accumulation = small ? 1 : 4, .seed = (uint64_t)s->seed, .faithful = s->faithful, .data = v->digest};
}

static size_t list_part(const uint8_t *part, size_t N, Part which, uint32_t *list) {
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        if (part[i] == which) list[n++] = (uint32_t)i;
    return n;
}

// Trains, or goes on, or only reads what is there: the checkpoint knows when it is done.
Recon *recon_open(Study *s, const Vectors *v, ReconStart start) {
    if (s->recon) return s->recon;
    uint8_t *part = s->part = take(s->arena, uint8_t, v->N);
    need(v->T_pre == v->T_post, "the connector gives %d tokens for %d; network A rebuilds token by token", v->T_post, v->T_pre);
    if (s->faithful) split_as_original(part, NULL, v->N, 0.8, (uint32_t)s->seed);
    else split_by_group(part, &v->groups, v->prints, 0.8, 0.1, (uint64_t)s->seed);
    uint32_t *train = take(s->arena, uint32_t, v->N), *validation = take(s->arena, uint32_t, v->N);
    size_t n = list_part(part, v->N, PART_TRAIN, train), m = list_part(part, v->N, PART_VALIDATION, validation);
    Recon *r = recon_new(s->arena, config_of(s, v));
    ReconData d = {.arg = (void *)(uintptr_t)v, .input = read_post, .target = read_pre, .T = v->T_pre};
    ReconHistory h = recon_train(r, &d, train, n, validation, m, study_path(s, "recon.safetensors"), start, NULL);
    note("reconstructor: %ld parameters, %zu training and %zu validation pictures, %d epochs, best %d, validation loss %.4f", recon_parameters(r), n, m, h.epochs,
         h.best, h.best_loss);
    return s->recon = r;
}

void connectors_recon(Study *s) {
    Vectors *v = vectors_open(s);
    Recon *r = recon_open(s, v, s->fresh ? RECON_FRESH : RECON_GO_ON_OR_AGAIN);
    size_t pre = (size_t)v->T_pre * (size_t)v->D_pre, post = (size_t)v->T_post * (size_t)v->D_post;
    Arena *a = arena_new("scores of the reconstruction");
    float *x = take(a, float, post), *y = take(a, float, pre), *p = take(a, float, pre);
    static const char *const columns[] = {"key", "part", "mse_pre", "mse_mean", "cosine_pre", "cosine_centred"};
    CsvWriter *w = csv_create(a, study_path(s, "recon.csv"), ',', columns, 6);
    Progress bar = progress_start("rebuild", v->N);
    for (size_t i = 0; i < v->N; i++) {
        vectors_post(v, i, x);
        vectors_pre(v, i, y);
        recon_predict(r, a, x, v->T_post, p);
        ReconScore sc = recon_score(r, p, y, v->T_pre, NULL);
        csv_put(w, v->keys[i]);
        csv_put(w, (const char *[]){"train", "validation", "test"}[s->part[i]]);
        const double numbers[] = {sc.mse, sc.mse_mean, sc.cosine, sc.cosine_centred};
        for (int k = 0; k < 4; k++) {
            char text[32];
            snprintf(text, sizeof text, "%.6f", numbers[k]); // six decimals, as the original
            csv_put(w, text);
        }
        csv_end_row(w);
        progress_at(&bar, i + 1);
    }
    progress_end(&bar);
    csv_finish(w);
    arena_free(a);
}
