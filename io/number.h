// number.h: numbers as texts, the way Python and pandas write and read them.
#ifndef RETINA_IO_NUMBER_H
#define RETINA_IO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The shortest decimal that reads back as the same number, in the form of Python's repr: "1.0", "0.1", "1e-05", "1e+16",
// "nan", "-inf".
const char *real_repr(double value, char text[32]);
const char *float_repr(float value, char text[32]);
// The same without a point where there is no fraction, as C's %g has it: "1", "0.1", "1e-05".
const char *real_text(double value, char text[32]);

// The whole text is a decimal number, or nan, inf, infinity in any case and with a sign. Nothing else: no hexadecimal,
// no white space.
bool real_parse(const char *text, double *value);
bool int_parse(const char *text, int64_t *value); // digits with a sign; false also beyond 64 bits

#endif
