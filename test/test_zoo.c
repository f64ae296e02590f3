// test_zoo.c: the shipped models can be made again: the first twenty updates give the checksum that ZOO.json holds, on
// other numbers of threads too; the shipped files are whole; the byte-pair tokenizers read and write every word.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/blake2b.h"
#include "io/file.h"
#include "io/random.h"
#include "io/thread.h"
#include "model/model.h"
#include "test/check.h"
#include "train/merges.h"
#include "train/zoo.h"

static void folder_remove(const char *folder) {
    Arena *a = arena_new("remove");
    size_t n;
    char **files = folder_list(a, folder, &n);
    for (size_t i = 0; i < n; i++) unlink(files[i]);
    rmdir(folder);
    arena_free(a);
}

static void test_again(Arena *a, const char *name, int threads) {
    const char *shipped = arena_print(a, "data/zoo/%s", name), *zoo = path_join(a, shipped, "ZOO.json");
    if (!file_exists(zoo)) {
        printf("SKIP %s: %s is not there; `./retina zoo %s` makes it\n", name, zoo, name);
        return;
    }
    const Json *j = json_read(a, zoo);
    const char *tower = strstr(json_text(j, "recipe"), "tower "); // of the clip that it began with
    if (tower) check(strncmp(tower + 6, tower_checksum(a, "data/zoo/clip"), 16) == 0, "%s began with the tower of data/zoo/clip (%.22s)", name, tower);
    threads_set(threads);
    ZooOptions o = {.out = arena_print(a, "/tmp/retina-zoo-%s-%ld", name, (long)getpid()), .seed = (uint64_t)json_int(j, "seed"), .fresh = true,
                    .steps = (int)json_int(j, "percent of the recipe's steps"), .stop_after = 20, .clip = "data/zoo/clip"};
    const char *sum = strcmp(name, "clip") == 0 ? zoo_clip(a, &o) : strcmp(name, "llava") == 0 ? zoo_llava(a, &o) : zoo_coca(a, &o);
    check_text(arena_print(a, "%s: weights after 20 updates, %d threads", name, threads), sum, json_text(j, "checksum after 20 steps"));
    static const char *const same[] = {"config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "open_clip_config.json"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (file_exists(path_join(a, o.out, same[i])) || file_exists(path_join(a, shipped, same[i]))) check_text(arena_print(a, "%s: %s as shipped", name, same[i]), file_checksum(a, path_join(a, o.out, same[i])),
                   file_checksum(a, path_join(a, shipped, same[i])));
    folder_remove(o.out);
    Model *m = model_open(a, shipped, false);
    check(m->family != NULL, "%s: opens as a model of the family %s", name, m->family->name);
}

// Words that were read come back as one token each; others survive in pieces or bytes.
static void test_merges(Arena *a, MergesKind kind) {
    const char *folder = arena_print(a, "/tmp/retina-merges-%ld", (long)getpid());
    folder_make(folder);
    Merges *m = merges_new(a, kind);
    for (int i = 0; i < 5; i++) merges_read(m, "a small red disc, left of two blue stars");
    merges_read(m, "where is it?");
    merges_learn(m, 500);
    int whole, words = merges_words(m, &whole);
    check(words == whole && words == 14, "merges: every one of %d words is one token (%d)", words, whole);
    if (kind == MERGES_CLIP) merges_special(m, "<|startoftext|>"), merges_special(m, "<|endoftext|>");
    merges_write(m, folder);
    const char *config = kind == MERGES_CLIP ? "{\"tokenizer_class\": \"CLIPTokenizer\", \"bos_token\": \"<|startoftext|>\", \"eos_token\": \"<|endoftext|>\"}"
                                             : "{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}";
    file_write(path_join(a, folder, "tokenizer_config.json"), config, strlen(config));
    const Tokenizer *t = tokenizer_load(a, folder, false);
    static const char *const texts[] = {"two red stars", "where is a disc?", "zebra!"};
    for (int i = 0; i < 3; i++) {
        Ids ids = tokenizer_encode(t, a, texts[i], strlen(texts[i]), false);
        const char *back = tokenizer_decode(t, a, ids.ids, ids.count, false, NULL);
        if (i < 2 || kind == MERGES_LLAMA) check_text("merges: a text comes back", back, kind == MERGES_CLIP && i == 1 ? "where is a disc ?" : texts[i]);
        if (i == 0) check(ids.count == 3, "merges: three words, %zu tokens", ids.count);
    }
    folder_remove(folder);
}

int main(void) {
    quiet = true;
    Arena *a = arena_new("test");
    test_merges(a, MERGES_CLIP);
    test_merges(a, MERGES_LLAMA);
    test_again(a, "clip", 2);
    test_again(a, "llava", 1);
    test_again(a, "coca", 2);
    arena_free(a);
    return check_end();
}
