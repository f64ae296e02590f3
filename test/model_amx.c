// model_amx.c: model/gemm_amx.c with its tile instructions computed by a program (amx_model.h), for machines without.
#define AMX_MODEL "test/amx_model.h"
#define tiles_amx tiles_amx_model
#define gemm_amx gemm_amx_model
#include "model/gemm_amx.c"
