// gemm_amx_weight.h: the weight's side of gemm_amx.c: lines of its tiles, and what is done to those that come next between tile products.

#define BLOCK_STEPS 8 // of a block of the weight

typedef struct {
    const Gemm *g;
    int of_x, of_w;   // bf16s of a number of x, of the weight: 1, or 2 where it is split
    long steps;       // of K
    const float *panels; // the whole weight's tiles, or NULL: 32 rows, in them the steps
    long mc, nc;      // rows of x and columns of C of a task
    bool direct;      // few rows
    bool narrow;      // x stays in L2: all of k for 32 columns, then the next ones; else 256 of k for nc columns
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

static void make_lines(Next *next) {
    Next b = *next;
    const long bytes = STEP * (b.type == DTYPE_F32 ? 4 : 2);
    for (int i = 0; i < b.each && b.left > 0; i++, b.left--) {
        const char *line = b.at + (size_t)b.r * b.row;
        V near = all(0), rest = all(0);
        if (b.type == DTYPE_F32 && b.r < b.rows && b.values >= STEP) near = made(line, DTYPE_F32, STEP, b.of_w, &rest); // nearly all of them
        else if (b.r < b.rows) near = made(line, b.type, b.values, b.of_w, &rest);
        if (b.after && b.r < b.rows) __builtin_prefetch(line + b.after, 0, 2), __builtin_prefetch(line + b.after + bytes - 64, 0, 2);
        store(b.out, near);
        if (b.of_w == 2) store(b.out + 2 * TILE, rest);
        b.out += LANES;
        if (++b.r == SIDE) b.r = 0, b.at += bytes, b.values -= STEP, b.out += (b.of_w - 1) * 2 * TILE;
    }
    *next = b;
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

