// readers.c: the readers of io/ that no command calls, or not in every way, as small programs for test/fail/every.sh:
//
//     readers KIND PATH        reads all there is under a trap; dies as the commands do
//
// A failure that came back through the trap must have left nothing open: a study that goes on without one picture would run
// out of files, or of address space, picture by picture.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/file.h"
#include "io/image.h"
#include "io/labelled.h"
#include "io/lines.h"
#include "io/npy.h"
#include "io/records.h"
#include "io/safetensors.h"
#include "io/spair.h"
#include "io/tar.h"
#include "io/torch_file.h"
#include "io/xml.h"
#include "model/chat.h"
#include "model/preprocess.h"
#include "model/tokenizer.h"

static void array(Arena *a, const char *path) { npy_read(a, path); }

static void arrays(Arena *a, const char *path) {
    Npz *z = npz_open(a, path);
    for (size_t i = 0; i < npz_count(z); i++) npz_read(a, z, npz_name(z, i));
}

static void checkpoint(Arena *a, const char *path) {
    const TorchValue *v = torch_read(a, file_map(a, path));
    for (size_t i = 0; v->kind == TORCH_DICT && i < v->count; i++)
        if (v->items[i]->kind == TORCH_TENSOR) torch_data(a, v->items[i]->tensor, path);
}

static void tensors(Arena *a, const char *path) { tensors_close(tensors_open(a, path)); }

static void samples(Arena *a, const char *path) {
    Tar *t = tar_open(a, path);
    Arena *content = arena_new("samples");
    TarSample s;
    for (Mark mark = arena_mark(content); tar_sample(content, t, &s);) arena_release(content, mark);
    arena_free(content);
    tar_close(t);
}

static void table(Arena *a, const char *path) {
    Csv *c = csv_open(a, path, strcmp(path_extension(path), "tsv") == 0 ? '\t' : ',');
    while (csv_next(c)) csv_get(c, 0);
    csv_close(c);
}

static void lines(Arena *a, const char *path) {
    Lines *l = lines_open(a, path);
    for (size_t n; lines_next(l, &n);) {}
    lines_close(l);
}

static void records(Arena *a, const char *path) {
    Records *r = records_open(a, path);
    while (records_next(a, r)) {}
    records_close(r);
}

static void document(Arena *a, const char *path) { xml_read(a, path); }

static void set(Arena *a, const char *path) { // ROOT/SET
    const char *name = path_name(path);
    labelled_read(a, name, arena_text(a, path, (size_t)(name - path) - 1), "test");
}

static void list(Arena *a, const char *path) { labelled_list(a, path); }

static void pairs(Arena *a, const char *path) {
    size_t categories, count;
    char **names = spair_categories(a, path, &categories);
    for (size_t i = 0; i < categories; i++) {
        char **files = spair_pairs(a, path, "test", names[i], &count);
        for (size_t k = 0; k < count; k++) spair_picture(a, path, names[i], spair_pair(a, files[k]).source);
    }
}

static void picture(Arena *a, const char *path) { image_oriented(a, image_read(a, path, NULL)); }

static void tokenizer(Arena *a, const char *path) { tokenizer_load(a, path, false); }
static void template(Arena *a, const char *path) { chat_load(a, path); }
static void processor(Arena *a, const char *path) { preprocess_read(a, path); }

static const struct {
    const char *name;
    void (*read)(Arena *a, const char *path);
} kinds[] = {{"array", array}, {"arrays", arrays}, {"checkpoint", checkpoint}, {"tensors", tensors}, {"samples", samples}, {"table", table},
             {"lines", lines}, {"records", records}, {"document", document}, {"set", set}, {"list", list},
             {"pairs", pairs}, {"picture", picture}, {"tokenizer", tokenizer}, {"template", template}, {"processor", processor}};

static int open_files(void) {
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static int mappings_below(const char *path) {
    int n = 0;
    char line[4096];
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) n += strstr(line, path) != NULL;
    if (f) fclose(f);
    return n;
}

static void try(void (*read)(Arena *a, const char *path), const char *path) {
    Arena *a = arena_new("readers");
    int before = open_files();
    Trap trap;
    if (trap_set(&trap)) {
        read(a, path);
        trap_end(&trap);
        return;
    }
    int opened = open_files() - before, mapped = mappings_below(path);
    if (opened != 0 || mapped != 0) {
        fprintf(stderr, "%s: %d files and %d mappings were left open\n", trap.message, opened, mapped);
        exit(3); // no orderly end
    }
    arena_free(a);
    die("%s", trap.message);
}

int main(int argc, char **argv) {
    if (argc != 3) die_usage("readers KIND PATH");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, argv[1]) != 0) continue;
        try(kinds[i].read, argv[2]);
        return 0;
    }
    die_usage("readers %s: no such kind", argv[1]);
}
