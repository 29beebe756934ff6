// core/cuda/mma.cuh: the tensor cores behind small functions: D += A·B of a warp, 16 x 8 x 8, operands rounded to TF32 (8 bits of
// exponent, 10 of mantissa), sums in float32. compute capability 8.0 or newer; the shim makes the same of shuffles.
//
//    lane = 4·g + t      A (16 x 8)   a0 (g, t)   a1 (g + 8, t)   a2 (g, t + 4)   a3 (g + 8, t + 4)
//                        B (8 x 8)    b0 (t, g)   b1 (t + 4, g)
//                        D (16 x 8)   d0 (g, 2t)  d1 (g, 2t + 1)  d2 (g + 8, 2t)  d3 (g + 8, 2t + 1)
//
// A float is the sum of two TF32 numbers to 2^-22 of it: three products of them make one of float32's accuracy (3xTF32).
#pragma once
#include "kernel.cuh"

namespace fastnn::cuda {

__device__ __forceinline__ uint32_t to_tf32(float x) {  // to nearest, halves away from zero
#if defined(__CUDACC__)
  uint32_t r = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
#endif
  return r;
#else
  uint32_t b;
  memcpy(&b, &x, 4);
  return (b & 0x7f800000u) == 0x7f800000u ? b : (b + 0x1000u) & ~0x1fffu;
#endif
}
__device__ __forceinline__ float float_of(uint32_t tf32) {
#if defined(__CUDACC__)
  return __uint_as_float(tf32);
#else
  float x;
  memcpy(&x, &tf32, 4);
  return x;
#endif
}

// Every lane of the warp must come.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();  // the host does not launch such kernels on older ones
#endif
#else
  struct Operands { const uint32_t *a, *b; } mine = {a, b};
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4;
  const uint64_t* all = shim::gather(reinterpret_cast<uint64_t>(&mine), __FILE__, __LINE__);
  const auto of = [&](int from) { return *reinterpret_cast<const Operands*>(all[from]); };
  for (int k = 0; k < 8; ++k) {
    const int high = k / 4;
    const uint32_t *x = of(g * 4 + k % 4).a, left = of(2 * t * 4 + k % 4).b[high], right = of((2 * t + 1) * 4 + k % 4).b[high];
    d[0] += float_of(x[2 * high]) * float_of(left), d[1] += float_of(x[2 * high]) * float_of(right);
    d[2] += float_of(x[2 * high + 1]) * float_of(left), d[3] += float_of(x[2 * high + 1]) * float_of(right);
  }
  __syncwarp();  // nobody changes operands that others still read
#endif
}

}  // namespace fastnn::cuda
