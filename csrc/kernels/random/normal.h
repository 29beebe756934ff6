// random/normal.h: from words to floating numbers: uniform on [0, 1), and pairs of normals (Box-Muller):
//
//    r = sqrt(-2 ln u1),  θ = 2π u2,   (r cos θ, r sin θ)
//
// The same bits on every instruction set: only + - * / sqrt and conversions are used, and `rounded` keeps the compiler
// from joining a product and a sum into an fma, which SSE lacks. math.h promises accuracy, not equal bits, so the
// logarithm and the sine are written here; u1 in (0, 1) and a fraction of a turn need no special cases either.
//
//    u1    31 bits for float32 (tails to 6.7 σ), 52 for float64 (8.5 σ)
//    u2    the two top bits are the quadrant, the next 23 or 52 the place in it: exact, no reduction of the argument
//    log   x = 2^e (1 + f), s = f / (2 + f): the series of fdlibm (float: of its float version)
#pragma once
#include "../../core/math_base.h"
#include "series.h"
#include "stream.h"

namespace fastnn::FN_ISA {

template <class V, class C, int N> FN V horner(V z, const C (&c)[N]) {
  V p = splat<C>(c[N - 1]);
#pragma GCC unroll 8
  for (int i = N - 2; i >= 0; --i) p = rounded(p * z) + c[i];
  return p;
}

FN vec<float> to_float(vec<int32_t> n) { return __builtin_convertvector(n, vec<float>); }
FN vec<double> to_float(vec<int64_t> n) {  // |n| < 2^51, by the exponent of 1.5·2^52: SSE and AVX2 have no instruction
  constexpr int64_t magic = 0x4338000000000000;
  return from_bits<double>(n + magic) - 6755399441055744.0;
}

template <class T> FN vec<T> log_positive(vec<T> x) {  // x normal and > 0
  using S = Series<T>;
  bits<T> i = to_bits<T>(x) - S::half_sqrt2;
  vec<T> e = to_float(i >> S::mantissa_bits);
  vec<T> f = from_bits<T>((i & S::mantissa) + S::half_sqrt2) - T(1);
  vec<T> s = f / (f + T(2)), z = rounded(s * s);
  vec<T> r = rounded(z * horner(z, S::log)), half_f2 = rounded(rounded(T(0.5) * f) * f);
  vec<T> low = rounded(s * (half_f2 + r)) + rounded(e * S::ln2_lo);
  return rounded(e * S::ln2_hi) - ((half_f2 - low) - f);
}

// u1 in (0, 1]; turn: from the top, two bits of quadrant and the fraction of a quadrant.
template <class T> FN void box_muller(vec<T> u1, bits<T> turn, vec<T>& first, vec<T>& second) {
  using S = Series<T>;
  constexpr int width = 8 * sizeof(T);
  using U = typename S::Unsigned;
  typedef U UBits __attribute__((vector_size(VECTOR_BYTES)));
  vec<T> r = sqrt(rounded(T(-2) * log_positive<T>(u1)));
  UBits v = (UBits)turn + (U(1) << (width - 3));  // + an eighth of a turn: quadrants centred on 0
  auto fraction = (bits<T>)((v << 2) >> (width - S::mantissa_bits)) | S::one;
  vec<T> x = rounded((from_bits<T>(fraction) - T(1.5)) * S::half_pi), z = rounded(x * x);
  vec<T> sine = x + rounded(x * rounded(z * horner(z, S::sin)));
  vec<T> cosine = (T(1) - rounded(T(0.5) * z)) + rounded(rounded(z * z) * horner(z, S::cos));
  constexpr U sign = U(1) << (width - 1);  // of v: the quadrants 2, 3 where the sine is negative; of v << 1: 1, 3
  bits<T> odd = (bits<T>)(v << 1) < 0;
  vec<T> c = odd ? sine : cosine, d = odd ? cosine : sine;
  c = (vec<T>)((UBits)c ^ ((v ^ (v << 1)) & sign));
  d = (vec<T>)((UBits)d ^ (v & sign));
  first = rounded(r * c);
  second = rounded(r * d);
}

// One pass of a tile: the numbers of LANES (double) or HALF_LANES (float) counters, at out + l.
FN void uniform_pass(float* out, uint64_t counter, Key key) {
  Packed p = words_at(counter, key);
#pragma GCC unroll 4
  for (int w = 0; w < 4; ++w) store(out + w * TILE, to_float((p.w[w] >> 8) & 0xffffff) * 0x1p-24f);
}
FN vec<double> unit(Lanes high, Lanes low) {  // 53 bits: 21 of high, 32 of low
  auto a = (bits<double>)((high & 0x1fffff) | 0x4530000000000000u), b = (bits<double>)((low & 0xffffffffu) | 0x4330000000000000u);
  return ((from_bits<double>(a) - (0x1p84 + 0x1p52)) + from_bits<double>(b)) * 0x1p-53;
}
FN void uniform_pass(double* out, uint64_t counter, Key key) {
  Words c = philox_at(counter, 1, key);
  store(out, unit(c.w0, c.w1));
  store(out + TILE, unit(c.w2, c.w3));
}

FN void normal_pass(float* out, uint64_t counter, Key key) {
  Packed p = words_at(counter, key);
#pragma GCC unroll 2
  for (int w = 0; w < 4; w += 2) {
    vec<float> u = rounded((to_float((p.w[w] >> 1) & 0x7fffffff) + 0.5f) * 0x1p-31f), a, b;
    box_muller<float>(u, p.w[w + 1], a, b);
    store(out + w * TILE, a);
    store(out + (w + 1) * TILE, b);
  }
}
FN void normal_pass(double* out, uint64_t counter, Key key) {
  Words c = philox_at(counter, 1, key);
  auto mantissa = (bits<double>)(((c.w0 << 32 | (c.w1 & 0xffffffffu)) >> 12) | 0x3ff0000000000000u);
  vec<double> u = from_bits<double>(mantissa) - (1.0 - 0x1p-53), a, b;
  box_muller<double>(u, (bits<double>)(c.w2 << 32 | (c.w3 & 0xffffffffu)), a, b);
  store(out, a);
  store(out + TILE, b);
}

}  // namespace fastnn::FN_ISA
