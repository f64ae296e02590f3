// fuzz.h: damaged files through a parser. A target is one file, test/fuzz/fuzz_NAME.c, that defines `fuzz_target`.
//
//     make fuzz TARGET=csv RUNS=1000000            our own mutator: the same seed and run give the same input anywhere
//     make fuzz TARGET=csv SECONDS=60              as many as there is time for
//     make fuzz TARGET=csv FIRST=123 RUNS=1        one run again, as a failure names it
//     make fuzz TARGET=csv ENGINE=libfuzzer        clang's coverage-guided one, until it is stopped
//
// A parser may accept its input or die with a message that names FUZZ_PATH or FUZZ_DIR; a target says by a die without
// them that something is wrong. Reported as failures: what the sanitizers find, a run of more than
// ten seconds, more memory than the target allows, a message that does not name the file, or is more than a line, files
// and mappings left open.
#ifndef RETINA_TEST_FUZZ_H
#define RETINA_TEST_FUZZ_H

#include "io/file.h"

typedef struct {
    const char *name;
    const char *const *seeds; // paths of good files, closed by NULL; large ones make every run slow.
                              // A .pack (test/picture_pack.h) is as many seeds as it has small files.
                              // "DIR: a b c" is one seed, those files joined by zeros (fuzz_part).
                              // Each may be a pattern of glob(3)
    const char *const *words; // pieces of the format to be put in here and there, closed by NULL; NULL: none
    void (*parse)(Arena *a, Bytes input);
    size_t memory; // bytes of arena for an input of a few kilobytes; 0: 16 MiB
} Fuzz;

extern const Fuzz fuzz_target;

// io/file.h gives the input under this path, its readers in pieces of odd sizes (files.c).
#define FUZZ_PATH "the.input"
void fuzz_input(const uint8_t *bytes, size_t size);
// For what reads a folder: this one has the files placed in it since the run began, and no others.
#define FUZZ_DIR "the.folder"
void fuzz_place(const char *path, const void *bytes, size_t size); // FUZZ_DIR "/name"
Bytes fuzz_part(Bytes input, size_t i); // of those that zeros part; empty beyond the last

void fuzz_touch(const void *bytes, size_t size); // reads them all, so that a false size is seen

#endif
