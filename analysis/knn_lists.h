// knn_lists.h: what may still be among the K nearest of each query. Behind knn.h.
//
// The rows of both sides stand in an order of chance (points_shuffle), so those that a query has seen so far are a sample of all. A threshold
// that about K of all reach is known from few of them, long before K that near have been seen: the score of rank expected among so many.
// It is a guess. A query whose list holds fewer than K that are proved to reach its last threshold must be searched for again.
#ifndef RETINA_ANALYSIS_KNN_LISTS_H
#define RETINA_ANALYSIS_KNN_LISTS_H

#include "points.h"

typedef struct {
    float upper, lower; // bounds of its score
    uint32_t id;        // row of x
} Bounded;

typedef struct {
    double key; // smaller is nearer
    Bounded candidate;
} Keyed;

typedef struct {
    const Points *query, *point;
    const KnnKernels *kernel;
    bool self;             // a query is not its own neighbour
    const uint32_t *group; // nor is its group; or NULL
    int K, room;           // room: candidates in a list, at most
    bool guess;            // thresholds may be guesses
    float *least;          // (query->rows) scores below are not looked for; infinite: nothing is any more
    bool *proved;          // (query->rows) K others reach every threshold so far
    int *count;            // (query->rows)
    Bounded *list;         // (query->rows, room)
    Keyed **scratch;       // of each thread, 2 * room
} Lists;

Lists lists_of(Arena *a, const Points *query, const Points *point, int K, const char *what);

// The rank, among so many points, of a score that K of all reach almost surely; at most K.
int lists_rank(const Lists *l, size_t seen);

// n candidates, at most KNN_BLOCK, are added: points first + at.
typedef struct {
    float upper; // bound of its score
    uint32_t at;
} Hit;
void lists_add(Lists *l, size_t q, const Hit *hit, int n, size_t first);

void lists_expect(const Lists *l, size_t q, bool whole); // that a list is added to, or used as a whole, soon

// The threshold becomes the score of that rank, or nearly, and what cannot reach it is dropped.
void lists_raise(Lists *l, size_t q, int rank, int spare);

// The K nearest, in order; false: they are not proved.
bool lists_conclude(Lists *l, size_t q, uint32_t *id);

#endif
