// core/cuda/runtime.cu: the CUDA runtime behind runtime.h. One stream of our own; nothing here is touched before a GPU is asked for.
#include "runtime.h"

#include <cuda_runtime.h>
#include <stdio.h>
#include <string.h>

#include <mutex>
#include <new>

#include "../error.h"

namespace fastnn::cuda::runtime {
namespace {

constexpr int OLDEST = 75;  // compute capability: what the library is built for
char reason[256];

[[noreturn]] void raise(const char* what, cudaError_t e) {
  cudaGetLastError();  // the next call starts afresh
  if (e == cudaErrorMemoryAllocation) throw std::bad_alloc();
  raise_error(ErrorKind::runtime, "cuda: %s: %s (%s)", what, cudaGetErrorString(e), cudaGetErrorName(e));
}
void must(const char* what, cudaError_t e) {
  if (e != cudaSuccess) raise(what, e);
}

int find() {
  int driver = 0, n = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    snprintf(reason, sizeof reason, "no NVIDIA driver is installed");
    return 0;
  }
  cudaError_t e = cudaGetDeviceCount(&n);
  cudaGetLastError();
  if (e == cudaErrorInsufficientDriver) {
    snprintf(reason, sizeof reason, "the NVIDIA driver is for CUDA %d.%d, too old for this build's CUDA %d.%d", driver / 1000,
             driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    return 0;
  }
  if (e != cudaSuccess || n == 0) {
    snprintf(reason, sizeof reason, "no GPU was found (%s)", cudaGetErrorString(e));
    return 0;
  }
  cudaDeviceProp p;
  if (cudaGetDeviceProperties(&p, 0) != cudaSuccess || p.major * 10 + p.minor < OLDEST) {
    snprintf(reason, sizeof reason, "the GPU is too old: compute capability 7.5 or newer is needed");
    cudaGetLastError();
    return 0;
  }
  return 1;  // one is used: the first that CUDA_VISIBLE_DEVICES leaves
}

cudaStream_t the_stream = nullptr;

// Pinned memory that host copies pass through: a copy from pageable memory would wait for the GPU.
struct Staging {
  static constexpr size_t SIZE = 1 << 20;
  char* data = nullptr;
  cudaEvent_t done = nullptr;  // what lies in it has been copied
};
Staging staging;
std::mutex staging_mutex;

void start() {
  static bool started = [] {
    must("cudaStreamCreate", cudaStreamCreateWithFlags(&the_stream, cudaStreamNonBlocking));
    must("cudaHostAlloc", cudaHostAlloc(reinterpret_cast<void**>(&fault_words), 64, cudaHostAllocMapped));
    memset(fault_words, 0, 64);
    must("cudaHostAlloc", cudaHostAlloc(reinterpret_cast<void**>(&staging.data), Staging::SIZE, cudaHostAllocDefault));
    must("cudaEventCreate", cudaEventCreateWithFlags(&staging.done, cudaEventDisableTiming));
    return true;
  }();
  (void)started;
}

}  // namespace

int device_count() {
  static const int n = find();
  return n;
}
const char* why_none() {
  device_count();
  return reason;
}
void describe(char* text, size_t size) {
  cudaDeviceProp p;
  must("cudaGetDeviceProperties", cudaGetDeviceProperties(&p, 0));
  snprintf(text, size, "%s", p.name);
}

void* raw_alloc(size_t bytes) {
  start();
  void* p = nullptr;
  cudaError_t e = cudaMalloc(&p, bytes);
  if (e == cudaSuccess) return p;
  cudaGetLastError();
  if (e == cudaErrorMemoryAllocation) return nullptr;
  raise("cudaMalloc", e);
}
void raw_free(void* p) { cudaFree(p); }

void to_device(void* to, const void* from, size_t bytes) {
  start();
  raise_faults();
  std::lock_guard<std::mutex> lock(staging_mutex);
  for (size_t i = 0; i < bytes; i += Staging::SIZE) {
    size_t n = bytes - i < Staging::SIZE ? bytes - i : Staging::SIZE;
    must("copy", cudaEventSynchronize(staging.done));
    memcpy(staging.data, static_cast<const char*>(from) + i, n);
    must("copy", cudaMemcpyAsync(static_cast<char*>(to) + i, staging.data, n, cudaMemcpyHostToDevice, the_stream));
    must("copy", cudaEventRecord(staging.done, the_stream));
  }
}
void to_host(void* to, const void* from, size_t bytes) {
  start();
  must("copy", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, the_stream));
  wait();
  raise_faults();
}
void* stream() {
  start();
  return the_stream;
}
void wait() {
  start();
  must("synchronize", cudaStreamSynchronize(the_stream));
}
bool has_tensor_cores() {
  static const bool yes = [] {
    cudaDeviceProp p;
    return cudaGetDeviceProperties(&p, 0) == cudaSuccess && p.major >= 8;
  }();
  return yes;
}
bool is_hopper() {
  static const bool yes = [] {
    cudaDeviceProp p;
    return cudaGetDeviceProperties(&p, 0) == cudaSuccess && p.major == 9 && p.minor == 0;
  }();
  return yes;
}
void drain() { must("synchronize", cudaDeviceSynchronize()); }
void launch_failed(const char* name) { must(name, cudaGetLastError()); }

}  // namespace fastnn::cuda::runtime
