// pages.h: memory in whole pages of the system's, zero at first: for what is large and read in order.
#ifndef RETINA_IO_PAGES_H
#define RETINA_IO_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define PAGE_HUGE ((size_t)2 << 20) // bytes of a huge page; what is as large begins at a multiple of it

size_t pages_rounded(size_t bytes); // to whole pages, huge ones where it is as large as one
// huge: in huge pages where the system has them; else in small ones. NULL: there is no memory. bytes: pages_rounded.
void *pages_take(size_t bytes, bool huge);
void pages_give(void *p, size_t bytes);
void pages_huge_wanted(void *p, size_t bytes); // of a mapping; of a file where its file system keeps it in such pieces

#endif
