// pages.c: see pages.h.
#define _GNU_SOURCE // MADV_HUGEPAGE
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

size_t pages_rounded(size_t bytes) {
    size_t page = bytes >= PAGE_HUGE ? PAGE_HUGE : (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

void *pages_take(size_t bytes, bool huge) {
    char *p = mmap(NULL, bytes + PAGE_HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t before = (PAGE_HUGE - (uintptr_t)p % PAGE_HUGE) % PAGE_HUGE;
    if (before) munmap(p, before);
    munmap(p + before + bytes, PAGE_HUGE - before);
    if (huge) {
        pages_huge_wanted(p + before, bytes);
    } else {
#ifdef MADV_NOHUGEPAGE
        madvise(p + before, bytes, MADV_NOHUGEPAGE);
#endif
    }
    return p + before;
}

void pages_huge_wanted(void *p, size_t bytes) {
#ifdef MADV_HUGEPAGE
    if (bytes >= PAGE_HUGE) madvise(p, bytes, MADV_HUGEPAGE);
#else
    (void)p, (void)bytes;
#endif
}

void pages_give(void *p, size_t bytes) { munmap(p, bytes); }
