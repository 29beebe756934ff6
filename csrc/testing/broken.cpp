// testing/broken.cpp: wrong kernels, which the shim must catch (tests/test_cuda.py calls them by number).
#include <stdio.h>

#include "../core/cuda/hopper.cuh"

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


// What the copy engine and tensor cores do later. 8 rows of 16 numbers, all N.
__global__ void fill(global<float> x) { x[threadIdx.x] = N; }
__global__ void boxes(global<float> y, const __grid_constant__ BoxMap x, bool waits, bool hurries, unsigned announced) {
  SHARED_TILES(float, tile, N);
  SHARED(Arrival, full, 1);
  if (threadIdx.x == 0) start(full[0]), hand_over();
  __syncthreads();
  if (threadIdx.x == 0) {
    if (announced) announce(full[0], announced);
    copy_box(tile, 0, x, 0, 0, full[0]);
  }
  if (waits) wait(full[0], 0);
  if (hurries && threadIdx.x == 0) announce(full[0], announced), copy_box(tile, 0, x, 0, 0, full[0]);
  y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void product_without_wait(global<float> y) {
  SHARED_TILES(float, tile, 64 * BOX);
  for (int e = int(threadIdx.x); e < 64 * BOX; e += N) tile[e] = 4;
  hand_over();
  __syncthreads();
  float d[32] = {};
  wgmma_begin(d);
  wgmma(d, rows_at(tile, 0), rows_at(tile, 0));
  y[threadIdx.x] = d[0];
  wgmma_wait(d);
}
__global__ void later(global<float> y, global<const float> x, bool waits) {
  SHARED(float, tile, N);
  if (threadIdx.x < N / 4) copy_async<float>(tile, int(threadIdx.x) * 4, x + int64_t(threadIdx.x) * 4, 4);
  close_copies();
  if (waits) await_copies<0>();
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void product_of_halves(global<float> y, bool waits) {
  SHARED_TILES(BFloat, tile, 128 * HALF_BOX);
  for (int e = int(threadIdx.x); e < 128 * HALF_BOX; e += N) tile[e] = rounded<BFloat>(4);
  hand_over();
  __syncthreads();
  float d[64] = {};
  wgmma_begin(d);
  wgmma<BFloat, true, false>(d, half_rows_at(tile, 0, true), half_rows_at(tile, 0, false));
  wgmma_close();
  if (waits) wgmma_wait<0>(d);
  y[threadIdx.x] = d[0] / 2;  // 16 · 4 · 4 / 2 = N
  wgmma_wait<0>(d);
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
    Scratch<float> x(N);
    launch("fill", fill, 1, N, x);
    const BoxMap map = box_map(x.read(), 8, BOX, BOX, 8);
    const unsigned bytes = N * sizeof(float);
    if (which == 8) launch("boxes", boxes, 1, N, y, map, false, false, bytes);
    if (which == 9) launch("product_without_wait", product_without_wait, 1, N, y);
    if (which == 10) launch("boxes", boxes, 1, N, y, map, true, true, bytes);
    if (which == 11) launch("boxes", boxes, 1, N, y, map, true, false, bytes / 2);
    if (which == 12) launch("boxes", boxes, 1, N, y, map, true, false, 0u);
    if (which == 13) launch("boxes", boxes, 1, N, y, map, true, false, bytes);  // this one is right
    if (which == 14 || which == 15) launch("later", later, 1, N, y, x.read(), which == 15);
    if (which == 16 || which == 17) launch("product_of_halves", product_of_halves, 1, N, y, which == 17);
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
