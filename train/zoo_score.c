// zoo_score.c: scores beside the best blind guess and the bar of world.md 3.
#include <math.h>
#include <stdio.h>

#include "zoo.h"

void score_interval(const Score *s, double *low, double *high) {
    double n = (double)s->of, p = s->of ? (double)s->right / n : 0, z = 1.959963984540054;
    if (s->of == 0) {
        *low = *high = s->value;
        return;
    }
    double middle = (p + z * z / (2 * n)) / (1 + z * z / n), half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = middle - half, *high = middle + half;
}

void scores_put(JsonOut *o, const Score *s, size_t count) {
    json_open(o, "scores", '{');
    for (size_t i = 0; i < count; i++) {
        double low, high;
        score_interval(&s[i], &low, &high);
        json_open(o, s[i].name, '{');
        json_put_real(o, "value", s[i].value);
        json_put_real(o, "low", low);
        json_put_real(o, "high", high);
        json_put_real(o, "blind", s[i].blind);
        if (s[i].bar > 0) json_put_real(o, "bar", s[i].bar);
        json_put_int(o, "of", s[i].of);
        json_close(o);
    }
    json_close(o);
}

void scores_print(const Score *s, size_t count) {
    printf("%-32s %7s  %15s  %6s  %5s\n", "score", "here", "95 % interval", "blind", "bar");
    for (size_t i = 0; i < count; i++) {
        double low, high;
        score_interval(&s[i], &low, &high);
        printf("%-32s %7.4f  %.4f - %.4f  %6.3f  ", s[i].name, s[i].value, low, high, s[i].blind);
        if (s[i].bar > 0) printf("%5.2f%s\n", s[i].bar, s[i].value >= s[i].bar ? "" : "  below");
        else printf("%5s\n", "-");
    }
    fflush(stdout);
}

void zoo_json_write(Arena *a, const ZooOptions *o, const Journey *j, ZooWords w, const char *checksum, const Score *s, size_t n) {
    JsonOut *out = json_out(a, 1);
    char value[64];
    json_open(out, NULL, '{');
    json_put_text(out, "name", w.name);
    if (w.prompt) json_put_text(out, "prompt", w.prompt);
    json_put_text(out, "recipe", w.recipe);
    json_put_int(out, "seed", (int64_t)o->seed);
    json_put_int(out, "percent of the recipe's steps", o->steps);
    json_put_text(out, "world", zoo_world_hash(a));
    if (w.training_only) json_put_text(out, "training only", w.training_only);
    json_put_text(out, "checksum after 20 steps", journey_noted(j, "sum20", value) ? value : "");
    json_put_text(out, "checksum", checksum);
    scores_put(out, s, n);
    json_put_text(out, "log", j->notes);
    json_close(out);
    json_file_write(out, path_join(a, o->out, "ZOO.json"));
}
