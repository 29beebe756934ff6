// core/cuda/pool.cpp: device memory, and page-locked memory of the host. cudaMalloc waits for the GPU and takes 100 us and more; blocks
// that come back are kept by size class (as in core/memory.cpp: powers of two, four steps between) and handed out again without waiting.
//
//    A block belongs to the stream that it was made for. Given back, it serves that stream at once: who gets it uses it after what is
//    under way there. A block that other streams have used waits until these have come by (an event on each).
//    Page-locked blocks belong to the host, and wait for every stream that copies from or to them.
//
// When the GPU has no more, everything is waited for, and what is cached goes back to it.
#include <stdio.h>

#include <mutex>
#include <new>
#include <vector>

#include "../device.h"
#include "runtime.h"

namespace fastnn::cuda::runtime {
namespace {

constexpr size_t SMALLEST = 512;
constexpr int CLASSES = 4 * 40;

size_t class_bytes(int k) { return (size_t(4 + k % 4) * (SMALLEST / 4)) << (k / 4); }
int class_of(size_t bytes) {
  int k = 0;
  while (class_bytes(k) < bytes) ++k;
  return k;
}

constexpr int HOST = -1;
struct Block {
  void* data;
  size_t bytes;  // that were asked for
  int home;
};
struct Waiting {
  Block block;
  std::vector<void*> events;
};

class Pool {
 public:
  Pool(void* (*alloc)(size_t), void (*free)(void*)) : raw_alloc(alloc), raw_free(free) {}

  void* alloc(size_t bytes, int home) {
    const int k = bytes > (size_t(1) << 44) ? CLASSES : class_of(bytes);
    std::lock_guard<std::mutex> lock(mutex);
    void* p = k < CLASSES ? cached(k, home) : nullptr;
    if (!p && k < CLASSES) {
      p = raw_alloc(class_bytes(k));
      if (!p) {
        trim_locked();
        p = raw_alloc(class_bytes(k));
      }
    }
    if (!p) raise_out_of_memory(bytes, home);
    const auto size = int64_t(class_bytes(k));
    stats.live_blocks += 1;
    stats.live_bytes += size;
    if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
    if (stats.live_bytes + stats.cached_bytes > stats.peak_reserved) stats.peak_reserved = stats.live_bytes + stats.cached_bytes;
    if (home != HOST) given(p, bytes);
    return p;
  }

  void free(void* p, size_t bytes, int home, uint64_t used) {
    const auto size = int64_t(class_bytes(class_of(bytes)));
    std::lock_guard<std::mutex> lock(mutex);
    stats.live_blocks -= 1;
    stats.live_bytes -= size;
    stats.cached_bytes += size;
    if (home != HOST) used &= ~(uint64_t(1) << home);
    Waiting w{{p, bytes, home}, {}};
    each_stream(used, [&](int s) {
      w.events.push_back(event());
      event_record(w.events.back(), s);
    });
    if (w.events.empty()) keep(w.block);
    else waiting.push_back(std::move(w));
  }

  void trim() {
    std::lock_guard<std::mutex> lock(mutex);
    trim_locked();
  }
  PoolStats now() {
    std::lock_guard<std::mutex> lock(mutex);
    return stats;
  }
  void reset_peak() {
    std::lock_guard<std::mutex> lock(mutex);
    stats.peak_bytes = stats.live_bytes;
    stats.peak_reserved = stats.live_bytes + stats.cached_bytes;
  }

 private:
  std::mutex mutex;
  void* (*raw_alloc)(size_t);
  void (*raw_free)(void*);
  std::vector<Block> lists[CLASSES];
  std::vector<Waiting> waiting;
  std::vector<void*> events;  // not in use
  PoolStats stats{};

  void* event() {
    if (events.empty()) return event_new(false, false);
    void* e = events.back();
    events.pop_back();
    return e;
  }
  void keep(const Block& b) {
    lists[class_of(b.bytes)].push_back(b);
    if (b.home == HOST) host_taken(b.data, b.bytes);
    else taken(b.data, b.bytes, b.home);
  }
  void settle() {
    for (size_t i = 0; i < waiting.size();) {
      Waiting& w = waiting[i];
      while (!w.events.empty() && event_done(w.events.back())) {
        events.push_back(w.events.back());
        w.events.pop_back();
      }
      if (!w.events.empty()) {
        ++i;
        continue;
      }
      keep(w.block);
      w = std::move(waiting.back());
      waiting.pop_back();
    }
  }
  void* cached(int k, int home) {
    settle();
    auto& list = lists[k];
    for (size_t i = list.size(); i-- > 0;)
      if (list[i].home == home) {
        void* p = list[i].data;
        list.erase(list.begin() + int64_t(i));
        stats.cached_bytes -= int64_t(class_bytes(k));
        return p;
      }
    return nullptr;
  }
  void trim_locked() {
    drain();
    settle();
    for (int k = 0; k < CLASSES; ++k) {
      for (const Block& b : lists[k]) raw_free(b.data);
      stats.cached_bytes -= int64_t(lists[k].size() * class_bytes(k));
      lists[k].clear();
    }
  }

  [[noreturn]] void raise_out_of_memory(size_t bytes, int home) {
    char asked[32], all[32], left[32], held[32], kept[32];
    const auto text = [](char (&to)[32], double n) {
      const char* units[] = {"bytes", "KiB", "MiB", "GiB"};
      int u = 0;
      while (n >= 1024 && u < 3) n /= 1024, ++u;
      snprintf(to, sizeof to, u ? "%.2f %s" : "%.0f %s", n, units[u]);
      return to;
    };
    OutOfMemory e;
    size_t free_bytes = 0, total = 0;
    if (home != HOST) memory_info(&free_bytes, &total);
    if (home == HOST)
      snprintf(e.message, sizeof e.message, "CUDA: out of page-locked memory. Tried to allocate %s.", text(asked, double(bytes)));
    else
      snprintf(e.message, sizeof e.message,
               "CUDA out of memory. Tried to allocate %s. GPU 0 has a total capacity of %s of which %s is free. Tensors hold %s, and %s is kept "
               "for them.",
               text(asked, double(bytes)), text(all, double(total)), text(left, double(free_bytes)), text(held, double(stats.live_bytes)),
               text(kept, double(stats.cached_bytes)));
    throw e;
  }
};

// Never destroyed: when the process ends, the driver may be gone before them.
Pool& device_pool() {
  static auto& pool = *new Pool(raw_alloc, raw_free);
  return pool;
}
Pool& host_pool() {
  static auto& pool = *new Pool(raw_host_alloc, raw_host_free);
  return pool;
}

}  // namespace

void* pool_alloc(size_t bytes) { return device_pool().alloc(bytes, stream_current()); }
void pool_free(void* p, size_t bytes, int home, uint64_t used) { device_pool().free(p, bytes, home, used); }
void* host_alloc(size_t bytes) { return host_pool().alloc(bytes, HOST); }
void host_free(void* p, size_t bytes, uint64_t used) { host_pool().free(p, bytes, HOST, used); }
void pool_trim() {
  device_pool().trim();
  host_pool().trim();
}
PoolStats pool_stats() { return device_pool().now(); }
void pool_reset_peak() { device_pool().reset_peak(); }

}  // namespace fastnn::cuda::runtime
