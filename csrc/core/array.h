// core/array.h: an Array is a View plus a counted reference to the Buffer that owns the memory. Views of an array
// (reshape, transpose, slice, expand) are new metadata on the same Buffer.
#pragma once
#include <atomic>

#include "view.h"

namespace fastnn {

struct Arena;

struct Buffer {
  void* data;
  int64_t bytes;
  std::atomic<int64_t> references{1};
  void (*release)(Buffer*) = nullptr;  // frees foreign memory (NumPy, DLPack); null for the pool's own
  void* owner = nullptr;               // what `release` needs
  Arena* arena = nullptr;              // whose memory it is, if not the pool's (program.h)
  int64_t stamp = 0;                   // epoch of the last in-place change (bind/record.cpp)
  int64_t rebased = 0;                 // epoch of the last in-place change that was recorded
  bool readonly = false;
  bool shared = false;                 // somebody outside can write to it without telling us
};

struct Array {
  View view{};
  Buffer* buffer = nullptr;

  Array() = default;
  Array(const View& v, Buffer* b) : view(v), buffer(b) {}  // takes over one reference
  Array(const Array& a) : view(a.view), buffer(a.buffer) { if (buffer) buffer->references.fetch_add(1, std::memory_order_relaxed); }
  Array(Array&& a) noexcept : view(a.view), buffer(a.buffer) { a.buffer = nullptr; }
  Array& operator=(Array a) noexcept {
    view = a.view;
    Buffer* b = buffer;
    buffer = a.buffer;
    a.buffer = b;
    return *this;
  }
  ~Array() { if (buffer && buffer->references.fetch_sub(1, std::memory_order_acq_rel) == 1) free_buffer(buffer); }
  static void free_buffer(Buffer*);
};

// A new C-contiguous array; MemoryError when the size overflows or memory is out; ValueError for bad shapes.
Array empty(const int64_t* shape, int ndim, DType dtype);
int64_t checked_numel(const int64_t* shape, int ndim);
const char* dtype_name(DType t);
int64_t live_buffers();
void shape_text(char* out, size_t size, const View& v);  // "[2, 3]"

}  // namespace fastnn
