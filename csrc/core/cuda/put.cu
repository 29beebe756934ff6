// core/cuda/put.cu: bytes that the host knows, among a kernel's parameters: a copy to the device that a graph can repeat with others.
#include <string.h>

#include "graph.h"
#include "kernel.cuh"

namespace fastnn::cuda {
namespace {

constexpr size_t MOST = 16;  // launches for one copy
template <int N> struct Packet {
  int64_t n;
  unsigned char bytes[N];
};
template <int N> __global__ void put(global<unsigned char> to, const Packet<N> p) {
  for (int64_t i = threadIdx.x; i < p.n; i += blockDim.x) to[i] = p.bytes[i];
}
template <int N> void put_all(void* to, const void* from, size_t bytes) {
  for (size_t i = 0; i < bytes; i += N) {
    Packet<N> p{};
    p.n = int64_t(bytes - i < N ? bytes - i : N);
    memcpy(p.bytes, static_cast<const char*>(from) + i, size_t(p.n));
    launch("to_device", put<N>, 1, N < 128 ? N : 128, global<unsigned char>(static_cast<unsigned char*>(to) + i), p);
  }
}
constexpr int SMALL = 64, LARGE = 3584;  // a launch's parameters have 4 KiB

}  // namespace

void runtime::graph_put(void* to, const void* from, size_t bytes) {
  if (bytes > MOST * LARGE) graph_refuse("it sends more to the GPU than a graph's nodes take along");
  if (bytes <= SMALL) put_all<SMALL>(to, from, bytes);
  else put_all<LARGE>(to, from, bytes);
}

}  // namespace fastnn::cuda
