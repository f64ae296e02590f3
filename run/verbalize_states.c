// verbalize_states.c: see verbalize_states.h. States are computed from pictures, or read from files that --save-features wrote.
//
// Such a file holds a tensor (B, T, C) a layer under the name of its tap; its metadata tell the pictures' names and the model that
// made them. So captions can be made again in another way without the pictures, and without the tower.
#include <string.h>

#include "io/json.h"
#include "io/safetensors.h"
#include "io/stamp.h"
#include "model/batch.h"
#include "model/kernels.h"
#include "verbalize_states.h"

struct StateReader {
    Verbalize *study;
    Arena *arena;
    Batch batch;
    size_t most;
};

StateReader *states_reader(Verbalize *s, size_t most) {
    Arena *a = arena_new("pictures that are read");
    StateReader *r = take_zero(a, StateReader, 1);
    r->study = s, r->arena = a, r->most = most;
    if (!s->features_given.count) r->batch = batch_new(a, most);
    return r;
}

void states_reader_free(StateReader *r) {
    if (!r->study->features_given.count) batch_free(&r->batch);
    arena_free(r->arena);
}

Tensor states_blank(Verbalize *s, Arena *a) {
    int w, h;
    preprocess_size(&verbalize_speaker(s)->preprocess, 100, 100, &w, &h);
    Tensor x = tensor_take(a, DTYPE_F32, DIMS(1, 3, h, w));
    memset(x.data, 0, tensor_bytes(x));
    return x;
}

// ---- from pictures

static Tensor stacked(Arena *a, const Tensor *pixels, size_t n) {
    Tensor one = pixels[0], all = tensor_take(a, DTYPE_F32, DIMS((long)n, one.shape[0], one.shape[1], one.shape[2]));
    for (size_t i = 0; i < n; i++) memcpy(f32(all) + i * tensor_count(one), pixels[i].data, tensor_bytes(one));
    return all;
}

static States from_pictures(StateReader *r, Arena *a, size_t from, size_t n) {
    Verbalize *s = r->study;
    Speaker *k = verbalize_speaker(s);
    ImageOptions options = picture_options(&s->picture_options);
    States x = {.at = take(a, size_t, n), .failed_at = take(a, size_t, n), .reasons = take(a, const char *, n)};
    const Gathered **items = take(a, const Gathered *, n);
    for (size_t i = 0; i < n; i++) items[i] = &s->pictures.items[from + i];
    batch_read(&r->batch, items, n, &k->preprocess, &options, NULL, NULL);
    Tensor *pixels = take(a, Tensor, n);
    for (size_t i = 0; i < n; i++) {
        if (r->batch.errors[i]) x.failed_at[x.failed] = from + i, x.reasons[x.failed++] = r->batch.errors[i];
        else x.at[x.good] = from + i, pixels[x.good++] = r->batch.pixels[i];
    }
    if (!x.good) return x;
    Tensor all = stacked(a, pixels, x.good);
    size_t each = tensor_count(all) / x.good;
    x.shown = take(a, Tensor, x.good);
    for (size_t i = 0; i < x.good; i++) x.shown[i] = tensor_of(f32(all) + i * each, DTYPE_F32, DIMS(1, all.shape[1], all.shape[2], all.shape[3]));
    x.states = speaker_states(k, a, all);
    return x;
}

bool verbalize_readable(Verbalize *s, const size_t *at, size_t n) {
    if (n == 0 || s->features_given.count) return false;
    Arena *a = arena_new("pictures that failed");
    const Gathered **items = take(a, const Gathered *, n);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (at[i] < s->pictures.count) items[count++] = &s->pictures.items[at[i]];
    ImageOptions o = picture_options(&s->picture_options);
    bool any = batch_failing(items, count, &verbalize_speaker(s)->preprocess, &o) < count;
    arena_free(a);
    return any;
}

// ---- from files

typedef struct {
    Tensors *tensors;
    size_t first, count; // its pictures among all
} FeatureFile;

struct FeatureFiles {
    FeatureFile *items;
    size_t count, pictures;
};

const char *verbalize_model_stamp(Verbalize *s) {
    if (s->model_stamp) return s->model_stamp;
    Blake2b h;
    blake2b_start(&h, 16, NULL, 0);
    stamp_model(&h, s->model_dir);
    return s->model_stamp = stamp_text(&h, s->arena);
}

static void file_open(Verbalize *s, struct FeatureFiles *files, PictureList *list, const char *path) {
    Arena *a = s->arena;
    Tensors *t = tensors_open(a, path);
    const char *names = tensors_metadata(t, "names"), *model = tensors_metadata(t, "model");
    need(names && model, "%s: holds no features of `retina verbalize --save-features`", path);
    need(strcmp(model, verbalize_model_stamp(s)) == 0, "%s: features of another model than %s; give the --model that they were made with", path, s->model_dir);
    const Json *j = json_parse(a, names, strlen(names), path);
    need(j->kind == JSON_ARRAY && j->count > 0, "%s: names no pictures", path);
    files->items = arena_grow(a, files->items, files->count, files->count + 1, sizeof *files->items);
    files->items[files->count++] = (FeatureFile){t, files->pictures, j->count};
    files->pictures += j->count;
    for (size_t i = 0; i < j->count; i++) {
        need(j->items[i].kind == JSON_TEXT, "%s: the name of picture %zu is no text", path, i);
        picture_list_add(list, (Gathered){.path = path, .key = j->items[i].text, .offset = i}, NULL);
    }
}

void features_open(Verbalize *s, PictureList *list) {
    struct FeatureFiles *files = s->features = take_zero(s->arena, struct FeatureFiles, 1);
    for (size_t i = 0; i < s->features_given.count; i++) {
        const char *path = s->features_given.items[i];
        size_t count = 0, before = files->count;
        char **names = folder_exists(path) ? folder_list(s->arena, path, &count) : NULL;
        for (size_t n = 0; n < count; n++)
            if (strcmp(path_extension(names[n]), "safetensors") == 0) file_open(s, files, list, names[n]);
        if (!names) file_open(s, files, list, path);
        need(files->count > before, "%s: holds no .safetensors; --save-features writes them into the folder features of --out", path);
    }
}

// Picture `at` of the list, layer l: (T, C) to out.
static void feature(Verbalize *s, size_t at, int l, const char *tap, float *out) {
    Speaker *k = verbalize_speaker(s);
    const FeatureFile *f = s->features->items;
    while (at >= f->first + f->count) f++;
    const TensorEntry *e = tensors_find(f->tensors, tap);
    need(e, "%s: has no %s; choose --layers among those that were saved (layer %d is not)", tensors_at(f->tensors, 0)->path, tap, k->layers[l]);
    need(e->ndim == 3 && e->shape[0] == (int64_t)f->count && e->shape[1] == k->T && e->shape[2] == k->C && (e->dtype == DTYPE_F32 || e->dtype == DTYPE_BF16),
         "%s: %s is no F32 or BF16 tensor [%zu, %d, %d]", e->path, tap, f->count, k->T, k->C);
    size_t n = (size_t)k->T * (size_t)k->C, bytes = n * dtype_size(e->dtype);
    Arena *a = arena_new("a feature");
    void *aligned = take(a, float, n);
    memcpy(aligned, e->bytes + (at - f->first) * bytes, bytes);
    widen(out, aligned, e->dtype, n);
    arena_free(a);
}

static States from_files(StateReader *r, Arena *a, size_t from, size_t n) {
    Verbalize *s = r->study;
    Speaker *k = verbalize_speaker(s);
    States x = {.good = n, .at = take(a, size_t, n), .states = take(a, Tensor, (size_t)k->layer_count), .shown = take(a, Tensor, n)};
    for (size_t i = 0; i < n; i++) x.at[i] = from + i, x.shown[i] = i ? x.shown[0] : states_blank(s, a);
    for (int l = 0; l < k->layer_count; l++) {
        const char *tap = speaker_tap(k, a, k->layers[l]);
        x.states[l] = tensor_take(a, DTYPE_F32, DIMS((long)n, k->T, k->C));
        for (size_t i = 0; i < n; i++) feature(s, from + i, l, tap, f32(x.states[l]) + i * (size_t)k->T * (size_t)k->C);
    }
    return x;
}

States states_read(StateReader *r, Arena *a, size_t from, size_t n) {
    need(n <= r->most, "%zu pictures at once; %zu were announced", n, r->most);
    return r->study->features_given.count ? from_files(r, a, from, n) : from_pictures(r, a, from, n);
}

// ---- writing

static const char *names_of(Verbalize *s, Arena *a, const States *chunks, size_t count) {
    JsonOut *o = json_out(a, -1);
    json_open(o, NULL, '[');
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < chunks[c].good; i++) json_put_text(o, NULL, s->pictures.items[chunks[c].at[i]].key);
    json_close(o);
    return json_done(o, NULL);
}

void features_write(Verbalize *s, const char *path, const char *made_from, const States *chunks, size_t count) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("features");
    size_t L = (size_t)k->layer_count, each = (size_t)k->T * (size_t)k->C;
    int64_t B = 0;
    for (size_t c = 0; c < count; c++) B += (int64_t)chunks[c].good;
    Dtype type = s->save_bf16 ? DTYPE_BF16 : DTYPE_F32;
    TensorPlan *plan = take(a, TensorPlan, L);
    for (size_t l = 0; l < L; l++) plan[l] = (TensorPlan){speaker_tap(k, a, k->layers[l]), type, 3, {B, k->T, k->C}};
    const char *metadata[] = {"made_from", made_from, "model", verbalize_model_stamp(s), "names", names_of(s, a, chunks, count), NULL};
    TensorsWriter *w = tensors_create(a, path, plan, L, metadata);
    for (size_t l = 0; l < L; l++)
        for (size_t c = 0; c < count; c++)
            for (size_t i = 0; i < chunks[c].good; i++) {
                const float *x = f32(chunks[c].states[l]) + i * each;
                Mark mark = arena_mark(a);
                uint16_t *narrow = take(a, uint16_t, each);
                if (s->save_bf16) convert_f32_bf16(narrow, x, each);
                tensors_put(w, plan[l].name, s->save_bf16 ? (const void *)narrow : x, each * dtype_size(type));
                arena_release(a, mark);
            }
    tensors_finish(w);
    arena_free(a);
}

bool tensors_made_from(const char *path, const char *made_from) {
    volatile bool same = false;
    if (!file_exists(path)) return false;
    Trap trap;
    Arena *a = arena_new("an earlier file");
    if (trap_set(&trap)) {
        Tensors *t = tensors_open(a, path);
        const char *of = tensors_metadata(t, "made_from");
        same = of && strcmp(of, made_from) == 0;
        tensors_close(t);
        trap_end(&trap);
    }
    arena_free(a);
    return same;
}
