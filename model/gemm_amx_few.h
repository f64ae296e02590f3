// gemm_amx_few.h: few rows of x by the weight as it lies, or by panels of it that are kept: the sums of all of k stay in tiles.
//
// Memory is what is waited for, so lines of the weight are asked for without a pause: a few after each tile, since many at once
// hold up the tiles behind them. Up to 32 rows meet 32 of the weight; of more, 64 meet sixteen at a time: each tile of the weight is
// loaded once for all of them, when memory has just given it, and x has L2 for itself.
#define DIRECT_AHEAD 1024  // bytes of a row that are asked for before they are needed
#define PANELS_AHEAD 32768 // bytes of panels, likewise
#define PIECE 512          // bytes of a row that are asked for before the next row's
#define ASKS 4             // times a step

// Of rows of the weight a piece each in turn, or (panels) of one row without end.
typedef struct {
    const char *at;         // of the first row
    size_t row;             // bytes to the next
    int side, r;            // rows; the one in turn
    long done;              // bytes of its piece
    const char *end, *then; // where the rows end, and the next ones begin
    int lines;              // at a time
} Ahead;

INLINE void ask(Ahead *a) {
    const char *line = a->at + (size_t)a->r * a->row + a->done;
    for (int i = 0; i < a->lines; i++) __builtin_prefetch(line + i * 64, 0, 2); // into L2
    a->done += a->lines * 64;
    if (a->done < PIECE) return;
    if (++a->r == a->side) {
        a->r = 0, a->at += a->done;
        if (a->at >= a->end) a->at = a->then, a->end = a->then + a->row;
    }
    a->done = 0;
}

// 32 rows of the weight and as many of x, or (not wide) 16.
INLINE void few_panel(bool wide, int of_x, int of_w, long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside) {
    const long tiles = wide ? 2 : 1, every = pieces(steps, 8);
    Ahead a = *ahead;
    sums_zero();
    for (long s = 0; s < steps; s++, x += of_x * tiles * TILE, w.at += w.step) {
        tile_load(0, w.at, w.row);
        ask(&a);
        tile_load(1, w.at + w.second, w.row);
        ask(&a);
        if (of_x == 2) load_x(wide, x + tiles * TILE), sums_add(wide);
        load_x(wide, x);
        ask(&a);
        finish_some(beside, s, every, 0);
        sums_add(wide);
        ask(&a);
        if (of_w == 2) load_weight(&w, 8 * TILE), sums_add(wide);
    }
    *ahead = a;
    sums_store(wide, sums, beside);
}

// Sixteen rows of the weight and 64 of x, or fewer: `tiles` of sixteen, in two panels.
#define SIXTEEN(sum, near, rest) \
    do { \
        if (of_x == 2) { \
            tile_stream(2, rest, 64); \
            tile_dot(sum, 0, 2); \
        } \
        tile_stream(3, near, 64); \
        tile_dot(sum, 0, 3); \
        if (of_w == 2) tile_dot(sum, 1, 3); \
    } while (0)

INLINE void low_panel(int of_x, int of_w, long steps, Weight w, const float *x, const float *more, int tiles, float *sums, Ahead *ahead, Beside *beside) {
    const long first = tiles > 1 ? 2 : 1, second = tiles - first, every = pieces(steps, 8), rows = pieces(2 * SIDE, steps);
    Ahead a = *ahead;
    sums_zero();
    for (long s = 0; s < steps; s++, w.at += w.step, x += of_x * first * TILE, more += of_x * second * TILE) {
        tile_load(0, w.at, w.row);
        if (of_w == 2) tile_load(1, w.at + 8 * TILE, w.row);
        ask(&a);
        finish_some(beside, s, every, rows);
        SIXTEEN(4, x, x + first * TILE);
        ask(&a);
        if (tiles > 1) SIXTEEN(5, x + TILE, x + (first + 1) * TILE);
        ask(&a);
        if (tiles > 2) SIXTEEN(6, more, more + second * TILE);
        ask(&a);
        if (tiles > 3) SIXTEEN(7, more + TILE, more + (second + 1) * TILE);
    }
    *ahead = a;
    sums_store(true, sums, beside);
}

typedef void FewFn(long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside);
typedef void LowFn(long steps, Weight w, const float *x, const float *more, int tiles, float *sums, Ahead *ahead, Beside *beside);
#define FEW(name, of_x, of_w) \
    static void name(long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside) { few_panel(true, of_x, of_w, steps, w, x, sums, ahead, beside); } \
    static void name##_half(long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside) { few_panel(false, of_x, of_w, steps, w, x, sums, ahead, beside); } \
    static void name##_low(long steps, Weight w, const float *x, const float *more, int tiles, float *sums, Ahead *ahead, Beside *beside) { \
        low_panel(of_x, of_w, steps, w, x, more, tiles, sums, ahead, beside); \
    }
FEW(few_plain, 1, 1)
FEW(few_split_x, 2, 1)
FEW(few_split_both, 2, 2)

// What is asked for while `side` rows of the weight, from n on, meet all of x in so many passes: further on in them, or, where other
// passes or other rows come between, the next ones.
static Ahead ahead_of(const Product *p, long n, int side, long passes) {
    const Gemm *g = p->g;
    const int lines = (int)pieces(side * p->of_w, ASKS * passes);
    if (p->panels) {
        const char *at = side == SIDE ? (const char *)panel_at(p, n, 0) + PANELS_AHEAD : (const char *)panel_at(p, n + SIDE, 0) + n % SIDE * p->of_w * p->steps * 64;
        const char *end = (const char *)panel_at(p, SIDE * pieces(g->N, SIDE), 0);
        return (Ahead){.at = at, .side = 1, .end = end, .then = end, .lines = lines};
    }
    Ahead a = {.at = weight_at(g, n, 0) + DIRECT_AHEAD, .row = row_bytes(g), .side = side, .end = weight_at(g, n, 0) + row_bytes(g), .then = weight_at(g, n + side, 0), .lines = lines};
    if (passes > 1 || a.at >= a.end) a.at = a.then, a.end = a.then + a.row;
    return a;
}

// All rows of x against 32 of the weight, from n on; the last sums wait in `beside`.
static void few_columns(const Product *p, long n, float *sums, Beside *beside) {
    static FewFn *const fews[2][2][2] = {{{few_plain_half, few_plain}}, {{few_split_x_half, few_split_x}, {few_split_both_half, few_split_both}}};
    static LowFn *const lows[2][2] = {{few_plain_low}, {few_split_x_low, few_split_both_low}};
    const Gemm *g = p->g;
    Weight w = p->panels ? packed(p, panel_at(p, n, 0)) : direct(g, n);
    if (g->M <= SIDE) {
        Ahead ahead = ahead_of(p, n, SIDE, 1);
        fews[p->of_x - 1][p->of_w - 1][g->M > 16](p->steps, w, p->x, sums, &ahead, beside);
        beside->finish = (Finish){.g = g, .sums = sums, .n = n, .across = 2, .left = 4};
        return;
    }
    for (long at = n; at < n + SIDE; at += 16, w.at += w.second) {
        Ahead ahead = ahead_of(p, at, 16, pieces(g->M, 2 * SIDE));
        for (long m = 0; m < g->M; m += 2 * SIDE) {
            long rows = smaller(2 * SIDE, g->M - m);
            beside->written = (Written){(char *)(g->C + m * g->ldc + at), (size_t)g->ldc * sizeof *g->C, rows};
            lows[p->of_x - 1][p->of_w - 1](p->steps, w, x_at(p, m, 0), x_at(p, m + SIDE, 0), (int)pieces(rows, 16), sums, &ahead, beside);
            beside->finish = (Finish){.g = g, .sums = sums, .m = m, .n = at, .across = 4, .left = 4};
        }
    }
}
