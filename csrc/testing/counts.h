// testing/counts.h: what the memory system of a GPU would do, by kernel. Threads run one after another here, so the accesses of
// a warp are put side by side afterwards: the k-th time that each lane passes the same place in the code is one request.
//
//    requests    of global memory by a warp          sectors    of 32 bytes that they move       ideal    sectors if coalesced
//    shared      requests of shared memory           conflicts  cycles beyond one each
//    divergent   requests of either kind in which some lanes of the warp take no part
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace fastnn::cuda::shim {

enum Counted { LAUNCHES, REQUESTS, SECTORS, IDEAL, SHARED_REQUESTS, CONFLICTS, DIVERGENT, BARRIERS, COUNTERS };

void begin_kernel(const char* name);
void begin_block(int threads);
void count_access(int thread, const void* place, const void* address, size_t bytes, bool shared);
void count_barrier();
void count_copy(int64_t sectors);  // of the copy engine: one request
void end_block();
extern bool counting;  // from the first time that counts are asked for

[[noreturn]] void outside_global(const void* address, size_t bytes);

}  // namespace fastnn::cuda::shim
