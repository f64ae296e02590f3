// bert.h: BERT and RoBERTa encoders. Facts: models.md 7.10.
#ifndef RETINA_MODEL_BERT_H
#define RETINA_MODEL_BERT_H

#include "model.h"

typedef struct {
    Tensor q_w, q_b, k_w, k_b, v_w, v_b, o_w, o_b, ln1_w, ln1_b;
    Tensor up_w, up_b, down_w, down_b, ln2_w, ln2_b;
} BertLayer;

typedef struct {
    int C, F, L, H, V, positions_count, types_count;
    int padding; // RoBERTa: positions count from padding + 1 over tokens that are not padding; -1: from 0
    Act act;
    float eps;
    Tensor words, positions, types, ln_w, ln_b, pool_w, pool_b; // pool_w may be absent
    BertLayer *layers;
} Bert;

Bert *bert_load(Arena *a, const Json *config, Weights *w);
// ids (B, T), types i32 (B, T) or NO_TENSOR, mask u8 (B, T) or NO_TENSOR -> (B, T, C) after `layers` layers (-1: all).
Tensor bert_forward(Run *run, const Bert *m, Tensor ids, Tensor types, Tensor mask, int layers);

extern const Family bert_family;

#endif
