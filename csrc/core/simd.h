// core/simd.h: vectors as values. `vec<float>` is 4, 8 or 16 floats, whatever this file is compiled for, and takes
// + - * / < ? : like a float, because GCC and Clang know vector types. What the language lacks is named here once.
//
// Every kernel file is compiled once per instruction set (x86-64-v2, v3, v4; NEON) into its own namespace FN_ISA, so
// the same text gives three versions. Intrinsics appear in this file and in math.h only, each behind a name.
//
//    vec<T>  lanes<T>  load store load_n store_n splat  select min max abs sqrt round floor ceil trunc fma
//    bits<T> (the integer vector of the same width, also the type of a comparison)  to_bits from_bits
//    sum_lanes max_lanes min_lanes (fixed order: halves are combined until one lane is left)  any_lane all_lanes
//    lane_numbers (0 1 2 ..)  first_lanes(n) (which of them are < n)  lanes_between(m, n)  SomeLanes (loads of some of them)
//
// `scalar * vec` broadcasts for free; `vec{} + scalar` does not (it must keep 0 + -0), so splat subtracts.
#pragma once
#include "view.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef FN_ISA
#define FN_ISA native
#endif

namespace fastnn::FN_ISA {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif

template <class T> struct VecOf;
#define FN_VECTOR(T, B, U)                                                           \
  template <> struct VecOf<T> {                                                      \
    typedef T value __attribute__((vector_size(VECTOR_BYTES)));                      \
    typedef T in_memory __attribute__((vector_size(VECTOR_BYTES), aligned(alignof(T)), may_alias)); \
    typedef B bits __attribute__((vector_size(VECTOR_BYTES)));                       \
    typedef U unsigned_bits __attribute__((vector_size(VECTOR_BYTES)));              \
  };
FN_VECTOR(float, int32_t, uint32_t)
FN_VECTOR(double, int64_t, uint64_t)
FN_VECTOR(int32_t, int32_t, uint32_t)
FN_VECTOR(int64_t, int64_t, uint64_t)
FN_VECTOR(uint8_t, int8_t, uint8_t)
#undef FN_VECTOR

template <class T> using vec = typename VecOf<T>::value;
template <class T> using bits = typename VecOf<T>::bits;
template <class T> constexpr int lanes = VECTOR_BYTES / int(sizeof(T));
template <class V> using lane = __typeof__(V{}[0] + 0);  // element type of a vector value (uint8 widens to int)

template <class T> FN vec<T> load(const T* p) { return *reinterpret_cast<const typename VecOf<T>::in_memory*>(p); }
template <class T> FN void store(T* p, vec<T> v) { *reinterpret_cast<typename VecOf<T>::in_memory*>(p) = v; }
template <class T> FN vec<T> splat(T s) { return s - vec<T>{}; }
template <class T> FN bits<T> to_bits(vec<T> v) { return reinterpret_cast<bits<T>>(v); }
template <class T> FN vec<T> from_bits(bits<T> v) { return reinterpret_cast<vec<T>>(v); }

// The same value, which the compiler may not look through: a load is not repeated, a product not fused into a later sum.
template <class V> FN V opaque(V v) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__x86_64__)
  __asm__("" : "+x"(v));
#elif defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
  return v;
}

template <class T, class I> FN bits<T> add_bits(bits<T> v, I n) {  // wraps around; a signed sum that overflows is undefined
  using U = typename VecOf<T>::unsigned_bits;
  return reinterpret_cast<bits<T>>(reinterpret_cast<U>(v) + lane<U>(n));
}

template <class E> FN bits<E> lane_numbers() {  // 0 1 2 ..
  bits<E> m = {};
#pragma GCC unroll 64
  for (int i = 0; i < lanes<E>; ++i) m[i] = i;
  return m;
}
template <class E> FN bits<E> first_lanes(int64_t n) {  // true in lanes 0 .. n - 1
  using I = __typeof__(bits<E>{}[0] + bits<E>{}[0]);
  if constexpr (sizeof(E) == 1) return lane_numbers<E>() < int8_t(n) - bits<E>{};
  else return lane_numbers<E>() < I(n) - bits<E>{};
}

template <class E> FN bits<E> lanes_between(int64_t first, int64_t after) {  // any two numbers
  const auto within = [](int64_t n) __attribute__((always_inline)) { return n < 0 ? 0 : n < lanes<E> ? n : lanes<E>; };
  return first_lanes<E>(within(after)) & ~first_lanes<E>(within(first));
}

// Lanes `first` to before `after` of a vector, any two numbers: the others load as 0, and may lie in no memory.
template <class T> struct SomeLanes {
#if defined(__AVX512F__)
  uint32_t on;
  static FN SomeLanes between(int64_t first, int64_t after) {
    first = first < 0 ? 0 : first < lanes<T> ? first : lanes<T>, after = after < lanes<T> ? after : lanes<T>;
    return {uint32_t((uint64_t(1) << (after > first ? after : first)) - (uint64_t(1) << first))};
  }
  FN vec<T> load(const T* p) const {
    if constexpr (sizeof(T) == 4) return reinterpret_cast<vec<T>>(_mm512_maskz_loadu_epi32(__mmask16(on), p));
    else return reinterpret_cast<vec<T>>(_mm512_maskz_loadu_epi64(__mmask8(on), p));
  }
#else
  bits<T> on;
  static FN SomeLanes between(int64_t first, int64_t after) { return {lanes_between<T>(first, after)}; }
  FN vec<T> load(const T* p) const {
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return reinterpret_cast<vec<T>>(_mm256_maskload_epi32(reinterpret_cast<const int*>(p), (__m256i)on));
    else return reinterpret_cast<vec<T>>(_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), (__m256i)on));
#else
    vec<T> v = {};
    for (int i = 0; i < lanes<T>; ++i)
      if (on[i]) v[i] = p[i];
    return v;
#endif
  }
#endif
};

// The first n lanes, 0 < n < lanes; the others read as `fill` and are not written.
template <class T> FN vec<T> load_n(const T* p, int64_t n, T fill = T(0)) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    auto m = __mmask16((1u << n) - 1);
    return reinterpret_cast<vec<T>>(_mm512_mask_loadu_epi32(reinterpret_cast<__m512i>(splat(fill)), m, p));
  } else if constexpr (sizeof(T) == 8) {
    auto m = __mmask8((1u << n) - 1);
    return reinterpret_cast<vec<T>>(_mm512_mask_loadu_epi64(reinterpret_cast<__m512i>(splat(fill)), m, p));
  }
#elif defined(__AVX2__)
  // Lanes that are off never fault. Measured (Zen 3, 65536x10): softmax_dx 1215 us with a loop over the lanes here and in
  // store_n, 205 us so.
  if constexpr (sizeof(T) >= 4) {
    bits<T> on = first_lanes<T>(n), rest = ~on & to_bits<T>(splat(fill)), v;
    if constexpr (sizeof(T) == 4) v = (bits<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), (__m256i)on);
    else v = (bits<T>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), (__m256i)on);
    return from_bits<T>(v | rest);
  }
#endif
  vec<T> v = splat(fill);
  T* q = reinterpret_cast<T*>(&v);
  for (int64_t i = 0; i < n; ++i) q[i] = p[i];
  return v;
}
template <class T> FN void store_n(T* p, vec<T> v, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_epi32(p, __mmask16((1u << n) - 1), reinterpret_cast<__m512i>(v));
  if constexpr (sizeof(T) == 8) return _mm512_mask_storeu_epi64(p, __mmask8((1u << n) - 1), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)  // half, quarter, eighth: AVX2's masked stores are microcode on AMD's cores (not tried)
  if constexpr (sizeof(T) >= 4) {
    auto* to = reinterpret_cast<char*>(p);
    const int64_t bytes = n * int64_t(sizeof(T));
    __m128i w = _mm256_castsi256_si128((__m256i)v);
    if (bytes & 16) _mm_storeu_si128(reinterpret_cast<__m128i_u*>(to), w), to += 16, w = _mm256_extracti128_si256((__m256i)v, 1);
    if (bytes & 8) _mm_storel_epi64(reinterpret_cast<__m128i_u*>(to), w), to += 8, w = _mm_unpackhi_epi64(w, w);
    if (bytes & 4) _mm_storeu_si32(to, w);
    return;
  }
#endif
  const T* q = reinterpret_cast<const T*>(&v);
  for (int64_t i = 0; i < n; ++i) p[i] = q[i];
}

template <class B, class V> FN V select(B mask, V a, V b) { return mask ? a : b; }
template <class V> FN V min(V a, V b) { return a < b ? a : b; }  // b where either is NaN, as minps
template <class V> FN V max(V a, V b) { return a > b ? a : b; }
#if defined(__x86_64__)  // which GCC does not recognise in vectors: it compares and blends
#if defined(__AVX512F__)
#define FN_EXTREME(name, T, s) \
  FN vec<T> name(vec<T> a, vec<T> b) { return (vec<T>)_mm512_##name##_##s(decltype(_mm512_setzero_##s())(a), decltype(_mm512_setzero_##s())(b)); }
#elif defined(__AVX2__)
#define FN_EXTREME(name, T, s) \
  FN vec<T> name(vec<T> a, vec<T> b) { return (vec<T>)_mm256_##name##_##s(decltype(_mm256_setzero_##s())(a), decltype(_mm256_setzero_##s())(b)); }
#else
#define FN_EXTREME(name, T, s) \
  FN vec<T> name(vec<T> a, vec<T> b) { return (vec<T>)_mm_##name##_##s(decltype(_mm_setzero_##s())(a), decltype(_mm_setzero_##s())(b)); }
#endif
FN_EXTREME(min, float, ps)
FN_EXTREME(min, double, pd)
FN_EXTREME(max, float, ps)
FN_EXTREME(max, double, pd)
#undef FN_EXTREME
#endif
template <class V> FN V min_nan(V a, V b) { return (a < b) | (a != a) ? a : b; }  // NaN wins, as numpy and torch
template <class V> FN V max_nan(V a, V b) { return (a > b) | (a != a) ? a : b; }
template <class V> FN V fma(V a, V b, V c) { return a * b + c; }  // one rounding from v3 on (-ffp-contract=fast)

template <class V> FN V abs(V x) {
  if constexpr (sizeof(x[0]) == 4) return reinterpret_cast<V>(reinterpret_cast<bits<float>>(x) & 0x7fffffff);
  else return reinterpret_cast<V>(reinterpret_cast<bits<double>>(x) & 0x7fffffffffffffffLL);
}
template <class V> FN V copysign(V x, V sign) {
  if constexpr (sizeof(x[0]) == 4) {
    auto s = reinterpret_cast<bits<float>>(sign) & int32_t(0x80000000);
    return reinterpret_cast<V>((reinterpret_cast<bits<float>>(x) & 0x7fffffff) | s);
  } else {
    auto s = reinterpret_cast<bits<double>>(sign) & int64_t(0x8000000000000000LL);
    return reinterpret_cast<V>((reinterpret_cast<bits<double>>(x) & 0x7fffffffffffffffLL) | s);
  }
}

#if defined(__AVX512F__)
#define FN_UNARY(name, f32, f64)                           \
  FN vec<float> name(vec<float> x) { return (vec<float>)(f32); } \
  FN vec<double> name(vec<double> x) { return (vec<double>)(f64); }
FN_UNARY(sqrt, _mm512_sqrt_ps((__m512)x), _mm512_sqrt_pd((__m512d)x))
FN_UNARY(round, _mm512_roundscale_ps((__m512)x, 8), _mm512_roundscale_pd((__m512d)x, 8))  // to nearest, ties to even
FN_UNARY(floor, _mm512_roundscale_ps((__m512)x, 9), _mm512_roundscale_pd((__m512d)x, 9))
FN_UNARY(ceil, _mm512_roundscale_ps((__m512)x, 10), _mm512_roundscale_pd((__m512d)x, 10))
FN_UNARY(trunc, _mm512_roundscale_ps((__m512)x, 11), _mm512_roundscale_pd((__m512d)x, 11))
#undef FN_UNARY
FN bool any_lane(bits<float> m) { return _mm512_test_epi32_mask((__m512i)m, (__m512i)m) != 0; }
FN bool any_lane(bits<double> m) { return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0; }
#elif defined(__AVX2__)
#define FN_UNARY(name, f32, f64)                           \
  FN vec<float> name(vec<float> x) { return (vec<float>)(f32); } \
  FN vec<double> name(vec<double> x) { return (vec<double>)(f64); }
FN_UNARY(sqrt, _mm256_sqrt_ps((__m256)x), _mm256_sqrt_pd((__m256d)x))
FN_UNARY(round, _mm256_round_ps((__m256)x, 8), _mm256_round_pd((__m256d)x, 8))
FN_UNARY(floor, _mm256_round_ps((__m256)x, 9), _mm256_round_pd((__m256d)x, 9))
FN_UNARY(ceil, _mm256_round_ps((__m256)x, 10), _mm256_round_pd((__m256d)x, 10))
FN_UNARY(trunc, _mm256_round_ps((__m256)x, 11), _mm256_round_pd((__m256d)x, 11))
#undef FN_UNARY
FN bool any_lane(bits<float> m) { return _mm256_movemask_ps((__m256)m) != 0; }
FN bool any_lane(bits<double> m) { return _mm256_movemask_pd((__m256d)m) != 0; }
#elif defined(__x86_64__)
#define FN_UNARY(name, f32, f64)                           \
  FN vec<float> name(vec<float> x) { return (vec<float>)(f32); } \
  FN vec<double> name(vec<double> x) { return (vec<double>)(f64); }
FN_UNARY(sqrt, _mm_sqrt_ps((__m128)x), _mm_sqrt_pd((__m128d)x))
FN_UNARY(round, _mm_round_ps((__m128)x, 8), _mm_round_pd((__m128d)x, 8))
FN_UNARY(floor, _mm_round_ps((__m128)x, 9), _mm_round_pd((__m128d)x, 9))
FN_UNARY(ceil, _mm_round_ps((__m128)x, 10), _mm_round_pd((__m128d)x, 10))
FN_UNARY(trunc, _mm_round_ps((__m128)x, 11), _mm_round_pd((__m128d)x, 11))
#undef FN_UNARY
FN bool any_lane(bits<float> m) { return _mm_movemask_ps((__m128)m) != 0; }
FN bool any_lane(bits<double> m) { return _mm_movemask_pd((__m128d)m) != 0; }
#elif defined(__aarch64__)
#define FN_UNARY(name, f32, f64)                           \
  FN vec<float> name(vec<float> x) { return (vec<float>)(f32((float32x4_t)x)); } \
  FN vec<double> name(vec<double> x) { return (vec<double>)(f64((float64x2_t)x)); }
FN_UNARY(sqrt, vsqrtq_f32, vsqrtq_f64)
FN_UNARY(round, vrndnq_f32, vrndnq_f64)
FN_UNARY(floor, vrndmq_f32, vrndmq_f64)
FN_UNARY(ceil, vrndpq_f32, vrndpq_f64)
FN_UNARY(trunc, vrndq_f32, vrndq_f64)
#undef FN_UNARY
FN bool any_lane(bits<float> m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
FN bool any_lane(bits<double> m) { return (m[0] | m[1]) != 0; }
#endif
template <class B> FN bool all_lanes(B m) { return !any_lane(~m); }

// 64-bit lanes: the 64-bit product of the lower halves, the upper halves ignored. One instruction everywhere, while
// `*` on 64-bit lanes costs three (AVX-512) or eight.
FN vec<int64_t> mul_low32(vec<int64_t> a, vec<int64_t> b) {
#if defined(__AVX512F__)
  return (vec<int64_t>)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (vec<int64_t>)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (vec<int64_t>)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
  return (vec<int64_t>)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#endif
}

// Reductions across lanes, in a fixed order: the upper half is folded onto the lower until one lane is left.
template <class T, int B> struct FoldedVec { typedef T value __attribute__((vector_size(B))); };
template <class T, class F, class V> FN T fold_halves(V v, const F& f) {
  if constexpr (sizeof(V) == 64) {
    typename FoldedVec<T, 32>::value a, b;
    if constexpr (sizeof(T) == 4) {
      a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), b = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    } else {
      a = __builtin_shufflevector(v, v, 0, 1, 2, 3), b = __builtin_shufflevector(v, v, 4, 5, 6, 7);
    }
    return fold_halves<T>(f(a, b), f);
  } else if constexpr (sizeof(V) == 32) {
    typename FoldedVec<T, 16>::value a, b;
    if constexpr (sizeof(T) == 4) {
      a = __builtin_shufflevector(v, v, 0, 1, 2, 3), b = __builtin_shufflevector(v, v, 4, 5, 6, 7);
    } else {
      a = __builtin_shufflevector(v, v, 0, 1), b = __builtin_shufflevector(v, v, 2, 3);
    }
    return fold_halves<T>(f(a, b), f);
  } else if constexpr (sizeof(T) == 4) {
    V w = f(v, __builtin_shufflevector(v, v, 2, 3, 2, 3));
    return f(w, __builtin_shufflevector(w, w, 1, 1, 1, 1))[0];
  } else {
    return f(v, __builtin_shufflevector(v, v, 1, 1))[0];
  }
}
template <class T, class F> FN T fold_lanes(vec<T> v, const F& f) {  // for an f of scalars only: slower, same order
  T a[lanes<T>];
  store(a, v);
#pragma GCC unroll 8
  for (int half = lanes<T> / 2; half > 0; half /= 2)
#pragma GCC unroll 32
    for (int i = 0; i < half; ++i) a[i] = f(a[i], a[i + half]);
  return a[0];
}
template <class T> FN T sum_lanes(vec<T> v) { return fold_halves<T>(v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; }); }
template <class T> FN T max_lanes(vec<T> v) { return fold_halves<T>(v, [](auto a, auto b) __attribute__((always_inline)) { return a > b ? a : b; }); }
template <class T> FN T min_lanes(vec<T> v) { return fold_halves<T>(v, [](auto a, auto b) __attribute__((always_inline)) { return a < b ? a : b; }); }

}  // namespace fastnn::FN_ISA
