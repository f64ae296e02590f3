// attention_few.h: of attention.c: few queries with keys and values as they lie, each read once.

// Scales, caps and masks the scores of one query; s[j] is key from + j. No key is masked where queries are few.
static void finish_row(const Job *job, float *s, const Query *q, long from, long keys) {
    const Attention *a = job->a;
    for (long j = 0; j < keys; j++) s[j] *= scale_now(job);
    if (a->softcap > 0) job->k->softcap(s, s, keys, a->softcap);
    if (a->mask)
        for (long j = 0; j < keys; j++) s[j] += a->mask[q->token * a->Tk + from + j];
    for (long j = 0; j < smaller(q->from - from, keys); j++) s[j] = -INFINITY;
    for (long j = larger(q->to - from, 0); j < keys; j++) s[j] = -INFINITY;
}

// M queries of a group of a text, from r0 on, with the keys [from, from + keys) that they see among them, and where these lie.
typedef struct {
    long b, g, r0, M, from, keys;
    Query q[THIN_ROWS];
    const void *K, *V;
    Dtype type;
    float *S, *X, *rows; // (M, keys + FILL), (THIN_ROWS, D filled up) at most: packed, (M, D filled up)
} Few;

#define FILL 32 // what words are filled up to

static long few_width(const Job *job) { return pad(job->a->Tk + SUMS + FILL, 16); } // what lies behind is aligned

static Few few_room(const Job *job, long M) {
    long wide = pad(job->a->D, FILL);
    Few f = {.M = M, .S = thread_room((size_t)(M * few_width(job) + (THIN_ROWS + M) * wide + FILL))};
    f.X = f.S + M * few_width(job), f.rows = f.X + THIN_ROWS * wide + FILL;
    return f;
}

// Queries from r0 on.
static void few_begin(const Job *job, Few *f, long b, long g, long r0) {
    const Attention *a = job->a;
    long D = a->D, from = a->Tk, to = 0;
    f->b = b, f->g = g, f->r0 = r0, f->type = a->k16 ? DTYPE_BF16 : DTYPE_F32;
    for (long r = 0; r < f->M; r++) {
        Query *q = &f->q[r];
        *q = query_of(job, b, g, r0 + r);
        if (q->from < q->to) from = smaller(from, q->from), to = larger(to, q->to);
        memcpy(f->rows + r * D, a->q + q->row, (size_t)D * sizeof(float));
    }
    long step = job->bf16 ? larger(SUMS, job->bf16->step) : SUMS;
    f->from = from < to ? from / step * step : to; // softmax counts its sixteen sums from here
    f->keys = to - f->from;
    long at = ((b * a->Tk + f->from) * a->G + g) * D;
    f->K = a->k16 ? (const void *)(a->k16 + at) : a->k + at;
    f->V = a->v16 ? (const void *)(a->v16 + at) : a->v + at;
}

static void few_f32(const Job *job, const Few *f) {
    const Attention *a = job->a;
    const KernelTable *k = job->k;
    long M = f->M, D = a->D, ld = a->G * D, keys = f->keys;
    k->turn(f->X, M, f->rows, D, M, D);
    k->tiles.thin((int)M, f->S, keys, f->X, f->K, f->type, ld, keys, D, false, true);
    for (long r = 0; r < M; r++) {
        float *s = f->S + r * keys;
        finish_row(job, s, &f->q[r], f->from, keys);
        k->softmax(s, s, keys);
        if (a->weights) {
            float *row = a->weights + weights_at(job, f->b, f->g, f->r0 + r);
            memset(row, 0, (size_t)a->Tk * sizeof(float));
            memcpy(row + f->from, s, (size_t)keys * sizeof(float));
        }
        if (a->dropout > 0) attention_drop(a, s, weights_at(job, f->b, f->g, f->r0 + r) + (size_t)f->from, (size_t)keys);
    }
    k->mix(f->rows, D, f->S, keys, f->V, f->type, ld, M, keys, D);
    for (long r = 0; r < M; r++) memcpy(a->out + f->q[r].row, f->rows + r * D, (size_t)D * sizeof(float));
}

static void few_bf16(const Job *job, const Few *f) {
    const Attention *a = job->a;
    long M = f->M, D = a->D, ld = a->G * D, wide = pad(D, FILL), keys = f->keys, width = few_width(job);
    float over[THIN_ROWS];
    job->bf16->pack_queries(f->X, f->rows, M, D);
    job->bf16->few_scores((int)M, f->S, width, f->X, f->K, f->type, ld, keys, D);
    for (long r = 0; r < M; r++) {
        finish_row(job, f->S + r * width, &f->q[r], f->from, keys);
        over[r] = job->bf16->few_soften(f->S + r * width, keys, scale_later(job));
    }
    job->bf16->few_mix((int)M, f->rows, wide, f->S, width, over, f->V, f->type, ld, keys, D);
    for (long r = 0; r < M; r++) memcpy(a->out + f->q[r].row, f->rows + r * wide, (size_t)D * sizeof(float));
}

static void few(const Job *job, Few *f, long b, long g, long r0) {
    few_begin(job, f, b, g, r0);
    (job->bf16 ? few_bf16 : few_f32)(job, f);
}

static void few_job(void *arg, size_t begin, size_t end) { // all queries of a group
    const Job *job = arg;
    Few f = few_room(job, job->a->Tq * job->share);
    tiles_begin(job);
    for (size_t t = begin; t < end; t++) few(job, &f, (long)t / job->a->G, (long)t % job->a->G, 0);
    tiles_end(job);
}
