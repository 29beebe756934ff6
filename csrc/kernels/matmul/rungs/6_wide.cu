// matmul on a GPU, rung 6, wide: 16 bytes in each load and store, of global and of shared memory.
//
//    global    a thread fetches 4 floats of each tile for 8 of k: A's along k and transposed on the way, B's along a row (../wide.cuh)
//    shared    both tiles lie [8 of k][128 + 4]: 8 numbers of A's column, and of B's row, are 2 loads each, not 8
//
// 4 loads from shared memory for 64 multiply-adds. The 4 more a row let the transposing stores hit 32 banks.
//
// cost     lanes still read B 32 bytes apart: in a quarter of a warp, which is what 16 bytes a lane are served in, two want one bank.
//          (nvcc joins the loads of rung 5 from shared memory by itself, where addresses allow it; counts are of the text)
// counted  128 x 128 x 128: 384 requests of global memory, 8,192 sectors; 4,736 of shared memory, 8,192 conflicts
//          derivative:      768 requests of global memory, 16,384 sectors; 9,472 of shared memory, 16,384 conflicts
// read on  7_warps.cu
#include "product.cuh"

namespace fastnn::cuda {
namespace {

constexpr int BM = 128, BN = 128, BK = 8, TM = 8, TN = 8, THREADS = BM / TM * (BN / TN), AS = BM + 4, BS = BN + 4;

template <class T> __global__ void __launch_bounds__(THREADS) wide(Product<T> all) {
  constexpr int N = Wide<T>::N;
  SHARED(T, a, BK * AS);
  SHARED(T, b, BK * BS);
  each_tile<BM, BN>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int i0 = int(threadIdx.x) / (BN / TN) * TM, j0 = int(threadIdx.x) % (BN / TN) * TN;
    T sum[TM][TN] = {};
    for (int64_t k0 = 0; k0 < p.k; k0 += BK) {
      copy_wide<BM, BK, AS, THREADS>(a, left(p), row0, k0, lies_wide(left(p)));
      copy_wide<BN, BK, BS, THREADS>(b, right(p), column0, k0, lies_wide(right(p)));
      __syncthreads();
#pragma unroll
      for (int k = 0; k < BK; ++k) {
        Wide<T> x[TM / N], y[TN / N];
#pragma unroll
        for (int i = 0; i < TM / N; ++i) x[i] = view_as<Wide<T>>(a)[(k * AS + i0) / N + i];
#pragma unroll
        for (int j = 0; j < TN / N; ++j) y[j] = view_as<Wide<T>>(b)[(k * BS + j0) / N + j];
#pragma unroll
        for (int i = 0; i < TM; ++i)
#pragma unroll
          for (int j = 0; j < TN; ++j) sum[i][j] += x[i / N].v[i % N] * y[j / N].v[j % N];
      }
      __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < TN; j += N) put_wide(p, row0 + i0 + i, column0 + j0 + j, &sum[i][j]);
  });
}

}  // namespace

FN_MATMUL_RUNG(wide, BM, BN, THREADS)

}  // namespace fastnn::cuda
