// levels.h: the same test program again, on each instruction set, to compare what it computes.
//
//     int main(int argc, char **argv) {
//         if (levels_child(argc)) return levels_print(bytes, size);   // called with one argument: prints a digest
//         …
//         levels_check("name", argv[0]);
#ifndef RETINA_TEST_LEVELS_H
#define RETINA_TEST_LEVELS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "io/blake2b.h"
#include "model/cpu.h"

static inline bool levels_child(int argc) { return argc == 2; }

static inline int levels_print(const void *bytes, size_t size) {
    uint8_t digest[16];
    blake2b(digest, sizeof digest, bytes, size);
    for (int i = 0; i < 16; i++) printf("%02x", digest[i]);
    printf("\n");
    return 0;
}

// Every level of this machine prints the same digest. EMULATOR: what runs programs of another machine (aarch64.sh).
static inline void levels_check(const char *name, const char *program) {
    char first[64] = "";
    for (int level = CPU_SCALAR; level <= (int)cpu_level(); level++) {
        char command[600], line[64] = "";
        snprintf(command, sizeof command, "RETINA_ISA=%s $EMULATOR '%s' digest", cpu_level_name((CpuLevel)level), program);
        FILE *child = popen(command, "r");
        need(child, "%s: cannot be started", command);
        bool read = fgets(line, sizeof line, child) != NULL;
        bool ended = pclose(child) == 0;
        if (level == CPU_SCALAR) memcpy(first, line, sizeof first);
        check(read && ended && strlen(line) == 33 && strcmp(line, first) == 0, "%s: %s has the bits of scalar: %.32s", name,
              cpu_level_name((CpuLevel)level), line);
    }
}

#endif
