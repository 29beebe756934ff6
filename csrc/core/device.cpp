#include "device.h"

#include <dlfcn.h>
#include <string.h>

#include <memory>

#include "../kernels/table.h"
#include "error.h"
#include "program.h"
#include "rungs.h"

namespace fastnn {

const Device* gpu = nullptr;

void device_open(const char* path) {
  if (gpu) return;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) raise_error(ErrorKind::runtime, "cuda: %s", dlerror());
  auto* get = reinterpret_cast<const Device* (*)()>(dlsym(library, "fastnn_device"));
  if (!get) raise_error(ErrorKind::runtime, "cuda: %s is not fastnn's library", path);
  const Device* found = get();
  if (strcmp(found->signature, KERNELS_SIGNATURE))
    raise_error(ErrorKind::runtime, "cuda: %s was built from another version of kernels.def; build it again", path);
  ladders_set(Place::cuda, *found->table, *found->rungs);
  gpu = found;
}

static void release_device(Buffer* b) {
  if (b->arena) arena_free(b->arena, b->data, size_t(b->bytes), b->used);
  else gpu->free(b->data, size_t(b->bytes), b->home, b->used);
  delete b;
}
static void release_pinned(Buffer* b) {
  gpu->host_free(b->data, size_t(b->bytes), b->used);
  delete b;
}

static Buffer* buffer_of(int64_t bytes, void* (*alloc)(size_t), void (*release)(Buffer*)) {
  if (!gpu) raise_error(ErrorKind::runtime, "cuda: no GPU is in use");
  auto buffer = std::make_unique<Buffer>();
  buffer->data = alloc(size_t(bytes));
  buffer->bytes = bytes;
  buffer->release = release;
  return buffer.release();
}
Buffer* device_buffer(int64_t bytes) {
  if (!gpu) raise_error(ErrorKind::runtime, "cuda: no GPU is in use");
  Buffer* b;
  if (recording) {
    if (!recording->there) recording->there = arena_new({gpu->alloc, gpu->free, gpu->stream_current()}, int64_t(recording->steps.size()));
    auto made = std::make_unique<Buffer>();
    made->data = arena_alloc(recording->there, size_t(bytes), made.get());
    made->bytes = bytes, made->arena = recording->there, made->release = release_device;
    b = made.release();
  } else {
    b = buffer_of(bytes, gpu->alloc, release_device);
  }
  b->home = gpu->stream_current();
  b->used = uint64_t(1) << b->home;
  return b;
}
Buffer* pinned_buffer(int64_t bytes) { return buffer_of(bytes, gpu ? gpu->host_alloc : nullptr, release_pinned); }
bool is_pinned(const Buffer* b) { return b->release == release_pinned; }

void device_transfer(const View& to, const View& from, bool direct) {
  if (from.bytes() == 0) return;
  if (to.place == Place::cuda) gpu->to_device(to.data, from.data, size_t(from.bytes()), direct);
  else gpu->to_host(to.data, from.data, size_t(from.bytes()), direct);
}

void note_use(Buffer* b, int stream) { __atomic_fetch_or(&b->used, uint64_t(1) << stream, __ATOMIC_RELAXED); }
void wait_for_streams(uint64_t streams) {
  const int current = gpu->stream_current();
  static thread_local void* const event = gpu->event_new(false, false);
  streams &= ~(uint64_t(1) << current);
  each_stream(streams, [&](int s) {
    gpu->event_record(event, s);
    gpu->event_lead(event, current);
  });
}
void note_use(Buffer* b) {
  const int stream = gpu->stream_current();
  if (!(b->used >> stream & 1)) [[unlikely]] note_use(b, stream);
}

}  // namespace fastnn
