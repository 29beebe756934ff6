#include "memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <atomic>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

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

struct Arena {
  Free* lists[CLASSES] = {};
  std::vector<void*> blocks;  // from the system
  int64_t bytes = 0, live = 1;  // the owner counts as one
  int64_t ticks = 0;
  bool settled = false;
  std::vector<Lived> log;
  std::unordered_map<void*, size_t> entry;  // of blocks in use
};

Arena* arena_new() { return new Arena; }

void* arena_alloc(Arena* a, size_t bytes) {
  if (bytes > (size_t(1) << 46)) throw std::bad_alloc();
  if (fail_countdown.load(std::memory_order_relaxed) >= 0 && fail_countdown.fetch_sub(1) == 0) throw std::bad_alloc();
  int k = class_of(bytes);
  std::lock_guard<std::mutex> lock(mutex);
  a->blocks.reserve(a->blocks.size() + 1);
  a->log.push_back({nullptr, int64_t(bytes), a->ticks, -1});
  void* p = a->lists[k];
  if (p) {
    a->lists[k] = a->lists[k]->next;
  } else if ((p = system_alloc(class_bytes(k)))) {
    a->blocks.push_back(p);
    a->bytes += int64_t(class_bytes(k));
  } else {
    a->log.pop_back();
    throw std::bad_alloc();
  }
  a->log.back().block = static_cast<char*>(p);
  a->entry[p] = a->log.size() - 1;
  a->live += 1;
  return p;
}

static void arena_let_go(Arena* a) {
  if (--a->live > 0) return;
  for (void* p : a->blocks) free(p);
  delete a;
}
void arena_free(Arena* a, void* p, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  if (!a->settled) {
    auto* block = static_cast<Free*>(p);
    int k = class_of(bytes);
    block->next = a->lists[k];
    a->lists[k] = block;
    a->log[a->entry[p]].to = a->ticks;
    a->entry.erase(p);
  }
  arena_let_go(a);
}
void arena_release(Arena* a) {
  std::lock_guard<std::mutex> lock(mutex);
  arena_let_go(a);
}
void arena_tick(Arena* a) {
  std::lock_guard<std::mutex> lock(mutex);
  a->ticks += 1;
}
int64_t arena_log(const Arena* a, const Lived** log) {
  *log = a->log.data();
  return int64_t(a->log.size());
}
char* arena_settle(Arena* a, size_t bytes) {
  void* p = bytes ? system_alloc(bytes) : nullptr;
  if (bytes && !p) throw std::bad_alloc();
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<void*> used;
  int64_t size = int64_t(bytes);
  for (void* block : a->blocks) {
    auto it = a->entry.find(block);
    if (it == a->entry.end()) {
      free(block);
      continue;
    }
    used.push_back(block);
    size += int64_t(class_bytes(class_of(size_t(a->log[it->second].bytes))));
  }
  if (p) used.push_back(p);
  a->blocks = std::move(used);
  a->bytes = size;
  a->settled = true;
  a->log = {};
  a->entry = {};
  for (auto& list : a->lists) list = nullptr;
  return static_cast<char*>(p);
}
int64_t arena_bytes(const Arena* a) { return a->bytes; }

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
