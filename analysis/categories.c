// categories.c: shares and emergence. See categories.h. Answers: answers.c; classes: classes.c.
//
// Held by: test/test_categories.c, worked by hand and against the tables of synthetic answer files.
#include "categories.h"

#include <math.h>
#include <string.h>

// Adds a part's labels to n; returns their weight.
static double count_labels(double *n, const Classes *c, const AnswerPart *part, bool weighted) {
    double sum = 0;
    for (int l = 0; l < (weighted ? 3 : 1); l++) {
        if (l > 0 && !*part->labels[l]) continue; // an empty first label is an answer: UNKNOWN
        double weight = 1.0 / (l + 1);
        n[classes_of(c, part->labels[l], NULL)] += weight, sum += weight;
    }
    return sum;
}

Shares shares_of(Arena *a, const Classes *c, const Answer *answers, size_t N, bool weighted) {
    int K = classes_count(c);
    Shares s = {.K = K, .macro = take_zero(a, double, (size_t)K), .micro = take_zero(a, double, (size_t)K)};
    s.per_caption = take(a, double, size_mul(N ? N : 1, (size_t)K, "shares"));
    double *n = take(a, double, (size_t)K), total = 0;
    for (size_t i = 0; i < N; i++) {
        double *row = s.per_caption + i * (size_t)K, sum = 0;
        memset(n, 0, (size_t)K * sizeof *n);
        for (size_t p = 0; p < answers[i].count; p++) sum += count_labels(n, c, &answers[i].parts[p], weighted);
        for (int k = 0; k < K; k++) row[k] = sum > 0 ? 100 * n[k] / sum : NAN;
        if (sum == 0) continue; // not a zero: a caption without a class is left out of the mean
        s.kept++;
        for (int k = 0; k < K; k++) s.macro[k] += row[k], s.micro[k] += n[k];
        total += sum;
    }
    for (int k = 0; k < K; k++) {
        s.macro[k] = s.kept ? s.macro[k] / (double)s.kept : NAN;
        s.micro[k] = s.kept ? 100 * s.micro[k] / total : NAN;
    }
    return s;
}

int shares_shown(int *order, const double *shares, int L, int K, double least) {
    int n = 0;
    for (int k = 0; k < K; k++) {
        double top = 0;
        for (int l = 0; l < L; l++)
            if (shares[l * K + k] > top) top = shares[l * K + k];
        if (!(top >= least)) continue;
        int at = n++;
        for (; at > 0 && shares[order[at - 1]] < shares[k]; at--) order[at] = order[at - 1]; // equal ones stay in the table's order
        order[at] = k;
    }
    return n;
}

int emergence_layer(const double *values, int L) {
    if (L < 1 || !(values[L - 1] > 0)) return -1;
    int first = L - 1;
    while (first > 0 && values[first - 1] > values[L - 1] / 2) first--;
    return first;
}
