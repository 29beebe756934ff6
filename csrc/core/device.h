// core/device.h: a GPU, as the rest of the program sees it: a table of kernels like that of an instruction set, and memory.
//
// The library _cuda.so (nvcc; kernels/*/*.cu, core/cuda/) knows nothing of Python and is no part of _cpu: it is opened when a
// GPU is first asked for, and hands over one struct Device. So one CPU wheel runs everywhere, and one binding (bind/), with
// broadcasting, autodiff and vmap, serves both: a View says where its memory lies, and the kernel is taken from that table.
// csrc/testing/ builds the same library for machines without a GPU.
#pragma once
#include "array.h"
#include "memory.h"

namespace fastnn {

struct Table;
struct Rungs;

struct Device {
  const char* signature;   // kernels.def as the library was built with it; must be ours
  const Table* table;      // null where no .cu defines the kernel
  const Rungs* rungs;
  int (*count)();          // GPUs that can be used, 0 if none; never throws
  const char* (*why)();    // why there is none
  void (*describe)(char* text, size_t size);
  void* (*alloc)(size_t bytes);  // from the library's pool; throws std::bad_alloc
  void (*free)(void*, size_t bytes);
  void (*to_device)(void* to, const void* from, size_t bytes);  // `from` may be written to when this returns
  void (*to_host)(void* to, const void* from, size_t bytes);    // waits for what is being computed
  void (*synchronize)();   // waits; raises what kernels have met since (an index out of range, a failed launch)
  int64_t (*stream)();     // the cudaStream_t that everything runs on: what other libraries are told to wait for
  void (*drain)();         // waits for every stream of the device
  PoolStats (*stats)();
  void (*trim)();
  bool (*halves)();        // do its tensor cores multiply float16 and bfloat16 (compute capability 8.0)?
  void (*matmul_precision)(int64_t level);  // of float32: 0 float32, 1 three TF32 products, 2 TF32
  void (*counts)(void (*each)(void* context, const char* kernel, const int64_t* counts), void* context);  // of the host shim
};

extern const Device* gpu;          // null until device_open
void device_open(const char* path);  // RuntimeError that says why not
Buffer* device_buffer(int64_t bytes);
void device_transfer(const View& to, const View& from);  // contiguous, of one dtype, in different places

}  // namespace fastnn
