// verbalize_report.h: what the parts of the report share.
#ifndef RETINA_RUN_VERBALIZE_REPORT_H
#define RETINA_RUN_VERBALIZE_REPORT_H

#include "analysis/page.h"
#include "verbalize_measure.h"

typedef struct {
    Verbalize *s;
    Arena *a;
    Page *page;
    Writer *table;
    Verbal *v;
    LayerWords *words;
    Truth *truth;      // NULL beyond the world
    Categories *c;     // NULL without
    Scores *scores;    // NULL without
    ReferenceScores *references; // NULL without
    Likelihoods *likelihood; // NULL without
    double *x;         // (L) layer numbers
    int native, from;  // places among the layers: the model's own; layer 1
    bool retrieval;
} Report;

// A line of table.tsv. beside: what it is to be held against, which `what` names; NaN: nothing.
void report_measure(Report *r, const char *name, Interval i, double beside, const char *what);
Interval interval_alone(double x); // without bounds
const char *report_percent(Arena *a, double x);
Plot *report_curve(Report *r, const char *title, const char *description, const char *y_label, double width, double height); // over layers
bool report_any_finite(const double *y, int n);
bool report_emerged(const Report *r, int fact);

void report_said(Report *r);       // verbalize_report_said.c: pictures and their captions
void report_truth(Report *r);      // verbalize_report_truth.c: true words
void report_likelihood(Report *r); // verbalize_report_truth.c: words that are given

#endif
