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
  uint64_t used = 0;                   // of memory that a GPU uses: a bit for each stream that does (device.h)
  int64_t stamp = 0;                   // epoch of the last in-place change (bind/record.cpp)
  int64_t rebased = 0;                 // epoch of the last in-place change that was recorded
  int64_t born = 0;                    // how many vmaps had been entered when it was made (bind/batch.h)
  int home = 0;                        // the stream that memory of a GPU was made for
  bool fresh = false;                  // nothing has been written to it yet
  bool readonly = false;
  bool shared = false;                 // somebody outside can write to it without telling us
};

// The axes that vmap hides. An Array with a Batch looks like its first example; the others lie at these strides from it.
constexpr int MAX_LEVELS = 6;
struct Batch {
  struct Axis {
    int64_t level, size, stride;  // stride in elements, 0 where all examples are one
  };
  std::atomic<int64_t> references{1};
  int n = 0;
  Axis axis[MAX_LEVELS];  // by level, ascending: the outermost vmap first
};

struct Array {
  View view{};
  Buffer* buffer = nullptr;
  Batch* batch = nullptr;  // of an array inside vmap

  Array() = default;
  Array(const View& v, Buffer* b) : view(v), buffer(b) {}  // takes over one reference
  Array(const Array& a) : view(a.view), buffer(a.buffer), batch(a.batch) {
    if (buffer) buffer->references.fetch_add(1, std::memory_order_relaxed);
    if (batch) batch->references.fetch_add(1, std::memory_order_relaxed);
  }
  Array(Array&& a) noexcept : view(a.view), buffer(a.buffer), batch(a.batch) { a.buffer = nullptr, a.batch = nullptr; }
  Array& operator=(Array a) noexcept {
    view = a.view;
    Buffer* b = buffer;
    buffer = a.buffer;
    a.buffer = b;
    Batch* c = batch;
    batch = a.batch;
    a.batch = c;
    return *this;
  }
  ~Array() {
    if (buffer && buffer->references.fetch_sub(1, std::memory_order_acq_rel) == 1) free_buffer(buffer);
    if (batch && batch->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete batch;
  }
  static void free_buffer(Buffer*);
};

// A new C-contiguous array; MemoryError when the size overflows or memory is out; ValueError for bad shapes.
Array empty(const int64_t* shape, int ndim, DType dtype, Place place = Place::cpu);
int64_t checked_numel(const int64_t* shape, int ndim);
const char* dtype_name(DType t);
int64_t live_buffers();
extern std::atomic<int64_t> vmaps_entered;  // dates every Buffer
void shape_text(char* out, size_t size, const View& v);  // "[2, 3]"

}  // namespace fastnn
