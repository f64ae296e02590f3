// fuzz_number.c: numbers as texts; what is written is read as the same number.
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "io/number.h"

static void again(double v, const char *text) {
    double back;
    if (!real_parse(text, &back)) die("\"%s\": a number that was written is none", text);
    if (!(back == v || (isnan(v) && isnan(back)))) die("\"%s\": reads as another number", text);
}

static void parse(Arena *a, Bytes input) {
    const char *text = arena_text(a, (const char *)input.bytes, input.size);
    char buffer[32];
    int64_t whole;
    double real;
    if (input.size % 2 && input.size >= 8) { // any eight bytes are a number, too
        float f;
        memcpy(&real, input.bytes, 8);
        memcpy(&f, input.bytes, 4);
        again(real, real_repr(real, buffer));
        if (isfinite(real)) again(real, real_text(real, buffer));
        real_parse(float_repr(f, buffer), &real);
        if (isfinite(f) && (float)real != f) die("\"%s\": reads as another float", buffer);
    }
    if (int_parse(text, &whole)) {
        if (strcmp(arena_print(a, "%lld", (long long)whole), text) != 0 && !strchr("+-0", text[0])) die("\"%s\": reads as another whole number", text);
    }
    if (!real_parse(text, &real)) die(FUZZ_PATH ": no number");
    again(real, real_repr(real, buffer));
}

const Fuzz fuzz_target = {
    .name = "number",
    .parse = parse,
    .seeds = (const char *const[]){"test/fuzz/seeds/number.*", NULL},
    .words = (const char *const[]){"nan", "inf", "infinity", "e", "E-", ".", "-", "+", "0", "9999999999999999999", "e308", "e-324", "0x", NULL},
};
