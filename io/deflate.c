// deflate.c: DEFLATE (RFC 1951) in its zlib wrapping; see inflate.h.
//
// Matches by chains of positions with the same three bytes, one step of laziness; every block is written in
// the shortest of the three ways. Only integers, no clock, no threads: the bytes depend on the input alone.
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "inflate.h"

enum {
    WINDOW = 32768,
    MATCH_MIN = 3,
    MATCH_MAX = 258,
    CHAIN = 96,     // candidates tried per position
    GOOD = 32,      // a match this long is taken without looking at the next position
    TOKENS = 32768, // of a block
    HASH_BITS = 15,
    LITERALS = 286,
    DISTANCES = 30
};

typedef struct {
    uint8_t *at;
    uint64_t bits;
    int count;
} Output;

typedef struct {
    uint8_t length[288];
    uint16_t code[288]; // bits in the order of writing
} Codes;

typedef struct {
    const uint8_t *in;
    size_t size;
    Output out;
    int32_t *head, *before; // the last position + 1 with a hash, and the one before a position; 0: none
    uint32_t *tokens;       // a literal, or length << 16 | distance
    size_t token_count;
    uint32_t literal_counts[LITERALS], distance_counts[DISTANCES];
} Deflate;

static void put_bits(Output *o, uint32_t value, int n) {
    o->bits |= (uint64_t)value << o->count;
    o->count += n;
    for (; o->count >= 8; o->count -= 8, o->bits >>= 8) *o->at++ = (uint8_t)o->bits;
}

// Number of a length 3..258 (257..285), its extra bits.
static int length_symbol(int length, int *extra, int *value) {
    if (length == MATCH_MAX) return *extra = 0, *value = 0, 285;
    int v = length - MATCH_MIN, bits = v < 8 ? 0 : 29 - __builtin_clz((unsigned)v);
    *extra = bits;
    *value = v & ((1 << bits) - 1);
    return 257 + (bits ? 4 * bits + (v >> bits) : v);
}

static int distance_symbol(int distance, int *extra, int *value) {
    int v = distance - 1, bits = v < 4 ? 0 : 30 - __builtin_clz((unsigned)v);
    *extra = bits;
    *value = v & ((1 << bits) - 1);
    return bits ? 2 * bits + (v >> bits) : v;
}

// ---- Huffman codes of limited length

typedef struct {
    uint32_t count;
    int symbol;
} Leaf;

static int by_count(const void *a, const void *b) {
    const Leaf *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    return x->symbol - y->symbol;
}

// Lengths by merging the two rarest again and again; the longest length, or 0 when nothing occurs.
static int lengths_try(uint8_t *lengths, const uint32_t *counts, int n) {
    Leaf leaf[288];
    uint32_t weight[288];
    int parent[576], depth[576], leaves = 0;
    memset(lengths, 0, (size_t)n);
    for (int i = 0; i < n; i++)
        if (counts[i]) leaf[leaves++] = (Leaf){counts[i], i};
    if (leaves == 0) return 0;
    if (leaves == 1) return lengths[leaf[0].symbol] = 1;
    qsort(leaf, (size_t)leaves, sizeof *leaf, by_count);
    // Nodes: the leaves, then the inner ones, which come in order of weight by themselves.
    int next_leaf = 0, next_inner = 0, inner = 0;
    for (; inner < leaves - 1; inner++) {
        uint32_t sum = 0;
        for (int k = 0; k < 2; k++) {
            bool take_leaf = next_leaf < leaves && (next_inner == inner || leaf[next_leaf].count <= weight[next_inner]);
            parent[take_leaf ? next_leaf : leaves + next_inner] = leaves + inner;
            sum += take_leaf ? leaf[next_leaf++].count : weight[next_inner++];
        }
        weight[inner] = sum;
    }
    int longest = 0, root = leaves + inner - 1;
    depth[root] = 0;
    for (int i = root - 1; i >= 0; i--) {
        depth[i] = depth[parent[i]] + 1;
        if (i >= leaves) continue;
        lengths[leaf[i].symbol] = (uint8_t)(depth[i] > 255 ? 255 : depth[i]);
        if (depth[i] > longest) longest = depth[i];
    }
    return longest;
}

static void codes_make(Codes *c, const uint32_t *counts, int n, int limit) {
    uint32_t scaled[288];
    memcpy(scaled, counts, (size_t)n * sizeof *scaled);
    while (lengths_try(c->length, scaled, n) > limit) // flatter counts, shorter codes
        for (int i = 0; i < n; i++) scaled[i] = scaled[i] ? (scaled[i] >> 1) + 1 : 0;
    uint32_t code = 0;
    for (int length = 1; length <= limit; length++, code <<= 1)
        for (int i = 0; i < n; i++)
            if (c->length[i] == length) {
                uint32_t r = 0;
                for (int b = 0; b < length; b++) r |= (code >> b & 1) << (length - 1 - b);
                c->code[i] = (uint16_t)r;
                code++;
            }
}

// ---- blocks

typedef struct {
    uint8_t symbol, extra, value;
} MetaToken;

// The lengths of both codes as runs (RFC 1951, 3.2.7).
static int meta_tokens(MetaToken *out, const uint8_t *lengths, int n) {
    int count = 0;
    for (int i = 0; i < n;) {
        int run = 1;
        while (i + run < n && lengths[i + run] == lengths[i]) run++;
        if (lengths[i] == 0 && run >= 3) {
            int r = run > 138 ? 138 : run;
            out[count++] = r <= 10 ? (MetaToken){17, 3, (uint8_t)(r - 3)} : (MetaToken){18, 7, (uint8_t)(r - 11)};
            i += r;
        } else {
            out[count++] = (MetaToken){lengths[i], 0, 0};
            i++;
            for (run--; run >= 3 && lengths[i - 1] != 0;) {
                int r = run > 6 ? 6 : run;
                out[count++] = (MetaToken){16, 2, (uint8_t)(r - 3)};
                i += r;
                run -= r;
            }
        }
    }
    return count;
}

static uint64_t bits_of(const uint32_t *counts, const uint8_t *lengths, int n) {
    uint64_t bits = 0;
    for (int i = 0; i < n; i++) bits += (uint64_t)counts[i] * lengths[i];
    return bits;
}

static void put_tokens(Deflate *d, const Codes *literals, const Codes *distances) {
    Output o = d->out;
    for (size_t i = 0; i < d->token_count; i++) {
        uint32_t t = d->tokens[i];
        if (t < 65536) {
            put_bits(&o, literals->code[t], literals->length[t]);
            continue;
        }
        int extra, value, symbol = length_symbol((int)(t >> 16), &extra, &value);
        put_bits(&o, literals->code[symbol], literals->length[symbol]);
        put_bits(&o, (uint32_t)value, extra);
        symbol = distance_symbol((int)(t & 0xFFFF), &extra, &value);
        put_bits(&o, distances->code[symbol], distances->length[symbol]);
        put_bits(&o, (uint32_t)value, extra);
    }
    put_bits(&o, literals->code[256], literals->length[256]);
    d->out = o;
}

static void put_stored(Deflate *d, const uint8_t *in, size_t size, bool last) {
    do {
        size_t n = size < 65535 ? size : 65535;
        put_bits(&d->out, last && n == size, 3);
        if (d->out.count) put_bits(&d->out, 0, 8 - d->out.count);
        put_bits(&d->out, (uint32_t)n, 16);
        put_bits(&d->out, (uint32_t)n ^ 0xFFFF, 16);
        if (n) memcpy(d->out.at, in, n);
        d->out.at += n;
        in += n;
        size -= n;
    } while (size > 0);
}

// The tokens gathered so far, which stand for in[begin, end).
static void block_end(Deflate *d, size_t begin, size_t end, bool last) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    Codes literals = {0}, distances = {0}, meta = {0};
    d->literal_counts[256] = 1;
    codes_make(&literals, d->literal_counts, LITERALS, 15);
    codes_make(&distances, d->distance_counts, DISTANCES, 15);
    int nl = LITERALS, nd = DISTANCES, nm = 19;
    while (nl > 257 && literals.length[nl - 1] == 0) nl--;
    while (nd > 1 && distances.length[nd - 1] == 0) nd--;
    uint8_t lengths[LITERALS + DISTANCES];
    memcpy(lengths, literals.length, (size_t)nl);
    memcpy(lengths + nl, distances.length, (size_t)nd);
    MetaToken tokens[LITERALS + DISTANCES];
    int count = meta_tokens(tokens, lengths, nl + nd);
    uint32_t meta_counts[19] = {0};
    uint64_t head = 14, extra = 0, all = 0;
    for (int i = 0; i < count; i++) meta_counts[tokens[i].symbol]++, head += tokens[i].extra;
    codes_make(&meta, meta_counts, 19, 7);
    while (nm > 4 && meta.length[order[nm - 1]] == 0) nm--;
    head += 3 * (uint64_t)nm + bits_of(meta_counts, meta.length, 19);

    Codes fixed = {0}, fixed_distances = {0};
    uint32_t even[288]; // counts that make the fixed code: 24 of 7 bits, 152 of 8, 112 of 9
    for (int i = 0; i < 288; i++) even[i] = i < 144 ? 2 : i < 256 ? 1 : i < 280 ? 4 : 2;
    codes_make(&fixed, even, 288, 15);
    for (int i = 0; i < 32; i++) even[i] = 1;
    codes_make(&fixed_distances, even, 32, 15);
    for (size_t i = 0; i < d->token_count; i++) {
        int e = 0, v;
        if (d->tokens[i] < 65536) continue;
        length_symbol((int)(d->tokens[i] >> 16), &e, &v);
        extra += (uint64_t)e;
        distance_symbol((int)(d->tokens[i] & 0xFFFF), &e, &v);
        extra += (uint64_t)e;
    }
    all = head + extra + bits_of(d->literal_counts, literals.length, LITERALS) + bits_of(d->distance_counts, distances.length, DISTANCES);
    uint64_t plain = extra + bits_of(d->literal_counts, fixed.length, LITERALS) + bits_of(d->distance_counts, fixed_distances.length, DISTANCES);
    uint64_t stored = ((end - begin) + 5 * ((end - begin) / 65535 + 1)) * 8;
    if (stored <= all && stored <= plain) {
        put_stored(d, d->in + begin, end - begin, last);
    } else if (plain <= all) {
        put_bits(&d->out, (uint32_t)last | 1 << 1, 3);
        put_tokens(d, &fixed, &fixed_distances);
    } else {
        put_bits(&d->out, (uint32_t)last | 2 << 1, 3);
        put_bits(&d->out, (uint32_t)(nl - 257) | (uint32_t)(nd - 1) << 5 | (uint32_t)(nm - 4) << 10, 14);
        for (int i = 0; i < nm; i++) put_bits(&d->out, meta.length[order[i]], 3);
        for (int i = 0; i < count; i++) {
            put_bits(&d->out, meta.code[tokens[i].symbol], meta.length[tokens[i].symbol]);
            put_bits(&d->out, tokens[i].value, tokens[i].extra);
        }
        put_tokens(d, &literals, &distances);
    }
    d->token_count = 0;
    memset(d->literal_counts, 0, sizeof d->literal_counts);
    memset(d->distance_counts, 0, sizeof d->distance_counts);
}

// ---- matches

static uint32_t hash_at(const uint8_t *p) {
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    return v * 2654435761u >> (32 - HASH_BITS);
}

static void remember(Deflate *d, size_t at) {
    if (at + MATCH_MIN > d->size) return;
    uint32_t h = hash_at(d->in + at);
    d->before[at % WINDOW] = d->head[h];
    d->head[h] = (int32_t)at + 1;
}

// The longest match for position `at` that is longer than `least`, nearest first; 0: none.
static int match_find(const Deflate *d, size_t at, int least, int *distance) {
    size_t left = d->size - at;
    if (left < MATCH_MIN) return 0;
    int most = left < MATCH_MAX ? (int)left : MATCH_MAX, best = least;
    const uint8_t *here = d->in + at;
    int32_t candidate = d->head[hash_at(here)];
    for (int tries = CHAIN; candidate > 0 && tries > 0 && best < most; tries--) {
        size_t there = (size_t)candidate - 1;
        if (at - there > WINDOW - 1) break;
        const uint8_t *p = d->in + there;
        if (p[best] == here[best]) {
            int n = 0;
            while (n < most && p[n] == here[n]) n++;
            if (n > best) best = n, *distance = (int)(at - there);
        }
        int32_t next = d->before[there % WINDOW];
        if (next >= candidate) break; // the ring has been overwritten
        candidate = next;
    }
    return best > least ? best : 0;
}

static void token_put(Deflate *d, int length, int distance, uint8_t literal) {
    int e, v;
    if (length == 0) {
        d->tokens[d->token_count++] = literal;
        d->literal_counts[literal]++;
    } else {
        d->tokens[d->token_count++] = (uint32_t)length << 16 | (uint32_t)distance;
        d->literal_counts[length_symbol(length, &e, &v)]++;
        d->distance_counts[distance_symbol(distance, &e, &v)]++;
    }
}

uint8_t *deflate_zlib(Arena *a, const uint8_t *in, size_t size, size_t *out_size) {
    need(size < INT32_MAX, "%zu bytes to compress: at most 2 GiB are possible at once", size);
    uint8_t *out = take(a, uint8_t, size + size / 1000 + 256); // stored blocks are the worst: 5 bytes in 32768
    Mark mark = arena_mark(a);
    Deflate d = {.in = in, .size = size, .out = {.at = out}};
    d.head = take_zero(a, int32_t, 1 << HASH_BITS);
    d.before = take_zero(a, int32_t, WINDOW);
    d.tokens = take(a, uint32_t, TOKENS);
    *d.out.at++ = 0x78; // deflate, window of 32 KiB
    *d.out.at++ = 0x9C;
    size_t begin = 0;
    for (size_t at = 0; at < size;) {
        int distance = 0, length = match_find(&d, at, MATCH_MIN - 1, &distance), later = 0;
        remember(&d, at);
        if (length > 0 && length < GOOD && at + 1 < size && match_find(&d, at + 1, length, &later) > 0) length = 0; // the next one is better
        token_put(&d, length, distance, in[at]);
        for (int i = 1; i < length; i++) remember(&d, at + (size_t)i);
        at += length ? (size_t)length : 1;
        if (d.token_count == TOKENS) {
            block_end(&d, begin, at, at == size);
            begin = at;
        }
    }
    if (begin < size || size == 0) block_end(&d, begin, size, true);
    if (d.out.count) put_bits(&d.out, 0, 8 - d.out.count);
    uint32_t sum = adler32_of(1, in, size);
    for (int i = 24; i >= 0; i -= 8) *d.out.at++ = (uint8_t)(sum >> i);
    *out_size = (size_t)(d.out.at - out);
    arena_release(a, mark);
    return out;
}
