// test_extract.c: `retina extract` as a program: rows of padded and unequal texts, pooling, pictures in any order and batch,
// a run that is killed, jobs of --shard i/n joined, damaged pictures, files of other inputs that must not be kept.
//
// Bound: 1e-5 relative against the reference's batch with padding, as for every tap; all else is bytes.
// Caught when broken on purpose: padding kept, a pooled mean over it, a table of positions once a batch, rows of the first
// batch twice, a digest without the replacement's content, without the pictures' sizes, parts joined in the order of names.
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "golden.h"
#include "io/csv.h"
#include "io/image.h"
#include "io/random.h"
#include "io/safetensors.h"
#include "scratch.h"

#define G "test/golden/"

static Arena *a;
static const char *program; // the retina of this build
static char said[4096]; // what the last command wrote to stderr

// Runs retina WORDS…; after `microseconds` it is killed, 0: never. Returns the exit status, or -1 when it was killed.
static int retina_for(useconds_t microseconds, const char *words) {
    const char *err = scratch_path(a, "stderr");
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", arena_print(a, "exec %s %s 2>%s >/dev/null", program, words, err), (char *)NULL);
        _exit(127);
    }
    if (microseconds) {
        usleep(microseconds);
        kill(child, SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    Bytes b = file_read(a, err);
    snprintf(said, sizeof said, "%.*s", (int)(b.size ? b.size - 1 : 0), (const char *)b.bytes); // its last line break
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int retina(const char *format, ...) PRINTF_LIKE(1, 2);
static int retina(const char *format, ...) {
    char words[8192];
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    return retina_for(0, words);
}

static const char *at(const char *name) { return scratch_path(a, name); }
static Tensors *results(const char *name) { return tensors_open(a, at(name)); }
static size_t width_of(const TensorEntry *e, int from) { // bytes of what lies below an axis
    size_t n = dtype_size(e->dtype);
    for (int d = from; d < e->ndim; d++) n *= (size_t)e->shape[d];
    return n;
}

static bool same_files(const char *x, const char *y) {
    if (!file_exists(at(x)) || !file_exists(at(y))) return false;
    Bytes b = file_read(a, at(x)), c = file_read(a, at(y));
    return b.size == c.size && memcmp(b.bytes, c.bytes, b.size) == 0;
}

static void save_ids(const char *name, const int64_t *ids, const int64_t *mask, int64_t N, int64_t T) {
    TensorPlan plan[] = {{"input_ids", DTYPE_I64, 2, {N, T}}, {"attention_mask", DTYPE_I64, 2, {N, T}}};
    TensorsWriter *w = tensors_create(a, at(name), plan, mask ? 2 : 1, NULL);
    tensors_put(w, "input_ids", ids, (size_t)(N * T) * sizeof *ids);
    if (mask) tensors_put(w, "attention_mask", mask, (size_t)(N * T) * sizeof *mask);
    tensors_finish(w);
}

// ---- texts

// A batch that the reference padded: its rows without padding, end to end.
static void padded_golden(const char *directory, const char *golden) {
    Tensors *g = tensors_open(a, arena_print(a, G "%s/%s.safetensors", directory, golden));
    const TensorEntry *ids = tensors_need(g, "input/input_ids"), *mask = tensors_need(g, "input/attention_mask");
    TensorPlan plan[] = {{"input_ids", DTYPE_I64, 2, {ids->shape[0], ids->shape[1]}}, {"attention_mask", DTYPE_I64, 2, {ids->shape[0], ids->shape[1]}},
                         {"token_type_ids", DTYPE_I64, 2, {ids->shape[0], ids->shape[1]}}};
    const TensorEntry *types = tensors_find(g, "input/token_type_ids");
    TensorsWriter *w = tensors_create(a, at("padded.safetensors"), plan, types ? 3 : 2, NULL);
    tensors_put(w, "input_ids", ids->bytes, ids->size);
    tensors_put(w, "attention_mask", mask->bytes, mask->size);
    if (types) tensors_put(w, "token_type_ids", types->bytes, types->size);
    tensors_finish(w);
    int status = retina("extract --model " G "%s --ids %s --taps '*' --out %s --quiet", directory, at("padded.safetensors"), at("rows.safetensors"));
    if (!check(status == 0, "%s %s: a padded batch is read (%d: %s)", directory, golden, status, said)) return;
    Tensors *r = results("rows.safetensors");
    Golden *want = golden_open(a, arena_print(a, G "%s/%s.safetensors", directory, golden));
    size_t ragged = 0, wrong = 0, N = (size_t)ids->shape[0], T = (size_t)ids->shape[1];
    double worst = 0;
    int64_t *place = take(a, int64_t, N * T), *kept = take_zero(a, int64_t, N), rows = 0; // of each token among the rows; -1: padding
    for (size_t i = 0; i < N * T; i++) {
        int64_t m;
        memcpy(&m, mask->bytes + i * sizeof m, sizeof m);
        place[i] = m ? rows++ : -1;
        kept[i / T] += m;
    }
    for (size_t i = 0; i < golden_taps(want); i++) {
        const GoldenTensor *g0 = golden_tap_at(want, i);
        const TensorEntry *e = tensors_find(r, g0->name), *lengths = tensors_find(r, arena_print(a, "%s#lengths", g0->name));
        if (!e || !lengths) continue;
        size_t width = width_of(e, 1) / sizeof(float);
        double diff = 0, norm = 0;
        wrong += e->ndim != g0->shape.ndim - 1 || e->shape[0] != rows || memcmp(lengths->bytes, kept, lengths->size) != 0;
        for (size_t k = 0; k < g0->count; k++) {
            size_t flat = k * (size_t)g0->every;
            int64_t row = place[flat / width];
            if (row < 0) continue;
            float x;
            memcpy(&x, e->bytes + ((size_t)row * width + flat % width) * sizeof x, sizeof x);
            diff += ((double)x - (double)g0->values[k]) * ((double)x - (double)g0->values[k]), norm += (double)g0->values[k] * (double)g0->values[k];
        }
        if (!(sqrt(diff / norm) <= worst)) worst = sqrt(diff / norm);
        ragged++;
    }
    check(ragged > 5 && wrong == 0 && worst <= 1e-5, "%s %s: %zu taps without their padding, %zu of wrong shape or lengths, worst rel %.1e", directory, golden, ragged, wrong, worst);
}

// Ids padded on the right: the rows are the bytes of each text alone. Taps of four axes, too.
static void padded_alone(const char *directory) {
    int64_t ids[] = {5, 6, 7, 8, 9, 3, 4, 0, 0, 0, 9, 8, 7, 6, 0}, mask[] = {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0};
    static const char *const alone[] = {"5,6,7,8,9", "3,4", "9,8,7,6"};
    save_ids("right.safetensors", ids, mask, 3, 5);
    int status = retina("extract --model " G "%s --ids %s --taps '*' --out %s --quiet", directory, at("right.safetensors"), at("all.safetensors"));
    Tensors *all = status == 0 ? results("all.safetensors") : NULL;
    size_t ragged = 0, differ = 0, offset[64] = {0};
    const char *first = "";
    for (int k = 0; k < 3 && all; k++) {
        retina("extract --model " G "%s --ids %s --taps '*' --out %s --quiet", directory, alone[k], at("one.safetensors"));
        Tensors *one = results("one.safetensors");
        for (size_t i = 0, place = 0; i < tensors_count(all); i++) {
            const TensorEntry *e = tensors_at(all, i), *x = tensors_find(one, e->name);
            if (!tensors_find(all, arena_print(a, "%s#lengths", e->name)) || place == 64) continue;
            bool same = x && offset[place] + x->size <= e->size && memcmp(e->bytes + offset[place], x->bytes, x->size) == 0;
            if (!same && !differ++) first = e->name;
            if (x) offset[place++] += x->size;
            ragged++;
        }
        tensors_close(one);
    }
    check(ragged > 20 && differ == 0, "%s: texts padded on the right are the bytes of each alone (%zu taps, %zu differ, first %s)", directory, ragged, differ, first);
}

static void pooled_texts(void) {
    static const char *const how[] = {"mean", "first", "last", "max"};
    for (int p = 0; p < 4; p++) {
        retina("extract --model " G "llama-2 --ids %s --taps model.layers.0 --out %s --quiet --pool %s", at("right.safetensors"), at("all.safetensors"), how[p]);
        retina("extract --model " G "llama-2 --ids 3,4 --taps model.layers.0 --out %s --quiet --pool %s", at("one.safetensors"), how[p]);
        const TensorEntry *e = tensors_need(results("all.safetensors"), "model.layers.0"), *x = tensors_need(results("one.safetensors"), "model.layers.0");
        check(e->ndim == 2 && e->shape[0] == 3 && memcmp(e->bytes + x->size, x->bytes, x->size) == 0, "--pool %s: of a padded text as of the text alone", how[p]);
    }
}

// Of every tap at once: tokens are pooled, what is none (a map, a vector, attention's weights) stays.
static void pooled_everything(void) {
    const char *command = "extract --model " G "clip-openai --image " G "preprocess/square.png --taps '*' --out %s --quiet %s";
    if (!check(retina(command, at("whole.safetensors"), "") == 0 && retina(command, at("pooled.safetensors"), "--pool mean") == 0, "--pool with every tap (%s)", said)) return;
    Tensors *whole = results("whole.safetensors"), *pooled = results("pooled.safetensors");
    size_t tokens = 0, others = 0, wrong = 0;
    for (size_t i = 0; i < tensors_count(whole); i++) {
        const TensorEntry *w = tensors_at(whole, i), *p = tensors_need(pooled, w->name);
        if (w->ndim == 3) tokens++, wrong += p->ndim != 2 || p->shape[1] != w->shape[2];
        else others++, wrong += p->ndim != w->ndim || p->size != w->size || memcmp(p->bytes, w->bytes, w->size) != 0;
    }
    check(tokens > 5 && others > 2 && wrong == 0, "--pool with every tap: %zu of tokens, %zu others whole, %zu wrong", tokens, others, wrong);
}

static void prompts(void) {
    static const char text[] = "a cat\na cat and a dog on the mat\nb\na cat\n";
    scratch_file(a, "prompts.txt", text, sizeof text - 1);
    int status = retina("extract --model " G "llama-2 --prompts %s --raw --taps '*,*layers.1' --out %s --quiet", at("prompts.txt"), at("texts.safetensors"));
    if (!check(status == 0, "texts of unequal lengths (%d: %s)", status, said)) return;
    Tensors *t = results("texts.safetensors");
    const TensorEntry *e = tensors_need(t, "model.layers.1"), *l = tensors_need(t, "model.layers.1#lengths");
    int64_t n[4], sum = 0;
    memcpy(n, l->bytes, sizeof n);
    for (int i = 0; i < 4; i++) sum += n[i];
    check(l->shape[0] == 4 && n[0] == n[3] && n[1] > n[0] && e->ndim == 2 && e->shape[0] == sum, "lengths %d %d %d %d, %d rows, although two patterns match", (int)n[0], (int)n[1], (int)n[2],
          (int)n[3], (int)e->shape[0]);
    retina("extract --model " G "llama-2 --prompt 'a cat and a dog on the mat' --raw --taps model.layers.1 --out %s --quiet", at("one.safetensors"));
    const TensorEntry *x = tensors_need(results("one.safetensors"), "model.layers.1");
    check(x->ndim == 3 && x->shape[1] == n[1] && memcmp(e->bytes + width_of(e, 1) * (size_t)n[0], x->bytes, x->size) == 0, "the second text's rows are those of it alone");
    const TensorEntry *maps = tensors_need(t, "model.layers.1.self_attn#weights"), *shapes = tensors_need(t, "model.layers.1.self_attn#weights#shapes");
    retina("extract --model " G "llama-2 --prompt 'a cat and a dog on the mat' --raw --taps '*' --out %s --quiet", at("one.safetensors"));
    x = tensors_need(results("one.safetensors"), "model.layers.1.self_attn#weights");
    check(maps->ndim == 1 && shapes->shape[0] == 4 && shapes->shape[1] == 3 && memcmp(maps->bytes + (size_t)(x->shape[1] * n[0] * n[0]) * sizeof(float), x->bytes, x->size) == 0,
          "maps of attention of unequal texts lie end to end, with their shapes");
    for (int i = 0; i < 3; i++)
        retina("extract --model " G "llama-2 --prompts %s --raw --taps '*,*layers.1' --out %s --quiet --shard %d/3", at("prompts.txt"), at("joined.safetensors"), i);
    status = retina("extract merge --model " G "llama-2 --prompts %s --raw --taps '*,*layers.1' --out %s --quiet", at("prompts.txt"), at("joined.safetensors"));
    check(status == 0 && same_files("texts.safetensors", "joined.safetensors"), "texts of three jobs joined: the bytes of one run (%d: %s)", status, said);
}

// ---- pictures

#define PICTURES 23

static const char *picture_name(int i) { return arena_print(a, "pictures/p%02d.jpg", i); }

static void draw(void) {
    for (int i = 0; i < PICTURES; i++) {
        int w = 24 + i * 7 % 30, h = 20 + i * 11 % 40;
        uint8_t *rgb = take(a, uint8_t, (size_t)(w * h * 3));
        Rng r = rng_of((uint64_t)i, "test pictures");
        for (int k = 0; k < w * h * 3; k++) rgb[k] = (uint8_t)(255 * rng_uniform(r, (uint64_t)(k / 11)));
        Bytes b = jpeg_encode(a, rgb, w, h, 90, JPEG_420);
        scratch_file(a, picture_name(i), b.bytes, b.size);
    }
}

static void list_save(const char *name, int step) { // every picture once, in the order 0, step, 2 step, … modulo their number
    char text[PICTURES * 32] = "", *end = text;
    for (int i = 0; i < PICTURES; i++) end += sprintf(end, "%s\n", picture_name(i * step % PICTURES));
    scratch_file(a, name, text, (size_t)(end - text));
}

static const char pictures_command[] = "extract --model " G "clip-openai --image %s --taps '*' --quiet --out %s";

// Row of each picture, by the metadata that says whose it is.
static void order_and_batch(void) {
    list_save("straight.txt", 1), list_save("mixed.txt", 5);
    retina(pictures_command, at("straight.txt"), arena_print(a, "%s --batch 8", at("straight.safetensors")));
    Tensors *x = results("straight.safetensors");
    static const char *const ways[] = {"--batch 1", "--batch 3 --threads 1", "--batch 40"};
    for (int k = 0; k < 3; k++) {
        retina(pictures_command, at("mixed.txt"), arena_print(a, "%s --fresh %s", at("mixed.safetensors"), ways[k]));
        Tensors *y = results("mixed.safetensors");
        const char *list = tensors_metadata(y, "inputs");
        const Json *inputs = json_parse(a, list, strlen(list), "inputs");
        size_t differ = 0, compared = 0;
        const char *first = "";
        for (size_t i = 0; i < tensors_count(x); i++) {
            const TensorEntry *e = tensors_at(x, i), *f = tensors_find(y, e->name);
            bool rows = f && e->size == f->size && e->shape[0] == PICTURES && inputs->count == PICTURES;
            for (size_t r = 0; rows && r < PICTURES; r++) {
                size_t row = width_of(e, 1), from = (size_t)atoi(json_text(&inputs->items[r], "key") + 1);
                rows = memcmp(f->bytes + r * row, e->bytes + from * row, row) == 0;
            }
            if (!rows && !differ++) first = e->name;
            compared++;
        }
        check(compared > 30 && differ == 0, "another order, %s: the same bytes of every picture (%zu taps, %zu differ, first %s)", ways[k], compared, differ, first);
    }
}

static void killed(void) {
    const char *words = arena_print(a, pictures_command, at("straight.txt"), arena_print(a, "%s --shard-size 1 --batch 1", at("whole/k.safetensors")));
    retina_for(0, words);
    words = arena_print(a, pictures_command, at("straight.txt"), arena_print(a, "%s --shard-size 1 --batch 1", at("killed/k.safetensors")));
    int kills = 0;
    while (kills < 200 && retina_for((useconds_t)(1500 + 250 * kills), words) < 0) kills++;
    int status = retina_for(0, words), same = 0;
    for (int i = 0; i < PICTURES; i++) {
        const char *name = arena_print(a, "k-%05d-of-%05d.safetensors", i, PICTURES);
        same += same_files(arena_print(a, "whole/%s", name), arena_print(a, "killed/%s", name));
    }
    check(status == 0 && kills > 0 && same == PICTURES && same_files("whole/k.safetensors.index.json", "killed/k.safetensors.index.json"),
          "killed %d times and continued: %d of %d files have the bytes of an undisturbed run", kills, same, PICTURES);
}

static void jobs(void) {
    for (int i = 3; i >= 0; i--) retina(pictures_command, at("straight.txt"), arena_print(a, "%s --shard %d/4 --batch %d", at("jobs.safetensors"), i, i + 1));
    int status = retina(arena_print(a, "extract merge%s", pictures_command + 7), at("straight.txt"), at("jobs.safetensors"));
    check(status == 0 && same_files("jobs.safetensors", "straight.safetensors"), "four jobs joined: the bytes of one run (%d: %s)", status, said);
    remove(at("jobs.safetensors"));
    remove(at("jobs-00002-of-00004.safetensors"));
    status = retina(arena_print(a, "extract merge%s", pictures_command + 7), at("straight.txt"), at("jobs.safetensors"));
    check(status == 1 && strstr(said, "jobs-00002-of-00004.safetensors") && !file_exists(at("jobs.safetensors")), "a job that is missing is named: %s", said);
    status = retina(arena_print(a, "extract merge%s", pictures_command + 7), at("straight.txt"), arena_print(a, "%s --pool mean", at("jobs.safetensors")));
    check(status == 1, "files of other options are not joined: %s", said);
    const char *many = arena_print(a, "%s --shard-size 2", at("many.safetensors"));
    for (int i = 0; i < 4; i++) retina(pictures_command, at("straight.txt"), arena_print(a, "%s --shard %d/4", many, i));
    check(!file_exists(at("many.safetensors.index.json")), "jobs write no index");
    status = retina(arena_print(a, "extract merge%s", pictures_command + 7), at("straight.txt"), many);
    check(status == 0 && file_exists(at("many.safetensors.index.json")) && file_exists(at("many-00011-of-00012.safetensors")), "merge writes the index of twelve files");
    for (int i = 0; i < 2; i++) retina("extract --model " G "llama-2 --ids %s --taps model.layers.0 --out %s --quiet --shard %d/2", at("right.safetensors"), at("ids.safetensors"), i);
    retina("extract --model " G "llama-2 --ids %s --taps model.layers.0 --out %s --quiet", at("right.safetensors"), at("ids1.safetensors"));
    check(same_files("ids.safetensors", "ids1.safetensors"), "ready ids are one forward, whatever the number of jobs");
    check(retina("extract --model x --taps x --out x --ids 1 --shard 4/4") == 2 && retina("extract --model x --taps x --out x --ids 1 --shard 1/2x") == 2, "--shard 4/4 and 1/2x: wrong use");
}

// A file that was made from something else under the same names is made again.
static void stale(void) {
    const char *words = arena_print(a, "extract --model " G "clip-openai --image %s --taps visual_projection --quiet --out %s", at(picture_name(3)), at("stale.safetensors"));
    retina_for(0, words);
    Bytes before = file_read(a, at("stale.safetensors")), other = file_read(a, at(picture_name(4)));
    scratch_file(a, picture_name(3), other.bytes, other.size);
    retina_for(0, words);
    Bytes after = file_read(a, at("stale.safetensors"));
    check(before.size != after.size || memcmp(before.bytes, after.bytes, after.size) != 0, "another picture under the same name: extracted again");
    draw();
    float x[16] = {1};
    words = arena_print(a, "extract --model " G "clip-openai --ids 1,2,98 --taps text_projection --quiet --out %s --replace text_projection=%s", at("stale.safetensors"), at("with.safetensors"));
    for (int k = 0; k < 2; k++, x[1] = 2) {
        TensorsWriter *w = tensors_create(a, at("with.safetensors"), &(TensorPlan){"x", DTYPE_F32, 2, {1, 16}}, 1, NULL);
        tensors_put(w, "x", x, sizeof x);
        tensors_finish(w);
        retina_for(0, words);
        check(memcmp(tensors_need(results("stale.safetensors"), "text_projection")->bytes, x, sizeof x) == 0, "replacement %d of the same name is the one that is used", k);
    }
}

static void replaced_rows(void) {
    const char *two = arena_print(a, "--image %s --image %s", at(picture_name(0)), at(picture_name(1)));
    retina("extract --model " G "clip-openai %s --taps vision_model.encoder.layers.0,visual_projection --quiet --out %s", two, at("two.safetensors"));
    for (int batch = 1; batch <= 2; batch++) {
        int status = retina("extract --model " G "clip-openai %s --taps visual_projection --quiet --out %s --batch %d --replace vision_model.encoder.layers.0=%s", two, at("put.safetensors"), batch,
                            at("two.safetensors"));
        const TensorEntry *x = tensors_need(results("two.safetensors"), "visual_projection"), *y = status == 0 ? tensors_need(results("put.safetensors"), "visual_projection") : NULL;
        check(y && memcmp(x->bytes, y->bytes, x->size) == 0, "taps of two pictures put back in their places, batches of %d (%s)", batch, said);
    }
    retina("extract --model " G "clip-openai %s --taps '*position_embedding,visual_projection' --quiet --out %s", two, at("two.safetensors"));
    const TensorEntry *table = tensors_need(results("two.safetensors"), "vision_model.embeddings.position_embedding");
    TensorsWriter *tw = tensors_create(a, at("with.safetensors"), &(TensorPlan){"x", DTYPE_F32, 3, {1, table->shape[1], table->shape[2]}}, 1, NULL);
    tensors_put(tw, "x", table->bytes, table->size / 2);
    tensors_finish(tw);
    int ok = retina("extract --model " G "clip-openai %s --taps visual_projection --quiet --out %s --replace vision_model.embeddings.position_embedding=%s", two, at("put.safetensors"), at("with.safetensors"));
    check(ok == 0 && memcmp(tensors_need(results("two.safetensors"), "visual_projection")->bytes, tensors_need(results("put.safetensors"), "visual_projection")->bytes, 2 * 16 * 4) == 0,
          "a table of positions put back for all inputs (%s)", said);
    // the reference's pooled vector is taken before the module's output can be replaced
    retina("extract --model " G "clip-openai --ids 1,2,98 --taps text_model,text_projection --quiet --out %s", at("two.safetensors"));
    const TensorEntry *e = tensors_need(results("two.safetensors"), "text_model");
    float *zeros = take_zero(a, float, e->size / 4);
    TensorsWriter *w = tensors_create(a, at("with.safetensors"), &(TensorPlan){"x", DTYPE_F32, 3, {1, e->shape[1], e->shape[2]}}, 1, NULL);
    tensors_put(w, "x", zeros, e->size);
    tensors_finish(w);
    retina("extract --model " G "clip-openai --ids 1,2,98 --taps text_projection --quiet --out %s --replace text_model=%s", at("put.safetensors"), at("with.safetensors"));
    const TensorEntry *x = tensors_need(results("two.safetensors"), "text_projection"), *y = tensors_need(results("put.safetensors"), "text_projection");
    check(memcmp(x->bytes, y->bytes, x->size) == 0, "the text tower's output replaced: its pooled vector stays");
}

static size_t rows_of_csv(const char *name, const char *column, const char *part) {
    size_t n = 0;
    if (!file_exists(at(name))) return 0;
    Csv *c = csv_open(a, at(name), ',');
    while (csv_next(c)) n += strstr(csv_get(c, csv_column(c, "image")), part) != NULL && *csv_get(c, csv_column(c, column));
    csv_close(c);
    return n;
}

static void damaged(void) {
    Bytes b = file_read(a, at(picture_name(5)));
    scratch_file(a, "some/a, \"b\".jpg", b.bytes, b.size * 2 / 3);
    scratch_file(a, "some/caf\xE9.jpg", "nothing", 7);
    scratch_file(a, "some/good.jpg", b.bytes, b.size);
    const char *words = "extract --model " G "clip-openai --image %s --taps visual_projection --quiet --out %s --shard-size 1 %s";
    int status = retina(words, at("some"), at("damaged.safetensors"), "--truncated ok");
    check(status == 1 && strstr(said, "1 of 3 pictures are damaged") && strstr(said, "1 of 3 pictures could not be read"), "a cut-off picture and one that is none: %s", said);
    check(rows_of_csv("damaged.damaged.csv", "damage", "a, \"b\".jpg") == 1 && rows_of_csv("damaged.failed.csv", "reason", "caf") == 1, "both are listed");
    status = retina(words, at("some"), at("damaged.safetensors"), "--truncated ok --keep-going");
    check(status == 0 && rows_of_csv("damaged.damaged.csv", "damage", "a, \"b\".jpg") == 1, "still when the run goes on");
    const char *record = tensors_metadata(results("damaged-00000-of-00003.safetensors"), "damaged");
    check(record && strstr(record, "jpg"), "the file's head holds it: %s", record ? record : "nothing");
    const char *part = at("damaged-00001-of-00003.safetensors"); // of the picture that is none
    Bytes before = file_read(a, part);
    char *head = arena_text(a, (const char *)before.bytes, before.size), *list = memmem(head, before.size, "\"damaged\":\"[", 12);
    if (check(list != NULL, "the list in its head is found")) {
        list[11] = 'x'; // its digest still fits
        file_write(part, head, before.size);
        status = retina(words, at("some"), at("damaged.safetensors"), "--truncated ok");
        Bytes after = file_read(a, part);
        check(status == 1 && strstr(said, "1 of 3 pictures could not be read") && after.size == before.size && memcmp(after.bytes, before.bytes, before.size) == 0,
              "a file whose head is damaged is made again: %s", said);
    }
    status = retina(words, at("some"), at("damaged.safetensors"), "");
    check(status == 1 && strstr(said, "2 of 3") && !file_exists(at("damaged.damaged.csv")), "without --truncated ok both fail: %s", said);
}

int main(int count, char **words) {
    a = arena_new("test_extract");
    const char *slash = count ? strrchr(words[0], '/') : NULL; // build/test/test_extract: build/retina
    program = arena_print(a, "%.*s/../retina", slash ? (int)(slash - words[0]) : 1, slash ? words[0] : ".");
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); // what a command keeps until its end is no leak
    padded_golden("llama-2", "golden-batch");
    padded_golden("bert-small", "golden-pair");
    padded_alone("llama-2");
    padded_alone("qwen3-small");
    padded_alone("bert-small");
    pooled_texts();
    pooled_everything();
    prompts();
    draw();
    order_and_batch();
    killed();
    jobs();
    stale();
    replaced_rows();
    damaged();
    arena_free(a);
    return check_end();
}
