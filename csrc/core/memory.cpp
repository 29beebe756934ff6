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

void put_back(Free* block, int k) {
  block->next = lists[k];
  lists[k] = block;
}

// A few blocks that a thread keeps for its next scratch; under `mutex` like the lists, so that pool_trim can have them.
struct Mine {
  static constexpr int COUNT = 4;
  Free* blocks[COUNT] = {};
  int classes[COUNT] = {};
  unsigned turn = 0;
  Mine *before = nullptr, *after = nullptr;
  Mine();
  ~Mine();
};
Mine* threads;  // of all threads that have used scratch
thread_local Mine mine;

Mine::Mine() {
  std::lock_guard<std::mutex> lock(mutex);
  after = threads;
  if (after) after->before = this;
  threads = this;
}
Mine::~Mine() {
  std::lock_guard<std::mutex> lock(mutex);
  for (int i = 0; i < COUNT; ++i)
    if (blocks[i]) put_back(blocks[i], classes[i]);
  (before ? before->after : threads) = after;
  if (after) after->before = before;
}

void taken(int k, bool cached) {
  int64_t size = int64_t(class_bytes(k));
  if (cached) stats.cached_bytes -= size;
  stats.live_blocks += 1;
  stats.live_bytes += size;
  if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
}
void given_back(int k) {
  int64_t size = int64_t(class_bytes(k));
  stats.live_blocks -= 1;
  stats.live_bytes -= size;
  stats.cached_bytes += size;
}

}  // namespace

void* system_alloc(size_t bytes) {
  void* p = nullptr;
  if (posix_memalign(&p, bytes >= HUGE_FROM ? HUGE_PAGE : 64, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (bytes >= HUGE_FROM) madvise(p, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
  return p;
}
size_t pool_size(size_t bytes) { return class_bytes(class_of(bytes)); }
void pool_may_fail() {
  if (fail_countdown.load(std::memory_order_relaxed) >= 0 && fail_countdown.fetch_sub(1) == 0) throw std::bad_alloc();
}

void* pool_alloc(size_t bytes) {
  if (bytes > (size_t(1) << 46)) throw std::bad_alloc();
  pool_may_fail();
  int k = class_of(bytes);
  size_t size = class_bytes(k);
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (void* p = lists[k]) {
      lists[k] = lists[k]->next;
      taken(k, true);
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
  taken(k, false);
  return p;
}

void pool_free(void* p, size_t bytes) {
  int k = class_of(bytes);
  std::lock_guard<std::mutex> lock(mutex);
  given_back(k);
  put_back(static_cast<Free*>(p), k);
}

void pool_trim() {
  std::lock_guard<std::mutex> lock(mutex);
  for (Mine* m = threads; m; m = m->after)
    for (Free*& block : m->blocks) {
      free(block);
      block = nullptr;
    }
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

// Scratch blocks go back to the thread that used them: they lie in its core's cache, and fetching a line that another core
// has written costs 100 ns (measured: packing into blocks of both threads made sgemm 192 2.2 times slower on 2 cores).
void* scratch_alloc(size_t bytes) {
  int k = class_of(bytes);
  if (class_bytes(k) < HUGE_FROM && fail_countdown.load(std::memory_order_relaxed) < 0) {
    Mine& own = mine;  // made before the lock is taken: its constructor takes it too
    std::lock_guard<std::mutex> lock(mutex);
    for (int i = 0; i < Mine::COUNT; ++i)
      if (own.blocks[i] && own.classes[i] == k) {
        void* p = own.blocks[i];
        own.blocks[i] = nullptr;
        taken(k, true);
        return p;
      }
  }
  return pool_alloc(bytes);
}
void scratch_free(void* p, size_t bytes) {
  int k = class_of(bytes);
  if (class_bytes(k) >= HUGE_FROM) return pool_free(p, bytes);
  Mine& own = mine;
  std::lock_guard<std::mutex> lock(mutex);
  int i = 0;
  while (i < Mine::COUNT && own.blocks[i]) ++i;
  if (i == Mine::COUNT) {  // the one kept longest makes room
    i = int(own.turn++ % Mine::COUNT);
    put_back(own.blocks[i], own.classes[i]);
  }
  own.blocks[i] = static_cast<Free*>(p);
  own.classes[i] = k;
  given_back(k);
}

}  // namespace fastnn
