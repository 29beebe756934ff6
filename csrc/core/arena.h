// core/arena.h: memory of one recorded step, of the host or of a GPU. Blocks given back serve its later allocations only; it goes back to
// where it came from when its owner and the last of its blocks have let go. Until it settles it keeps a log of which block was in use when.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace fastnn {

struct Arena;
struct ArenaSource {
  void* (*alloc)(size_t bytes);  // null, or an exception, when there is no more
  void (*free)(void* p, size_t bytes, int home, uint64_t used);
  int home;  // of a GPU: the stream whose work may use a block that is given back without waiting
};
struct Lived {
  char* block;
  int64_t bytes, from, to;  // ticks; to < 0: still in use
  const void* owner;        // the Buffer
};
Arena* arena_new(const ArenaSource& source, int64_t ticks = 0);
void* arena_alloc(Arena*, size_t bytes, const void* owner = nullptr);  // null: the Buffer begins the block
void arena_free(Arena*, void* p, size_t bytes, uint64_t used = 0);  // used: of a GPU, the streams whose work uses it, a bit each
void arena_release(Arena*, uint64_t used = 0);                      // by the owner
void arena_tick(Arena*);
int64_t arena_log(const Arena*, const Lived** log);
char* arena_settle(Arena*, size_t bytes);   // frees what is not in use and gives one block of so many bytes
int64_t arena_bytes(const Arena*);          // from the source
void arena_lock();  // around fork
void arena_unlock();

}  // namespace fastnn
