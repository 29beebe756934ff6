// core/cuda/pool.cpp: device memory. cudaMalloc waits for the GPU and takes 100 us and more; blocks that come back are kept by
// size class (as in core/memory.cpp: powers of two, four steps between) and handed out again without waiting: who gets one
// uses it later on the same stream. When the GPU has no more, what is cached goes back to it first.
#include <mutex>
#include <new>
#include <vector>

#include "runtime.h"

namespace fastnn::cuda::runtime {
namespace {

constexpr size_t SMALLEST = 512;
constexpr int CLASSES = 4 * 40;
std::mutex mutex;
std::vector<void*> lists[CLASSES];
PoolStats stats;

size_t class_bytes(int k) { return (size_t(4 + k % 4) * (SMALLEST / 4)) << (k / 4); }
int class_of(size_t bytes) {
  int k = 0;
  while (class_bytes(k) < bytes) ++k;
  return k;
}

void trim_locked() {
  for (int k = 0; k < CLASSES; ++k) {
    for (void* p : lists[k]) raw_free(p);
    stats.cached_bytes -= int64_t(lists[k].size() * class_bytes(k));
    lists[k].clear();
  }
}

}  // namespace

void* pool_alloc(size_t bytes) {
  if (bytes > (size_t(1) << 44)) throw std::bad_alloc();
  const int k = class_of(bytes);
  const auto size = int64_t(class_bytes(k));
  std::lock_guard<std::mutex> lock(mutex);
  void* p = nullptr;
  if (!lists[k].empty()) {
    p = lists[k].back();
    lists[k].pop_back();
    stats.cached_bytes -= size;
  } else {
    p = raw_alloc(size_t(size));
    if (!p) {
      trim_locked();
      p = raw_alloc(size_t(size));
    }
    if (!p) throw std::bad_alloc();
  }
  stats.live_blocks += 1;
  stats.live_bytes += size;
  if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
  return p;
}

void pool_free(void* p, size_t bytes) {
  const int k = class_of(bytes);
  std::lock_guard<std::mutex> lock(mutex);
  stats.live_blocks -= 1;
  stats.live_bytes -= int64_t(class_bytes(k));
  stats.cached_bytes += int64_t(class_bytes(k));
  lists[k].push_back(p);
}

void pool_trim() {
  wait();
  std::lock_guard<std::mutex> lock(mutex);
  trim_locked();
}

PoolStats pool_stats() {
  std::lock_guard<std::mutex> lock(mutex);
  return stats;
}

}  // namespace fastnn::cuda::runtime
