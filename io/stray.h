// stray.h: what a download leaves in the place of a file.
#ifndef RETINA_IO_STRAY_H
#define RETINA_IO_STRAY_H

#include "file.h"

void stray_refuse(Bytes file); // dies for a pointer of Git LFS and for a web page: called where a file is not what it should be

#endif
