// test_caption_scores.c: BLEU, ROUGE-L, CIDEr-D against pycocoevalcap's scorers (test/reference/caption_scores.py).
// Seen red: the longer of two lengths as close, the mean over references for ROUGE.
#include <math.h>

#include "analysis/caption_scores.h"
#include "check.h"
#include "io/json.h"

int main(void) {
    Arena *a = arena_new("test");
    const Json *j = json_read(a, "test/golden/caption_scores.json"), *captions = json_get(j, "captions"), *references = json_get(j, "references"), *bleu = json_get(j, "bleu");
    size_t N = captions->count;
    const char **c = take(a, const char *, N);
    References *r = take(a, References, N);
    for (size_t i = 0; i < N; i++) {
        const Json *list = &references->items[i];
        const char **texts = take(a, const char *, list->count + 1);
        for (size_t k = 0; k < list->count; k++) texts[k] = list->items[k].text;
        c[i] = captions->items[i].text, r[i] = (References){texts, list->count};
    }
    CaptionScores s = caption_scores(a, c, r, N);
    check(s.n == N - 1, "a picture without references is left out");
    // the reference adds 1e-15 and 1e-9 to numerators and denominators of BLEU
    for (int n = 0; n < 4; n++) check_value(arena_print(a, "BLEU-%d", n + 1), s.bleu[n], bleu->items[n].number, 1e-8);
    check_value("ROUGE-L", s.rouge_l, json_real(j, "rouge_l"), 1e-12);
    check_value("CIDEr-D", s.cider_d, json_real(j, "cider_d"), 1e-10);
    CaptionScores none = caption_scores(a, c, &(References){NULL, 0}, 1);
    check(none.n == 0 && isnan(none.rouge_l), "without references there is no score");
    arena_free(a);
    return check_end();
}
