#include "memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <atomic>
#include <mutex>
#include <new>

#include "parallel.h"

namespace fastnn {
namespace {

constexpr size_t SMALLEST = 64, HUGE_FROM = size_t(4) << 20, HUGE_PAGE = size_t(2) << 20;
constexpr int CLASSES = 4 * 42;

struct Free { Free* next; };  // a cached block's own first bytes link it

std::mutex mutex;
Free* lists[CLASSES];
PoolStats stats;
std::atomic<int64_t> fail_countdown{-1};

// Class k holds blocks of (4 + k % 4) << (k / 4) times 16 bytes: 64, 80, 96, 112, 128, 160, ...
size_t class_bytes(int k) { return (size_t(4 + k % 4) * 16) << (k / 4); }
int class_of(size_t bytes) {
  if (bytes <= SMALLEST) return 0;
  int log = 63 - __builtin_clzll(bytes - 1);             // 2^log < bytes <= 2^(log+1)
  int quarter = int((bytes - 1) >> (log - 2)) & 3;       // which quarter of that octave
  return (log - 6) * 4 + quarter + 1;
}

void* system_alloc(size_t bytes) {
  void* p = nullptr;
  if (posix_memalign(&p, bytes >= HUGE_FROM ? HUGE_PAGE : 64, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (bytes >= HUGE_FROM) madvise(p, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
  return p;
}

}  // namespace

void* pool_alloc(size_t bytes) {
  if (bytes > (size_t(1) << 46)) throw std::bad_alloc();
  if (fail_countdown.load(std::memory_order_relaxed) >= 0 && fail_countdown.fetch_sub(1) == 0) throw std::bad_alloc();
  int k = class_of(bytes);
  size_t size = class_bytes(k);
  {
    std::lock_guard<std::mutex> lock(mutex);
    void* p = lists[k];
    if (p) {
      lists[k] = lists[k]->next;
      stats.cached_bytes -= int64_t(size);
    }
    if (p) {
      stats.live_blocks += 1;
      stats.live_bytes += int64_t(size);
      if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
      return p;
    }
  }
  void* p = system_alloc(size);
  if (!p) {
    pool_trim();
    p = system_alloc(size);
  }
  if (!p) throw std::bad_alloc();
  std::lock_guard<std::mutex> lock(mutex);
  stats.live_blocks += 1;
  stats.live_bytes += int64_t(size);
  if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
  return p;
}

void pool_free(void* p, size_t bytes) {
  int k = class_of(bytes);
  size_t size = class_bytes(k);
  std::lock_guard<std::mutex> lock(mutex);
  stats.live_blocks -= 1;
  stats.live_bytes -= int64_t(size);
  stats.cached_bytes += int64_t(size);
  auto* block = static_cast<Free*>(p);
  block->next = lists[k];
  lists[k] = block;
}

void pool_trim() {
  std::lock_guard<std::mutex> lock(mutex);
  for (auto& list : lists)
    while (list) {
      Free* next = list->next;
      free(list);
      list = next;
    }
  stats.cached_bytes = 0;
}

PoolStats pool_stats() {
  std::lock_guard<std::mutex> lock(mutex);
  return stats;
}
void pool_reset_peak() {
  std::lock_guard<std::mutex> lock(mutex);
  stats.peak_bytes = stats.live_bytes;
}
void pool_fail_after(int64_t n) { fail_countdown = n; }
void pool_lock() { mutex.lock(); }
void pool_unlock() { mutex.unlock(); }

void* scratch_alloc(size_t bytes) { return pool_alloc(bytes); }
void scratch_free(void* p, size_t bytes) { pool_free(p, bytes); }

}  // namespace fastnn
