// jpeg_smooth.c: see jpeg_parts.h. A progressive file may stop before its last scans. libjpeg then guesses the
// first AC coefficients that are not known to the last bit from the means of the 5 x 5 blocks around, as
// libjpeg-turbo has done since 2.1; T.81 K.8 has the idea, for 3 x 3.
//
// The guess of a coefficient is (quant of the mean) * (kernel . means) / (256 * its own quant), rounded away from
// zero, and less than what its unknown bits could hold.
#include <string.h>

#include "jpeg_parts.h"

enum { GUESSED = 10 }; // zigzag places 0 to 9

bool jpeg_smooth_wanted(const Jpeg *j) {
    if (!j->progressive) return false;
    bool useful = false;
    for (int i = 0; i < j->components; i++) {
        const JpegComponent *c = &j->component[i];
        if (!c->latched || c->known[0] < 0) return false;
        for (int k = 0; k < GUESSED; k++)
            if (c->quant[jpeg_zigzag[k]] == 0) return false;
        for (int k = 1; k < GUESSED; k++) useful |= c->known[k] != 0;
    }
    return useful;
}

// Kernels over the means around, row by row, where nothing but means is known (place 0 replaces the mean itself) …
static const int16_t kernel_means[GUESSED][25] = {
    {-2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2},
    {-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1},
    {-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1},
    {0, 0, 1, 0, 0, 0, 2, 7, 2, 0, 0, -5, -14, -5, 0, 0, 2, 7, 2, 0, 0, 0, 1, 0, 0},
    {-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1},
    {0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, -3, 0, 3, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 0, 0, 0, 0, 0, 0}};

// … and where some AC coefficients are: places 1 to 5 only.
static const int16_t kernel_known[6][25] = {
    {0},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {0, 0, -7, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 0, 0, 0, 0, 7, 0, 0},
    {0, 0, -1, 0, 0, 0, 0, 13, 0, 0, 0, 0, -24, 0, 0, 0, 0, 13, 0, 0, 0, 0, -1, 0, 0},
    {0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};

// The rows of blocks above and below. libjpeg counts the rows of the last, shorter MCU row as if all MCU rows
// were as short, so there it may take a neighbour for the edge of the picture; so do we.
static void rows_around(const Jpeg *j, const JpegComponent *c, int row, int around[5]) {
    int mcu_row = row / c->v, in_row = row % c->v, rows = c->v;
    if (mcu_row == j->mcus_down - 1 && c->blocks_h % c->v) rows = c->blocks_h % c->v;
    int counted = mcu_row * rows + in_row, all = rows * j->mcus_down;
    around[2] = row;
    around[1] = counted > 0 ? row - 1 : row;
    around[0] = counted > 1 ? row - 2 : around[1];
    around[3] = counted < all - 1 ? row + 1 : row;
    around[4] = counted < all - 2 ? row + 2 : around[3];
}

static int guess(int64_t sum, int quant, int known) {
    int64_t size = sum < 0 ? -sum : sum;
    int v = (int)((((int64_t)quant << 7) + size) / ((int64_t)quant << 8));
    if (known > 0 && v >= 1 << known) v = (1 << known) - 1;
    return sum < 0 ? -v : v;
}

void jpeg_smooth_block(const Jpeg *j, const JpegComponent *c, int row, int column, int16_t out[64]) {
    int around[5], means[25];
    rows_around(j, c, row, around);
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 5; x++) {
            int at = column + x - 2;
            at = at < 0 ? 0 : at >= c->blocks_w ? c->blocks_w - 1 : at;
            means[5 * y + x] = c->coefficients[((size_t)around[y] * c->across + at) * 64];
        }
    memcpy(out, c->coefficients + ((size_t)row * c->across + column) * 64, 64 * sizeof *out);

    // Rows that the last scan no longer reached are known as well as before it.
    static const int8_t nothing[GUESSED] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    const int8_t *known = row / c->v <= j->last_good_row ? c->known : j->scan_number > 1 ? c->known_before : nothing;
    bool means_only = true;
    for (int k = 1; k < GUESSED; k++) means_only &= known[k] == -1;
    for (int k = means_only ? GUESSED - 1 : 5; k >= (means_only ? 0 : 1); k--) {
        int place = jpeg_zigzag[k];
        if (k > 0 && (known[k] == 0 || out[place] != 0)) continue;
        const int16_t *kernel = means_only ? kernel_means[k] : kernel_known[k];
        int64_t sum = 0;
        for (int i = 0; i < 25; i++) sum += kernel[i] * means[i];
        out[place] = (int16_t)guess(sum * c->quant[0], c->quant[place], k ? known[k] : 0);
    }
}
