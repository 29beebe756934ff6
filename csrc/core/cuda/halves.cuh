// core/cuda/halves.cuh: float16 and bfloat16 on tensor cores, and the way there, behind small functions. Numbers are read and written as
// they are, products are exact, sums are float32. Compute capability 8.0 or newer; the shim makes the same of shuffles and later copies.
//
//    mma_half         D += A·B of a warp, 16 x 8 x 16. A register has two numbers that are neighbours along k: what mma.cuh says of TF32,
//                     with 2k, 2k + 1 in the place of k
//    load_matrices    four 8 x 8 matrices out of shared memory: lane 8·n + r names row r of the n-th; lane 4·g + t gets (g, 2t), (g, 2t + 1)
//                     of each, or turned, (2t, g), (2t + 1, g)
//    copy_async       16 bytes from global to shared memory past the registers, some time before await_copies. A thread's copies since
//                     its last close_copies are a group; await_copies<N> waits for all its groups but the last N
#pragma once
#include "../half.h"
#include "mma.cuh"

namespace fastnn::cuda {

template <class T> constexpr bool is_half = __is_same(T, Half) || __is_same(T, BFloat);
template <class T> struct SumOf { using type = T; };
template <> struct SumOf<Half> { using type = float; };
template <> struct SumOf<BFloat> { using type = float; };
template <class T> using Sum = typename SumOf<T>::type;  // what is computed in

template <class T> FN Sum<T> wide(T x) {
  if constexpr (is_half<T>) return to_float(x);
  else return x;
}
template <class T> FN T narrow(Sum<T> x) {
  if constexpr (is_half<T>) return rounded<T>(x);
  else return x;
}

template <class F> void with_halves(DType t, const F& f) {  // from a dtype to a type: f(H{})
  if (t == DType::f16) f(Half{});
  else f(BFloat{});
}

template <class H> __device__ __forceinline__ uint32_t pack(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t r;
  if constexpr (__is_same(H, Half)) asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  else asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
#else
  return uint32_t(rounded<H>(high).bits) << 16 | rounded<H>(low).bits;
#endif
}

struct alignas(16) Piece { uint16_t v[8]; };

#if defined(__CUDACC__)
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define FN_AMPERE(...) __VA_ARGS__
#else
#define FN_AMPERE(...) __trap()  // the host does not launch such kernels on older ones
#endif

template <class H> __device__ __forceinline__ void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#define FN_MMA(type)                                                                                                                                  \
  FN_AMPERE(asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
                         : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                                             \
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])))
  if constexpr (__is_same(H, Half)) FN_MMA("f16");
  else FN_MMA("bf16");
#undef FN_MMA
}
template <bool TURNED, class M> __device__ __forceinline__ void load_matrices(uint32_t (&r)[4], M& tile, int at) {
  if constexpr (TURNED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(&tile[at])) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(&tile[at])) : "memory");
}
template <class T, class M> __device__ __forceinline__ void copy_async(M& tile, int at, const T* from, int numbers) {
  FN_AMPERE(asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(&tile[at])), "l"(from), "r"(numbers * int(sizeof(T)))
                         : "memory"));
}
__device__ __forceinline__ void close_copies() { FN_AMPERE(asm volatile("cp.async.commit_group;" ::: "memory")); }
template <int N> __device__ __forceinline__ void await_copies() { FN_AMPERE(asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory")); }
#undef FN_AMPERE

#else

template <class H> void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Operands { const uint32_t *a, *b; } mine = {a, b};
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4;
  const uint64_t* all = shim::gather(reinterpret_cast<uint64_t>(&mine), __FILE__, __LINE__);
  const auto of = [&](int from) { return *reinterpret_cast<const Operands*>(all[from]); };
  const auto half = [](uint32_t pair, int which) { return to_float(H{uint16_t(pair >> 16 * which)}); };
  for (int k = 0; k < 16; ++k) {
    const int pair = k % 8 / 2, high = k / 8;
    const uint32_t* x = of(g * 4 + pair).a;
    const float left = half(of(2 * t * 4 + pair).b[high], k % 2), right = half(of((2 * t + 1) * 4 + pair).b[high], k % 2);
    const float upper = half(x[2 * high], k % 2), lower = half(x[2 * high + 1], k % 2);
    d[0] += upper * left, d[1] += upper * right, d[2] += lower * left, d[3] += lower * right;
  }
  __syncwarp();  // nobody changes operands that others still read
}
template <bool TURNED, class M> void load_matrices(uint32_t (&r)[4], M& tile, int at) {
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4;
  if (at % 8) raise_error(ErrorKind::runtime, "shim: load_matrices: a row at %d", at);
  const uint64_t* rows = shim::gather(reinterpret_cast<uint64_t>(&view_as<Piece>(tile)[at / 8]), __FILE__, __LINE__);
  const auto number = [&](int n, int row, int column) { return uint32_t(reinterpret_cast<const Piece*>(rows[8 * n + row])->v[column]); };
  for (int n = 0; n < 4; ++n)
    r[n] = TURNED ? number(n, 2 * t, g) | number(n, 2 * t + 1, g) << 16 : number(n, g, 2 * t) | number(n, g, 2 * t + 1) << 16;
  __syncwarp();
}
template <class T, class M> void copy_async(M& tile, int at, global<const T> from, int numbers) {
  Piece& to = view_as<Piece>(tile)[at * int(sizeof(T)) / 16];
  const size_t bytes = size_t(numbers) * sizeof(T);
  shim::copy_async(&to, numbers ? shim::reach(from.address(), bytes, 16) : nullptr, bytes);
}
inline void close_copies() { shim::close_copies(); }
template <int N> void await_copies() { shim::await_copies(N); }
#endif

}  // namespace fastnn::cuda
