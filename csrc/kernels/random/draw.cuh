// random/draw.cuh: from words to numbers: uniform on [0, 1), and pairs of normals (Box-Muller), with the very operations of the CPU's
// (normal.h), so that the bits are the same. A product and a sum must not become one fma here: `times` and `plus` are kept apart.
#pragma once
#include "series.h"
#include "stream.cuh"

#if !defined(__CUDACC__)
#define __fmul_rn(a, b) ((a) * (b))
#define __dmul_rn(a, b) ((a) * (b))
#define __fadd_rn(a, b) ((a) + (b))
#define __dadd_rn(a, b) ((a) + (b))
#endif

namespace fastnn::cuda {

__device__ __forceinline__ float times(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ double times(double a, double b) { return __dmul_rn(a, b); }
__device__ __forceinline__ float plus(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ double plus(double a, double b) { return __dadd_rn(a, b); }

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using Signed = int32_t; using Unsigned = uint32_t; };
template <> struct BitsOf<double> { using Signed = int64_t; using Unsigned = uint64_t; };
template <class To, class From> __device__ __forceinline__ To same_bits(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  memcpy(&y, &x, sizeof y);
  return y;
}

// ((c[N-1] z + c[N-2]) z + ...) + c[0]
#define FN_SERIES(name)                                                               \
  template <class T, int I = 0> __device__ __forceinline__ T name##_series(T z) {             \
    constexpr T c = Series<T>::name[I];                                                       \
    if constexpr (I + 1 < int(sizeof(Series<T>::name) / sizeof(T))) return plus(times(name##_series<T, I + 1>(z), z), c); \
    else return c;                                                                            \
  }
FN_SERIES(log) FN_SERIES(sin) FN_SERIES(cos)
#undef FN_SERIES

template <class T> __device__ __forceinline__ T log_positive(T x) {  // x normal and > 0
  using S = Series<T>;
  using I = typename BitsOf<T>::Signed;
  const I i = same_bits<I>(x) - I(S::half_sqrt2);
  const T e = T(i >> S::mantissa_bits), f = plus(same_bits<T>(I((i & I(S::mantissa)) + I(S::half_sqrt2))), T(-1));
  const T s = f / plus(f, T(2)), z = times(s, s);
  const T r = times(z, log_series(z)), half_f2 = times(times(T(0.5), f), f);
  const T low = plus(times(s, plus(half_f2, r)), times(e, T(S::ln2_lo)));
  return plus(times(e, T(S::ln2_hi)), -plus(plus(half_f2, -low), -f));
}

// u1 in (0, 1]; turn: from the top, two bits of quadrant and the fraction of a quadrant.
template <class T> __device__ __forceinline__ void box_muller(T u1, typename BitsOf<T>::Unsigned turn, T& first, T& second) {
  using S = Series<T>;
  using I = typename BitsOf<T>::Signed;
  using U = typename BitsOf<T>::Unsigned;
  constexpr int width = 8 * sizeof(T);
  const T r = sqrt(times(T(-2), log_positive(u1)));
  const U v = turn + (U(1) << (width - 3));
  const T x = times(plus(same_bits<T>(I(I((v << 2) >> (width - S::mantissa_bits)) | I(S::one))), T(-1.5)), T(S::half_pi)), z = times(x, x);
  const T sine = plus(x, times(x, times(z, sin_series(z))));
  const T cosine = plus(plus(T(1), -times(T(0.5), z)), times(times(z, z), cos_series(z)));
  constexpr U sign = U(1) << (width - 1);
  const bool odd = (v << 1) & sign;
  const U c = same_bits<U>(odd ? sine : cosine) ^ ((v ^ (v << 1)) & sign), d = same_bits<U>(odd ? cosine : sine) ^ (v & sign);
  first = times(r, same_bits<T>(c));
  second = times(r, same_bits<T>(d));
}

__device__ __forceinline__ double unit(uint32_t high, uint32_t low) {  // 53 bits: 21 of high, 32 of low
  return double(int64_t(uint64_t(high & 0x1fffff) << 32 | low)) * 0x1p-53;
}

// The numbers of one counter, and how far apart they lie: 4 of float32, 2 of float64, 16 apart.
struct Uniform {
  __device__ void operator()(const Block& b, float* y) const {
    for (int w = 0; w < 4; ++w) y[w] = float(int32_t(b.w[w] >> 8)) * 0x1p-24f;
  }
  __device__ void operator()(const Block& b, double* y) const { y[0] = unit(b.w[0], b.w[1]), y[1] = unit(b.w[2], b.w[3]); }
};
struct Normal {
  __device__ void operator()(const Block& b, float* y) const {
    for (int w = 0; w < 4; w += 2)
      box_muller(times(plus(float(int32_t(b.w[w] >> 1)), 0.5f), 0x1p-31f), b.w[w + 1], y[w], y[w + 1]);
  }
  __device__ void operator()(const Block& b, double* y) const {
    const uint64_t mantissa = (uint64_t(b.w[0]) << 32 | b.w[1]) >> 12 | 0x3ff0000000000000u;
    box_muller(plus(same_bits<double>(mantissa), -(1.0 - 0x1p-53)), uint64_t(b.w[2]) << 32 | b.w[3], y[0], y[1]);
  }
};

}  // namespace fastnn::cuda
