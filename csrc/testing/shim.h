// testing/shim.h: CUDA's language for a C++ compiler, so that every .cu file runs, and is tested, where there is no GPU.
//
//    a thread    is a fiber; blocks run one after another, and a thread runs until it meets a barrier or a shuffle
//    schedules   which thread goes on is chosen: the first, the last, the next in turn, or any (FASTNN_SHIM_SCHEDULE=first, last,
//                turn, random). First and last let one warp run ahead to the barrier before another has started: a missing
//                __syncthreads() then reads what has not been written. In turn alone, it would go unnoticed
//    memory      device addresses are not addresses of the host: code that forgets a copy crashes. Every access goes through
//                global<T>, is checked against what was allocated, and raises an error that names kernel, block and thread.
//                New memory, and the shared memory of every block, is filled with NaN
//    barriers    a barrier that some threads do not reach, or different ones at once, is an error
//    streams     nothing runs before the host waits for it, and then in the order that events leave open and that the program least
//                expects: see streams.cpp
//    counts      of what the memory system of a GPU would do: see counts.cpp
//
// What it cannot show: timing, real races between blocks, and anything of the hardware's own.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };

namespace fastnn::cuda {
enum class Fault : int64_t;
namespace shim {

struct Thread {
  dim3 index, block, threads, blocks;
  int number;  // in its block
};
extern Thread* now;

using Body = void (*)(const void* context);
void check_grid(const char* name, dim3 blocks, dim3 threads);
void run_grid(const char* name, dim3 blocks, dim3 threads, Body body, const void* context);  // all of it, now

void* reach(const void* device_address, size_t bytes, size_t alignment);  // where it really lies; an error if nothing was allocated there
void reach_shared(const void* address, size_t bytes);   // counts it
[[noreturn]] void outside_shared(const char* name, int64_t i, int64_t n);
bool enter_shared(int64_t& block);  // true for the first thread of a block that comes by

const void* peek(const void* device_address, size_t bytes);  // where it lies, not counted as a request
void check_map(bool good);
void check_layout(bool good);
void begin_async();                        // forgets what the block before has not waited for (hopper.cpp)
void copy_async(void* to, const void* from, size_t bytes);  // 16 bytes, zeros behind `bytes`; made when it is waited for
void close_copies();                       // those of this thread since the last call are a group
void await_copies(int groups);             // all groups but the last ones
void sleep(const char* file, int line);    // until another thread calls wake()
void wake();

void block_barrier(const char* file, int line);
void warp_barrier(unsigned lanes, const char* file, int line);
bool occupy(int64_t blocks);  // FASTNN_SHIM_BUSY of them, so that small arrays go the way of large ones
uint64_t exchange(unsigned lanes, uint64_t value, int from, const char* file, int line);  // the value of lane `from`
const uint64_t* gather(uint64_t value, const char* file, int line);  // of all lanes; good until a lane's next but one exchange
unsigned ballot(unsigned lanes, bool flag, const char* file, int line);
unsigned match(unsigned lanes, uint64_t value, const char* file, int line);  // the lanes with the same value

// An index that may be read like a number: x[i] through here is checked.
template <class T> struct Shared {
  T* data;
  int64_t n;
  const char* name;
  __forceinline__ T& operator[](int64_t i) const {
    if (i < 0 || i >= n) outside_shared(name, i, n);
    reach_shared(data + i, sizeof(T));
    return data[i];
  }
};
template <class T, int64_t N> struct SharedMemory {
  alignas(16) char data[N * sizeof(T)];
  int64_t block = -1;
  Shared<T> enter(const char* name) {
    if (enter_shared(block)) memset(data, 0xff, sizeof data);
    return {reinterpret_cast<T*>(data), N, name};
  }
};

template <class T> uint64_t to_bits(T v) {
  static_assert(sizeof(T) <= 8);
  uint64_t b = 0;
  memcpy(&b, &v, sizeof v);
  return b;
}
template <class T> T from_bits(uint64_t b) {
  T v;
  memcpy(&v, &b, sizeof v);
  return v;
}
}  // namespace shim

template <class T> class global {
  T* p;

 public:
  global() : p(nullptr) {}
  explicit global(T* p) : p(p) {}
  template <class U> requires(__is_same(const U, T)) global(global<U> g) : p(g.address()) {}
  T* address() const { return p; }
  __forceinline__ T& operator[](int64_t i) const { return *static_cast<T*>(shim::reach(p + i, sizeof(T), alignof(T))); }
  T& operator*() const { return (*this)[0]; }
  global operator+(int64_t i) const { return global(p + i); }
  global operator-(int64_t i) const { return global(p - i); }
  global& operator+=(int64_t i) { return p += i, *this; }
  explicit operator bool() const { return p != nullptr; }
};
template <class To, class From> global<To> view_as(global<From> g) { return global<To>(reinterpret_cast<To*>(g.address())); }
template <class To, class From> shim::Shared<To> view_as(shim::Shared<From> s) {
  return {reinterpret_cast<To*>(s.data), s.n * int64_t(sizeof(From)) / int64_t(sizeof(To)), s.name};
}
template <class T> T* address_of(global<T> g) { return g.address(); }
template <class T> bool aligned(global<T> g, int bytes) { return reinterpret_cast<uintptr_t>(g.address()) % unsigned(bytes) == 0; }

#define SHARED(T, name, n)                                        \
  static ::fastnn::cuda::shim::SharedMemory<T, (n)> name##_memory; \
  const ::fastnn::cuda::shim::Shared<T> name = name##_memory.enter(#name)

using shim::occupy;
void fault(Fault kind, const char* kernel, int64_t value, int64_t size);
}  // namespace fastnn::cuda

#define threadIdx (::fastnn::cuda::shim::now->index)
#define blockIdx (::fastnn::cuda::shim::now->block)
#define blockDim (::fastnn::cuda::shim::now->threads)
#define gridDim (::fastnn::cuda::shim::now->blocks)
#define __syncthreads() ::fastnn::cuda::shim::block_barrier(__FILE__, __LINE__)
#define __syncwarp(...) ::fastnn::cuda::shim::warp_barrier(0xffffffffu, __FILE__, __LINE__)
#define FN_LANE (::fastnn::cuda::shim::now->number % 32)
#define FN_EXCHANGE(lanes, v, from)                                           \
  ::fastnn::cuda::shim::from_bits<decltype((v) + 0)>(::fastnn::cuda::shim::exchange( \
      lanes, ::fastnn::cuda::shim::to_bits((v) + 0), from, __FILE__, __LINE__))
#define __shfl_sync(lanes, v, from) FN_EXCHANGE(lanes, v, from)
#define __shfl_xor_sync(lanes, v, mask) FN_EXCHANGE(lanes, v, FN_LANE ^ (mask))
#define __shfl_down_sync(lanes, v, n) FN_EXCHANGE(lanes, v, FN_LANE + (n) < 32 ? FN_LANE + (n) : FN_LANE)
#define __shfl_up_sync(lanes, v, n) FN_EXCHANGE(lanes, v, FN_LANE - (n) >= 0 ? FN_LANE - (n) : FN_LANE)
#define __ballot_sync(lanes, flag) ::fastnn::cuda::shim::ballot(lanes, flag, __FILE__, __LINE__)
#define __match_any_sync(lanes, v) ::fastnn::cuda::shim::match(lanes, ::fastnn::cuda::shim::to_bits((v) + 0), __FILE__, __LINE__)
#define __popc(x) __builtin_popcount(x)
#define __umulhi(a, b) unsigned((uint64_t(a) * uint64_t(b)) >> 32)
