// inflate.c: see inflate.h.
//
// A look of LOOK bits into a table decodes most codes together with their base value and number of extra
// bits; longer codes are searched by length. Bits past the end read as zeros and are counted.
#include "inflate.h"

#include <string.h>

#include "checksum.h"

enum { LOOK = 10, LENGTHS_MAX = 15, CODES = 288, END_OF_BLOCK = 256 };

typedef struct {
    uint32_t look[1 << LOOK]; // symbol << 4 | length; 0: a longer code, or none
    int32_t last[17], offset[17];
    uint16_t symbols[CODES];
} Code;

typedef struct {
    const uint8_t *at, *end;
    uint64_t bits; // the next bit is the lowest
    int count;
    int64_t made_up; // bits after the end, all zero
} Input;

typedef struct {
    Input in;
    uint8_t *out, *out_start, *out_end;
    const char *fault;
    bool full; // there was more than fits
    const uint8_t *settled; // where `out` was when the last byte of input was first needed
    Code literals, distances;
} Inflate;

static inline void refill(Input *in) {
    if (in->end - in->at >= 8) {
        uint64_t word;
        memcpy(&word, in->at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        in->bits |= word << in->count;
        in->at += (63 - in->count) >> 3; // whole bytes only; the rest is read again, and is the same
        in->count |= 56;
    } else {
        for (; in->count <= 56; in->count += 8) {
            if (in->at < in->end) in->bits |= (uint64_t)*in->at++ << in->count;
            else in->made_up += 8;
        }
    }
}

static inline uint32_t take_bits(Input *in, int n) { // n <= 16, refilled before
    uint32_t v = (uint32_t)(in->bits & ((1u << n) - 1));
    in->bits >>= n;
    in->count -= n;
    return v;
}

// Of the input that has not been taken.
static inline int64_t bits_left(const Input *in) { return (in->end - in->at) * 8 + in->count - in->made_up; }

static inline bool overrun(const Input *in) { return in->made_up > in->count; }

static bool fault(Inflate *z, const char *text) {
    if (!z->fault) z->fault = text;
    return false;
}

static uint32_t reversed(uint32_t code, int length) { // of at most 16 bits
    code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
    code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
    code = (code & 0x0F0F) << 4 | (code >> 4 & 0x0F0F);
    code = (code & 0x00FF) << 8 | (code >> 8 & 0x00FF);
    return code >> (16 - length);
}

// What LOOK bits say: the codes of one bit, then, for each bit more, the same twice and the codes of that length.
static void look_fill(Code *c, const int *counts) {
    const uint16_t *symbol = c->symbols;
    c->look[0] = 0;
    for (int length = 1; length <= LOOK; length++) {
        memcpy(c->look + (1 << (length - 1)), c->look, sizeof *c->look << (length - 1));
        for (int i = 0; i < counts[length]; i++, symbol++)
            c->look[reversed((uint32_t)(symbol - c->symbols - c->offset[length]), length)] = (uint32_t)*symbol << 4 | (uint32_t)length;
    }
}

// Codes from their lengths. Too many codes are an error; too few are one, too, but a code of one bit may stand
// alone (for distances as the standard says, for literals as zlib has it), and there may be no distance at all.
typedef enum { COMPLETE, OR_ONE, OR_NONE } Least;

static bool code_make(Inflate *z, Code *c, const uint8_t *lengths, int n, Least least) {
    int counts[17] = {0}, next[17], used = 0;
    for (int i = 0; i < n; i++) counts[lengths[i]]++;
    counts[0] = 0;
    int code = 0, first = 0, left = 1;
    for (int length = 1; length <= LENGTHS_MAX; length++) {
        left = left * 2 - counts[length];
        if (left < 0) return fault(z, "a Huffman code with more codes than there are");
        next[length] = first;
        c->offset[length] = first - code;
        code += counts[length];
        c->last[length] = counts[length] ? code - 1 : -1;
        first += counts[length];
        used += counts[length];
        code <<= 1;
    }
    bool one = used == 1 && counts[1] == 1;
    if (left > 0 && !(one && least >= OR_ONE) && !(used == 0 && least == OR_NONE)) return fault(z, "an incomplete Huffman code");
    for (int i = 0; i < n; i++)
        if (lengths[i]) c->symbols[next[lengths[i]]++] = (uint16_t)i;
    look_fill(c, counts);
    return true;
}

// -1 for a code that does not exist. Refilled before: takes up to 15 bits.
static inline int symbol_take(Input *in, const Code *c) {
    uint32_t e = c->look[in->bits & ((1u << LOOK) - 1)];
    if (e) {
        in->bits >>= e & 15;
        in->count -= (int)(e & 15);
        return (int)(e >> 4);
    }
    int32_t code = 0;
    for (int length = 1; length <= LENGTHS_MAX; length++) {
        code = code << 1 | (int32_t)take_bits(in, 1);
        if (code <= c->last[length]) return c->symbols[code + c->offset[length]];
    }
    return -1;
}

static const uint16_t length_base[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                           193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

// length bytes from `distance` before; the two may overlap, and then repeat.
static void copy_match(uint8_t *out, size_t distance, size_t length, const uint8_t *out_end) {
    const uint8_t *from = out - distance;
    if (distance >= 8 && (size_t)(out_end - out) >= length + 8) {
        for (size_t i = 0; i < length; i += 8) memcpy(out + i, from + i, 8);
    } else {
        for (size_t i = 0; i < length; i++) out[i] = from[i];
    }
}

static const char too_early[] = "it ends too early", no_checksum[] = "it ends before its checksum", no_code[] = "a Huffman code that does not exist", too_far[] = "a match that begins before the data";

static bool block_codes(Inflate *z) {
    Input in = z->in; // copies, so that they stay in registers while bytes are written
    uint8_t *out = z->out, *out_end = z->out_end;
    const uint8_t *settled = z->settled;
    const char *wrong = NULL;
    for (;;) {
        if (in.end - in.at < 8 && bits_left(&in) >= 8) settled = out;
        refill(&in);
        int symbol = symbol_take(&in, &z->literals);
        if (symbol < 256) {
            if (symbol < 0 || overrun(&in)) {
                wrong = overrun(&in) ? too_early : no_code;
                break;
            }
            if (out == out_end) {
                z->full = true;
                break;
            }
            *out++ = (uint8_t)symbol;
            continue;
        }
        if (symbol == END_OF_BLOCK) {
            if (overrun(&in)) wrong = too_early;
            break;
        }
        if (symbol > 285) {
            wrong = "a match length that does not exist";
            break;
        }
        size_t length = length_base[symbol - 257] + take_bits(&in, length_extra[symbol - 257]);
        symbol = symbol_take(&in, &z->distances); // 15 + 5 bits are gone, 15 + 13 come: 56 are enough
        if (symbol < 0 || symbol > 29) {
            wrong = overrun(&in) ? too_early : "a match distance that does not exist";
            break;
        }
        size_t distance = distance_base[symbol] + take_bits(&in, distance_extra[symbol]);
        if (overrun(&in)) wrong = too_early;
        else if (distance > (size_t)(out - z->out_start)) wrong = too_far;
        if (wrong) break;
        if (length > (size_t)(out_end - out)) {
            copy_match(out, distance, (size_t)(out_end - out), out_end);
            out = out_end;
            z->full = true;
            break;
        }
        copy_match(out, distance, length, out_end);
        out += length;
    }
    z->in = in;
    z->out = out;
    z->settled = settled;
    if (wrong) fault(z, wrong);
    return !wrong && !z->full;
}

// Gives whole bytes that were read ahead back to the input. False when bits were taken from after the end.
static bool to_bytes(Inflate *z) {
    take_bits(&z->in, z->in.count & 7);
    if (overrun(&z->in)) return fault(z, too_early);
    z->in.at -= (z->in.count - z->in.made_up) / 8;
    z->in.bits = 0;
    z->in.count = 0;
    z->in.made_up = 0;
    return true;
}

static bool block_stored(Inflate *z) {
    if (!to_bytes(z)) return false;
    if (z->in.end - z->in.at < 4) return fault(z, too_early);
    size_t n = z->in.at[0] | (size_t)z->in.at[1] << 8, check = z->in.at[2] | (size_t)z->in.at[3] << 8;
    z->in.at += 4;
    if (n != (check ^ 0xFFFF)) return fault(z, "a stored block with two different lengths");
    size_t input = (size_t)(z->in.end - z->in.at), room = (size_t)(z->out_end - z->out), m = n < input ? n : input;
    if (m > room) m = room;
    if (m) memcpy(z->out, z->in.at, m);
    z->out += m;
    z->in.at += m;
    z->settled = z->out;
    if (m == n) return true;
    if (m == room) z->full = true;
    else fault(z, too_early);
    return false;
}

static bool codes_fixed(Inflate *z) {
    uint8_t lengths[CODES];
    for (int i = 0; i < CODES; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    if (!code_make(z, &z->literals, lengths, CODES, OR_ONE)) return false;
    memset(lengths, 5, 32);
    return code_make(z, &z->distances, lengths, 32, OR_ONE);
}

static bool codes_dynamic(Inflate *z) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    refill(&z->in);
    int literals = (int)take_bits(&z->in, 5) + 257, distances = (int)take_bits(&z->in, 5) + 1, meta = (int)take_bits(&z->in, 4) + 4;
    if (literals > 286 || distances > 30) return fault(z, "more codes than there are");
    uint8_t lengths[320] = {0};
    for (int i = 0; i < meta; i++) {
        refill(&z->in);
        lengths[order[i]] = (uint8_t)take_bits(&z->in, 3);
    }
    Code *c = &z->distances; // for the lengths' own code, for a moment
    if (!code_make(z, c, lengths, 19, COMPLETE)) return false;
    memset(lengths, 0, 19);
    for (int i = 0, all = literals + distances; i < all;) {
        refill(&z->in);
        int symbol = symbol_take(&z->in, c), repeat = 1, value = symbol;
        if (symbol < 0 || overrun(&z->in)) return fault(z, overrun(&z->in) ? too_early : no_code);
        if (symbol == 16) {
            if (i == 0) return fault(z, "a repeated length with none before it");
            value = lengths[i - 1];
            repeat = 3 + (int)take_bits(&z->in, 2);
        } else if (symbol > 16) {
            value = 0;
            repeat = symbol == 17 ? 3 + (int)take_bits(&z->in, 3) : 11 + (int)take_bits(&z->in, 7);
        }
        if (repeat > all - i) return fault(z, "more code lengths than codes");
        memset(lengths + i, value, (size_t)repeat);
        i += repeat;
    }
    if (lengths[END_OF_BLOCK] == 0) return fault(z, "a block without an end");
    return code_make(z, &z->literals, lengths, literals, OR_ONE) && code_make(z, &z->distances, lengths + literals, distances, OR_NONE);
}

static bool blocks(Inflate *z) {
    for (bool last = false; !last;) {
        if (bits_left(&z->in) >= 8) z->settled = z->out;
        refill(&z->in);
        last = take_bits(&z->in, 1);
        int kind = (int)take_bits(&z->in, 2);
        if (overrun(&z->in)) return fault(z, too_early);
        bool good = kind == 0   ? block_stored(z)
                    : kind == 1 ? codes_fixed(z) && block_codes(z)
                    : kind == 2 ? codes_dynamic(z) && block_codes(z)
                                : fault(z, "a kind of block that does not exist");
        if (!good) return false;
    }
    return to_bytes(z);
}

Inflated inflate_some(uint8_t *out, size_t room, const uint8_t *in, size_t size, InflateForm form) {
    Inflate z = {.in = {.at = in, .end = in + size}, .out = out, .out_start = out, .out_end = out + room, .settled = out};
    bool ended = false;
    if (form == INFLATE_ZLIB) {
        if (size < 2) fault(&z, too_early);
        else if ((in[0] & 15) != 8 || in[0] >> 4 > 7 || (in[0] << 8 | in[1]) % 31 != 0) fault(&z, "it does not begin as zlib data do");
        else if (in[1] & 32) fault(&z, "it needs a preset dictionary");
        z.in.at += size < 2 ? size : 2;
    }
    if (!z.fault) ended = blocks(&z);
    if (ended && form == INFLATE_ZLIB) {
        ended = false;
        if (z.in.end - z.in.at < 4) {
            fault(&z, no_checksum);
        } else {
            uint32_t sum = (uint32_t)z.in.at[0] << 24 | (uint32_t)z.in.at[1] << 16 | (uint32_t)z.in.at[2] << 8 | z.in.at[3];
            z.in.at += 4;
            ended = sum == adler32_of(1, out, (size_t)(z.out - out)) || fault(&z, "its checksum does not match");
        }
    }
    const uint8_t *settled = bits_left(&z.in) < 8 ? z.settled : z.out;
    int64_t left = bits_left(&z.in) / 8; // whole bytes that were read ahead
    return (Inflated){.written = (size_t)(z.out - out), .used = (size_t)(z.in.at - in), .needed = size - (left > 0 ? (size_t)left : 0), .ended = ended, .fault = z.fault, .settled = (size_t)(settled - out),
                      .cut = z.fault == too_early || z.fault == no_checksum, .too_far = z.fault == too_far};
}

size_t inflate(uint8_t *out, size_t room, const uint8_t *in, size_t size, InflateForm form, const char *where) {
    Inflated r = inflate_some(out, room, in, size, form);
    need(!r.fault, "%s: damaged compressed data: %s (byte %zu of %zu)", where, r.fault, r.used, size);
    need(r.ended, "%s: the compressed data hold more than the %zu bytes that were promised; the file is damaged", where, room);
    need(r.written == room, "%s: the compressed data hold %zu bytes, %zu were promised; the file is damaged", where, r.written, room);
    return r.used;
}
