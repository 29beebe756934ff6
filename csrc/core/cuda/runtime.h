// core/cuda/runtime.h: the little that is needed of the CUDA runtime: memory, copies, streams, events and launches.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "../memory.h"

namespace fastnn::cuda {

enum class Fault : int64_t { none, index, zero_division, negative_power, probability };

// The launch of a kernel as plain data.
struct Launch {
  const char* name;
  const void* kernel;
  unsigned blocks[3], threads[3];
  int memory;              // bytes of shared memory beyond what the kernel declares
  int n;                   // parameters, each by its address
  void* const* parameters;
  const unsigned* sizes;   // of them, in bytes
  void (*call)(const void* kernel, void* const* parameters);  // of the host shim: as one thread
};

constexpr int STREAMS = 64;  // by number; 0 is the one that everything runs on unless told otherwise

namespace runtime {

// ---- by platform: runtime.cu and streams.cu, and for machines without a GPU csrc/testing/runtime.cpp and streams.cpp -----------
int device_count();                      // that can be used; never throws
const char* why_none();
void describe(char* text, size_t size);
bool has_tensor_cores();                 // of compute capability 8.0: they take float32 (TF32), float16 and bfloat16
bool is_hopper();                        // compute capability 9.0
void memory_info(size_t* free, size_t* total);
void* raw_alloc(size_t bytes);           // null when there is no more
void raw_free(void* p);                  // after all that uses it
void* raw_host_alloc(size_t bytes);      // page-locked
void raw_host_free(void* p);
void given(void* p, size_t bytes);       // by the pool, for the current stream; the shim keeps account of what is whose
void taken(void* p, size_t bytes, int stream);
void host_taken(void* p, size_t bytes);
void launch_now(const Launch& l);        // on the current stream; raises if that is refused
// On the current stream. Direct: from or to page-locked memory, which is let alone until the stream has come by. Otherwise `from`
// may be written to, and `to` has been, when these return.
void copy_to_device(void* to, const void* from, size_t bytes, bool direct);
void copy_to_host(void* to, const void* from, size_t bytes, bool direct);
int64_t stream_handle(int stream);       // its cudaStream_t; makes it when first asked
bool stream_exists(int stream);
void stream_adopt(int stream, int64_t handle);  // that number means that stream from now on
bool is_high(int stream);                // of the priority that goes first (launch.cpp)
bool stream_done(int stream);
void stream_wait(int stream);            // the host waits for it
void stream_lead(int64_t handle);        // that stream, perhaps another library's, waits for the current one
void drain();                            // waits for all streams, other libraries' too
void* event_new(bool timed, bool blocking);
void event_free(void* event);
void event_record(void* event, int stream);
void event_lead(void* event, int stream);  // the stream waits for it
bool event_done(void* event);
void event_wait(void* event);
double event_milliseconds(void* from, void* to);
int64_t event_handle(void* event);

// ---- launch.cpp ----------------------------------------------------------------------------------------------------------
void submit(const Launch& l);
void to_device(void* to, const void* from, size_t bytes, bool direct = false);
void to_host(void* to, const void* from, size_t bytes, bool direct = false);
void wait();                             // for the current stream
int stream_current();                    // of this thread
void stream_use(int stream);
int stream_new(int priority);            // a number; one of 16 of that priority (0, or below for those that go first), in turn
int stream_external(int64_t handle);     // for another library's stream

// ---- graph.cpp ------------------------------------------------------------------------------------------------------------
void* scratch_alloc(size_t bytes);       // for the length of a call: the pool's, or where a graph is being built its own
void scratch_free(void* p, size_t bytes);

// ---- faults.cpp -----------------------------------------------------------------------------------------------------------
extern int64_t* fault_words;             // host memory that kernels write to: [kind, kernel, value, size]
void raise_faults();                     // what kernels have met
bool synchronous();                      // FASTNN_CUDA_SYNC
int matmul_precision();                  // of float32: 0 float32, 1 float32 by three TF32 products, 2 TF32
void set_matmul_precision(int64_t level);
// Why no tensor can live there, or "": versions as CUDA counts them (12040), capability as 75, devices < 0 where the driver refuses to say.
void explain_none(char* text, size_t size, int driver, int built_for, int devices, const char* error, int capability);

// ---- pool.cpp --------------------------------------------------------------------------------------------------------------
void* pool_alloc(size_t bytes);          // for the current stream
void pool_free(void* p, size_t bytes, int home, uint64_t used);  // home: the stream it was for; used: a bit for each that has used it
void* host_alloc(size_t bytes);
void host_free(void* p, size_t bytes, uint64_t used);
void pool_trim();
PoolStats pool_stats();
void pool_reset_peak();

}  // namespace runtime
}  // namespace fastnn::cuda
