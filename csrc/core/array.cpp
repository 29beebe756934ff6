#include "array.h"

#include <stdio.h>
#include <stdlib.h>

#include <iterator>
#include <new>

#include "device.h"
#include "error.h"
#include "memory.h"
#include "program.h"

namespace fastnn {
namespace {
std::atomic<int64_t> live{0};
}

std::atomic<int64_t> vmaps_entered{0};

int64_t live_buffers() { return live.load(); }

// The Buffer sits in front of its data, in the same pool block: one allocation an array.
constexpr int64_t HEADER = (sizeof(Buffer) + 63) / 64 * 64;

void Array::free_buffer(Buffer* b) {
  live.fetch_sub(1, std::memory_order_relaxed);
  if (b->release) b->release(b);  // deletes b too
  else if (b->arena) arena_free(b->arena, b, size_t(b->bytes + HEADER));
  else pool_free(b, size_t(b->bytes + HEADER));
}

void count_foreign_buffer() { live.fetch_add(1, std::memory_order_relaxed); }

int64_t checked_numel(const int64_t* shape, int ndim) {
  int64_t n = 1;
  for (int d = 0; d < ndim; ++d) {
    if (shape[d] < 0)
      raise_error(ErrorKind::shape, "Trying to create tensor with negative dimension %lld", (long long)shape[d]);
    if (__builtin_mul_overflow(n, shape[d] ? shape[d] : 1, &n)) raise_memory();
  }
  for (int d = 0; d < ndim; ++d)
    if (shape[d] == 0) return 0;
  return n;
}

static Buffer* new_buffer(int64_t bytes) {
  Arena* arena = recording && !recording->dry ? recording->arena : nullptr;
  void* block = arena ? arena_alloc(arena, size_t(bytes + HEADER)) : pool_alloc(size_t(bytes + HEADER));
  auto* buffer = new (block) Buffer;
  buffer->arena = arena;
  buffer->data = static_cast<char*>(block) + HEADER;
  return buffer;
}

Array empty(const int64_t* shape, int ndim, DType dtype, Place place) {
  if (ndim > MAX_DIMS) raise_error(ErrorKind::shape, "arrays have at most %d dimensions, got %d", MAX_DIMS, ndim);
  int64_t bytes = checked_numel(shape, ndim);
  if (__builtin_mul_overflow(bytes, itemsize(dtype), &bytes) || bytes > (int64_t(1) << 62)) raise_memory();
  Buffer* buffer = place == Place::cpu ? new_buffer(bytes) : device_buffer(bytes);
  buffer->bytes = bytes;
  buffer->born = vmaps_entered.load(std::memory_order_relaxed);
  live.fetch_add(1, std::memory_order_relaxed);
  View v;
  v.data = buffer->data;
  v.ndim = ndim;
  v.dtype = dtype;
  v.place = place;
  int64_t stride = 1;
  for (int d = ndim - 1; d >= 0; --d) {
    v.shape[d] = shape[d];
    v.strides[d] = stride;
    stride *= shape[d] > 1 ? shape[d] : 1;
  }
  return Array(v, buffer);
}

const char* dtype_name(DType t) {
  static const char* names[] = {"float32", "float64", "int64", "int32", "uint8", "bool", "int8", "int16", "float16", "bfloat16"};
  static_assert(std::size(names) == DTYPES);
  return names[int(t)];
}

void shape_text(char* out, size_t size, const View& v) {
  size_t used = size_t(snprintf(out, size, "["));
  for (int d = 0; d < v.ndim && used < size; ++d)
    used += size_t(snprintf(out + used, size - used, d ? ", %lld" : "%lld", (long long)v.shape[d]));
  if (used < size) snprintf(out + used, size - used, "]");
}

}  // namespace fastnn
