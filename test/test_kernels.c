// test_kernels.c: every kernel against double precision; every level and thread count bit for bit.
//
// Bounds: a float product over K terms is compared by norm: 2^-24 * sqrt(K) * 4. exp, tanh, erf: 2 units in the last place
// (2.4e-7 relative). Caught when broken on purpose: a swapped index in `turn`, a missing last column, k blocks in the wrong
// order (bits), the wrong GELU, mean square in one pass.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/memory.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/cpu.h"
#include "model/kernels.h"

static float *random_floats(Arena *a, size_t n, const char *what) {
    float *x = take(a, float, n);
    Rng r = rng_of(11, what);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(r, i);
    return x;
}

static void plain_gemm(float *C, const Gemm *g, const float *B) { // version 0: one chain per element
    for (long m = 0; m < g->M; m++)
        for (long n = 0; n < g->N; n++) {
            float s = g->accumulate ? g->C[m * g->ldc + n] : 0;
            for (long k = 0; k < g->K; k++) {
                float a = g->kind == GEMM_TN ? g->A[k * g->lda + m] : g->A[m * g->lda + k];
                float b = g->kind == GEMM_NT ? B[n * g->ldb + k] : B[k * g->ldb + n];
                s = fmaf(a, b, s);
            }
            C[m * g->N + n] = s + (g->bias ? g->bias[n] : 0);
        }
}

static void test_gemm(Arena *a) {
    static const long shapes[][3] = {{1, 1, 1},    {1, 33, 17},  {15, 16, 31},  {16, 15, 16}, {17, 31, 33},  {31, 65, 129},
                                     {57, 37, 61}, {70, 96, 64}, {61, 100, 1100}, {45, 300, 1100}, {3, 515, 300}, {129, 131, 127}, {200, 40, 2049},
                                     {2, 40, 35}, {4, 19, 97}, {5, 16, 64}, {6, 7, 33}, {7, 50, 48}, {8, 33, 130}, {9, 65, 33}, {1, 300, 1},
                                     {16, 70, 2100}, {17, 150, 1157}, {33, 37, 1300}, {40, 64, 2080}, {23, 7, 1100}, {12, 130, 540}, {25, 90, 100}, {31, 49, 8},
                                     {150, 31, 2100}, {100, 1300, 270}, {1300, 150, 520}, {25, 600, 257}, {160, 14, 512}, {161, 29, 300}, {73, 15, 1030}, {96, 43, 15}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int kind = 0; kind < 3; kind++)
            for (int type = 0; type < 3; type++) {
                Mark mark = arena_mark(a);
                long M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
                Gemm g = {.kind = (GemmKind)kind, .M = M, .N = N, .K = K, .lda = kind == GEMM_TN ? M : K, .ldb = kind == GEMM_NT ? K : N, .ldc = N,
                          .A = random_floats(a, (size_t)(M * K), "A"), .bias = type == 1 ? random_floats(a, (size_t)N, "bias") : NULL,
                          .accumulate = type == 2};
                float *B = random_floats(a, (size_t)(N * K), "B"), *want = take(a, float, (size_t)(M * N)), *C = random_floats(a, (size_t)(M * N), "C");
                uint16_t *half = take(a, uint16_t, (size_t)(N * K));
                g.B_type = type == 0 ? DTYPE_F32 : type == 1 ? DTYPE_BF16 : DTYPE_F16;
                g.B = B;
                if (type == 1) convert_f32_bf16(half, B, (size_t)(N * K)), convert_bf16_f32(B, half, (size_t)(N * K)), g.B = half;
                if (type == 2) convert_f32_f16(half, B, (size_t)(N * K)), convert_f16_f32(B, half, (size_t)(N * K)), g.B = half;
                g.C = C;
                plain_gemm(want, &g, B);
                gemm(&g);
                char name[64];
                snprintf(name, sizeof name, "gemm %s %s %ldx%ldx%ld", (const char *[]){"nt", "nn", "tn"}[kind], dtype_name(g.B_type), M, N, K);
                check_same(name, C, want, (size_t)(M * N) * 4);
                if (kind == GEMM_NT && type == 1 && strcmp(gemm_bf16_path(), "widened") == 0) { // sums of rounded numbers, in the same order
                    float *A = take(a, float, (size_t)(M * K));
                    for (long i = 0; i < M * K; i++) A[i] = bf16_round(g.A[i]);
                    g.compute = COMPUTE_BF16;
                    gemm(&g);
                    g.A = A;
                    plain_gemm(want, &g, B);
                    check_same(arena_print(a, "%s, rounded", name), C, want, (size_t)(M * N) * 4);
                }
                arena_release(a, mark);
            }
}

static void test_functions(Arena *a) {
    int n = 2000001;
    float *x = take(a, float, (size_t)n), *y = take(a, float, (size_t)n);
    for (int i = 0; i < n; i++) x[i] = (float)(-110.0 + 220.0 * i / (n - 1));
    struct {
        const char *name;
        double (*of)(double);
        Act act;
    } list[] = {{"exp", exp, ACT_NONE}, {"tanh", tanh, ACT_TANH}}; // erf: test_cuda_light.c, where it has a name of its own
    for (size_t f = 0; f < sizeof list / sizeof *list; f++) {
        if (list[f].act == ACT_NONE) exp_each(y, x, (size_t)n);
        else activate(y, x, (size_t)n, list[f].act);
        double worst = 0;
        for (int i = 0; i < n; i++) {
            double want = list[f].of((double)x[i]);
            if (fabs(want) > (double)3.4e38f || fabs(want) < 1.2e-38) continue; // infinite, or below the normal numbers
            double ulp = ldexp(1, ilogb(want) - 23), e = fabs((double)y[i] - want) / ulp;
            if (!(e <= worst)) worst = e;
        }
        check(worst <= 2, "%s within 2 units in the last place: %.2f", list[f].name, worst);
    }
    for (int i = 0; i < n; i++) x[i] = (float)(-6.0 + 12.0 * i / (n - 1));
    activate(y, x, (size_t)n, ACT_GELU);
    double worst = 0;
    for (int i = 0; i < n; i++) {
        double want = 0.5 * (double)x[i] * (1 + erf((double)x[i] * 0.70710678118654752440));
        double e = fabs((double)y[i] - want) / fmax(1, fabs(want));
        if (!(e <= worst)) worst = e;
    }
    check(worst <= 4e-7, "gelu within 4e-7 of max(1, value): %.2e", worst);
    float special[16] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 1e-40f, 88.9f, -104.1f, 100, -100, 1, -1, 1e30f, -1e30f, 1e-20f, 3};
    float out[16];
    exp_each(out, special, 16);
    check(isinf(out[0]) && out[1] == 0 && isnan(out[2]) && out[3] == 1 && out[4] == 1 && isinf(out[6]) && out[7] == 0, "exp of the special numbers");
    int other = 0; // softmax's own exponential, which knows that nothing is above 0, by rows of 0 and x
    for (int i = 0; i < n; i++) x[i] = i < 3 ? (float[]){-INFINITY, -1e30f, -0.0f}[i] : (float)(-112.0 * i / (n - 1));
    exp_each(y, x, (size_t)n);
    float *rows = take(a, float, 2 * (size_t)n);
    for (int i = 0; i < n; i++) rows[2 * i] = 0, rows[2 * i + 1] = x[i];
    softmax_rows(rows, rows, n, 2);
    for (int i = 0; i < n; i++) other += !(rows[2 * i + 1] == y[i] / (1 + y[i]) && rows[2 * i] == 1 / (1 + y[i]));
    check(other == 0, "the exponential of softmax has the bits of exp's: %d of %d have not", other, n);
    activate(out, special, 16, ACT_TANH);
    check(out[0] == 1 && out[1] == -1 && isnan(out[2]) && out[3] == 0 && out[8] == 1, "tanh of the special numbers");
    worst = 0;
    for (int i = 0; i < 200000; i++) {
        double v = (i - 100000) * 0.987654321, s, c;
        sincos_of(v, &s, &c);
        worst = fmax(worst, fmax(fabs(s - sin(v)), fabs(c - cos(v))));
    }
    check(worst <= 1e-11, "sine and cosine up to 1e5: %.1e", worst);
    for (int i = 1; i < 100000; i++) worst = fmax(i == 1 ? 0 : worst, fabs(log_of(i * 0.37) - log(i * 0.37)));
    check(worst <= 1e-14 * 16, "logarithm: %.1e", worst);
    uint32_t wrong = 0;
    for (uint32_t h = 0; h < 65536; h++) { // half to float and back is the identity but for NaN
        uint16_t in = (uint16_t)h, back;
        float f;
        convert_f16_f32(&f, &in, 1);
        convert_f32_f16(&back, &f, 1);
        if (!isnan(f) && back != in) wrong++;
        convert_bf16_f32(&f, &in, 1);
        convert_f32_bf16(&back, &f, 1);
        if (!isnan(f) && back != in) wrong++;
    }
    check(wrong == 0, "all halves round trip: %u wrong", wrong);
}

static void plain_attention(float *out, const Attention *a, long b, long h, long i) {
    long D = a->D, g = h / (a->H / a->G), length = a->key_lengths ? a->key_lengths[b] : a->Tk, at = i + length - a->Tq;
    double s[512], sum = 0, top = -INFINITY;
    for (long j = 0; j < a->Tk; j++) {
        double d = 0;
        for (long c = 0; c < D; c++)
            d += (double)a->q[((b * a->Tq + i) * a->H + h) * D + c] * (double)a->k[((b * a->Tk + j) * a->G + g) * D + c];
        d *= (double)a->scale;
        if (a->softcap > 0) d = (double)a->softcap * tanh(d / (double)a->softcap);
        if (a->mask) d += (double)a->mask[i * a->Tk + j];
        bool seen = j < length && (!a->causal || j <= at) && (a->window <= 0 || at - j < a->window) && (!a->key_mask || a->key_mask[b * a->Tk + j]);
        s[j] = seen ? d : -INFINITY;
        if (s[j] > top) top = s[j];
    }
    for (long j = 0; j < a->Tk; j++) sum += s[j] = top == -INFINITY ? 0 : exp(s[j] - top);
    for (long j = 0; j < a->Tk && a->dropout > 0; j++) {
        double u = rng_uniform((Rng){.seed = a->seed, .stream = a->stream}, (uint64_t)(((b * a->H + h) * a->Tq + i) * a->Tk + j));
        s[j] = u < (double)a->dropout ? 0 : s[j] / (1 - (double)a->dropout);
    }
    for (long c = 0; c < D; c++) {
        double o = 0;
        for (long j = 0; j < a->Tk; j++) o += s[j] * (double)a->v[((b * a->Tk + j) * a->G + g) * D + c];
        out[((b * a->Tq + i) * a->H + h) * D + c] = sum > 0 ? (float)(o / sum) : 0;
    }
}

// Keys that nobody sees may hold anything: the room behind a cache's texts, padding. Here they are not numbers.
static void hide_nothing_usable(const Attention *a) {
    for (long b = 0; b < a->B; b++)
        for (long j = 0; j < a->Tk; j++)
            if ((a->key_lengths && j >= a->key_lengths[b]) || (a->key_mask && !a->key_mask[b * a->Tk + j]))
                for (long c = 0; c < a->G * a->D; c++) ((float *)a->k)[(b * a->Tk + j) * a->G * a->D + c] = ((float *)a->v)[(b * a->Tk + j) * a->G * a->D + c] = NAN;
}

// Keys and values that are kept in bf16 are those values in f32, bit for bit.
static void kept_in_bf16(Arena *a, const Attention *f32_kept, size_t nq, size_t nk) {
    Attention t = *f32_kept;
    size_t weights = (size_t)(t.B * t.H * t.Tq * t.Tk);
    float *wide[2] = {take(a, float, nk), take(a, float, nk)}, *out[2] = {take(a, float, nq), take(a, float, nq)}, *w[2] = {take(a, float, weights), take(a, float, weights)};
    uint16_t *half[2] = {take(a, uint16_t, nk), take(a, uint16_t, nk)};
    for (int i = 0; i < 2; i++) {
        convert_f32_bf16(half[i], i ? t.v : t.k, nk);
        convert_bf16_f32(wide[i], half[i], nk);
    }
    t.k = wide[0], t.v = wide[1], t.out = out[0], t.weights = w[0];
    attention_rows(&t);
    t.k = t.v = NULL, t.k16 = half[0], t.v16 = half[1], t.out = out[1], t.weights = w[1];
    attention_rows(&t);
    check_same("keys and values kept in bf16", out[1], out[0], nq * sizeof(float));
    check_same("their weights", w[1], w[0], weights * sizeof(float));
}

// With operands of bf16: the double's values on the rounded inputs but for the weights' rounding (2^-9 of each, by norm less); keys
// and values kept in bf16 are the same bits, on five threads too. finite: whole's keys and values before what is hidden was NaN.
static void in_bf16(Arena *a, const Attention *whole, float *const finite[2], const char *name, size_t nq, size_t nk) {
    Attention t = *whole;
    float *wide[3], *want = take(a, float, nq), *got[3];
    uint16_t *half[3];
    for (int i = 0; i < 3; i++) {
        size_t n = i ? nk : nq;
        wide[i] = take(a, float, n), half[i] = take(a, uint16_t, n), got[i] = take(a, float, nq);
        convert_f32_bf16(half[i], i == 0 ? t.q : i == 1 ? t.k : t.v, n);
        convert_bf16_f32(wide[i], half[i], n);
    }
    t.weights = NULL, t.dropout = 0, t.bf16 = true;
    for (int i = 0; i < 2; i++)
        for (size_t n = 0; n < nk; n++) finite[i][n] = bf16_round(finite[i][n]);
    t.q = wide[0], t.k = finite[0], t.v = finite[1];
    for (long b = 0; b < t.B; b++)
        for (long h = 0; h < t.H; h++)
            for (long i = 0; i < t.Tq; i++) plain_attention(want, &t, b, h, i);
    t.k = wide[1], t.v = wide[2];
    for (int kept = 0; kept < 3; kept++) {
        t.out = got[kept];
        if (kept == 1) t.k = t.v = NULL, t.k16 = half[1], t.v16 = half[2];
        if (kept == 2) threads_set(5);
        attention_rows(&t);
    }
    threads_set(1);
    char line[96];
    snprintf(line, sizeof line, "%s in bf16", name);
    check_near(line, got[0], want, nq, 4e-3);
    check_same("keys and values kept in bf16", got[1], got[0], nq * sizeof(float));
    check_same("on five threads", got[2], got[0], nq * sizeof(float));
}

static void test_attention(Arena *a) {
    static const long shapes[][6] = {{1, 1, 1, 1, 1, 1},     {2, 5, 5, 4, 2, 8},    {1, 17, 33, 3, 3, 16}, {2, 31, 31, 6, 1, 20},  {1, 1, 200, 4, 4, 64},
                                     {1, 300, 300, 2, 1, 33}, {2, 2, 97, 8, 2, 72}, {1, 3, 50, 2, 2, 257}, {2, 40, 130, 2, 1, 80}, {2, 8, 70, 1, 1, 12},
                                     {1, 45, 61, 2, 2, 96},  {1, 33, 65, 4, 2, 128}, {2, 65, 65, 2, 2, 64},  {1, 71, 90, 1, 1, 40}, // one query, and seven, behind whole blocks
                                     {1, 90, 20, 2, 2, 16}}; // causal: blocks that see nothing
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int mode = 0; mode < 9; mode++) {
            Mark mark = arena_mark(a);
            const long *d = shapes[s];
            Attention t = {.B = d[0], .Tq = d[1], .Tk = d[2], .H = d[3], .G = d[4], .D = d[5], .scale = 1 / sqrtf((float)d[5])};
            size_t nq = (size_t)(d[0] * d[1] * d[3] * d[5]), nk = (size_t)(d[0] * d[2] * d[4] * d[5]);
            t.q = random_floats(a, nq, "q"), t.k = random_floats(a, nk, "k"), t.v = random_floats(a, nk, "v");
            float *finite[2] = {take(a, float, nk), take(a, float, nk)};
            memcpy(finite[0], t.k, nk * sizeof(float)), memcpy(finite[1], t.v, nk * sizeof(float));
            int32_t lengths[2] = {(int32_t)(d[2] > 3 ? d[2] - 2 : d[2]), (int32_t)d[2]};
            uint8_t *keys = take(a, uint8_t, (size_t)(d[0] * d[2]));
            for (long i = 0; i < d[0] * d[2]; i++) keys[i] = i % 3 != 1;
            t.causal = mode == 1 || mode == 2 || mode == 6;
            if (mode == 2 || mode == 7) t.window = 24;
            if (mode == 3 || mode == 6 || mode == 7) t.key_lengths = lengths;
            if (mode == 4) t.key_mask = keys, t.softcap = 2;
            if (mode == 5) t.mask = random_floats(a, (size_t)(d[1] * d[2]), "mask");
            if (mode == 8) t.dropout = 0.3f, t.seed = 3, t.stream = 8;
            float *want = take(a, float, nq), *got = take(a, float, nq);
            for (size_t i = 0; i < nq; i++) got[i] = NAN;
            for (long b = 0; b < d[0]; b++)
                for (long h = 0; h < d[3]; h++)
                    for (long i = 0; i < d[1]; i++) plain_attention(want, &t, b, h, i);
            for (long b = 0; b < d[0] && t.key_lengths; b++) { // a cache holds nothing yet behind a text's end
                size_t from = (size_t)((b * d[2] + lengths[b]) * d[4] * d[5]), to = (size_t)((b + 1) * d[2] * d[4] * d[5]);
                for (size_t i = from; i < to; i++) ((float *)t.k)[i] = ((float *)t.v)[i] = NAN;
            }
            t.out = got;
            t.weights = take(a, float, (size_t)(d[0] * d[3] * d[1] * d[2]));
            hide_nothing_usable(&t);
            attention_rows(&t);
            char name[80];
            snprintf(name, sizeof name, "attention mode %d %ldx%ldx%ld H%ld/%ld D%ld", mode, d[0], d[1], d[2], d[3], d[4], d[5]);
            check_near(name, got, want, nq, 3e-6); // float sums of up to 300 terms
            kept_in_bf16(a, &t, nq, nk);
            in_bf16(a, &t, finite, name, nq, nk);
            arena_release(a, mark);
        }
}

// A query's result is its own: alone, with the keys up to its own, it has the bits that it has among all others.
static void test_query_alone(Arena *a, bool bf16) {
    enum { T = 700, H = 1, D = 8, WINDOW = 37 }; // more queries than share their packed keys
    size_t n = T * H * D;
    Attention t = {.B = 1, .Tq = T, .Tk = T, .H = H, .G = H, .D = D, .scale = 0.25f, .causal = true, .window = WINDOW, .bf16 = bf16,
                   .q = random_floats(a, n, "q"), .k = random_floats(a, n, "k"), .v = random_floats(a, n, "v")};
    float *all = take(a, float, n), *alone = take(a, float, n);
    t.out = all;
    attention_rows(&t);
    const float *q = t.q;
    for (long i = 0; i < T; i++) {
        t.Tq = 1, t.Tk = i + 1, t.q = q + i * H * D, t.out = alone + i * H * D;
        attention_rows(&t);
    }
    check_same(bf16 ? "queries of a window in bf16, alone and together" : "queries of a window, alone and together", alone, all, n * sizeof *all);
}

// A text that is read in parts, few tokens or many at a time, has the bits of one that is read at once; so has a text beside another.
static void test_parts(Arena *a, long D, long window, bool bf16) {
    enum { T = 150, H = 4, G = 2, B = 2 };
    static const long parts[] = {33, 1, 4, 2, 5, 40, 1, 64}; // up to 4 tokens are few: two heads share keys
    size_t n = (size_t)(T * H * D), kept = (size_t)(T * G * D);
    float *q = random_floats(a, B * n, "q"), *k = random_floats(a, B * kept, "k"), *all = take(a, float, B * n), *read = take(a, float, n);
    uint16_t *k16 = take(a, uint16_t, B * kept), *v16 = take(a, uint16_t, B * kept);
    convert_f32_bf16(k16, k, B * kept);
    convert_f32_bf16(v16, random_floats(a, B * kept, "v"), B * kept);
    Attention t = {.B = B, .Tq = T, .Tk = T, .H = H, .G = G, .D = D, .scale = 1 / sqrtf((float)D), .causal = true, .window = window, .bf16 = bf16, .q = q, .k16 = k16, .v16 = v16, .out = all};
    attention_rows(&t);
    t.B = 1, t.k16 = k16 + kept, t.v16 = v16 + kept;
    for (long i = 0, p = 0; i < T; i += parts[p++]) {
        t.Tq = parts[p], t.Tk = i + parts[p], t.q = q + n + (size_t)(i * H * D), t.out = read + (size_t)(i * H * D);
        attention_rows(&t);
    }
    char name[80];
    snprintf(name, sizeof name, "a text in parts and at once, D %ld, window %ld%s", D, window, bf16 ? ", bf16" : "");
    check_same(name, read, all + n, n * sizeof *all);
}

static void test_rows(Arena *a) {
    static const long widths[] = {1, 15, 16, 17, 31, 33, 127, 1023, 1024};
    for (size_t s = 0; s < sizeof widths / sizeof *widths; s++) {
        Mark mark = arena_mark(a);
        long C = widths[s], R = 37;
        float *x = random_floats(a, (size_t)(R * C), "x"), *w = random_floats(a, (size_t)C, "w"), *b = random_floats(a, (size_t)C, "b");
        float *got = take(a, float, (size_t)(R * C)), *want = take(a, float, (size_t)(R * C));
        for (long i = 0; i < R * C; i++) x[i] = x[i] * 3 + 5;
        char name[64];
        for (int kind = 0; kind < 5; kind++) {
            for (long i = 0; i < R * C; i++) got[i] = NAN;
            for (long r = 0; r < R; r++) {
                double mean = 0, var = 0, sq = 0, top = -INFINITY, sum = 0;
                for (long i = 0; i < C; i++) mean += (double)x[r * C + i], sq += (double)x[r * C + i] * (double)x[r * C + i], top = fmax(top, (double)x[r * C + i]);
                mean /= (double)C;
                for (long i = 0; i < C; i++) var += ((double)x[r * C + i] - mean) * ((double)x[r * C + i] - mean), sum += exp((double)x[r * C + i] - top);
                for (long i = 0; i < C; i++) {
                    double v = (double)x[r * C + i], y = 0;
                    if (kind == 0) y = (v - mean) / sqrt(var / (double)C + 1e-5) * (double)w[i] + (double)b[i];
                    if (kind == 1) y = v / sqrt(sq / (double)C + 1e-6) * (double)w[i];
                    if (kind == 2) y = v / sqrt(sq / (double)C + 1e-6) * (1 + (double)w[i]);
                    if (kind == 3) y = v / sqrt(sq);
                    if (kind == 4) y = exp(v - top) / sum;
                    want[r * C + i] = (float)y;
                }
            }
            if (kind == 0) layernorm_rows(got, x, w, b, R, C, 1e-5f);
            if (kind == 1) rmsnorm_rows(got, x, w, R, C, 1e-6f, false);
            if (kind == 2) rmsnorm_rows(got, x, w, R, C, 1e-6f, true);
            if (kind == 3) l2norm_rows(got, x, R, C, 1e-12f);
            if (kind == 4) softmax_rows(got, x, R, C);
            snprintf(name, sizeof name, "%s C=%ld", (const char *[]){"layernorm", "rmsnorm", "rmsnorm +1", "l2norm", "softmax"}[kind], C);
            if (kind == 0 && C == 1) continue; // the row is its own mean: only the bias is left
            check_near(name, got, want, (size_t)(R * C), 2e-6);
        }
        arena_release(a, mark);
    }
}

#if defined(__x86_64__)
// Softmax down the rows of scores that end among the tiny ones, and of hidden keys: column by column the bits of another level's, and of sums
// in sixteen parts and a division for each.
static void test_soften(Arena *a, const char *name, const KernelTable *v, const KernelTable *z) {
    const long keys = 300, n = (long)v->tiles.NR * z->tiles.NR; // columns: whole vectors of both
    float *x = random_floats(a, (size_t)(keys * n), "scores"), *got[2], top[64];
    for (long i = 0; i < keys * n; i++) x[i] = i % 11 == 3 ? -INFINITY : -fabsf(x[i]) * (float)(i % n % 40);
    for (int t = 0; t < 2; t++) {
        const KernelTable *k = t ? z : v;
        float *s = take(a, float, (size_t)(keys * k->tiles.NR));
        got[t] = take(a, float, (size_t)(keys * n));
        for (long c = 0; c < n; c += k->tiles.NR) {
            for (int r = 0; r < k->tiles.NR; r++) top[r] = 0;
            for (long j = 0; j < keys; j++) memcpy(s + j * k->tiles.NR, x + j * n + c, (size_t)k->tiles.NR * sizeof *s);
            k->soften(s, keys, top);
            for (long j = 0; j < keys; j++) memcpy(got[t] + j * n + c, s + j * k->tiles.NR, (size_t)k->tiles.NR * sizeof *s);
        }
    }
    check_same(name, got[0], got[1], (size_t)(keys * n) * 4);
}
#endif

// A digest of everything above's outputs is not needed: each result was compared with an order that is fixed; here the
// tables of all levels are compared with each other.
static void test_levels(Arena *a) {
#if defined(__x86_64__)
    const KernelTable *levels[] = {&kernels_avx2, &kernels_avx512};
    for (int l = 0; l < 2; l++) {
        if ((int)cpu_level() < l + 1) {
            printf("SKIP level %s: this machine lacks it\n", l ? "avx512" : "avx2");
            continue;
        }
        test_soften(a, l ? "avx512 soften" : "avx2 soften", levels[l], &kernels_scalar);
        static const long widths[] = {1, 14, 27, 32, 40, 53, 66, 79, 96, 105, 118, 131, 139};
        for (size_t wide = 0; wide < sizeof widths / sizeof *widths; wide++) {
            enum { R = 7 }; // whole groups of rows and single ones
            const long C = widths[wide];
            float *x = random_floats(a, (size_t)(R * C), "x"), *w = random_floats(a, (size_t)C, "w"), *b = random_floats(a, (size_t)C, "b");
            _Alignas(64) float p[140 * R], q[140 * R];
            char name[64];
#define BOTH_OF(n, what, call_p, call_q)                                                           \
    call_p;                                                                                        \
    call_q;                                                                                        \
    snprintf(name, sizeof name, "%s %s C=%ld", cpu_level_name((CpuLevel)(l + 1)), what, C);        \
    check_same(name, p, q, (size_t)(n) * 4)
#define BOTH(what, call_p, call_q) BOTH_OF(C, what, call_p, call_q)
            const KernelTable *v = levels[l], *z = &kernels_scalar;
            BOTH_OF(R * C, "layernorm", v->layernorm(p, x, w, b, R, C, 1e-5f, false), z->layernorm(q, x, w, b, R, C, 1e-5f, false));
            BOTH_OF(R * C, "layernorm without weights", v->layernorm(p, x, NULL, NULL, R, C, 1e-5f, false), z->layernorm(q, x, NULL, NULL, R, C, 1e-5f, false));
            for (int i = 0; i < R * C; i++) p[i] = NAN;
            BOTH_OF(R * C, "layernorm past the caches", v->layernorm(p, x, w, b, R, C, 1e-5f, true), z->layernorm(q, x, w, b, R, C, 1e-5f, false));
            BOTH_OF(R * C, "rmsnorm", v->rmsnorm(p, x, w, R, C, 1e-5f, false, false), z->rmsnorm(q, x, w, R, C, 1e-5f, false, false));
            for (int i = 0; i < R * C; i++) p[i] = NAN;
            BOTH_OF(R * C, "rmsnorm past the caches", v->rmsnorm(p, x, w, R, C, 1e-5f, false, true), z->rmsnorm(q, x, w, R, C, 1e-5f, false, false));
            BOTH_OF(R * C, "rmsnorm, zero-centred", v->rmsnorm(p, x, w, R, C, 1e-5f, true, false), z->rmsnorm(q, x, w, R, C, 1e-5f, true, false));
            float moments[4][140 * R];
            for (int k = 0; k < 4; k++)
                for (long i = 0; i < R * C; i++) moments[k][i] = fabsf(x[i]) * (float)(k % 2 + 1);
            memcpy(p, x, sizeof(float) * (size_t)(R * C)), memcpy(q, x, sizeof(float) * (size_t)(R * C));
            AdamStep step = {.w = p, .m = moments[0], .v = moments[1], .g = x, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f, .keep = 0.999f, .rate = 0.01f, .root2 = 0.3f, .shrink = 0.7f}, same = step;
            same.w = q, same.m = moments[2], same.v = moments[3];
            BOTH_OF(R * C, "AdamW", v->adam(&step, 1, R * C), z->adam(&same, 1, R * C));
            check_same("AdamW's first moments", moments[0], moments[2], (size_t)(R * C) * 4);
            check_same("AdamW's second moments", moments[1], moments[3], (size_t)(R * C) * 4);
            BOTH("softmax", v->softmax(p, x, C), z->softmax(q, x, C));
            BOTH("l2norm", v->l2norm(p, x, C, 1e-12f), z->l2norm(q, x, C, 1e-12f));
            BOTH("exp", v->exp(p, x, C), z->exp(q, x, C));
            for (int act = ACT_GELU; act <= ACT_SIGMOID; act++) {
                BOTH("activation", v->activate(p, x, C, (Act)act, false), z->activate(q, x, C, (Act)act, false));
                for (int i = 0; i < R * C; i++) p[i] = NAN;
                BOTH_OF(R * C, "activation past the caches", v->activate(p, x, R * C, (Act)act, true), z->activate(q, x, R * C, (Act)act, false));
            }
        }
    }
#else
    (void)a;
#endif
}

static void test_threads(Arena *a) {
    long M = 150, N = 70, K = 90;
    float *A = random_floats(a, (size_t)(M * K), "A"), *B = random_floats(a, (size_t)(N * K), "B"), *one = take(a, float, (size_t)(M * N)), *many = take(a, float, (size_t)(M * N));
    Gemm g = {.kind = GEMM_NT, .M = M, .N = N, .K = K, .A = A, .lda = K, .B = B, .B_type = DTYPE_F32, .ldb = K, .C = one, .ldc = N};
    threads_set(1);
    gemm(&g);
    g.C = many;
    threads_set(5);
    gemm(&g);
    check_same("product, 1 and 5 threads", one, many, (size_t)(M * N) * 4);
    g.M = 1; // a row alone is the same bits as in a batch
    g.A = A + 100 * K;
    gemm(&g);
    check_same("a row alone and in a batch", many, one + 100 * N, (size_t)N * 4);
    threads_set(threads_available());
}

// So many rows that A is packed in several parts: the last ones are the same bits alone.
static void test_many_rows(Arena *a) {
    long M = 610, N = 130, K = 14000, most = 100;
    float *A = random_floats(a, (size_t)(M * K), "A"), *B = random_floats(a, (size_t)(N * K), "B"), *whole = take(a, float, (size_t)(M * N)), *part = take(a, float, (size_t)(most * N));
    for (int kind = 0; kind < 3; kind++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            Gemm g = {.kind = (GemmKind)kind, .M = M, .N = N, .K = K, .A = A, .lda = kind == GEMM_TN ? M : K, .B = B, .B_type = DTYPE_F32, .ldb = kind == GEMM_NT ? K : N,
                      .C = whole, .ldc = N, .compute = bf16 ? COMPUTE_BF16 : COMPUTE_F32};
            gemm(&g);
            for (long some = 20; some <= most; some += 80) { // few, and some
                g.M = some, g.A = A + (M - some) * (kind == GEMM_TN ? 1 : K), g.C = part;
                gemm(&g);
                check_same(bf16 ? "the last rows of many, bf16" : "the last rows of many", part, whole + (M - some) * N, (size_t)(some * N) * 4);
            }
        }
}

// Every place of a vector, its last part too; infinities, NaN, numbers without an exponent, ties both ways.
static void test_round(void) {
    enum { N = 16 * 64 + 5 };
    static const uint32_t some[] = {0, 0x80000000, 1, 0x007fffff, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffffffff, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f817fff};
    float x[N], want[N];
    for (size_t i = 0; i < N; i++) {
        uint32_t u = i < 64 ? some[i % (sizeof some / sizeof *some)] : rng_u32(rng_of(7, "round"), i);
        memcpy(&x[i], &u, 4);
        want[i] = bf16_round(x[i]);
    }
    kernels()->round(x, N);
    check_same("rounded to bf16", x, want, sizeof x);
}

int main(void) {
    Arena *a = arena_new("test");
    test_functions(a);
    test_rows(a);
    test_gemm(a);
    test_round();
    test_attention(a);
    test_query_alone(a, false);
    test_query_alone(a, true);
    static const long heads[] = {20, 64, 72, 80, 96, 128, 256};
    for (int i = 0; i < 7; i++) test_parts(a, heads[i], i % 2 ? 0 : 21, i == 3), test_parts(a, heads[i], i % 2 ? 50 : 0, true);
    test_levels(a);
    test_threads(a);
    test_many_rows(a);
    arena_free(a);
    return check_end();
}
