// core/shuffle.h: lanes in another order: even and odd ones apart, backwards, rows as columns; comparisons as bits.
#pragma once
#include "simd.h"

namespace fastnn::FN_ISA {

// Even and odd elements of (a, b), and the way back.
template <class T> FN void split2(vec<T> a, vec<T> b, vec<T>& even, vec<T>& odd) {
  if constexpr (lanes<T> == 16) {
    even = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    odd = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  } else if constexpr (lanes<T> == 8) {
    even = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
    odd = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  } else if constexpr (lanes<T> == 4) {
    even = __builtin_shufflevector(a, b, 0, 2, 4, 6);
    odd = __builtin_shufflevector(a, b, 1, 3, 5, 7);
  } else {
    even = __builtin_shufflevector(a, b, 0, 2);
    odd = __builtin_shufflevector(a, b, 1, 3);
  }
}
template <class T> FN void join2(vec<T> even, vec<T> odd, vec<T>& a, vec<T>& b) {
  if constexpr (lanes<T> == 16) {
    a = __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    b = __builtin_shufflevector(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  } else if constexpr (lanes<T> == 8) {
    a = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
    b = __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
  } else if constexpr (lanes<T> == 4) {
    a = __builtin_shufflevector(even, odd, 0, 4, 1, 5);
    b = __builtin_shufflevector(even, odd, 2, 6, 3, 7);
  } else {
    a = __builtin_shufflevector(even, odd, 0, 2);
    b = __builtin_shufflevector(even, odd, 1, 3);
  }
}

template <class T> FN vec<T> reverse(vec<T> v) {
  if constexpr (lanes<T> == 16) return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  else if constexpr (lanes<T> == 8) return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
  else if constexpr (lanes<T> == 4) return __builtin_shufflevector(v, v, 3, 2, 1, 0);
  else return __builtin_shufflevector(v, v, 1, 0);
}

// A comparison as a number: bit i is set where lane i is.
template <class T> FN uint64_t lane_bits(bits<T> m) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_movepi32_mask((__m512i)m);
  else return _mm512_movepi64_mask((__m512i)m);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) return uint64_t(_mm256_movemask_ps((__m256)m));
  else return uint64_t(_mm256_movemask_pd((__m256d)m));
#elif defined(__x86_64__)
  if constexpr (sizeof(T) == 4) return uint64_t(_mm_movemask_ps((__m128)m));
  else return uint64_t(_mm_movemask_pd((__m128d)m));
#else
  uint64_t n = 0;
  for (int i = 0; i < lanes<T>; ++i) n |= uint64_t(m[i] & 1) << i;
  return n;
#endif
}

// As many bytes as T has lanes, and integers of T's width. GCC 12 converts them one by one where it is left to.
template <class T> struct BytesOf {
  typedef uint8_t value __attribute__((vector_size(lanes<T>)));
};
template <class T> using Bytes = typename BytesOf<T>::value;
template <class T> FN bits<T> from_bytes(Bytes<T> b) {
#if defined(__x86_64__)
  uint64_t w[2] = {};
  __builtin_memcpy(w, &b, sizeof b);
  const __m128i v = _mm_set_epi64x(int64_t(w[1]), int64_t(w[0]));
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (bits<T>)_mm512_cvtepu8_epi32(v);
  else return (bits<T>)_mm512_cvtepu8_epi64(v);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) return (bits<T>)_mm256_cvtepu8_epi32(v);
  else return (bits<T>)_mm256_cvtepu8_epi64(v);
#else
  if constexpr (sizeof(T) == 4) return (bits<T>)_mm_cvtepu8_epi32(v);
  else return (bits<T>)_mm_cvtepu8_epi64(v);
#endif
#else
  return __builtin_convertvector(b, bits<T>);
#endif
}
template <class T> FN Bytes<T> to_bytes(bits<T> v) {  // of 0 .. 255
#if defined(__AVX512F__)
  __m128i w;
  if constexpr (sizeof(T) == 4) w = _mm512_cvtepi32_epi8((__m512i)v);
  else w = _mm512_cvtepi64_epi8((__m512i)v);
  Bytes<T> b;
  __builtin_memcpy(&b, &w, sizeof b);
  return b;
#else
  return __builtin_convertvector(v, Bytes<T>);
#endif
}

// lanes × lanes blocks are turned in registers: log2(lanes) rounds of interleaving vector i with vector i + lanes/2.
template <class V> FN V interleave_low(V a, V b) {
  constexpr int n = sizeof(V) / sizeof(a[0]);
  if constexpr (n == 2) return __builtin_shufflevector(a, b, 0, 2);
  else if constexpr (n == 4) return __builtin_shufflevector(a, b, 0, 4, 1, 5);
  else if constexpr (n == 8) return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  else return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
template <class V> FN V interleave_high(V a, V b) {
  constexpr int n = sizeof(V) / sizeof(a[0]);
  if constexpr (n == 2) return __builtin_shufflevector(a, b, 1, 3);
  else if constexpr (n == 4) return __builtin_shufflevector(a, b, 2, 6, 3, 7);
  else if constexpr (n == 8) return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  else return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

template <class T> FN void transpose(vec<T>* v) {
  constexpr int L = lanes<T>;
  vec<T> w[L];
#pragma GCC unroll 8
  for (int round = 1; round < L; round *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < L / 2; ++i) {
      w[2 * i] = interleave_low(v[i], v[i + L / 2]);
      w[2 * i + 1] = interleave_high(v[i], v[i + L / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) v[i] = w[i];
  }
}

}  // namespace fastnn::FN_ISA
