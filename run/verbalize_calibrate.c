// verbalize_calibrate.c: step before the captions: what states look like on average, over the first --calibration pictures.
//
// The mean state, position by position, is the control `mean`: what a layer says of no picture in particular. Channels' means and
// deviations, and the mean length of a token, are what --rescale brings states to.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "verbalize_states.h"

typedef struct {
    double *sum;             // (T, C)
    double *shift, *one, *two; // (C): a value near the mean; sums of deviations from it, and of their squares
    double length;
} Sums;

static void sums_add(Sums *z, const float *x, long T, long C, int first, bool begin) {
    for (long i = 0; i < T * C; i++) z->sum[i] += (double)x[i];
    if (begin)
        for (long c = 0; c < C; c++) z->shift[c] = (double)x[(long)first * C + c];
    for (long t = first; t < T; t++) {
        double square = 0;
        for (long c = 0; c < C; c++) {
            double v = (double)x[t * C + c], d = v - z->shift[c];
            square += v * v, z->one[c] += d, z->two[c] += d * d;
        }
        z->length += sqrt(square);
    }
}

static void calibration_write(Verbalize *s, const char *path, const char *digest, const Sums *z, size_t n, const char *missing, long T, long C, int first) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("calibration");
    int L = k->layer_count;
    TensorPlan *plan = take(a, TensorPlan, (size_t)L * 4);
    for (int l = 0; l < L; l++) {
        plan[4 * l] = (TensorPlan){arena_print(a, "mean.%d", k->layers[l]), DTYPE_F32, 2, {T, C}};
        plan[4 * l + 1] = (TensorPlan){arena_print(a, "channel_mean.%d", k->layers[l]), DTYPE_F32, 1, {C}};
        plan[4 * l + 2] = (TensorPlan){arena_print(a, "channel_std.%d", k->layers[l]), DTYPE_F32, 1, {C}};
        plan[4 * l + 3] = (TensorPlan){arena_print(a, "norm.%d", k->layers[l]), DTYPE_F32, 1, {1}};
    }
    const char *metadata[] = {"made_from", digest, "pictures", arena_print(a, "%zu", n), "missing", missing, NULL};
    TensorsWriter *w = tensors_create(a, path, plan, (size_t)L * 4, metadata);
    double rows = (double)n * (double)(T - first);
    float *out = take(a, float, (size_t)(T * C));
    for (int l = 0; l < L; l++) {
        for (long i = 0; i < T * C; i++) out[i] = (float)(z[l].sum[i] / (double)n);
        tensors_put(w, plan[4 * l].name, out, (size_t)(T * C) * sizeof *out);
        for (long c = 0; c < C; c++) out[c] = (float)(z[l].shift[c] + z[l].one[c] / rows);
        tensors_put(w, plan[4 * l + 1].name, out, (size_t)C * sizeof *out);
        for (long c = 0; c < C; c++) out[c] = (float)sqrt(fmax(0, (z[l].two[c] - z[l].one[c] * z[l].one[c] / rows) / rows));
        tensors_put(w, plan[4 * l + 2].name, out, (size_t)C * sizeof *out);
        out[0] = (float)(z[l].length / rows);
        tensors_put(w, plan[4 * l + 3].name, out, sizeof *out);
    }
    tensors_finish(w);
    arena_free(a);
}

static void calibrate(Verbalize *s, const char *path, const char *digest) {
    Speaker *k = verbalize_speaker(s);
    Arena *a = arena_new("calibration"), *scratch = arena_new("calibration");
    size_t N = verbalize_pictures(s)->count, most = (size_t)s->calibration, seen = 0, at_once = 8;
    long T = k->T, C = k->C;
    int L = k->layer_count, first = k->first_token;
    Sums *z = take_zero(a, Sums, (size_t)L);
    for (int l = 0; l < L; l++) z[l].sum = take_zero(a, double, (size_t)(T * C)), z[l].shift = take_zero(a, double, (size_t)C), z[l].one = take_zero(a, double, (size_t)C), z[l].two = take_zero(a, double, (size_t)C);
    StateReader *reader = states_reader(s, at_once);
    const char *reason = NULL;
    JsonOut *missing = json_out(a, -1);
    json_open(missing, NULL, '[');
    Progress bar = progress_start("calibrate", most < N ? most : N);
    for (size_t at = 0, n; at < N && seen < most; at += n) {
        n = N - at < at_once ? N - at : at_once;
        if (n > most - seen) n = most - seen;
        Mark mark = arena_mark(scratch);
        States x = states_read(reader, scratch, at, n);
        for (int l = 0; l < L; l++)
            for (size_t i = 0; i < x.good; i++) sums_add(&z[l], f32(x.states[l]) + i * (size_t)(T * C), T, C, first, seen + i == 0);
        if (x.failed && !reason) reason = arena_print(a, "%s", x.reasons[0]); // names the picture
        for (size_t i = 0; i < x.failed; i++) json_put_int(missing, NULL, (int64_t)x.failed_at[i]);
        seen += x.good;
        arena_release(scratch, mark);
        progress_at(&bar, seen);
    }
    progress_end(&bar);
    need(seen > 0, "none of the %zu pictures could be read; the first: %s", N, reason);
    json_close(missing);
    calibration_write(s, path, digest, z, seen, reason ? json_done(missing, NULL) : "", T, C, first);
    states_reader_free(reader);
    arena_free(scratch);
    arena_free(a);
}

// Whether a picture that the file's means lack can be read by now.
static bool lacks(Verbalize *s, const char *path) {
    Arena *a = arena_new("an earlier calibration");
    Tensors *t = tensors_open(a, path);
    const char *missing = tensors_metadata(t, "missing");
    const Json *list = missing && *missing ? json_parse(a, missing, strlen(missing), path) : NULL;
    size_t n = list ? list->count : 0, *at = take(a, size_t, n + 1);
    for (size_t i = 0; i < n; i++) at[i] = (size_t)list->items[i].integer;
    bool now = verbalize_readable(s, at, n);
    tensors_close(t);
    arena_free(a);
    return now;
}

static Calibration *calibration_open(Verbalize *s, bool look_again) {
    Speaker *k = verbalize_speaker(s);
    const char *digest = verbalize_digest(s);
    char *path = verbalize_path(s, "calibration.safetensors");
    if (s->fresh || !tensors_made_from(path, digest) || (look_again && lacks(s, path))) calibrate(s, path, digest);
    Arena *a = s->arena;
    Calibration *c = take_zero(a, Calibration, 1);
    Tensors *t = tensors_open(a, path);
    size_t L = (size_t)k->layer_count;
    const char *missing = tensors_metadata(t, "missing");
    c->n = strtoul(tensors_metadata(t, "pictures"), NULL, 10);
    c->missing = missing ? arena_text(a, missing, strlen(missing)) : "";
    c->mean = take(a, Tensor, L), c->channel_mean = take(a, float *, L), c->channel_std = take(a, float *, L), c->norm = take(a, double, L), c->native = -1;
    for (int l = 0; l < k->layer_count; l++) {
        const TensorEntry *e[4];
        static const char *const names[] = {"mean", "channel_mean", "channel_std", "norm"};
        for (int i = 0; i < 4; i++) {
            e[i] = tensors_need(t, arena_print(a, "%s.%d", names[i], k->layers[l]));
            need(e[i]->size == sizeof(float) * (size_t)(i == 0 ? k->T * k->C : i < 3 ? k->C : 1), "%s: %s.%d has another size; use --fresh", path, names[i], k->layers[l]);
        }
        c->mean[l] = tensor_take(a, DTYPE_F32, DIMS(1, k->T, k->C));
        memcpy(c->mean[l].data, e[0]->bytes, e[0]->size);
        c->channel_mean[l] = take(a, float, (size_t)k->C), c->channel_std[l] = take(a, float, (size_t)k->C);
        memcpy(c->channel_mean[l], e[1]->bytes, e[1]->size), memcpy(c->channel_std[l], e[2]->bytes, e[2]->size);
        float norm;
        memcpy(&norm, e[3]->bytes, sizeof norm);
        c->norm[l] = (double)norm;
        if (k->layers[l] == k->native) c->native = l;
    }
    tensors_close(t);
    return c;
}

// --rescale: the state of layer l at the scale of the native one. In place.
static void rescale(const Verbalize *s, const Calibration *c, int l, float *x, long T, long C) {
    if (s->rescale == RESCALE_NONE || l == c->native) return;
    if (s->rescale == RESCALE_NORM) {
        double f = c->norm[l] > 0 ? c->norm[c->native] / c->norm[l] : 1;
        for (long i = 0; i < T * C; i++) x[i] = (float)((double)x[i] * f);
        return;
    }
    for (long t = 0; t < T; t++)
        for (long i = 0; i < C; i++) {
            double spread = (double)c->channel_std[l][i], v = (double)x[t * C + i] - (double)c->channel_mean[l][i];
            if (spread > 0) v *= (double)c->channel_std[c->native][i] / spread;
            x[t * C + i] = (float)(v + (double)c->channel_mean[c->native][i]);
        }
}

const Calibration *verbalize_calibration(Verbalize *s) {
    if (!s->calibrated) s->calibrated = calibration_open(s, false);
    return s->calibrated;
}

const Calibration *verbalize_calibrate(Verbalize *s) {
    if (!s->calibrated) s->calibrated = calibration_open(s, true);
    return s->calibrated;
}

void verbalize_rescale(Verbalize *s, Tensor *states) {
    Speaker *k = verbalize_speaker(s);
    const Calibration *c = verbalize_calibration(s);
    for (int l = 0; l < k->layer_count; l++)
        for (long b = 0; b < states[l].shape[0]; b++) {
            float *x = f32(states[l]) + b * k->T * k->C;
            rescale(s, c, l, x, k->T, k->C);
            verbalize_tuned_apply(s, l, x);
        }
}

Tensor verbalize_mean_state(Verbalize *s, Arena *a, int l) {
    Speaker *k = verbalize_speaker(s);
    const Calibration *c = verbalize_calibration(s);
    Tensor x = tensor_take(a, DTYPE_F32, DIMS(1, k->T, k->C));
    memcpy(x.data, c->mean[l].data, tensor_bytes(x));
    rescale(s, c, l, f32(x), k->T, k->C);
    verbalize_tuned_apply(s, l, f32(x));
    return x;
}
