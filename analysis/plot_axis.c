// plot_axis.c: widths of text, round numbers for ticks, and where a value lies. See plot.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot_parts.h"

// Advance widths of Helvetica, in thousandths of the size, from the space on.
static const short widths[95] = {
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556,
    556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};

double text_width(const char *text, double size) {
    double sum = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= 32 && *c < 127) sum += widths[*c - 32];
        else if (*c >= 0xE3) sum += 1000; // first byte of a wide character, most likely
        else if (*c >= 0xC0) sum += 600;
    }
    return sum * size / 1000 * 1.1; // whose system font is wider still finds room
}

int text_lines(Arena *a, const char *text, double size, double width, const char **lines, int most) {
    int count = 0;
    while (*text && count < most) {
        size_t length = strlen(text), best = length;
        char *line = arena_text(a, text, length);
        if (count + 1 < most)
            while (text_width(line, size) > width) {
                size_t cut = best;
                while (cut > 0 && text[cut - 1] != ' ') cut--;
                while (cut > 0 && text[cut - 1] == ' ') cut--;
                if (cut == 0) break; // one word: it stays whole
                best = cut;
                line[best] = 0;
            }
        lines[count++] = line;
        text += best;
        while (*text == ' ') text++;
    }
    return count;
}

static const char *superscript(Arena *a, int n) {
    static const char *const digit[10] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char plain[16];
    snprintf(plain, sizeof plain, "%d", n);
    Markup *m = markup_new(a);
    for (const char *c = plain; *c; c++) markup_put(m, *c == '-' ? "⁻" : digit[*c - '0']);
    return markup_done(m, NULL);
}

const char *number_text(Arena *a, double v, int decimals) {
    if (!isfinite(v)) return isnan(v) ? "–" : v > 0 ? "∞" : "−∞";
    char plain[64];
    double size = fabs(v);
    if ((size >= 1e6 && decimals <= 0) || (size > 0 && size < 1e-4 && decimals > 4)) { // 2×10⁻⁶, 10⁷
        int power = (int)floor(log10(size) + 1e-9);
        double front = size / pow(10, power);
        for (int digits = 3; digits <= 15; digits++) { // as few as tell this number from its neighbours
            snprintf(plain, sizeof plain, "%.*g", digits, front);
            if (fabs(strtod(plain, NULL) / front - 1) < 1e-12) break;
        }
        const char *sign = v < 0 ? "−" : "", *ten = superscript(a, power);
        return strcmp(plain, "1") == 0 ? arena_print(a, "%s10%s", sign, ten) : arena_print(a, "%s%s×10%s", sign, plain, ten);
    }
    snprintf(plain, sizeof plain, "%.*f", decimals < 0 ? 0 : decimals > 12 ? 12 : decimals, size);
    bool zero = strspn(plain, "0.") == strlen(plain);
    Markup *m = markup_new(a);
    if (v < 0 && !zero) markup_put(m, "−");
    size_t whole = strcspn(plain, ".");
    for (size_t i = 0; plain[i]; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0) markup_put(m, ",");
        markup_put_n(m, plain + i, 1);
    }
    return markup_done(m, NULL);
}

// 1, 2 or 5 times a power of ten, so that about `wanted` steps fill the range. decimals: what its multiples need.
static double round_step(double range, double wanted, int *decimals) {
    double raw = range / wanted, ten = pow(10, floor(log10(raw))), f = raw / ten;
    double step = (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * ten;
    *decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
    return step;
}

static void tick_add(Scale *s, double at, const char *text) {
    if (s->ticks < TICKS_MOST) {
        s->tick[s->ticks] = at;
        s->text[s->ticks++] = text;
    }
}

static void linear_ticks(Arena *a, Scale *s, double room, bool extend) {
    int decimals;
    double step = round_step(s->high - s->low, fmax(2, room / 62), &decimals);
    if (extend) {
        s->low = floor(s->low / step + 1e-9) * step;
        s->high = ceil(s->high / step - 1e-9) * step;
    }
    double first = ceil(s->low / step - 1e-6), last = floor(s->high / step + 1e-6);
    for (double k = first; k <= last; k++) tick_add(s, k * step, number_text(a, k * step, decimals));
}

// "0.01", "1,000"; or "10⁻²" on an axis where some number would be long.
static const char *decade_text(Arena *a, int factor, int power, bool powers) {
    if (!powers) return number_text(a, factor * pow(10, power), power < 0 ? -power : 0);
    return factor == 1 ? arena_print(a, "10%s", superscript(a, power)) : arena_print(a, "%d×10%s", factor, superscript(a, power));
}

// Powers of ten, thinned out when there are many; 2 and 5 times them when there are few.
static void log_ticks(Arena *a, Scale *s, double room) {
    double decades = log10(s->high) - log10(s->low);
    int every = (int)fmax(1, ceil(decades / fmax(2, room / 50)));
    bool between = decades * 3 < room / 40, powers = s->low < 1e-4 || s->high >= 1e6;
    int first = (int)floor(log10(s->low) - 1e-9), last = (int)ceil(log10(s->high) + 1e-9);
    for (int p = first; p <= last; p++)
        for (int f = 1; f <= 9; f++) {
            double v = f * pow(10, p);
            if (v < s->low * (1 - 1e-9) || v > s->high * (1 + 1e-9)) continue;
            bool named = f == 1 ? p % every == 0 : between && (f == 2 || f == 5); // 10⁰ is always among them
            if (!named && (f > 1 || every > 1)) continue;
            tick_add(s, v, named ? decade_text(a, f, p, powers) : NULL);
        }
    if (s->ticks < 2) { // less than a step of 1, 2, 5: ordinary round numbers
        s->ticks = 0;
        linear_ticks(a, s, room, false);
    }
}

// How many decimals tell a value, up to six.
static int decimals_of(double value) {
    int n = 0;
    for (double ten = 1; n < 6 && fabs(value * ten - round(value * ten)) > 1e-9 * fabs(value) * ten; ten *= 10) n++;
    return n;
}

void axis_ticks(Arena *a, Scale *s, double room, bool extend, bool zero) {
    s->ticks = 0;
    if (s->kind == AXIS_NAMES) return;
    if (s->kind == AXIS_LOG) {
        if (!(s->low > 0 && s->high > 0)) s->low = 1, s->high = 10; // nothing to show
        if (s->high <= s->low * (1 + 1e-9)) s->low /= 2, s->high *= 2;
        log_ticks(a, s, room);
        return;
    }
    if (!(s->low <= s->high)) s->low = 0, s->high = 1;
    if (zero) s->low = fmin(s->low, 0), s->high = fmax(s->high, 0);
    if (s->high - s->low <= 1e-12 * fmax(fabs(s->low), fabs(s->high))) { // one value: some room around it
        double value = s->low, around = value != 0 ? fabs(value) * 0.1 : 1;
        s->low -= around, s->high += around;
        if (!extend) {
            tick_add(s, value, number_text(a, value, decimals_of(value)));
            return;
        }
    }
    linear_ticks(a, s, room, extend);
}

// What lies far outside of a fixed axis stays a reasonable coordinate; the drawing area cuts it off.
double scale_at(const Scale *s, double v) {
    double low = s->low, high = s->high;
    if (s->kind == AXIS_LOG) v = log10(v), low = log10(low), high = log10(high);
    double at = s->from + (v - low) / (high - low) * (s->to - s->from);
    return fmin(fmax(at, -1e5), 1e5);
}

bool scale_shows(const Scale *s, double v) { return isfinite(v) && (s->kind != AXIS_LOG || v > 0); }
