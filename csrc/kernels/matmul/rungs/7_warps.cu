// matmul on a GPU, rung 7, warps: a warp has its own tile of C, 32 x 64, and a thread's 8 x 8 numbers lie in pieces of 16 bytes.
//
//    block   4 x 2 warps                     warp   4 x 8 lanes
//    lane (r, c)   rows r·4 ... r·4 + 3, and 16 further       columns c·4 ... c·4 + 3, and 32 further         (floats)
//
// Lanes that are neighbours now read, and store, neighbouring 16 bytes: no two of a request need the same bank, and a row of C is
// written in whole sectors. A warp reads 32 + 64 numbers for 32·64 multiply-adds, against 16 + 128 in rung 6.
//
// cost     169 registers a thread (sm_90a) leave room for one block on a multiprocessor: nothing is fetched while it multiplies
// counted  128 x 128 x 128: 384 requests of global memory, 6,144 sectors; 4,736 of shared memory, 0 conflicts
//          derivative:      768 requests of global memory, 12,288 sectors; 9,472 of shared memory, 0 conflicts
// read on  8_tensor.cu; ../matmul.cu: smaller tiles, and pieces of k, for products that would leave multiprocessors idle
#include "product.cuh"

namespace fastnn::cuda {
namespace {

constexpr int BM = 128, BN = 128, BK = 8, TM = 8, TN = 8, WM = 32, WN = 64, ROWS = WM / TM, COLUMNS = WN / TN, THREADS = 256;
constexpr int AS = BM + 4, BS = BN + 4;

template <class T> __global__ void __launch_bounds__(THREADS) warps(Product<T> all) {
  constexpr int N = Wide<T>::N;
  SHARED(T, a, BK * AS);
  SHARED(T, b, BK * BS);
  each_tile<BM, BN>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int lane = int(threadIdx.x) % WARP, warp = int(threadIdx.x) / WARP;
    const int i0 = warp / (BN / WN) * WM + lane / COLUMNS * N, j0 = warp % (BN / WN) * WN + lane % COLUMNS * N;
    T sum[TM][TN] = {};
    for (int64_t k0 = 0; k0 < p.k; k0 += BK) {
      copy_wide<BM, BK, AS, THREADS>(a, left(p), row0, k0, lies_wide(left(p)));
      copy_wide<BN, BK, BS, THREADS>(b, right(p), column0, k0, lies_wide(right(p)));
      __syncthreads();
#pragma unroll
      for (int k = 0; k < BK; ++k) {
        Wide<T> x[TM / N], y[TN / N];
#pragma unroll
        for (int i = 0; i < TM / N; ++i) x[i] = view_as<Wide<T>>(a)[(k * AS + i0) / N + i * ROWS];
#pragma unroll
        for (int j = 0; j < TN / N; ++j) y[j] = view_as<Wide<T>>(b)[(k * BS + j0) / N + j * COLUMNS];
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
      for (int j = 0; j < TN; j += N) put_wide(p, row0 + i0 + i / N * ROWS * N + i % N, column0 + j0 + j * COLUMNS, &sum[i][j]);
  });
}

}  // namespace

FN_MATMUL_RUNG(warps, BM, BN, THREADS)

}  // namespace fastnn::cuda
