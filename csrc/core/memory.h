// core/memory.h: the buffer pool. Memory that an array gives back is kept, by size class, and handed out again, so a
// training step touches the same warm pages every time. A fresh 64 MB output costs about 16,000 page faults, five times
// the arithmetic of an addition on it; here only the first step pays.
//
// Size classes are powers of two with four steps between (waste below 25 %), 64-byte aligned; from 4 MB on, blocks are
// aligned to 2 MB and ask for huge pages. `pool_trim` gives everything cached back to the system; it also runs by itself
// before an allocation is given up with MemoryError.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace fastnn {

void* pool_alloc(size_t bytes);           // throws std::bad_alloc; size 0 gives a valid pointer
void pool_free(void* p, size_t bytes);    // the bytes asked for
void pool_trim();

struct PoolStats {
  int64_t live_blocks, live_bytes, cached_bytes, peak_bytes;
};
PoolStats pool_stats();
void pool_reset_peak();
void pool_fail_after(int64_t n);  // testing: the n-th allocation from now fails; negative switches off

// An arena: memory of one recorded step. Blocks given back serve its later allocations only; it goes back to the system when
// its owner and the last of its blocks have let go. Until it settles it keeps a log of which block was in use when.
struct Arena;
struct Lived {
  char* block;
  int64_t bytes, from, to;  // ticks; to < 0: still in use
};
Arena* arena_new();
void* arena_alloc(Arena*, size_t bytes);
void arena_free(Arena*, void* p, size_t bytes);
void arena_release(Arena*);                 // by the owner
void arena_tick(Arena*);
int64_t arena_log(const Arena*, const Lived** log);
char* arena_settle(Arena*, size_t bytes);   // frees what is not in use and gives one block of so many bytes
int64_t arena_bytes(const Arena*);          // from the system

void pool_lock();  // around fork
void pool_unlock();

}  // namespace fastnn
