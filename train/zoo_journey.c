// zoo_journey.c: a recipe's way on disk: where it was interrupted, what it noted so far.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "zoo.h"

static size_t everything(Arena *a, const Trainee *t, const Stage *s, Weight **list) {
    size_t trained = s ? tape_parameters(s->tape) : 0;
    *list = take(a, Weight, t->count + 2 * trained);
    for (size_t i = 0; i < t->count; i++) (*list)[i] = (Weight){.name = t->names[i], .tensor = t->data[i]};
    return t->count + (s ? checkpoint_moments(a, s->adam, s->names, *list + t->count) : 0);
}

Journey *journey_open(Arena *a, Trainee *t, const char *out, const char *recipe, bool fresh) {
    Journey *j = take_zero(a, Journey, 1);
    *j = (Journey){.arena = a, .path = path_join(a, out, "checkpoint.safetensors"), .recipe = recipe, .notes = ""};
    if (fresh) unlink(j->path);
    CheckpointHead head;
    Checkpoint *c = checkpoint_open(a, j->path, recipe, &head);
    if (!c) return j;
    Weight *list;
    size_t count = everything(a, t, NULL, &list);
    checkpoint_read(c, device_cpu(), list, count);
    j->notes = arena_text(a, head.notes, strlen(head.notes));
    j->stage = head.stage, j->step = head.step, j->resumed = true;
    return j;
}

void journey_note(Journey *j, const char *format, ...) {
    va_list list;
    va_start(list, format);
    j->notes = arena_print(j->arena, "%s%s\n", j->notes, arena_vprint(j->arena, format, list));
    va_end(list);
}

const char *journey_noted(const Journey *j, const char *name, char value[64]) {
    size_t n = strlen(name);
    for (const char *p = j->notes; *p; p = strchr(p, '\n') + 1)
        if (strncmp(p, name, n) == 0 && p[n] == ' ') {
            snprintf(value, 64, "%.*s", (int)strcspn(p + n + 1, "\n"), p + n + 1);
            return value;
        }
    return NULL;
}

void journey_begin(Journey *j, Stage *s, int stage) {
    if (!j->resumed || j->stage != stage) return;
    Arena *a = arena_new("a checkpoint");
    CheckpointHead head;
    Checkpoint *c = checkpoint_open(a, j->path, j->recipe, &head);
    need(c, "%s: was there a moment ago", j->path);
    Weight *list = take(a, Weight, 2 * tape_parameters(s->tape));
    checkpoint_read(c, tape_device(s->tape), list, checkpoint_moments(a, s->adam, s->names, list));
    s->adam->step = j->step;
    arena_free(a);
}

void journey_save(Journey *j, Arena *scratch, const Trainee *t, const Stage *s, int stage) {
    Mark mark = arena_mark(scratch);
    Weight *list;
    stage_read(s);
    size_t count = everything(scratch, t, s, &list);
    CheckpointHead head = {.recipe = j->recipe, .notes = j->notes, .stage = stage, .step = s->adam->step};
    checkpoint_save(scratch, j->path, head, tape_device(s->tape), list, count);
    arena_release(scratch, mark);
}

void journey_end(Journey *j) { unlink(j->path); }
