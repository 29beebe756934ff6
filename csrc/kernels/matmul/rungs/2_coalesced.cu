// matmul on a GPU, rung 2, coalesced: rows and columns change places: the lanes of a warp make 32 numbers of one row of C.
//
//    lanes      C[i, j ... j + 31] += A[i, p] · B[p, j ... j + 31]
//
// Lanes that are neighbours read neighbours in memory: 32 numbers of B are 4 sectors, and A's is the same for all.
//
// cost     as many requests, 2.5 sectors each. Where B is transposed, as in the derivative with respect to A, its lanes still read 32
// counted  128 x 128 x 128: 131,584 requests of global memory, 329,728 sectors; 0 of shared memory, 0 conflicts
//          derivative:      263,168 requests of global memory, 2,494,464 sectors; 0 of shared memory, 0 conflicts
// read on  3_shared.cu
#include "product.cuh"

namespace fastnn::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(256) coalesced(Product<T> all) {
  each_tile<8, 32>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int64_t i = row0 + threadIdx.x / WARP, j = column0 + threadIdx.x % WARP;
    if (i >= p.m || j >= p.n) return;
    T sum = 0;
    for (int64_t k = 0; k < p.k; ++k) sum += p.a[i * p.a_rs + k * p.a_cs] * p.b[k * p.b_rs + j * p.b_cs];
    put(p, i, j, sum);
  });
}

}  // namespace

FN_MATMUL_RUNG(coalesced, 8, 32, 256)

}  // namespace fastnn::cuda
