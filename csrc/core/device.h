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

// Thrown across the border, as Error.
struct __attribute__((visibility("default"))) OutOfMemory { char message[512]; };     // of the GPU
struct __attribute__((visibility("default"))) Uncapturable { const char* message; };  // a call that belongs in no graph, and why

struct Device {
  const char* signature;   // kernels.def as the library was built with it; must be ours
  const Table* table;      // null where no .cu defines the kernel
  const Rungs* rungs;
  int (*count)();          // GPUs that can be used, 0 if none; never throws
  const char* (*why)();    // why there is none
  void (*describe)(char* text, size_t size);
  void (*memory)(size_t* free, size_t* total);
  void* (*alloc)(size_t bytes);  // from the library's pool, for the current stream; throws Error
  void (*free)(void*, size_t bytes, int home, uint64_t used);  // home: the stream it was for; used: a bit for each that has used it
  void* (*host_alloc)(size_t bytes);  // page-locked memory of the host
  void (*host_free)(void*, size_t bytes, uint64_t used);
  // On the current stream. Direct: from or to page-locked memory, which is let alone until the stream has come by. Otherwise `from` may
  // be written to when this returns, or `to` is there.
  void (*to_device)(void* to, const void* from, size_t bytes, bool direct);
  void (*to_host)(void* to, const void* from, size_t bytes, bool direct);
  void (*synchronize)();   // waits for all streams; raises what kernels have met since (an index out of range, a failed launch)

  // Streams by number: 0 is the one that everything runs on unless the thread has chosen another. Events by address.
  int (*stream_current)();
  void (*stream_use)(int stream);
  int (*stream_new)(int priority);
  int (*stream_external)(int64_t handle);
  int64_t (*stream_handle)(int stream);     // its cudaStream_t
  void (*drain)();                          // waits for all, other libraries' too
  bool (*stream_done)(int stream);
  void (*stream_wait)(int stream);          // raises as synchronize
  void (*stream_lead)(int64_t handle);      // that stream, perhaps another library's, waits for the current one
  void* (*event_new)(bool timed, bool blocking);
  void (*event_free)(void*);
  void (*event_record)(void*, int stream);
  void (*event_lead)(void*, int stream);    // the stream waits for it
  bool (*event_done)(void*);
  void (*event_wait)(void*);
  double (*event_milliseconds)(void* from, void* to);
  int64_t (*event_handle)(void*);

  // Launches that are made again and again (core/cuda/graph.h). What this thread launches between graph_begin and graph_end belongs to a
  // step of the graph, and is made by graph_launch.
  void* (*graph_new)();
  void (*graph_free)(void*);
  void (*graph_begin)(void*, int64_t step);
  void (*graph_end)();
  void (*graph_launch)(void*);
  int64_t (*graph_count)(const void*);        // of launches
  const char* (*graph_refusal)(const void*);  // why it is launched one by one, or ""
  bool (*every_call_waits)();                 // FASTNN_CUDA_SYNC: graphs would hide which

  PoolStats (*stats)();
  void (*reset_peak)();
  void (*trim)();
  bool (*halves)();        // do its tensor cores multiply float16 and bfloat16 (compute capability 8.0)?
  void (*matmul_precision)(int64_t level);  // of float32: 0 float32, 1 three TF32 products, 2 TF32
  void (*counts)(void (*each)(void* context, const char* kernel, const int64_t* counts), void* context);  // of the host shim
};

extern const Device* gpu;          // null until device_open
void device_open(const char* path);  // RuntimeError that says why not
Buffer* device_buffer(int64_t bytes);
Buffer* pinned_buffer(int64_t bytes);   // of the host, page-locked: copies from and to it need not be waited for
bool is_pinned(const Buffer* b);
void device_transfer(const View& to, const View& from, bool direct = false);  // contiguous, of one dtype, in different places
// That the current stream uses this memory, so that nobody else gets it before the stream has come by.
template <class F> void each_stream(uint64_t streams, const F& f) {  // f(s) for every bit set
  for (; streams; streams &= streams - 1) f(__builtin_ctzll(streams));
}
void note_use(Buffer* b, int stream);
void note_use(Buffer* b);
void wait_for_streams(uint64_t streams);  // the current one does, for those whose bits are set

}  // namespace fastnn
