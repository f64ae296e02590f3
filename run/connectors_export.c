// connectors_export.c: step `export`: for every picture the rebuilt input of the connector, and what the model's own connector
// makes of that, in files like those of `extract`: whatever reads vectors reads these, too.
#include <string.h>

#include "connectors.h"
#include "io/progress.h"
#include "io/stamp.h"
#include "model/llava.h"

// What the connector gives for pre (1, T, D).
static void project(Study *s, Arena *scratch, float *pre, const Vectors *v, float *post) {
    Mark mark = arena_mark(scratch);
    Tensor x = tensor_of(pre, DTYPE_F32, DIMS(1, v->T_pre, v->D_pre)), y = llava_project(run_new(scratch), study_model(s)->own, x);
    memcpy(post, y.data, tensor_bytes(y));
    arena_release(scratch, mark);
}

static void export_part(Study *s, const Vectors *v, const char *path, const char *digest, size_t first, size_t from, size_t to) {
    Arena *a = arena_new("a part of rebuilt vectors"), *scratch = arena_new("rebuilding");
    size_t pre = (size_t)v->T_pre * (size_t)v->D_pre, post = (size_t)v->T_post * (size_t)v->D_post, n = 0;
    while (first + n < v->N && v->places[first + n] < to) n++;
    PartRows rows = {.digest = digest, .from = from, .to = to, .rows = n, .places = v->places + first, .prints = v->prints + first, .T_pre = v->T_pre, .D_pre = v->D_pre,
                     .T_post = v->T_post, .D_post = v->D_post, .pre = take(a, float, n * pre), .post = take(a, float, n * post)};
    for (size_t i = 0; i < n; i++) {
        float *given = rows.post + i * post;
        vectors_post(v, first + i, given);
        recon_predict(s->recon, scratch, given, v->T_post, rows.pre + i * pre);
        project(s, scratch, rows.pre + i * pre, v, given);
    }
    part_save(s, path, &rows);
    arena_free(scratch);
    arena_free(a);
}

void connectors_export(Study *s) {
    need(!s->pre_point, "export: a connector cannot be given its input back from behind a norm; --pre-point raw is wanted");
    const Vectors *v = vectors_open(s);
    recon_open(s, v, RECON_GO_ON);
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    blake2b_add(&h, v->digest, strlen(v->digest));
    stamp_file(&h, study_path(s, "recon.safetensors"));
    const char *digest = stamp_text(&h, s->arena);
    size_t N = study_pictures(s)->count, each = (size_t)s->part_size, row = 0;
    Progress bar = progress_start("export", N);
    for (size_t p = 0; p < parts_of(s); p++) {
        size_t from = p * each, to = from + each < N ? from + each : N, first = row;
        char *path = arena_print(s->arena, "%s/vectors_recon/part-%05zu.safetensors", s->out, p);
        while (row < v->N && v->places[row] < to) row++;
        if (s->shards > 1 && p % (size_t)s->shards != (size_t)s->shard) continue; // another job's
        if (!s->fresh && part_fits(s, path, digest, from, to)) progress_resume(&bar, to);
        else export_part(s, v, path, digest, first, from, to);
        progress_at(&bar, to);
    }
    progress_end(&bar);
}
