// stray.h: what a download leaves in the place of a file.
#ifndef RETINA_IO_STRAY_H
#define RETINA_IO_STRAY_H

#include "file.h"

void stray_refuse(Bytes file); // dies for a pointer of Git LFS and for a web page: called where a file is not what it should be

// … and for text that is not UTF-8 yet: UTF-16 (whose: what stands behind that word) and compressed text.
void stray_refuse_text(Bytes file, const char *whose);

#endif
