// core/cuda/kernel.cuh: what a .cu file stands on. Kernels are plain CUDA C++ with four names of our own:
//
//    global<T>              a pointer to device memory (T*). Kernels reach memory only through it: the host shim
//                           (csrc/testing/) checks every access there, and counts what the memory system would do
//    SHARED(T, name, n)     __shared__ T name[n]
//    launch(name, kernel, blocks, threads, arguments ...)      starts it on the current stream (launch.cpp); raises if that fails
//    fault(kind, ...)       a kernel cannot throw: it notes what it met, and the next call from the host raises it
//
// The same text is compiled by nvcc, and by a C++ compiler with FN_SHIM defined, for machines without a GPU.
#pragma once
#include "../../kernels/declare.h"

#if defined(FN_SHIM)
#include "../../testing/shim.h"
#else
#include <cuda_runtime.h>

namespace fastnn::cuda {
template <class T> using global = T*;
#define SHARED(T, name, n) __shared__ __align__(16) T name[n]
// Another type over the same memory: float4 for 16 bytes at once. The address must be a multiple of its size.
template <class To, class From> FN To* view_as(From* p) { return reinterpret_cast<To*>(p); }
template <class T> T* address_of(T* p) { return p; }
FN bool aligned(const void* p, int bytes) { return reinterpret_cast<uintptr_t>(p) % unsigned(bytes) == 0; }
__device__ __forceinline__ unsigned shared_address(const void* p) { return unsigned(__cvta_generic_to_shared(p)); }
}  // namespace fastnn::cuda
#endif

#include <type_traits>
#include <utility>

#include "runtime.h"

namespace fastnn::cuda {

constexpr int WARP = 32;
constexpr int64_t BUSY = 132;          // blocks that occupy a GPU (an H200's multiprocessors); shapes are cut by it, so it is fixed
#if !defined(FN_SHIM)
inline bool occupy(int64_t blocks) { return blocks >= BUSY; }
#endif
constexpr unsigned ALL = 0xffffffffu;  // lanes of a warp

FN int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T> global<const T> in(const View& v) { return global<const T>(v.ptr<const T>()); }
template <class T> global<T> out(const View& v) { return global<T>(v.ptr<T>()); }

// ---- faults ------------------------------------------------------------------------------------------------------------
#if !defined(FN_SHIM)
static __device__ int64_t* fault_words;  // one for each .cu file; set at its first launch. The host's exist with its first stream
inline void set_fault_words() {
  static bool done = (runtime::stream_handle(0), cudaMemcpyToSymbol(fault_words, &runtime::fault_words, sizeof(int64_t*)), true);
  (void)done;
}
__device__ inline void fault(Fault kind, const char* kernel, int64_t value, int64_t size) {
  if (atomicCAS(reinterpret_cast<unsigned long long*>(fault_words), 0ull, static_cast<unsigned long long>(kind)) == 0) {
    fault_words[1] = reinterpret_cast<int64_t>(kernel);  // an address on the host, passed through
    fault_words[2] = value;
    fault_words[3] = size;
  }
}
#endif

// ---- launch ------------------------------------------------------------------------------------------------------------
template <class T> struct Given { using type = T; };
template <class... P>  // `memory`: bytes of shared memory beyond what the kernel declares (hopper.cuh's TILES)
void launch_with(int memory, const char* name, void (*kernel)(P...), dim3 blocks, dim3 threads, typename Given<P>::type... args) {
  static_assert((std::is_trivially_copyable_v<P> && ...));
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
  static constexpr unsigned sizes[] = {sizeof(P)...};
  void* const parameters[] = {const_cast<void*>(static_cast<const void*>(&args))...};
  Launch l{name, reinterpret_cast<const void*>(kernel), {blocks.x, blocks.y, blocks.z}, {threads.x, threads.y, threads.z}, memory,
           int(sizeof...(P)), parameters, sizes, nullptr};
#if defined(FN_SHIM)
  l.call = [](const void* k, void* const* p) {
    [&]<size_t... I>(std::index_sequence<I...>) {
      reinterpret_cast<void (*)(P...)>(const_cast<void*>(k))(*static_cast<P*>(p[I])...);
    }(std::index_sequence_for<P...>{});
  };
#else
  set_fault_words();
#endif
  runtime::submit(l);
}
template <class... P> void launch(const char* name, void (*kernel)(P...), dim3 blocks, dim3 threads, typename Given<P>::type... args) {
  launch_with(0, name, kernel, blocks, threads, args...);
}

// Blocks for n items of `each` a block, at most as many as keep the GPU busy: kernels loop over the rest (a grid's x is 31 bits).
inline unsigned blocks_for(int64_t n, int64_t each, int64_t most = BUSY * 16) {
  int64_t b = ceil_div(n, each);
  return unsigned(b < most ? b : most);
}

// Device memory for the length of a call, from the pool; kernels on the stream may still be using it when it is given back:
// whoever gets it next comes after them on the same stream.
template <class T> struct Scratch {
  void* data;
  size_t bytes;
  explicit Scratch(int64_t n) : data(runtime::scratch_alloc(size_t(n) * sizeof(T))), bytes(size_t(n) * sizeof(T)) {}
  ~Scratch() { runtime::scratch_free(data, bytes); }
  Scratch(const Scratch&) = delete;
  operator global<T>() const { return global<T>(static_cast<T*>(data)); }
  global<const T> read() const { return global<const T>(static_cast<const T*>(data)); }
};

}  // namespace fastnn::cuda
