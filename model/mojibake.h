// mojibake.h: text that was UTF-8 and was decoded as something else, guessed back ("schÃ¶n" is "schön"), as ftfy.fix_encoding does.
#ifndef RETINA_MODEL_MOJIBAKE_H
#define RETINA_MODEL_MOJIBAKE_H

#include "unicode.h"

void mojibake_fix(Growing *out, const char *text, size_t n); // UTF-8 in, appended to `out`; takes memory of out's arena

// What Windows-1252 has in the place of a control character U+0080 to U+009F: that character where it has nothing.
uint32_t windows_control(uint32_t c);

#endif
