// zoo_dialog.c: see zoo_dialog.h. The words around a question are those of LLaVA-1.5 (models.md 6.8).
#include "zoo_dialog.h"

#include <string.h>

#include "io/thread.h"

Ids dialog_prompt(Arena *a, const Speaker *who, const char *text, bool picture) {
    const char *whole = picture ? arena_print(a, "USER: <image>\n%s ASSISTANT:", text) : arena_print(a, "USER: %s ASSISTANT:", text);
    Ids raw = tokenizer_encode(who->tok, a, whole, strlen(whole), true);
    if (!picture) return raw;
    Ids out = {.ids = take(a, int32_t, raw.count + (size_t)who->image_tokens)};
    for (size_t i = 0; i < raw.count; i++)
        for (int k = 0; k < (raw.ids[i] == who->image ? who->image_tokens : 1); k++) out.ids[out.count++] = raw.ids[i];
    return out;
}

// One talk being written: ids, and who says them.
typedef enum { SAID_BY_USER, SAID_AS_CAPTION, SAID_AS_ANSWER } Said;
typedef struct {
    int32_t *ids;
    uint8_t *said;
    size_t count, room;
} Talk;

static void talk_add(Talk *t, Ids ids, Said said) {
    need(t->count + ids.count <= t->room, "a talk of more than %zu tokens", t->room);
    memcpy(t->ids + t->count, ids.ids, ids.count * sizeof *ids.ids);
    memset(t->said + t->count, (int)said, ids.count);
    t->count += ids.count;
}

static void talk_turn(Arena *a, Talk *t, const Speaker *who, const char *question, const char *answer, bool picture, Said said) {
    if (t->count == 0) talk_add(t, dialog_prompt(a, who, question, picture), SAID_BY_USER);
    else {
        const char *text = arena_print(a, "USER: %s ASSISTANT:", question);
        talk_add(t, tokenizer_encode(who->tok, a, text, strlen(text), false), SAID_BY_USER);
    }
    talk_add(t, tokenizer_encode(who->tok, a, answer, strlen(answer), false), said);
    int32_t end = tokenizer_named(who->tok, TOKEN_EOS);
    talk_add(t, (Ids){.ids = &end, .count = 1}, said);
}

static void talk_make(Arena *a, Talk *t, const Speaker *who, const WorldScene *s, TalkKind kind, bool picture) {
    char text[WORLD_TEXT];
    if (kind == TALK_CAPTION || kind == TALK_BOTH || kind == TALK_COLUMN) {
        need(world_caption(text, s, CAPTION_FULL, rng_sub(s->rng, 79)), "a scene without a full caption");
        talk_turn(a, t, who, DESCRIBE, text, picture, SAID_AS_CAPTION);
    }
    if (kind == TALK_COLUMN) {
        world_column(text, s);
        talk_turn(a, t, who, DESCRIBE_DOWN, text, picture, SAID_AS_CAPTION);
    }
    if (kind == TALK_CAPTION || kind == TALK_COLUMN) return;
    static const AskKind hard[] = {ASK_COLOUR, ASK_SHAPE, ASK_COUNT, ASK_SIDE, ASK_LEVEL, ASK_THERE, ASK_SIDE, ASK_LEVEL, ASK_THERE, ASK_UPPER, ASK_THERE, ASK_SHAPE};
    enum { HARD = sizeof hard / sizeof *hard };
    WorldQuestion q[ASK_TAUGHT + HARD];
    int n = 0;
    for (int k = 0; k < (kind == TALK_LESSON ? ASK_TAUGHT : ASK_KINDS); k++) n += world_ask(&q[n], s, (AskKind)k, rng_sub(s->rng, (uint64_t)(132 + k)));
    for (int k = 0; k < (kind == TALK_LESSON ? HARD : 0); k++) n += world_ask(&q[n], s, hard[k], rng_sub(s->rng, (uint64_t)(172 + k)));
    uint32_t order[ASK_TAUGHT + HARD];
    rng_permutation(rng_sub(s->rng, 80), order, (uint32_t)n);
    for (int i = 0; i < n; i++) talk_turn(a, t, who, q[order[i]].question, q[order[i]].answer, picture, SAID_AS_ANSWER);
}

typedef struct {
    uint64_t seed, first;
    float *pixels;
    PatchTruth *truth;
    WorldScene *scenes;
} SceneWork;

static void scenes_job(void *arg, size_t begin, size_t end) {
    const SceneWork *w = arg;
    for (size_t i = begin; i < end; i++) {
        world_scene_in(&w->scenes[i], WORLD_SCENES, w->seed, SPLIT_TRAIN, w->first + i);
        if (w->pixels) zoo_pixels(w->pixels + i * 3 * ZOO_SIDE * ZOO_SIDE, &w->scenes[i]);
        if (w->truth) patch_truth(w->truth + i * ZOO_PATCHES, &w->scenes[i], BOX_FROM_MIDDLE);
    }
}

Dialogs dialogs_make(Arena *step, const Speaker *who, uint64_t seed, uint64_t first, int B, TalkKind kind, bool pictures, bool truth) {
    enum { ROOM = 640 };
    Dialogs d = {.pixels = pictures ? tensor_take(step, DTYPE_F32, DIMS(B, 3, ZOO_SIDE, ZOO_SIDE)) : NO_TENSOR,
                 .truth = truth ? take(step, PatchTruth, (size_t)B * ZOO_PATCHES) : NULL};
    SceneWork w = {.seed = seed, .first = first, .pixels = f32(d.pixels), .truth = d.truth, .scenes = take(step, WorldScene, (size_t)B)};
    parallel_for((size_t)B, 1, scenes_job, &w);
    Talk *talks = take_zero(step, Talk, (size_t)B);
    size_t T = 0;
    for (int b = 0; b < B; b++) {
        talks[b] = (Talk){.ids = take(step, int32_t, ROOM), .said = take(step, uint8_t, ROOM), .room = ROOM};
        talk_make(step, &talks[b], who, &w.scenes[b], kind, pictures);
        if (talks[b].count > T) T = talks[b].count;
    }
    T = (T + 3) / 4 * 4; // attention's rows stand on sixteen bytes; what is padded teaches nothing
    d.ids = tensor_take(step, DTYPE_I32, DIMS(B, (long)T));
    d.targets = tensor_take(step, DTYPE_I32, DIMS(B, (long)T));
    d.answers = tensor_take(step, DTYPE_I32, DIMS(B, (long)T));
    int32_t pad = tokenizer_named(who->tok, TOKEN_EOS);
    for (size_t b = 0; b < (size_t)B; b++)
        for (size_t t = 0; t < T; t++) {
            const Talk *k = &talks[b];
            i32(d.ids)[b * T + t] = t < k->count ? k->ids[t] : pad;
            Said said = t + 1 < k->count ? (Said)k->said[t + 1] : SAID_BY_USER;
            i32(d.targets)[b * T + t] = said != SAID_BY_USER ? k->ids[t + 1] : -1;
            i32(d.answers)[b * T + t] = said == SAID_AS_ANSWER ? k->ids[t + 1] : -1;
        }
    while (pictures && i32(d.ids)[d.silent] != who->image) d.silent++;
    if (pictures) d.silent += who->image_tokens;
    return d;
}
