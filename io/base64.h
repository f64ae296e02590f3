// base64.h: RFC 4648, the common alphabet.
#ifndef RETINA_IO_BASE64_H
#define RETINA_IO_BASE64_H

#include "file.h"

char *base64_encode(Arena *a, const void *bytes, size_t size); // padded, on one line, closed by 0

// Strict: groups of four, padding where it is due, nothing else, the unused bits zero. Loose: white space anywhere is
// passed over, and the padding may be missing. Both also take '-' and '_' for '+' and '/'. Dies with `where` and the
// place of the first character that does not belong there.
typedef enum { BASE64_STRICT, BASE64_LOOSE } Base64Form;
Bytes base64_decode(Arena *a, const char *text, size_t length, Base64Form form, const char *where);

#endif
