// matmul on a GPU, rung 1, naive: a thread makes one number of C, and the lanes of a warp make 32 of one column.
//
//    thread (i, j)      C[i, j] = Σ A[i, p] · B[p, j]  over p
//
// Lanes read one number each from 32 rows of A: 32 sectors of 32 bytes, of which 4 bytes are used; B's number is the same for all.
//
// cost     a request of global memory for each of the two loads of a multiply-add, on average 16.6 sectors each
// counted  128 x 128 x 128: 131,584 requests of global memory, 2,179,072 sectors; 0 of shared memory, 0 conflicts
//          derivative:      263,168 requests of global memory, 2,523,136 sectors; 0 of shared memory, 0 conflicts
// read on  2_coalesced.cu
#include "product.cuh"

namespace fastnn::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(256) naive(Product<T> all) {
  each_tile<32, 8>(all, [&](const Product<T>& p, int64_t row0, int64_t column0) {
    const int64_t i = row0 + threadIdx.x % WARP, j = column0 + threadIdx.x / WARP;
    if (i >= p.m || j >= p.n) return;
    T sum = 0;
    for (int64_t k = 0; k < p.k; ++k) sum += p.a[i * p.a_rs + k * p.a_cs] * p.b[k * p.b_rs + j * p.b_cs];
    put(p, i, j, sum);
  });
}

}  // namespace

FN_MATMUL_RUNG(naive, 32, 8, 256)

}  // namespace fastnn::cuda
