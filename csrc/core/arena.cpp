#include "arena.h"

#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "memory.h"

namespace fastnn {

struct Arena {
  ArenaSource source;
  struct Block {
    void* data;
    size_t bytes;
  };
  std::map<size_t, std::vector<void*>> unused;  // by size
  std::vector<Block> blocks;    // from the source
  int64_t bytes = 0, live = 1;  // the owner counts as one
  int64_t ticks = 0;
  uint64_t used = 0;
  bool settled = false;
  std::vector<Lived> log;
  std::unordered_map<void*, size_t> entry;  // of blocks in use
};

namespace {
std::mutex mutex;

template <class V> void make_room(V& v) {  // for one more, so that nothing throws once a block is taken
  if (v.size() == v.capacity()) v.reserve(2 * v.size() + 8);
}

void let_go(Arena* a) {
  if (--a->live > 0) return;
  for (const Arena::Block& b : a->blocks) a->source.free(b.data, b.bytes, a->source.home, a->used);
  delete a;
}
}  // namespace

Arena* arena_new(const ArenaSource& source, int64_t ticks) {
  auto* a = new Arena;
  a->source = source;
  a->ticks = ticks;
  return a;
}

void* arena_alloc(Arena* a, size_t bytes, const void* owner) {
  if (bytes > (size_t(1) << 46)) throw std::bad_alloc();
  pool_may_fail();
  const size_t size = pool_size(bytes);
  std::lock_guard<std::mutex> lock(mutex);
  make_room(a->blocks);
  make_room(a->log);
  auto& list = a->unused[size];
  void* p;
  if (!list.empty()) {
    p = list.back();
    list.pop_back();
  } else {
    p = a->source.alloc(size);
    if (!p) throw std::bad_alloc();
    a->blocks.push_back({p, size});
    a->bytes += int64_t(size);
  }
  a->log.push_back({static_cast<char*>(p), int64_t(bytes), a->ticks, -1, owner ? owner : p});
  a->entry[p] = a->log.size() - 1;
  a->live += 1;
  return p;
}

void arena_free(Arena* a, void* p, size_t bytes, uint64_t used) {
  std::lock_guard<std::mutex> lock(mutex);
  a->used |= used;
  if (!a->settled) {
    a->unused[pool_size(bytes)].push_back(p);
    a->log[a->entry[p]].to = a->ticks;
    a->entry.erase(p);
  }
  let_go(a);
}
void arena_release(Arena* a, uint64_t used) {
  std::lock_guard<std::mutex> lock(mutex);
  a->used |= used;
  let_go(a);
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
  void* p = bytes ? a->source.alloc(bytes) : nullptr;
  if (bytes && !p) throw std::bad_alloc();
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<Arena::Block> kept;
  a->bytes = int64_t(bytes);
  for (const Arena::Block& b : a->blocks)
    if (a->entry.count(b.data)) kept.push_back(b), a->bytes += int64_t(b.bytes);
    else a->source.free(b.data, b.bytes, a->source.home, a->used);
  if (p) kept.push_back({p, bytes});
  a->blocks = std::move(kept);
  a->settled = true;
  a->log = {};
  a->entry = {};
  a->unused = {};
  return static_cast<char*>(p);
}
int64_t arena_bytes(const Arena* a) { return a->bytes; }
void arena_lock() { mutex.lock(); }
void arena_unlock() { mutex.unlock(); }

}  // namespace fastnn
