// jpeg_progressive.c: see jpeg_parts.h. Scans that send some coefficients, or some bits of them.
//
// Source: ITU-T T.81 annex G. A first scan sends values without their `low` lowest bits; a refining scan
// sends one bit more. AC scans hold one component; runs of blocks without (new) values are counted in
// end_of_band.
#include "jpeg_parts.h"

static int symbol_take(Jpeg *j, JpegBits *in, const JpegCode *code) {
    JpegLook e = code->look[in->bits >> (64 - JPEG_LOOK)];
    if (e.code == 0) return jpeg_long_code(j, in, code);
    jpeg_drop(in, e.code);
    return e.run << 4 | e.size;
}

static void dc_first(Jpeg *j, JpegComponent *c, int16_t *block) {
    jpeg_refill(&j->in);
    int size = symbol_take(j, &j->in, &j->code[0][c->dc_index]);
    if (size) {
        int difference = jpeg_extend(j->in.bits, size);
        jpeg_drop(&j->in, size);
        jpeg_need(j, !__builtin_add_overflow(c->prediction, difference, &c->prediction), "DC values without bound; the file is damaged");
    }
    block[0] = (int16_t)(uint32_t)((uint32_t)c->prediction << j->low);
}

static void dc_refine(Jpeg *j, JpegComponent *c, int16_t *block) {
    if (j->in.count < 1) jpeg_refill(&j->in);
    if (jpeg_take(&j->in, 1)) block[0] = (int16_t)(block[0] | 1 << j->low);
}

// 2^r blocks and r bits more, this one included.
static uint32_t band_run(JpegBits *in, int r) { return (1u << r) + (r ? (uint32_t)jpeg_take(in, r) : 0); }

static void ac_first(Jpeg *j, JpegComponent *c, int16_t *block) {
    if (j->end_of_band > 0) {
        j->end_of_band--;
        return;
    }
    const JpegCode *code = &j->code[1][c->ac_index];
    JpegBits in = j->in;
    int k = j->first, last = j->last, low = j->low;
    while (k <= last) {
        jpeg_refill(&in);
        JpegLook e = code->look[in.bits >> (64 - JPEG_LOOK)];
        int size = e.size, run = e.run;
        if (e.code) {
            jpeg_drop(&in, e.code);
        } else {
            JpegBits copy = in;
            int symbol = jpeg_long_code(j, &copy, code);
            in = copy;
            size = symbol & 15, run = symbol >> 4;
        }
        if (size) {
            k += run;
            int value = jpeg_extend(in.bits, size);
            jpeg_drop(&in, size);
            block[jpeg_zigzag[k++]] = (int16_t)(uint32_t)((uint32_t)value << low);
        } else if (run == 15) {
            k += 16;
        } else {
            j->end_of_band = band_run(&in, run) - 1;
            break;
        }
    }
    j->in = in;
    if (k > last + 1 && k > 64 && !jpeg_overrun(&in)) jpeg_damaged(j, "a run of zeros past the end of its block");
}

// One bit for a coefficient that is not zero: away from zero by `one`, unless that bit is set already.
static inline void refine(JpegBits *in, int16_t *coefficient, int one) {
    if (in->count < 1) jpeg_refill(in);
    if (jpeg_take(in, 1) && (*coefficient & one) == 0) *coefficient = (int16_t)(*coefficient + (*coefficient >= 0 ? one : -one));
}

static void ac_refine(Jpeg *j, JpegComponent *c, int16_t *block) {
    const JpegCode *code = &j->code[1][c->ac_index];
    JpegBits in = j->in;
    int k = j->first, last = j->last, one = 1 << j->low;
    if (j->end_of_band == 0) {
        for (; k <= last; k++) {
            jpeg_refill(&in);
            JpegBits copy = in;
            int symbol = symbol_take(j, &copy, code), run = symbol >> 4, fresh = 0;
            if (symbol & 15) {
                if ((symbol & 15) != 1 && !jpeg_overrun(&copy)) jpeg_damaged(j, "a refining scan with a new value beyond one bit");
                fresh = jpeg_take(&copy, 1) ? one : -one;
            } else if (run != 15) {
                j->end_of_band = band_run(&copy, run);
                in = copy;
                break;
            }
            in = copy;
            // Passes `run` coefficients that are still zero, refining the others, up to the place of the new one.
            for (; k <= last; k++) {
                int16_t *there = &block[jpeg_zigzag[k]];
                if (*there) refine(&in, there, one);
                else if (run-- == 0) break;
            }
            if (fresh) block[jpeg_zigzag[k]] = (int16_t)fresh;
        }
    }
    if (j->end_of_band > 0) {
        for (; k <= last; k++)
            if (block[jpeg_zigzag[k]]) refine(&in, &block[jpeg_zigzag[k]], one);
        j->end_of_band--;
    }
    j->in = in;
}

// One row of MCUs; as jpeg_sequential_row.
void jpeg_progressive_row(Jpeg *j, int mcu_row) {
    bool alone = j->scan_count == 1, dc = j->first == 0;
    void (*step)(Jpeg *, JpegComponent *, int16_t *) = dc ? (j->high ? dc_refine : dc_first) : (j->high ? ac_refine : ac_first);
    int across = alone ? j->scan[0]->blocks_w : j->mcus_across;
    for (int x = 0; x < across; x++) {
        if (!j->starved) j->last_good_row = alone ? mcu_row / j->scan[0]->v : mcu_row;
        if (j->restart_interval) {
            if (j->to_restart == 0) jpeg_restart(j);
            j->to_restart--;
        }
        if (j->starved) continue;
        for (int i = 0; i < j->scan_count; i++) {
            JpegComponent *c = j->scan[i];
            int h = alone ? 1 : c->h, v = alone ? 1 : c->v;
            for (int b = 0; b < h * v; b++)
                step(j, c, c->coefficients + ((size_t)(mcu_row * v + b / h) * c->across + x * h + b % h) * 64);
        }
        if (jpeg_overrun(&j->in)) jpeg_ran_out(j);
    }
}
