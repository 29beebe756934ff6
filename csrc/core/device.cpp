#include "device.h"

#include <dlfcn.h>
#include <string.h>

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
  gpu->free(b->data, size_t(b->bytes));
  delete b;
}

Buffer* device_buffer(int64_t bytes) {
  if (!gpu) raise_error(ErrorKind::runtime, "cuda: no GPU is in use");
  if (recording)
    raise_error(ErrorKind::runtime, "fastnn.capture: a step on cuda is not recorded; run it without capture, or on the CPU");
  auto* buffer = new Buffer;
  try {
    buffer->data = gpu->alloc(size_t(bytes));
  } catch (...) {
    delete buffer;
    throw;
  }
  buffer->release = release_device;
  return buffer;
}

void device_transfer(const View& to, const View& from) {
  if (from.bytes() == 0) return;
  if (to.place == Place::cuda) gpu->to_device(to.data, from.data, size_t(from.bytes()));
  else gpu->to_host(to.data, from.data, size_t(from.bytes()));
}

}  // namespace fastnn
