// tar.h: archives read front to back, member by member or sample by sample (webdataset). Nothing is ever written to disk.
//
// POSIX ustar and pax, GNU long names and base-256 sizes. Regular files are members; folders, links and devices are passed
// over, as the reference does. Refused: compressed archives, sparse members, damaged headers, members that are cut off.
#ifndef RETINA_IO_TAR_H
#define RETINA_IO_TAR_H

#include <stdbool.h>

#include "file.h"

typedef struct {
    const char *name; // as it is stored; valid until the next member
    uint64_t offset, size; // of the content in the archive
} TarEntry;

typedef struct Tar Tar;
Tar *tar_open(Arena *a, const char *path); // "-" is stdin. Goes on taking from `a`: what is read and released lives in another
bool tar_next(Tar *t, TarEntry *e);        // the next regular file; false: the end
Bytes tar_read(Arena *a, Tar *t);          // the content of the member that tar_next gave, once
void tar_close(Tar *t);

// Members in a row whose names agree up to the first dot of their base name. Names that begin with "__…__" are notes of
// the archive's maker, names without an extension or with nothing before it belong to no sample; both are passed over.
typedef struct {
    const char *extension; // after that dot, in lower case: "jpg", "cls.txt"
    Bytes content;
} TarPart;

typedef struct {
    const char *key; // with folders: "a/b" of "a/b.cls.txt"
    const TarPart *parts;
    size_t count;
} TarSample;

bool tar_sample(Arena *a, Tar *t, TarSample *s);                       // the next sample, all of it in `a`; false: the end
const TarPart *tar_part(const TarSample *s, const char *extension);    // NULL: not there

// "name-{000..012}.tar", "{a,b}/{1..3}.tar": every name, as bash and webdataset expand it. Dies for braces that do not match.
char **brace_expand(Arena *a, const char *pattern, size_t *count);

#endif
