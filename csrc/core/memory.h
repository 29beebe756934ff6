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
  int64_t live_blocks, live_bytes, cached_bytes, peak_bytes, peak_reserved;  // the last: live and cached, of a GPU
};
PoolStats pool_stats();
void pool_reset_peak();
void pool_fail_after(int64_t n);  // testing: the n-th allocation from now fails; negative switches off

size_t pool_size(size_t bytes);           // of the block that the pool gives for so many
void pool_may_fail();                     // throws std::bad_alloc if that allocation is to fail
void* system_alloc(size_t bytes);         // past the pool; null when there is no more

void pool_lock();  // around fork
void pool_unlock();

}  // namespace fastnn
