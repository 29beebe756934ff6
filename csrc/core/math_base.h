// core/math_base.h: what the elementary functions share: polynomials, powers of two, exact sums and products.
#pragma once
#include "simd.h"

namespace fastnn::FN_ISA {

template <class V> struct ScalarOf;
template <> struct ScalarOf<vec<float>> { using type = float; };
template <> struct ScalarOf<vec<double>> { using type = double; };
template <class V> using scalar = typename ScalarOf<V>::type;
template <class V> using mask_of = bits<scalar<V>>;

template <class T> struct Limits;  // of the format
template <> struct Limits<float> {
  using Int = int32_t;
  using Unsigned = uint32_t;
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr float INF = __builtin_inff(), NAN_ = __builtin_nanf(""), TINY = 0x1p-126f;
  static constexpr float MAGIC = 0x1.8p23f;  // x + MAGIC rounds x to an integer, and holds it in its low bits
};
template <> struct Limits<double> {
  using Int = int64_t;
  using Unsigned = uint64_t;
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr double INF = __builtin_inf(), NAN_ = __builtin_nan(""), TINY = 0x1p-1022;
  static constexpr double MAGIC = 0x1.8p52;
};

// c0 + c1 x + c2 x^2 + ...  (Horner: independent vectors keep the FMA units busy, not one vector's terms)
template <class V, class C> FN V poly(V, C c0) { return splat(scalar<V>(c0)); }
template <class V, class C, class... Rest> FN V poly(V x, C c0, Rest... rest) { return poly(x, rest...) * x + splat(scalar<V>(c0)); }

template <class V> FN V constant(double c) { return splat(scalar<V>(c)); }

template <class V> struct Rounded {
  V n;                // nearest integer, as a number
  mask_of<V> i;       // and as an integer
};
template <class T> constexpr auto MAGIC_BITS = __builtin_bit_cast(typename Limits<T>::Int, Limits<T>::MAGIC);
template <class V> FN Rounded<V> to_integer(V x) {  // |x| < 2^22 or 2^51
  using T = scalar<V>;
  V z = x + splat(Limits<T>::MAGIC);
  return {z - splat(Limits<T>::MAGIC), add_bits<T>(to_bits<T>(z), -MAGIC_BITS<T>)};  // larger x: any integer
}
template <class V> FN V from_integer(mask_of<V> i) {  // the way back
  using T = scalar<V>;
  return from_bits<T>(add_bits<T>(i, MAGIC_BITS<T>)) - splat(Limits<T>::MAGIC);
}

// x 2^n for integer n, one rounding, also where the result is subnormal or overflows. |n| <= 2 BIAS.
template <class V> FN V scale(V x, V n) {
  using T = scalar<V>;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (V)_mm512_scalef_ps((__m512)x, (__m512)n);
  else return (V)_mm512_scalef_pd((__m512d)x, (__m512d)n);
#else
  constexpr int M = Limits<T>::MANTISSA, B = Limits<T>::BIAS;
  V h = to_integer(n * T(0.5)).n;
  mask_of<V> a = (to_integer(h).i + B) << M, b = (to_integer(n - h).i + B) << M;
  return x * from_bits<T>(a) * from_bits<T>(b);
#endif
}

// Of a non-negative integer. (Below v4 there is no arithmetic shift of 64 bits.)
template <class T> FN bits<T> shift_right(bits<T> i, int n) {
  typedef typename Limits<T>::Unsigned U __attribute__((vector_size(VECTOR_BYTES)));
  return (bits<T>)((U)i >> n);
}

// 2^n of a normal result
template <class V> FN V pow2(mask_of<V> n) {
  using T = scalar<V>;
  return from_bits<T>((n + Limits<T>::BIAS) << Limits<T>::MANTISSA);
}

// The compiler may not fuse the product x into a later sum: needed where the *rounded* product is meant.
template <class V> FN V rounded(V x) { return opaque(x); }

// a * b + c, rounded once where the processor can (FUSED), whatever the compiler thinks
#if defined(__FMA__) || defined(__aarch64__)
constexpr bool FUSED = true;
#else
constexpr bool FUSED = false;
#endif
FN vec<float> fused(vec<float> a, vec<float> b, vec<float> c) {
#if defined(__AVX512F__)
  return (vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (vec<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// hi + lo, a number of twice the precision (|lo| <= ulp(hi) / 2).
template <class V> struct Pair { V hi, lo; };

template <class V> FN Pair<V> two_sum(V a, V b) {  // exact, any order (Knuth)
  V s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
template <class V> FN Pair<V> fast_two_sum(V a, V b) {  // exact if |a| >= |b|
  V s = a + b;
  return {s, b - (s - a)};
}
template <class V> FN Pair<V> two_product(V a, V b) {  // exact
  using T = scalar<V>;
  V p = rounded(a * b);
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return {p, (V)_mm512_fmsub_ps((__m512)a, (__m512)b, (__m512)p)};
  else return {p, (V)_mm512_fmsub_pd((__m512d)a, (__m512d)b, (__m512d)p)};
#elif defined(__FMA__)
  if constexpr (sizeof(T) == 4) return {p, (V)_mm256_fmsub_ps((__m256)a, (__m256)b, (__m256)p)};
  else return {p, (V)_mm256_fmsub_pd((__m256d)a, (__m256d)b, (__m256d)p)};
#elif defined(__aarch64__)
  if constexpr (sizeof(T) == 4) return {p, -(V)vfmsq_f32((float32x4_t)p, (float32x4_t)a, (float32x4_t)b)};
  else return {p, -(V)vfmsq_f64((float64x2_t)p, (float64x2_t)a, (float64x2_t)b)};
#else  // Dekker: halves of the significand multiply exactly
  constexpr auto keep = typename Limits<T>::Int(sizeof(T) == 4 ? -0x1000LL : -0x8000000LL);
  V ah = from_bits<T>(to_bits<T>(a) & keep), al = a - ah, bh = from_bits<T>(to_bits<T>(b) & keep), bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}

// float <-> double: one vector of floats is two of doubles.
struct Wide { vec<double> lo, hi; };
#if defined(__AVX512F__)
FN Wide widen(vec<float> x) {
  auto v = (__m512)x;
  return {(vec<double>)_mm512_cvtps_pd(_mm512_castps512_ps256(v)),
          (vec<double>)_mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)))};
}
FN vec<float> narrow(Wide w) {
  __m256 lo = _mm512_cvtpd_ps((__m512d)w.lo), hi = _mm512_cvtpd_ps((__m512d)w.hi);
  return (vec<float>)_mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_castps_pd(lo)), _mm256_castps_pd(hi), 1);
}
#elif defined(__AVX2__)
FN Wide widen(vec<float> x) {
  auto v = (__m256)x;
  return {(vec<double>)_mm256_cvtps_pd(_mm256_castps256_ps128(v)), (vec<double>)_mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}
FN vec<float> narrow(Wide w) {
  return (vec<float>)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps((__m256d)w.lo)), _mm256_cvtpd_ps((__m256d)w.hi), 1);
}
#elif defined(__x86_64__)
FN Wide widen(vec<float> x) {
  auto v = (__m128)x;
  return {(vec<double>)_mm_cvtps_pd(v), (vec<double>)_mm_cvtps_pd(_mm_movehl_ps(v, v))};
}
FN vec<float> narrow(Wide w) { return (vec<float>)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)w.lo), _mm_cvtpd_ps((__m128d)w.hi)); }
#elif defined(__aarch64__)
FN Wide widen(vec<float> x) {
  auto v = (float32x4_t)x;
  return {(vec<double>)vcvt_f64_f32(vget_low_f32(v)), (vec<double>)vcvt_high_f64_f32(v)};
}
FN vec<float> narrow(Wide w) { return (vec<float>)vcvt_high_f32_f64(vcvt_f32_f64((float64x2_t)w.lo), (float64x2_t)w.hi); }
#endif

}  // namespace fastnn::FN_ISA
