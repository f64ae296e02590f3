// temporary.h: the names of files that are being written, and what killed runs left of them.
#ifndef RETINA_IO_TEMPORARY_H
#define RETINA_IO_TEMPORARY_H

char *temporary_name(const char *path);        // PATH.tmp.MACHINE.PROCESS, to be freed
void temporary_sweep(const char *folder);      // "" is the current one: once a process and folder, removes those of processes that are gone

#endif
