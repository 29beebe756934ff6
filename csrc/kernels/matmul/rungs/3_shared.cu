// matmul on a GPU, rung 3, shared: a block copies tiles of A and B into shared memory, and every number there is used 32 times.
//
//    for each 32 of k:   A[32 rows, 32] and B[32, 32 columns] → shared memory, barrier;   1024 threads: 32 products each, barrier
//
// Global memory is asked for a 32nd of what rung 2 asks. The copy goes the way an operand lies, so transposed ones (the derivative)
// are read as well as others; rows are one longer than the tile, for 32 banks either way.
//
// cost     two loads from shared memory for one multiply-add
// counted  128 x 128 x 128: 4,608 requests of global memory, 18,432 sectors; 135,168 of shared memory, 0 conflicts
//          derivative:      9,216 requests of global memory, 36,864 sectors; 270,336 of shared memory, 0 conflicts
// read on  4_column.cu
#include "product.cuh"

namespace fastnn::cuda {
namespace {

constexpr int N = 32;

template <class T> __global__ void __launch_bounds__(N* N) shared(Product<T> all) {
  SHARED(T, a, N * (N + 1));
  SHARED(T, b, N * (N + 1));
  each_tile<N, N>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int i = int(threadIdx.x) / N, j = int(threadIdx.x) % N;
    T sum = 0;
    for (int64_t k0 = 0; k0 < p.k; k0 += N) {
      copy_tile<N, N, N + 1, 1, N * N>(a, left(p), row0, k0);
      copy_tile<N, N, 1, N + 1, N * N>(b, right(p), column0, k0);
      __syncthreads();
#pragma unroll
      for (int k = 0; k < N; ++k) sum += a[i * (N + 1) + k] * b[k * (N + 1) + j];
      __syncthreads();
    }
    put(p, row0 + i, column0 + j, sum);
  });
}

}  // namespace

FN_MATMUL_RUNG(shared, N, N, N * N)

}  // namespace fastnn::cuda
