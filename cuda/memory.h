// memory.h: inside of cuda/: the GPU's memory, the way of bytes to it and back, and commands that are kept and repeated.
#ifndef RETINA_CUDA_MEMORY_H
#define RETINA_CUDA_MEMORY_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

// Opens the GPU; false and *why when there is none.
bool gpu_open(const char **why);
const char *gpu_name(void);
cudaStream_t gpu_stream(void); // all commands go there, in order
extern const MemorySource gpu_memory;

// What a command of the op called `what` may read: p itself when it lies on the GPU; the GPU's copy when p lies in kept memory;
// else a copy made now, which lives until the next gpu_begin (or to the end of a listed step).
void gpu_begin(const char *what, Tensor shape); // of every operation; names it in messages
const void *gpu_ready(const void *p, size_t bytes);
unsigned long gpu_operations(void); // how many have begun
const char *gpu_operation(void); // "linear [3, 4]": that in progress
void gpu_done(cudaError_t e); // dies, naming the operation, where e is an error
void gpu_wait(cudaStream_t s);
void *gpu_room(size_t bytes); // scratch until the next gpu_begin
void *gpu_room_kept(size_t bytes); // one more piece, which outlives gpu_begin: until the next gpu_room_kept

void gpu_read(void *to, const void *from, size_t bytes);
unsigned long gpu_read_begin(const void *from, size_t bytes); // two may be on their way: the older of three is lost
void gpu_read_end(void *to, unsigned long number, size_t bytes);
bool gpu_holds(const void *p);
void gpu_write(void *to, const void *from, size_t bytes);
void gpu_copy(void *to, const void *from, size_t bytes);
void gpu_zero(void *to, size_t bytes); // on the GPU
void gpu_keep(Arena *a, const void *bytes, size_t size);
void gpu_repeats(void);
// Ways that can be left out, for the bench, which times the older ones beside them: a step's products of one input in one launch; products whose K
// is cut; queries and keys turned and stored in one launch; a step begun while the one before it runs; norms within products;
// what is turned and stored within attention; norms behind products whose K is cut.
typedef enum { WAY_TOGETHER = 1, WAY_SPLIT = 2, WAY_STORED = 4, WAY_AHEAD = 8, WAY_NORMED = 16, WAY_TURNED = 32, WAY_BEHIND = 64 } Way;
void gpu_without(int ways); // sums of Way; 0: all are taken
bool gpu_way(Way way);
bool gpu_fits(size_t bytes); // beside what is taken, as far as the system's number tells
void gpu_plan(size_t bytes, long inputs, const char *where); // of a forward that begins; (0, 0, NULL) when it has ended

#ifdef __cplusplus
}
#endif

#endif
