// stray.h: what a download leaves in the place of a file.
#ifndef RETINA_IO_STRAY_H
#define RETINA_IO_STRAY_H

#include "file.h"

void stray_refuse(Bytes file); // dies for a pointer of Git LFS and for a web page: called where a file is not what it should be

void stray_refuse_packed(Bytes file); // dies for what gzip has made

// The first, and for text that is not UTF-8 yet: UTF-16 (whose: what stands behind that word) and what gzip has made.
void stray_refuse_text(Bytes file, const char *whose);

#endif
