// core/cuda/runtime.h: the little that is needed of the CUDA runtime, and the pool of device memory.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "../memory.h"

namespace fastnn::cuda {

enum class Fault : int64_t { none, index, zero_division, negative_power, probability };

namespace runtime {

// runtime.cu, and for machines without a GPU csrc/testing/runtime.cpp
int device_count();                      // that can be used; never throws
const char* why_none();
void describe(char* text, size_t size);
void* raw_alloc(size_t bytes);           // null when there is no more
void raw_free(void* p);
void to_device(void* to, const void* from, size_t bytes);
void to_host(void* to, const void* from, size_t bytes);
void* stream();
void wait();                             // for the stream
void drain();                            // for all streams, other libraries' too
void launch_failed(const char* name);    // raises if the launch just made was refused
bool has_tensor_cores();                         // of compute capability 8.0: they take float32 (TF32), float16 and bfloat16
bool is_hopper();                        // compute capability 9.0

// faults.cpp
int matmul_precision();                  // of float32: 0 float32, 1 float32 by three TF32 products, 2 TF32
void set_matmul_precision(int64_t level);

// pool.cpp
void* pool_alloc(size_t bytes);
void pool_free(void* p, size_t bytes);
void pool_trim();
PoolStats pool_stats();

// faults.cpp
extern int64_t* fault_words;             // host memory that kernels write to: [kind, kernel, value, size]
void before_launch(const char* name);    // raises what earlier kernels have met
void after_launch(const char* name);     // with FASTNN_CUDA_SYNC=1 waits, and raises what this one met
void raise_faults();

}  // namespace runtime
}  // namespace fastnn::cuda
