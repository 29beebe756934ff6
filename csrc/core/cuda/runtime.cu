// core/cuda/runtime.cu: the CUDA runtime behind runtime.h: the device, memory, copies, launches. Nothing here is touched before a GPU is
// asked for.
#include "runtime.h"

#include <stdio.h>
#include <string.h>

#include <mutex>

#include "call.h"

namespace fastnn::cuda::runtime {
namespace {

char reason[256];

int find() {
  int driver = 0, n = -1;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  const cudaError_t e = cudaGetDeviceCount(&n);
  if (e != cudaSuccess) n = -1;
  cudaDeviceProp p;
  const bool known = n > 0 && cudaGetDeviceProperties(&p, 0) == cudaSuccess;
  cudaGetLastError();
  explain_none(reason, sizeof reason, driver, CUDART_VERSION, n, cudaGetErrorString(e), known ? p.major * 10 + p.minor : 0);
  return reason[0] == 0;  // one is used: the first that CUDA_VISIBLE_DEVICES leaves
}

const cudaDeviceProp& properties() {
  static const cudaDeviceProp found = [] {
    cudaDeviceProp p;
    must("cudaGetDeviceProperties", cudaGetDeviceProperties(&p, 0));
    return p;
  }();
  return found;
}

cudaStream_t here() { return reinterpret_cast<cudaStream_t>(stream_handle(stream_current())); }

// Page-locked memory that copies from the host pass through: one from pageable memory would wait for the GPU.
struct Staging {
  static constexpr size_t SIZE = 1 << 20;
  std::mutex mutex;
  char* data = nullptr;
  cudaEvent_t done = nullptr;  // what lies in it has been copied
  Staging() {
    must("cudaHostAlloc", cudaHostAlloc(reinterpret_cast<void**>(&data), SIZE, cudaHostAllocDefault));
    must("cudaEventCreate", cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  }
};

}  // namespace

int device_count() {
  static const int n = find();
  return n;
}
const char* why_none() {
  device_count();
  return reason;
}
void describe(char* text, size_t size) { snprintf(text, size, "%s", properties().name); }
bool has_tensor_cores() { return properties().major >= 8; }
bool is_hopper() { return properties().major == 9 && properties().minor == 0; }
void memory_info(size_t* free, size_t* total) { must("cudaMemGetInfo", cudaMemGetInfo(free, total)); }

void* raw_alloc(size_t bytes) {
  void* p = nullptr;
  const cudaError_t e = cudaMalloc(&p, bytes);
  if (e == cudaSuccess) return p;
  if (e != cudaErrorMemoryAllocation) raise("cudaMalloc", e);
  cudaGetLastError();
  return nullptr;
}
void raw_free(void* p) { cudaFree(p); }
void* raw_host_alloc(size_t bytes) {
  void* p = nullptr;
  const cudaError_t e = cudaHostAlloc(&p, bytes, cudaHostAllocDefault);
  if (e == cudaSuccess) return p;
  if (e != cudaErrorMemoryAllocation) raise("cudaHostAlloc", e);
  cudaGetLastError();
  return nullptr;
}
void raw_host_free(void* p) { cudaFreeHost(p); }
void given(void*, size_t) {}
void taken(void*, size_t, int) {}
void host_taken(void*, size_t) {}

void copy_to_device(void* to, const void* from, size_t bytes, bool direct) {
  if (direct) return must("copy", cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, here()));
  static Staging& staging = *new Staging;
  std::lock_guard<std::mutex> lock(staging.mutex);
  for (size_t i = 0; i < bytes; i += Staging::SIZE) {
    const size_t n = bytes - i < Staging::SIZE ? bytes - i : Staging::SIZE;
    must("copy", cudaEventSynchronize(staging.done));
    memcpy(staging.data, static_cast<const char*>(from) + i, n);
    must("copy", cudaMemcpyAsync(static_cast<char*>(to) + i, staging.data, n, cudaMemcpyHostToDevice, here()));
    must("copy", cudaEventRecord(staging.done, here()));
  }
}
void copy_to_host(void* to, const void* from, size_t bytes, bool direct) {
  must("copy", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, here()));
  if (!direct) wait();
}

void launch_now(const Launch& l) {
  if (l.memory > 0) cudaFuncSetAttribute(l.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, l.memory);
  must(l.name, cudaLaunchKernel(l.kernel, dim3(l.blocks[0], l.blocks[1], l.blocks[2]), dim3(l.threads[0], l.threads[1], l.threads[2]),
                                const_cast<void**>(l.parameters), size_t(l.memory), here()));
}

}  // namespace fastnn::cuda::runtime
