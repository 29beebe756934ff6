// testing/broken.cpp: wrong kernels, which the shim must catch (tests/test_cuda.py calls them by number).
#include <stdio.h>

#include "../core/cuda/kernel.cuh"

namespace fastnn::cuda {
namespace {

constexpr int N = 128;

// The classic: every thread writes one element and reads its neighbour's, with no barrier between.
__global__ void no_barrier(global<float> y, bool right) {
  SHARED(float, tile, N);
  tile[threadIdx.x] = float(threadIdx.x);
  y[threadIdx.x] = tile[right ? (threadIdx.x + 1) % N : (threadIdx.x + N - 1) % N];
}
// The same between the warps of a reduction: only whole warps that run ahead show it.
__global__ void no_barrier_between_warps(global<float> y) {
  SHARED(float, partial, N / WARP);
  float v = 1;
  for (int s = WARP / 2; s > 0; s /= 2) v += __shfl_xor_sync(ALL, v, s);
  if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP] = v;
  float sum = 0;
  for (int w = 0; w < N / WARP; ++w) sum += partial[w];
  y[threadIdx.x] = sum;
}
__global__ void divergent_barrier(global<float> y) {
  if (threadIdx.x < N / 2) __syncthreads();
  y[threadIdx.x] = 0;
}
__global__ void two_barriers(global<float> y) {
  if (threadIdx.x < N / 2) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 0;
}
__global__ void one_too_far(global<float> y) { y[threadIdx.x + 1] = 0; }
__global__ void shared_too_far(global<float> y) {
  SHARED(float, tile, N);
  y[threadIdx.x] = tile[threadIdx.x + 1];
}
__global__ void half_a_shuffle(global<float> y) {
  float v = 1;
  if (threadIdx.x < 5) v = __shfl_xor_sync(ALL, v, 1);
  y[threadIdx.x] = v;
}

}  // namespace
}  // namespace fastnn::cuda

// Runs one; returns how many results are wrong, or -1 with a message when the shim has objected.
extern "C" __attribute__((visibility("default"))) int fastnn_shim_broken(int which, char* message, int size) {
  using namespace fastnn;
  using namespace fastnn::cuda;
  message[0] = 0;
  try {
    Scratch<float> y(N);
    if (which == 0) launch("no_barrier", no_barrier, 1, N, y, true);
    if (which == 1) launch("no_barrier", no_barrier, 1, N, y, false);
    if (which == 2) launch("no_barrier_between_warps", no_barrier_between_warps, 1, N, y);
    if (which == 3) launch("divergent_barrier", divergent_barrier, 1, N, y);
    if (which == 4) launch("two_barriers", two_barriers, 1, N, y);
    if (which == 5) launch("one_too_far", one_too_far, 1, N, y);
    if (which == 6) launch("shared_too_far", shared_too_far, 1, N, y);
    if (which == 7) launch("half_a_shuffle", half_a_shuffle, 1, N, y);
    float got[N];
    runtime::to_host(got, y.data, sizeof got);
    int wrong = 0;
    for (int i = 0; i < N; ++i) {
      const float expected = which == 0 ? float((i + 1) % N) : which == 1 ? float((i + N - 1) % N) : N;
      wrong += !(got[i] == expected);
    }
    return wrong;
  } catch (const Error& e) {
    snprintf(message, size_t(size), "%s", e.message);
    return -1;
  }
}
