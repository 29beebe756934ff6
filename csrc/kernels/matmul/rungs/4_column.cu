// matmul on a GPU, rung 4, column: a thread makes 8 numbers of a column of C, in registers.
//
//    sum[0 ... 7] += A[8 rows, p] · B[p, j]          64 x 64 numbers of C a block of 512 threads, 8 of k at a time
//
// One number of B serves 8 products: 9 loads from shared memory for 8 multiply-adds, against 16 in rung 3.
//
// cost     shared memory again. A's tile lies [64][8]: lanes that copy a transposed A meet in four banks
// counted  128 x 128 x 128: 2,560 requests of global memory, 10,240 sectors; 75,776 of shared memory, 0 conflicts
//          derivative:      5,120 requests of global memory, 20,480 sectors; 151,552 of shared memory, 14,336 conflicts
// read on  5_tile.cu
#include "product.cuh"

namespace fastnn::cuda {
namespace {

constexpr int BM = 64, BN = 64, BK = 8, TM = 8, THREADS = BM / TM * BN;

template <class T> __global__ void __launch_bounds__(THREADS) column(Product<T> all) {
  SHARED(T, a, BM * BK);
  SHARED(T, b, BK * BN);
  each_tile<BM, BN>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int i0 = int(threadIdx.x) / BN * TM, j = int(threadIdx.x) % BN;
    T sum[TM] = {};
    for (int64_t k0 = 0; k0 < p.k; k0 += BK) {
      copy_tile<BM, BK, BK, 1, THREADS>(a, left(p), row0, k0);
      copy_tile<BN, BK, 1, BN, THREADS>(b, right(p), column0, k0);
      __syncthreads();
#pragma unroll
      for (int k = 0; k < BK; ++k) {
        const T y = b[k * BN + j];
#pragma unroll
        for (int i = 0; i < TM; ++i) sum[i] += a[(i0 + i) * BK + k] * y;
      }
      __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; ++i) put(p, row0 + i0 + i, column0 + j, sum[i]);
  });
}

}  // namespace

FN_MATMUL_RUNG(column, BM, BN, THREADS)

}  // namespace fastnn::cuda
