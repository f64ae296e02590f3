// gemm_amx_few.h: few rows of x by the weight as it lies, by panels of it that are kept, or (up to 64 rows) by steps of it that are made
// of f32 and f16, each while the one before is multiplied: the sums of all of k stay in tiles.
//
// Memory is what is waited for, so lines of the weight are asked for without a pause: a few after each tile, since many at once
// hold up the tiles behind them. Up to 32 rows meet 32 of the weight; of more, 64 meet sixteen at a time: each tile of the weight is
// loaded once for all of them, when memory has just given it, and x has L2 for itself.
#define DIRECT_AHEAD 1024  // bytes of a row that are asked for before they are needed
#define PANELS_AHEAD 32768 // bytes of panels, likewise
#define PIECE 512          // bytes of a row that are asked for before the next row's
#define ASKS 4             // times a step
#define MADE_ROWS 64       // of x up to which each step of the weight is made once, for itself

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

// Tiles of a step that are made of the weight's numbers while those of the step before, the other two, are multiplied.
typedef struct {
    const Gemm *g;
    const char *first; // of the weight
    size_t row, value; // bytes
    long n, step;      // the made one's first row and place
    int side, r;       // rows of a step; the one in turn
    float *tiles[2];   // the near ones of up to 32 rows, behind them the rests
    int turn;          // of the tiles that are made
} Making;

static void begin_at(Making *m, long n, long step) {
    m->n = n, m->step = step, m->r = 0, m->turn ^= 1;
}

// `count` rows' lines of it.
INLINE void make_lines_of(Making *m, int of_w, int count) {
    const Gemm *g = m->g;
    const char *line = m->first + (size_t)(m->n + m->r) * m->row + (size_t)(m->step * STEP) * m->value;
    const size_t row = m->row;
    const long values = g->K - m->step * STEP, rows = smaller(count, g->N - m->n - m->r);
    const bool whole = g->B_type == DTYPE_F32 && values >= STEP && rows == count;
    float *out = m->tiles[m->turn] + m->r * LANES;
    m->r += count;
#pragma GCC unroll 1
    for (long i = 0; i < count; i++, line += row, out += LANES) {
        V near = all(0), rest = all(0);
        if (whole) near = made(line, DTYPE_F32, STEP, of_w, &rest);
        else if (i < rows) near = made(line, g->B_type, values, of_w, &rest);
        store(out, near);
        if (of_w == 2) store(out + 2 * TILE, rest);
    }
}

// A quarter of what is done beside a step's products.
INLINE void beside_few(Making *m, int of_w, Ahead *a) {
    if (!m) return ask(a);
    for (int i = 0; i < m->side / ASKS; i += 4) make_lines_of(m, of_w, 4), ask(a);
}

// The step's tiles, and from now on the next one's are made, of the same rows or of those from row `then` on.
INLINE Weight made_tiles(Making *m, long steps, long then) {
    const Weight w = {.at = (const char *)m->tiles[m->turn], .row = 64, .second = 4 * TILE};
    if (m->step + 1 < steps) begin_at(m, m->n, m->step + 1);
    else begin_at(m, then, 0);
    return w;
}

// 32 rows of the weight and as many of x, or (not wide) 16.
INLINE void few_panel(bool wide, int of_x, int of_w, Making *making, long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside) {
    const long tiles = wide ? 2 : 1, every = pieces(steps, 8);
    Ahead a = *ahead;
    sums_zero();
    for (long s = 0; s < steps; s++, x += of_x * tiles * TILE, w.at += w.step) {
        if (making) w = made_tiles(making, steps, making->n + SIDE);
        tile_load(0, w.at, w.row);
        beside_few(making, of_w, &a);
        tile_load(1, w.at + w.second, w.row);
        beside_few(making, of_w, &a);
        if (of_x == 2) load_x(wide, x + tiles * TILE), sums_add(wide);
        load_x(wide, x);
        beside_few(making, of_w, &a);
        finish_some(beside, s, every, 0);
        sums_add(wide);
        beside_few(making, of_w, &a);
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

INLINE void low_panel(int of_x, int of_w, Making *making, long steps, Weight w, const float *x, const float *more, int tiles, float *sums, Ahead *ahead, Beside *beside) {
    const long first = tiles > 1 ? 2 : 1, second = tiles - first, every = pieces(steps, 8), rows = pieces(2 * SIDE, steps);
    Ahead a = *ahead;
    sums_zero();
    for (long s = 0; s < steps; s++, w.at += w.step, x += of_x * first * TILE, more += of_x * second * TILE) {
        if (making) w = made_tiles(making, steps, making->n + 16);
        tile_load(0, w.at, w.row);
        if (of_w == 2) tile_load(1, w.at + 8 * TILE, w.row);
        beside_few(making, of_w, &a);
        finish_some(beside, s, every, rows);
        SIXTEEN(4, x, x + first * TILE);
        beside_few(making, of_w, &a);
        if (tiles > 1) SIXTEEN(5, x + TILE, x + (first + 1) * TILE);
        beside_few(making, of_w, &a);
        if (tiles > 2) SIXTEEN(6, more, more + second * TILE);
        beside_few(making, of_w, &a);
        if (tiles > 3) SIXTEEN(7, more + TILE, more + (second + 1) * TILE);
    }
    *ahead = a;
    sums_store(true, sums, beside);
}

typedef void FewFn(Making *m, long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside);
typedef void LowFn(Making *m, long steps, Weight w, const float *x, const float *more, int tiles, float *sums, Ahead *ahead, Beside *beside);
#define FEW(name, of_x, of_w, making) \
    static void name(Making *m, long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside) { (void)m, few_panel(true, of_x, of_w, making, steps, w, x, sums, ahead, beside); } \
    static void name##_half(Making *m, long steps, Weight w, const float *x, float *sums, Ahead *ahead, Beside *beside) { (void)m, few_panel(false, of_x, of_w, making, steps, w, x, sums, ahead, beside); } \
    static void name##_low(Making *m, long steps, Weight w, const float *x, const float *more, int tiles, float *sums, Ahead *ahead, Beside *beside) { \
        (void)m, low_panel(of_x, of_w, making, steps, w, x, more, tiles, sums, ahead, beside); \
    }
FEW(few_plain, 1, 1, NULL)
FEW(few_split_x, 2, 1, NULL)
FEW(few_split_both, 2, 2, NULL)
FEW(making_plain, 1, 1, m)
FEW(making_split_x, 2, 1, m)
FEW(making_split_both, 2, 2, m)

// What is asked for while `side` rows of the weight, from n on, meet all of x in so many passes: further on in them, or, where other
// passes or other rows come between, the next ones.
static Ahead ahead_of(const Product *p, long n, int side, long passes, bool makes) {
    const Gemm *g = p->g;
    const int lines = makes ? (int)pieces(4 * STEP * (long)dtype_size(g->B_type), 64) : (int)pieces(side * p->of_w, ASKS * passes);
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
static void few_columns(const Product *p, long n, float *sums, Beside *beside, Making *m) {
    static FewFn *const fews[2][2][2][2] = {{{{few_plain_half, few_plain}}, {{few_split_x_half, few_split_x}, {few_split_both_half, few_split_both}}},
                                            {{{making_plain_half, making_plain}}, {{making_split_x_half, making_split_x}, {making_split_both_half, making_split_both}}}};
    static LowFn *const lows[2][2][2] = {{{few_plain_low}, {few_split_x_low, few_split_both_low}}, {{making_plain_low}, {making_split_x_low, making_split_both_low}}};
    const Gemm *g = p->g;
    Weight w = p->panels ? packed(p, panel_at(p, n, 0)) : m ? (Weight){0} : direct(g, n);
    if (g->M <= SIDE) {
        Ahead ahead = ahead_of(p, n, SIDE, 1, m);
        fews[m != NULL][p->of_x - 1][p->of_w - 1][g->M > 16](m, p->steps, w, p->x, sums, &ahead, beside);
        beside->finish = (Finish){.g = g, .sums = sums, .n = n, .across = 2, .left = 4};
        return;
    }
    for (long at = n; at < n + SIDE; at += 16, w.at += w.second) {
        Ahead ahead = ahead_of(p, at, 16, pieces(g->M, 2 * SIDE), m);
        for (long m0 = 0; m0 < g->M; m0 += 2 * SIDE) {
            long rows = smaller(2 * SIDE, g->M - m0);
            beside->written = (Written){(char *)(g->C + m0 * g->ldc + at), (size_t)g->ldc * sizeof *g->C, rows};
            lows[m != NULL][p->of_x - 1][p->of_w - 1](m, p->steps, w, x_at(p, m0, 0), x_at(p, m0 + SIDE, 0), (int)pieces(rows, 16), sums, &ahead, beside);
            beside->finish = (Finish){.g = g, .sums = sums, .m = m0, .n = at, .across = 4, .left = 4};
        }
    }
}

// Columns [n0, n1) of a task; up to which it came. Of more than MADE_ROWS those of a weight that must be made are left.
static long few_task(const Product *p, long n0, long n1, float *room) {
    const Gemm *g = p->g;
    const int side = g->M <= SIDE ? SIDE : 16;
    float *sums = room + 2 * block_words(p);
    Beside beside = {.finish.left = 0};
    long n = n0;
    for (; n < n1 && (p->panels || as_it_lies(p, (Block){n, 0, p->steps})); n += SIDE) few_columns(p, n, sums, &beside, NULL);
    if (n < n1 && g->M <= MADE_ROWS) {
        Making m = {.g = g, .first = g->B, .row = row_bytes(g), .value = dtype_size(g->B_type), .n = n, .side = side, .tiles = {room, room + block_words(p)}};
        make_lines_of(&m, p->of_w, side);
        for (; n < n1; n += SIDE) few_columns(p, n, sums, &beside, &m);
    }
    finish(&beside.finish);
    return n;
}
