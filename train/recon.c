// recon.c: see recon.h. The forward is written once, with the operations of model/ops.h, and recorded on a tape.
//
// Corrections beside `faithful`: channel statistics in double and two passes; the schedule counts updates; the weights
// of the best validation epoch are copied and kept; validation loss is weighted by tokens.
#include "recon.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "io/random.h"
#include "recon_net.h"

struct Recon {
    Arena *arena;
    ReconConfig cfg;
    Tape *tape;
    Adam *adam;
    ReconNet *net;
    const char **names;
    Weight *all; // parameters, then the four statistics
    size_t parameters, count;
    float *mean_in, *std_in, *mean_out, *std_out;
};

static Tensor parameter(Recon *r, const char *name, int ndim, const long *shape, InitKind kind, double scale) {
    Tensor t = tensor_take(r->arena, DTYPE_F32, ndim, shape);
    init_fill(f32(t), ndim, shape, kind, scale, r->cfg.seed, name);
    t = tape_parameter(r->tape, t);
    r->names[r->parameters] = name;
    r->all[r->parameters++] = (Weight){.name = name, .tensor = t};
    return t;
}

static float *statistic(Recon *r, const char *name, long n) {
    Tensor t = tensor_take(r->arena, DTYPE_F32, DIMS(n));
    r->all[r->count++] = (Weight){.name = name, .tensor = t};
    return f32(t);
}

Recon *recon_new(Arena *a, ReconConfig c) {
    int least = c.kind == RECON_TOKENS ? 3 : 1;
    need(c.layers >= least && c.layers <= RECON_LAYERS_MAX, "a reconstructor of %d layers: %d to %d are possible", c.layers, least, RECON_LAYERS_MAX);
    need(c.epochs <= RECON_EPOCHS_MAX, "a reconstructor trained for %d epochs; %d at most", c.epochs, RECON_EPOCHS_MAX);
    Recon *r = take_zero(a, Recon, 1);
    r->arena = a;
    r->cfg = c;
    r->tape = tape_new_on(a, device_used());
    r->names = take(a, const char *, recon_net_parameters(&c));
    r->all = take(a, Weight, recon_net_parameters(&c) + 4);
    r->net = recon_net_new(a, &c, r, parameter);
    r->count = r->parameters;
    r->mean_in = statistic(r, "mean_post", c.I), r->std_in = statistic(r, "std_post", c.I);
    r->mean_out = statistic(r, "mean_pre", c.O), r->std_out = statistic(r, "std_pre", c.O);
    for (int i = 0; i < c.I; i++) r->mean_in[i] = 0, r->std_in[i] = 1;
    for (int i = 0; i < c.O; i++) r->mean_out[i] = 0, r->std_out[i] = 1;
    r->adam = adam_new(a, r->tape, (AdamConfig){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1}, (Group){.lr_factor = 1, .decay = c.decay});
    return r;
}

long recon_parameters(const Recon *r) {
    long n = 0;
    for (size_t i = 0; i < r->parameters; i++) n += (long)tensor_count(r->all[i].tensor);
    return n;
}

static int tokens_out(const Recon *r, int T) { return r->cfg.kind == RECON_MIXER ? r->cfg.T_out : T; }

// ---- normalisation

static void channel_statistics(float *mean, float *std, int C, int T, const uint32_t *images, size_t n, void *arg,
                               void (*read)(void *arg, size_t image, float *out)) {
    Arena *a = arena_new("channel statistics");
    float *x = take(a, float, (size_t)T * (size_t)C);
    double *m = take_zero(a, double, (size_t)C), *v = take_zero(a, double, (size_t)C), count = (double)n * T;
    for (int pass = 0; pass < 2; pass++) { // the deviation from the mean is summed, not the square: outlier channels are near 1e4
        for (size_t i = 0; i < n; i++) {
            read(arg, images[i], x);
            for (int t = 0; t < T; t++)
                for (int c = 0; c < C; c++) {
                    double d = (double)x[t * C + c];
                    if (pass == 0) m[c] += d;
                    else v[c] += (d - m[c]) * (d - m[c]);
                }
        }
        for (int c = 0; pass == 0 && c < C; c++) m[c] /= count;
    }
    for (int c = 0; c < C; c++) {
        mean[c] = (float)m[c];
        std[c] = (float)sqrt(v[c] / count + 1e-8);
    }
    arena_free(a);
}

static size_t batches_of(const ReconConfig *c, size_t n) {
    size_t batch = (size_t)c->batch;
    return c->faithful && n >= batch ? n / batch : (n + batch - 1) / batch;
}

static void normalise_by(Recon *r, const ReconData *d, const uint32_t *train, size_t n) {
    if (r->cfg.faithful && n >= (size_t)r->cfg.batch) n = batches_of(&r->cfg, n) * (size_t)r->cfg.batch;
    channel_statistics(r->mean_in, r->std_in, r->cfg.I, d->T, train, n, d->arg, d->input);
    channel_statistics(r->mean_out, r->std_out, r->cfg.O, tokens_out(r, d->T), train, n, d->arg, d->target);
}

static void normalised(float *x, int T, int C, const float *mean, const float *std) {
    for (int t = 0; t < T; t++)
        for (int c = 0; c < C; c++) x[t * C + c] = (x[t * C + c] - mean[c]) / (std[c] + 1e-8f);
}

// Images [from, from + n) of the list, normalised: input (n, T, I) and target (n, T_out, O).
static void batch_read(const Recon *r, Arena *a, const ReconData *d, const uint32_t *list, size_t n, Tensor *x, Tensor *y) {
    int T = d->T, T_out = tokens_out(r, T), I = r->cfg.I, O = r->cfg.O;
    *x = tensor_take(a, DTYPE_F32, DIMS((long)n, T, I));
    *y = tensor_take(a, DTYPE_F32, DIMS((long)n, T_out, O));
    for (size_t i = 0; i < n; i++) {
        float *px = f32(*x) + i * (size_t)T * (size_t)I, *py = f32(*y) + i * (size_t)T_out * (size_t)O;
        d->input(d->arg, list[i], px);
        d->target(d->arg, list[i], py);
        normalised(px, T, I, r->mean_in, r->std_in);
        normalised(py, T_out, O, r->mean_out, r->std_out);
    }
}

static double loss_over(Recon *r, Arena *scratch, const ReconData *d, const uint32_t *list, size_t n) {
    double sum = 0, weight = 0;
    for (size_t at = 0; at < n; at += (size_t)r->cfg.batch) {
        size_t m = n - at < (size_t)r->cfg.batch ? n - at : (size_t)r->cfg.batch;
        Mark mark = arena_mark(scratch);
        Tensor x, y;
        batch_read(r, scratch, d, list + at, m, &x, &y);
        Run *run = run_on(scratch, tape_device(r->tape));
        double counts = r->cfg.faithful ? 1 : (double)m;
        sum += (double)*f32(run_read(run, mean_squared(run, recon_net_forward(run, r->net, x, 0), y))) * counts, weight += counts;
        arena_release(scratch, mark);
    }
    return sum / weight;
}

// ---- training

static double one_epoch(Recon *r, Arena *scratch, const ReconData *d, const uint32_t *train, size_t n, int epoch, int64_t total) {
    const ReconConfig *c = &r->cfg;
    uint32_t *order = take(scratch, uint32_t, n), *list = take(scratch, uint32_t, n);
    rng_permutation(rng_sub(rng_of(c->seed, "reconstructor order"), (uint64_t)epoch), order, (uint32_t)n);
    for (size_t i = 0; i < n; i++) list[i] = train[order[i]];
    size_t batches = batches_of(c, n), seen = 0;
    double sum = 0;
    for (size_t b = 0; b < batches; b++) {
        size_t at = b * (size_t)c->batch, m = n - at < (size_t)c->batch ? n - at : (size_t)c->batch;
        Mark mark = arena_mark(scratch);
        Tensor x, y;
        batch_read(r, scratch, d, list + at, m, &x, &y);
        Run *run = run_on(scratch, tape_device(r->tape));
        run->recorder = tape_recorder(r->tape);
        x = run_send(run, x), y = run_send(run, y);
        Tensor loss = mean_squared(run, recon_net_forward(run, r->net, x, (uint64_t)epoch * batches + b + 1), y);
        sum += (double)*f32(run_read(run, loss)) * (double)m, seen += m;
        tape_backward(r->tape, scratch, loss, 1.0f / (float)c->accumulation);
        tape_begin(r->tape);
        arena_release(scratch, mark);
        if ((b + 1) % (size_t)c->accumulation == 0 || b + 1 == batches) {
            adam_update(r->adam, schedule_recon(c->lr, r->adam->step, c->warmup, total));
            tape_zero(r->tape);
        }
    }
    return sum / (double)seen;
}

static void save(Recon *r, Arena *scratch, const char *path, const char *recipe, int stage, const ReconHistory *h, const double *losses, Weight *best) {
    size_t P = r->parameters;
    Weight *list = take(scratch, Weight, r->count + 3 * P);
    memcpy(list, r->all, r->count * sizeof *list);
    size_t n = r->count;
    n += checkpoint_moments(scratch, r->adam, r->names, list + n);
    memcpy(list + n, best, P * sizeof *list);
    n += P;
    const char *notes = arena_print(scratch, "%d %.17g %.17g", h->best, h->train_loss, h->best_loss);
    for (int e = 0; e < h->epochs; e++) notes = arena_print(scratch, "%s %.17g", notes, losses[e]);
    checkpoint_save(scratch, path, (CheckpointHead){.recipe = recipe, .notes = notes, .stage = stage, .step = r->adam->step}, tape_device(r->tape), list, n);
}

static void resume(Recon *r, Arena *a, Checkpoint *c, CheckpointHead head, ReconHistory *h, double *losses, Weight *best) {
    size_t P = r->parameters;
    Weight *list = take(a, Weight, r->count + 3 * P);
    memcpy(list, r->all, r->count * sizeof *list);
    size_t n = r->count;
    n += checkpoint_moments(a, r->adam, r->names, list + n);
    memcpy(list + n, best, P * sizeof *list);
    checkpoint_read(c, tape_device(r->tape), list, n + P);
    r->adam->step = head.step;
    h->epochs = head.stage & RECON_EPOCHS_MAX;
    int used = 0;
    const char *notes = head.notes;
    need(h->epochs <= r->cfg.epochs && sscanf(notes, "%d %lg %lg%n", &h->best, &h->train_loss, &h->best_loss, &used) == 3, "a reconstructor's checkpoint with damaged notes; use --fresh");
    notes += used;
    for (int e = 0; e < h->epochs; e++) {
        need(sscanf(notes, "%lg%n", &losses[e], &used) == 1, "a reconstructor's checkpoint with damaged notes; use --fresh");
        notes += used;
    }
}

static void weights_copy(const Recon *r, const Weight *to, const Weight *from) {
    for (size_t i = 0; i < r->parameters; i++) tape_device(r->tape)->copy(to[i].tensor.data, from[i].tensor.data, tensor_bytes(to[i].tensor));
}

ReconHistory recon_train(Recon *r, const ReconData *d, const uint32_t *train, size_t n, const uint32_t *validation, size_t m, const char *path, ReconStart start,
                         double *losses) {
    const ReconConfig *c = &r->cfg;
    need(n > 0 && m > 0, "a reconstructor needs training and validation images: %zu and %zu are there", n, m);
    Arena *scratch = arena_new("a training step"), *kept = arena_new("the best weights");
    size_t batches = batches_of(c, n), updates = (batches + (size_t)c->accumulation - 1) / (size_t)c->accumulation;
    int64_t total = (int64_t)(c->faithful ? batches : updates) * c->epochs;
    Weight *best = take(kept, Weight, r->parameters);
    for (size_t i = 0; i < r->parameters; i++) {
        best[i] = (Weight){.name = arena_print(kept, "best.%s", r->names[i]), .tensor = r->all[i].tensor};
        best[i].tensor.data = tensor_take_on(kept, tape_device(r->tape), DTYPE_F32, best[i].tensor.ndim, best[i].tensor.shape).data;
    }
    weights_copy(r, best, r->all);
    ReconHistory h = {.best_loss = INFINITY};
    double *all_losses = losses ? losses : take_zero(kept, double, (size_t)c->epochs);
    const char *recipe = arena_print(kept, "reconstructor %c in %d out %d h %d layers %d heads %d tokens %d %d dropout %g batch %d epochs %d patience %d lr %g decay %g delta %g warmup %d accumulation %d seed %llu faithful %d images %zu %zu vectors %s",
                                     "ABC"[c->kind], c->I, c->O, c->h, c->layers, c->heads, c->T_in, c->T_out, c->dropout, c->batch, c->epochs, c->patience, c->lr, c->decay, c->min_delta, c->warmup,
                                     c->accumulation, (unsigned long long)c->seed, c->faithful, n, m, c->data ? c->data : "");
    CheckpointHead head;
    const char *unfit = start == RECON_GO_ON_OR_AGAIN ? checkpoint_unfit(kept, path, recipe) : NULL;
    if (unfit) note("%s; it is trained again", unfit);
    Checkpoint *earlier = unfit || start == RECON_FRESH ? NULL : checkpoint_open(kept, path, recipe, &head);
    bool done = false;
    if (earlier) {
        resume(r, kept, earlier, head, &h, all_losses, best);
        done = head.stage >> 16;
    } else {
        normalise_by(r, d, train, n);
    }
    while (!done) {
        h.train_loss = one_epoch(r, scratch, d, train, n, h.epochs, total);
        double loss = loss_over(r, scratch, d, validation, m);
        all_losses[h.epochs++] = loss;
        if (loss < h.best_loss - c->min_delta || h.best == 0) {
            h.best_loss = loss;
            h.best = h.epochs;
            weights_copy(r, best, r->all);
        }
        done = h.epochs >= c->epochs || h.epochs - h.best >= c->patience;
        Mark mark = arena_mark(scratch);
        save(r, scratch, path, recipe, h.epochs | (int)done << 16, &h, all_losses, best);
        arena_release(scratch, mark);
    }
    if (!c->faithful) weights_copy(r, r->all, best);
    arena_free(scratch);
    arena_free(kept);
    return h;
}

// ---- use

void recon_predict(Recon *r, Arena *scratch, const float *input, int T, float *prediction) {
    Mark mark = arena_mark(scratch);
    int I = r->cfg.I, O = r->cfg.O;
    Tensor x = tensor_take(scratch, DTYPE_F32, DIMS(1, T, I));
    memcpy(x.data, input, tensor_bytes(x));
    normalised(f32(x), T, I, r->mean_in, r->std_in);
    Run *run = run_on(scratch, tape_device(r->tape));
    Tensor y = run_read(run, recon_net_forward(run, r->net, x, 0));
    for (int t = 0; t < tokens_out(r, T); t++)
        for (int c = 0; c < O; c++) prediction[t * O + c] = f32(y)[t * O + c] * (r->std_out[c] + 1e-8f) + r->mean_out[c];
    arena_release(scratch, mark);
}

static double cosine(const float *a, const float *b, const float *mean, int C) {
    double ab = 0, aa = 0, bb = 0;
    for (int c = 0; c < C; c++) {
        double x = (double)a[c] - (mean ? (double)mean[c] : 0), y = (double)b[c] - (mean ? (double)mean[c] : 0);
        ab += x * y, aa += x * x, bb += y * y;
    }
    double n = sqrt(aa) * sqrt(bb);
    return ab / (n > 1e-8 ? n : 1e-8);
}

ReconScore recon_score(Recon *r, const float *p, const float *y, int T, double *error) {
    int O = r->cfg.O;
    ReconScore s = {0};
    for (int t = 0; t < T; t++) {
        double e = 0;
        for (int c = 0; c < O; c++) {
            double scale = (double)r->std_out[c] + 1e-8, d = ((double)p[t * O + c] - (double)y[t * O + c]) / scale, m = ((double)y[t * O + c] - (double)r->mean_out[c]) / scale;
            e += d * d;
            s.mse_mean += m * m;
        }
        s.mse += e;
        if (error) error[t] = e / O;
        s.cosine += cosine(p + t * O, y + t * O, NULL, O);
        s.cosine_centred += cosine(p + t * O, y + t * O, r->mean_out, O);
    }
    double n = (double)T * O;
    s.mse /= n, s.mse_mean /= n, s.cosine /= T, s.cosine_centred /= T;
    return s;
}
