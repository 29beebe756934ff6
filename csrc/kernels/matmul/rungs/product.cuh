// matmul/rungs/product.cuh: what the GPU's rungs share. A rung is a functor that launches a kernel for products C = A·B (+ D).
#pragma once
#include "../wide.cuh"

namespace fastnn::cuda {

void matmul(Out c, In a, In b);
void matmul_bias(Out c, In a, In b, In bias);
void matmul_bias_warps(Out c, In a, In b, In bias);  // rung 7, for what tensor cores do not take

// f(product, first row, first column) for tiles of BM x BN numbers of C: a block goes on where y and z of a grid end.
template <int BM, int BN, class T, class F> __device__ __forceinline__ void each_tile(const Product<T>& all, const F& f) {
  for (int64_t z = blockIdx.z; z < all.batch.count; z += gridDim.z)
    for (int64_t y = blockIdx.y; y * BM < all.m; y += gridDim.y) f(all.at(z), y * BM, int64_t(blockIdx.x) * BN);
}
template <int BM, int BN, class T> void launch_tiles(void (*kernel)(Product<T>), int threads, const Product<T>& p) {
  launch("matmul", kernel, grid_of(ceil_div(p.n, BN), ceil_div(p.m, BM), p.batch.count), unsigned(threads), p);
}

// LENGTH x DEPTH numbers to tile[i * STEP + k * K_STEP] in shared memory: neighbours read neighbours, whichever way the operand lies.
template <int LENGTH, int DEPTH, int STEP, int K_STEP, int THREADS, class T, class M>
__device__ __forceinline__ void copy_tile(M& tile, const Operand<T>& x, int64_t i0, int64_t k0) {
  const bool by_k = x.k_step == 1;
#pragma unroll
  for (int e = int(threadIdx.x); e < LENGTH * DEPTH; e += THREADS) {
    const int i = by_k ? e / DEPTH : e % LENGTH, k = by_k ? e % DEPTH : e / LENGTH;
    tile[i * STEP + k * K_STEP] = x.at(i0 + i, k0 + k);
  }
}

// Integers have one algorithm only, the production one.
template <class One> static void climb(Out c, In a, In b, In bias, const One& one) {
  const View* d = bias.ndim < 0 ? nullptr : &bias;
  if (c.dtype == DType::f32) each_product<float>(c, a, b, d, one);
  else if (c.dtype == DType::f64) each_product<double>(c, a, b, d, one);
  else if (d) matmul_bias(c, a, b, bias);
  else matmul(c, a, b);
}

// Defines matmul_<name> and matmul_bias_<name>: the kernel of that name, a block of threads for every BM x BN numbers of C.
#define FN_MATMUL_RUNG(name, BM, BN, threads)                                                       \
  void matmul_bias_##name(Out c, In a, In b, In bias) {                                              \
    climb(c, a, b, bias, [](const auto& p) { launch_tiles<BM, BN>(name, threads, p); });             \
  }                                                                                                  \
  void matmul_##name(Out c, In a, In b) { matmul_bias_##name(c, a, b, In{View{nullptr, {}, {}, -1, c.dtype}}); }

}  // namespace fastnn::cuda
