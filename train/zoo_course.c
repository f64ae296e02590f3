// zoo_course.c: the way through a recipe's stages that all recipes share: updates, notes, checkpoints, the end.
#include <math.h>
#include <string.h>

#include "io/progress.h"
#include "zoo.h"

#define LOGIT_SCALE_MAX 4.605170185988092 // ln 100, as CLIP's authors keep it
enum { EVERY = 100, SUM_AT = 20, LOSSES_MAX = 8 };

static void logit_scale_hold(const Stage *s) {
    for (size_t i = 0; i < tape_parameters(s->tape); i++) {
        Tensor x = tape_parameter_at(s->tape, i);
        if (strcmp(s->names[i], "logit_scale") == 0) tape_device(s->tape)->clamp(x, x, -INFINITY, (float)LOGIT_SCALE_MAX);
    }
}

static void note_losses(Journey *j, Arena *scratch, const Course *c, int stage, int64_t at, const double *mean) {
    const char *line = arena_print(scratch, "stage %d step %lld", stage, (long long)at);
    for (int i = 0; i < c->loss_count; i++) line = arena_print(scratch, "%s%s%s %.*f", line, *c->losses[i].name ? " " : "", c->losses[i].name, c->losses[i].digits, mean[i]);
    journey_note(j, "%s", line);
}

// Temporaries of a step; batches of this one and of the next.
typedef struct {
    Arena *scratch, *batch[2];
} Rooms;

// One batch's gradients, and the batch of the step after it, if there is one.
static const void *batch_step(const Course *c, const Stage *s, const Rooms *rooms, int stage, uint64_t seed, int64_t steps, const void *batch, double *losses) {
    const Mark nothing = {0};
    Mark mark = arena_mark(rooms->scratch);
    Tensor later[LOSSES_MAX] = {NO_TENSOR};
    c->step(s, rooms->scratch, stage, batch, losses, later);
    int64_t coming = s->adam->step + 1;
    Arena *room = rooms->batch[coming % 2];
    arena_release(room, nothing);
    batch = coming < steps ? c->make(c->arg, room, stage, seed, coming) : NULL;
    for (int i = 0; i < c->loss_count; i++)
        if (tensor_given(later[i])) losses[i] = (double)*f32(run_read(run_on(rooms->scratch, tape_device(s->tape)), later[i]));
    arena_release(rooms->scratch, mark);
    return batch;
}

// One stage; false when --stop-after came first. What it keeps on a device goes with `a`.
static bool stage_run(Arena *a, Trainee *t, const ZooOptions *o, const Course *c, Journey *j, const Rooms *rooms, int stage) {
    Stage *s = c->open(a, t, stage, !(j->resumed && j->stage == stage));
    adam_spare_vectors(s->adam);
    journey_begin(j, s, stage);
    int steps = course_steps(c, o, stage);
    Progress bar = progress_start(c->titles[stage], (size_t)steps);
    progress_resume(&bar, (size_t)s->adam->step);
    double mean[LOSSES_MAX] = {0};
    const void *batch = s->adam->step < steps ? c->make(c->arg, rooms->batch[s->adam->step % 2], stage, o->seed, s->adam->step) : NULL;
    while (s->adam->step < steps) {
        double losses[LOSSES_MAX] = {0};
        batch = batch_step(c, s, rooms, stage, o->seed, steps, batch, losses);
        adam_update(s->adam, schedule_cosine(c->lr[stage], s->adam->step, c->warmup[stage], steps, 0.02));
        logit_scale_hold(s);
        int64_t at = s->adam->step;
        bool stops = o->stop_after && stage == 0 && at == o->stop_after;
        if (stops || (stage == 0 && at == SUM_AT)) stage_read(s);
        if (stage == 0 && at == SUM_AT) journey_note(j, "sum20 %s", trainee_checksum(a, t));
        if (stops) return false;
        for (int i = 0; i < c->loss_count; i++) mean[i] += losses[i] / EVERY;
        if (at % EVERY == 0) {
            Mark mark = arena_mark(rooms->scratch);
            note_losses(j, rooms->scratch, c, stage, at, mean);
            memset(mean, 0, sizeof mean);
            journey_save(j, rooms->scratch, t, s, stage);
            arena_release(rooms->scratch, mark);
        }
        progress_at(&bar, (size_t)at);
    }
    progress_end(&bar);
    stage_read(s);
    return true;
}

int course_steps(const Course *c, const ZooOptions *o, int stage) { return c->steps[stage] * o->steps / 100; }

bool course_run(Arena *a, Trainee *t, const ZooOptions *o, const Course *c, Journey *j) {
    need(c->loss_count <= LOSSES_MAX, "a course with %d losses; %d at most", c->loss_count, LOSSES_MAX);
    Rooms rooms = {arena_new("a training step"), {arena_new("a batch"), arena_new("a batch")}};
    bool whole = true;
    for (int stage = j->stage; whole && stage < c->stages; stage++) {
        Arena *own = arena_new("a stage");
        whole = stage_run(own, t, o, c, j, &rooms, stage);
        arena_free(own);
    }
    if (whole) {
        trainee_round(t);
        trainee_save(rooms.scratch, t, o->out);
    }
    arena_free(rooms.scratch), arena_free(rooms.batch[0]), arena_free(rooms.batch[1]);
    return whole;
}

const char *course_end(Arena *a, const Trainee *t, const ZooOptions *o, Journey *j, ZooWords w, const Score *s, size_t n) {
    scores_print(s, n);
    const char *checksum = trainee_checksum(a, t);
    zoo_json_write(a, o, j, w, checksum, s, n);
    journey_end(j);
    return checksum;
}
