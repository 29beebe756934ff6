// matmul on a GPU, rung 5, tile: a thread makes 8 x 8 numbers of C, in registers.
//
//    sum[8][8] += A[8 rows, p] · B[p, 8 columns]     128 x 128 numbers of C a block of 256 threads, 8 of k at a time
//
// 16 loads from shared memory for 64 multiply-adds, and a number from global memory is used 128 times instead of 64.
//
// cost     lanes read B 8 numbers apart, so four of them want one bank at once, and two want A's; C is written 4 bytes a sector
// counted  128 x 128 x 128: 1,536 requests of global memory, 20,480 sectors; 17,408 of shared memory, 32,768 conflicts
//          derivative:      3,072 requests of global memory, 40,960 sectors; 34,816 of shared memory, 72,704 conflicts
// read on  6_wide.cu
#include "product.cuh"

namespace fastnn::cuda {
namespace {

constexpr int BM = 128, BN = 128, BK = 8, TM = 8, TN = 8, THREADS = BM / TM * (BN / TN);

template <class T> __global__ void __launch_bounds__(THREADS) tile(Product<T> all) {
  SHARED(T, a, BM * BK);
  SHARED(T, b, BK * BN);
  each_tile<BM, BN>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int i0 = int(threadIdx.x) / (BN / TN) * TM, j0 = int(threadIdx.x) % (BN / TN) * TN;
    T sum[TM][TN] = {};
    for (int64_t k0 = 0; k0 < p.k; k0 += BK) {
      copy_tile<BM, BK, BK, 1, THREADS>(a, left(p), row0, k0);
      copy_tile<BN, BK, 1, BN, THREADS>(b, right(p), column0, k0);
      __syncthreads();
#pragma unroll
      for (int k = 0; k < BK; ++k) {
        T x[TM], y[TN];
#pragma unroll
        for (int i = 0; i < TM; ++i) x[i] = a[(i0 + i) * BK + k];
#pragma unroll
        for (int j = 0; j < TN; ++j) y[j] = b[k * BN + j0 + j];
#pragma unroll
        for (int i = 0; i < TM; ++i)
#pragma unroll
          for (int j = 0; j < TN; ++j) sum[i][j] += x[i] * y[j];
      }
      __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < TN; ++j) put(p, row0 + i0 + i, column0 + j0 + j, sum[i][j]);
  });
}

}  // namespace

FN_MATMUL_RUNG(tile, BM, BN, THREADS)

}  // namespace fastnn::cuda
