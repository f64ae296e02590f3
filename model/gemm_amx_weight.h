// gemm_amx_weight.h: the weight's side of gemm_amx.c: lines of its tiles, and what is done to those that come next between tile products.

#define BLOCK_STEPS 16   // of a block of the weight
#define BLOCK (BLOCK_STEPS * 2 * TILE) // words of one
#define PIECE 512         // bytes of a row that are asked for at a time

typedef struct {
    const Gemm *g;
    int parts;        // of a step of k: 1, or 2 and 3 where numbers are split
    long steps;       // of K, times parts
    const float *panels; // the whole weight's tiles, or NULL: 32 rows, in them the steps
    long mc, nc;      // rows of x and columns of C of a task
    bool direct;      // few rows
    bool narrow;      // x stays in L2: all of k for 32 columns, then the next ones; else 512 of k for nc columns
    float *x;         // packed: panels of 32 rows, each in steps of one or two tiles
    float *room;      // each thread's two blocks of the weight, then its sums
    size_t room_each; // floats
} Product;

typedef struct { // tiles of 32 rows of it: each step's two
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
    MAKE,   // the same of lines that are rounded, split or filled up with zeros
    PIECES, // of 32 rows in turn a piece of each is asked for
    LINES   // of panels, asked for in order
} NextKind;

typedef struct {
    NextKind kind;
    const char *at; // of the first row
    size_t row;     // bytes to the next
    int r, each;    // row; lines or pieces of a step
    long left;
    float *out;             // COPY, MAKE
    ptrdiff_t after;        // COPY, MAKE: bytes to the same line of the block after that, which is asked for; 0: there is none
    const char *end, *then; // PIECES: where the rows end, and the next 32 begin
    const Product *of;      // MAKE
    Block block;            // MAKE: what is left of it
} Next;

static size_t row_bytes(const Gemm *g) { return (size_t)g->ldb * dtype_size(g->B_type); }

static const char *weight_at(const Gemm *g, long n, long step) { return (const char *)g->B + (size_t)n * row_bytes(g) + (size_t)(step * STEP) * dtype_size(g->B_type); }

// A line of a tile: row n in a step; zeros where there is none. `after` bytes behind, what will be wanted.
static V line_of(const Product *p, long n, long step, ptrdiff_t after) {
    const Gemm *g = p->g;
    long k = step / p->parts * STEP;
    const char *row = (const char *)g->B + (size_t)n * row_bytes(g), *soon = row + (size_t)k * dtype_size(g->B_type) + after;
    if (n >= g->N) return all(0);
    if (after) __builtin_prefetch(soon, 0, 2), __builtin_prefetch(soon + STEP * dtype_size(g->B_type) - 64, 0, 2);
    return step % p->parts == 2 ? rest_words_of(row, g->B_type, k, g->K - k) : words_of(row, g->B_type, k, g->K - k);
}

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

static void make_lines(Next *b) {
    for (int i = 0; i < b->each && b->left > 0; i++, b->left--) {
        store(b->out, line_of(b->of, b->block.n + b->r, b->block.first, b->after)), b->out += LANES;
        if (++b->r == SIDE) b->r = 0, b->block.first++;
    }
}

INLINE void ask_for_pieces(Next *next) {
    Next b = *next;
    for (int i = 0; i < b.each && b.left > 0; i++, b.left--) {
        if (b.at >= b.end) b.at = b.then, b.end = b.then + b.row;
        const char *piece = b.at + (size_t)b.r * b.row;
#pragma GCC unroll 8
        for (int j = 0; j < PIECE; j += 64) __builtin_prefetch(piece + j, 0, 2);
        if (++b.r == SIDE) b.r = 0, b.at += PIECE;
    }
    *next = b;
}

INLINE void ask_for_lines(Next *b) {
    for (int i = 0; i < b->each && b->left > 0; i++, b->left--, b->at += 64) __builtin_prefetch(b->at, 0, 2);
}

INLINE void go_on(Next *next) {
    if (next->kind == COPY) copy_lines(next);
    else if (next->kind == PIECES) ask_for_pieces(next);
    else if (next->kind == LINES) ask_for_lines(next);
    else make_lines(next);
}

static Weight packed(const float *block) { return (Weight){.at = (const char *)block, .row = 64, .second = 4 * TILE, .step = 8 * TILE}; }

static bool as_it_lies(const Product *p, Block b) {
    const Gemm *g = p->g;
    return p->parts == 1 && g->B_type == DTYPE_BF16 && b.n + SIDE <= g->N && (b.first + b.steps) * STEP <= g->K;
}

static Weight direct(const Gemm *g, long n0) {
    return (Weight){.at = weight_at(g, n0, 0), .row = row_bytes(g), .second = 16 * row_bytes(g), .step = 64};
}

static const float *panel_at(const Product *p, long n, long step) { return p->panels + (n / SIDE * p->steps + step) * 2 * TILE; }

