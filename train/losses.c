// losses.c: see losses.h.
#include "losses.h"

#include <string.h>

#include "io/thread.h"
#include "real.h"

// softmax of n logits into p; returns -log p[target]
static double softmax_loss(const double *x, int n, long stride, int target, double *p) {
    double top = x[0], sum = 0;
    for (int i = 1; i < n; i++) top = x[i * stride] > top ? x[i * stride] : top;
    for (int i = 0; i < n; i++) sum += p[i] = real_exp(x[i * stride] - top);
    for (int i = 0; i < n; i++) p[i] /= sum;
    return real_log(sum) + top - x[target * stride];
}

static int argmax(const double *p, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) best = p[i] > p[best] ? i : best;
    return best;
}

static double dot(const float *a, const float *b, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += (double)a[i] * b[i];
    return s;
}

// Gradient of logit s = factor * image . text, whose own gradient is g.
typedef struct {
    const float *image, *text;
    double *d_image, *d_text;
    double factor, d_scale;
    int E;
} Pairing;

static void pairing_add(Pairing *k, int b, int t, double logit, double g) {
    const float *v = k->image + (size_t)b * (size_t)k->E, *u = k->text + (size_t)t * (size_t)k->E;
    double *dv = k->d_image + (size_t)b * (size_t)k->E, *du = k->d_text + (size_t)t * (size_t)k->E;
    for (int e = 0; e < k->E; e++) {
        dv[e] += g * k->factor * u[e];
        du[e] += g * k->factor * v[e];
    }
    k->d_scale += g * logit; // d exp(s) / d s
}

Contrast contrast_loss(Arena *a, const float *image, const float *text, int B, int E, int K, const uint8_t *given, double scale,
                       double hard_weight, float *d_image, float *d_text, float *d_scale) {
    Contrast out = {0};
    Mark mark = arena_mark(a);
    size_t texts = (size_t)B * (size_t)(K + 1), longest = (size_t)(B > K + 1 ? B : K + 1);
    Pairing k = {.image = image, .text = text, .E = E, .factor = real_exp(scale)};
    k.d_image = take_zero(a, double, (size_t)B * (size_t)E);
    k.d_text = take_zero(a, double, texts * (size_t)E);
    double *S = take(a, double, (size_t)B * (size_t)B), *g = take_zero(a, double, (size_t)B * (size_t)B), *p = take(a, double, longest);
    for (int i = 0; i < B; i++)
        for (int j = 0; j < B; j++) S[i * B + j] = k.factor * dot(image + i * E, text + j * E, E);
    for (int i = 0; i < B; i++) {
        out.pairs += softmax_loss(S + i * B, B, 1, i, p);
        out.pairs_right += argmax(p, B) == i;
        for (int j = 0; j < B; j++) g[i * B + j] += 0.5 / B * (p[j] - (i == j));
        out.pairs += softmax_loss(S + i, B, B, i, p); // column i
        for (int j = 0; j < B; j++) g[j * B + i] += 0.5 / B * (p[j] - (i == j));
    }
    out.pairs *= 0.5 / B;
    out.pairs_right /= B;
    for (int i = 0; i < B; i++)
        for (int j = 0; j < B; j++) pairing_add(&k, i, j, S[i * B + j], g[i * B + j]);

    int with = 0;
    for (int b = 0; b < B; b++) with += K > 0 && memchr(given + b * K, 1, (size_t)K) != NULL;
    double *z = take(a, double, (size_t)K + 1);
    int *which = take(a, int, (size_t)K + 1);
    for (int b = 0; b < B && with; b++) {
        int n = 1;
        z[0] = S[b * B + b];
        which[0] = b;
        for (int j = 0; j < K; j++)
            if (given[b * K + j]) {
                which[n] = B + b * K + j;
                z[n] = k.factor * dot(image + b * E, text + which[n] * E, E);
                n++;
            }
        if (n == 1) continue;
        out.hard += softmax_loss(z, n, 1, 0, p) / with;
        out.hard_right += (argmax(p, n) == 0) / (double)with;
        for (int j = 0; j < n; j++) pairing_add(&k, b, which[j], z[j], hard_weight / with * (p[j] - (j == 0)));
    }
    for (size_t i = 0; i < (size_t)B * (size_t)E; i++) d_image[i] = (float)k.d_image[i];
    for (size_t i = 0; i < texts * (size_t)E; i++) d_text[i] = (float)k.d_text[i];
    *d_scale = (float)k.d_scale;
    arena_release(a, mark);
    return out;
}

// ---- patches

typedef struct {
    const float *logits;
    const PatchTruth *truth;
    float *d;
    double weight;
    int R, owned;
    double *loss; // (R)
    uint8_t *right; // (R): bit 0 shape, bit 1 colour
} PatchWork;

// One softmax over n logits; its gradient times `weight`.
static double softmax_part(const float *x, int n, int target, double weight, float *d, int *chosen) {
    double z[16] = {0}, p[16];
    for (int i = 0; i < n; i++) z[i] = x[i];
    double loss = softmax_loss(z, n, 1, target, p);
    for (int i = 0; i < n; i++) d[i] = (float)(weight * (p[i] - (i == target)));
    if (chosen) *chosen = argmax(p, n - 1);
    return loss;
}

static void patch_rows(void *arg, size_t begin, size_t end) {
    PatchWork *k = arg;
    double every = 1.0 / k->R, owned = k->owned ? 1.0 / k->owned : 0;
    for (size_t r = begin; r < end; r++) {
        const float *x = k->logits + r * PATCH_WIDTH;
        float *d = k->d + r * PATCH_WIDTH;
        const PatchTruth *t = &k->truth[r];
        bool on = t->shape != PATCH_NONE;
        int shape, colour, at = 0;
        double loss = every * softmax_part(x, SHAPES + 1, on ? t->shape : SHAPES, k->weight * every, d, &shape);
        at += SHAPES + 1;
        loss += every * softmax_part(x + at, COLOURS + 1, on ? t->colour : COLOURS, k->weight * every, d + at, &colour);
        at += COLOURS + 1;
        memset(d + at, 0, (size_t)(PATCH_WIDTH - at) * sizeof *d);
        k->right[r] = (uint8_t)(on ? (shape == t->shape) | (colour == t->colour) << 1 : 0);
        if (on) {
            loss += 0.5 * owned * softmax_part(x + at, 2, t->large, 0.5 * k->weight * owned, d + at, NULL);
            loss += 0.5 * owned * softmax_part(x + at + 2, 2, t->striped, 0.5 * k->weight * owned, d + at + 2, NULL);
            at += 4;
            const double beta = 0.1;
            for (int i = 0; i < 4; i++) {
                double e = (double)x[at + i] - t->box[i], size = e < 0 ? -e : e, share = owned / 4;
                loss += share * (size < beta ? e * e / (2 * beta) : size - beta / 2);
                d[at + i] = (float)(k->weight * share * (size < beta ? e / beta : e < 0 ? -1 : 1));
            }
            at += 4;
            int n = PATCH_SIDE * PATCH_SIDE;
            for (int i = 0; i < n; i++) { // log(1 + e^z) - z y, without overflow
                double z = x[at + i], e = real_exp(z < 0 ? z : -z), sigmoid = z < 0 ? e / (1 + e) : 1 / (1 + e);
                loss += owned / n * ((z > 0 ? z : 0) + real_log(1 + e) - z * t->mask[i]);
                d[at + i] = (float)(k->weight * owned / n * (sigmoid - t->mask[i]));
            }
        }
        k->loss[r] = loss;
    }
}

PatchScore patch_loss(const float *logits, const PatchTruth *truth, int R, double weight, float *d) {
    PatchScore s = {0};
    Arena *a = arena_new("patch loss");
    PatchWork k = {.logits = logits, .truth = truth, .d = d, .weight = weight, .R = R};
    k.loss = take(a, double, (size_t)R);
    k.right = take(a, uint8_t, (size_t)R);
    for (int r = 0; r < R; r++) k.owned += truth[r].shape != PATCH_NONE;
    parallel_for((size_t)R, 64, patch_rows, &k);
    for (int r = 0; r < R; r++) {
        s.loss += k.loss[r];
        s.shape_right += (k.right[r] & 1) / (double)(k.owned ? k.owned : 1);
        s.colour_right += (k.right[r] >> 1) / (double)(k.owned ? k.owned : 1);
    }
    arena_free(a);
    return s;
}
