// bench_speed.c: `retina bench speed`: products of bf16, few rows, attention, passes over memory and analysis. Rules: performance.md 2.
#include "bench_speed.h"

#include "model/cpu.h"
#include "model/kernels.h"

void bench_speed(const BenchAsk *ask) {
    Table t = table_open(ask, "test/bench/peer_speed.py", NULL);
    bench_say(t.w, "`retina bench speed%s%s`, %s, bf16 by %s, %s, %d alternating rounds: median (smallest – largest).\n"
                  "Floor: the larger of operations over the ceiling (below) and of bytes over what a plain read (or a triad) moves in the same rounds; 1.00 is as fast as that. " TABLE_SAID "%s",
              ask->packed ? " --packed" : "", ask->venv ? " --peers VENV" : "", cpu_describe(), gemm_bf16_path(), threads_said(t.arena), t.rounds, peer_head(t.arena, t.peer));
    bench_bf16(t.arena, &t);
    bench_few(t.arena, &t);
    bench_attentions(t.arena, &t);
    bench_passes(t.arena, &t);
    bench_analyses(t.arena, &t);
    table_close(&t);
}
