// gemm_amx_weight.h: the weight's side of gemm_amx.c: lines of its tiles, and what is done to those that come next between tile products.

#define BLOCK_STEPS 8 // of a block of the weight

typedef struct { // of a range of x's rows, by all threads
    _Alignas(64) atomic_long parts, packed, tasks;
} Taken;

typedef struct {
    const Gemm *g;
    int of_x, of_w;   // bf16s of a number of x, of the weight: 1, or 2 where it is split
    long steps;       // of K
    long l2;          // bytes
    const float *panels; // the whole weight's tiles, or NULL: 32 rows, in them the steps
    long ranges, range; // of x's rows: each is packed and multiplied by a thread of its own as long as there is another
    Taken *taken;       // of each range
    long mc, nc;      // rows of x and columns of C of a task
    bool direct;      // few rows
    bool narrow;      // x stays in L2: all of k for 32 columns, then the next ones; else a block of k for nc columns
    float *x;         // packed: panels of 32 rows, each in steps of one or two tiles, of split numbers first their nearest, then their rests
    float *room;      // each thread's two blocks of the weight, then its sums
    size_t room_each; // floats
} Product;

typedef struct { // tiles of 32 rows of it: each step's two, behind them those of the rests
    const char *at;
    size_t row, second, step; // bytes to the next row, the second tile, the next step
} Weight;

// Steps of k of 32 rows, from row n on.
typedef struct {
    long n, first, steps;
} Block;

// What is done to the block that comes next, a few lines between two tile products.
typedef enum {
    COPY,   // of 32 rows in turn a line of each, then the next line
    MAKE,   // the same of lines that are rounded, split in two or filled up with zeros
    LINES   // of panels, asked for in order
} NextKind;

typedef struct {
    NextKind kind;
    const char *at; // of the first row
    size_t row;     // bytes to the next
    int r, each;    // row; lines of a step
    long left;
    float *out;             // COPY, MAKE
    ptrdiff_t after;        // COPY, MAKE: bytes to the same line of the block after that, which is asked for; 0: there is none
    Dtype type;             // MAKE: of the weight
    int of_w;               // MAKE: as a Product's
    long rows, values;      // MAKE: that there are, from here on
} Next;

static long block_words(const Product *p) { return p->of_w * BLOCK_STEPS * 2 * TILE; }

static size_t row_bytes(const Gemm *g) { return (size_t)g->ldb * dtype_size(g->B_type); }

static const char *weight_at(const Gemm *g, long n, long step) { return (const char *)g->B + (size_t)n * row_bytes(g) + (size_t)(step * STEP) * dtype_size(g->B_type); }

INLINE void copy_lines(Next *next) {
    Next b = *next;
    for (int i = 0; i < b.each && b.left > 0; i++, b.left--) {
        const char *line = b.at + (size_t)b.r * b.row;
        store(b.out, load((const float *)line)), b.out += LANES;
        if (b.after) __builtin_prefetch(line + b.after, 0, 2); // into L2
        if (++b.r == SIDE) b.r = 0, b.at += 64;
    }
    *next = b;
}

INLINE V made(const char *line, Dtype type, long values, int of_w, V *rest) {
    return of_w == 2 ? split_words_of(line, type, 0, values, rest) : words_of(line, type, 0, values);
}

// The lines of some rows, all of whose values exist.
INLINE void make_whole(const char *line, size_t row, long rows, int of_w, float *out, ptrdiff_t after) {
    for (; rows > 0; rows--, line += row, out += LANES) {
        V rest, near = made(line, DTYPE_F32, STEP, of_w, &rest);
        store(out, near);
        if (of_w == 2) store(out + 2 * TILE, rest);
        __builtin_prefetch(line + after, 0, 2);
        __builtin_prefetch(line + after + 64, 0, 2);
    }
}

static void make_other(Next *b, long count) {
    for (long i = 0; i < count; i++, b->out += LANES) {
        const char *line = b->at + (size_t)(b->r + i) * b->row;
        V near = all(0), rest = all(0);
        if (b->r + i < b->rows && b->values > 0) near = made(line, b->type, b->values, b->of_w, &rest), __builtin_prefetch(line + b->after, 0, 2);
        store(b->out, near);
        if (b->of_w == 2) store(b->out + 2 * TILE, rest);
    }
}

INLINE void make_lines(Next *b) {
    for (long left = smaller(b->each, b->left), count; left > 0; left -= count) {
        count = smaller(left, SIDE - b->r);
        const char *line = b->at + (size_t)b->r * b->row;
        if (b->type != DTYPE_F32 || b->r + count > b->rows || b->values < STEP) make_other(b, count);
        else if (b->of_w == 2) make_whole(line, b->row, count, 2, b->out, b->after), b->out += count * LANES;
        else make_whole(line, b->row, count, 1, b->out, b->after), b->out += count * LANES;
        b->left -= count, b->r += (int)count;
        if (b->r == SIDE) b->r = 0, b->at += STEP * (long)(b->type == DTYPE_F32 ? 4 : 2), b->values -= STEP, b->out += (b->of_w - 1) * 2 * TILE;
    }
}

INLINE void ask_for_lines(Next *b) {
    for (int i = 0; i < b->each && b->left > 0; i++, b->left--, b->at += 64) __builtin_prefetch(b->at, 0, 2);
}

INLINE void go_on(Next *next) {
    if (next->kind == COPY) copy_lines(next);
    else if (next->kind == LINES) ask_for_lines(next);
    else make_lines(next);
}

static Weight packed(const Product *p, const float *block) { return (Weight){.at = (const char *)block, .row = 64, .second = 4 * TILE, .step = (size_t)p->of_w * 8 * TILE}; }

static bool as_it_lies(const Product *p, Block b) {
    const Gemm *g = p->g;
    return p->of_w == 1 && g->B_type == DTYPE_BF16 && b.n + SIDE <= g->N && (b.first + b.steps) * STEP <= g->K;
}

static Weight direct(const Gemm *g, long n0) {
    return (Weight){.at = weight_at(g, n0, 0), .row = row_bytes(g), .second = 16 * row_bytes(g), .step = 64};
}

static void make_of(const Product *p, Block b, Next *next) {
    next->kind = MAKE, next->type = p->g->B_type, next->of_w = p->of_w, next->rows = p->g->N - b.n, next->values = p->g->K - b.first * STEP;
    next->at = weight_at(p->g, b.n, b.first), next->row = row_bytes(p->g);
}

static const float *panel_at(const Product *p, long n, long step) { return p->panels + (n / SIDE * p->steps + step) * p->of_w * 2 * TILE; }

