// core/math_trig.h: circular functions and their inverses.
//
//    x = q pi/2 + r, |r| <= pi/4:   q mod 4 says which of  sin r, cos r, -sin r, -cos r  is wanted
//
// sin and cos of floats are computed in double, two vectors for one, and rounded once: 0.50 ulp. One polynomial serves
//
//    x = n pi + r, |r| <= pi/2:     sin x = +-sin r, by the parity of n; for cos, n is an integer and a half
//
// pi/2 is subtracted in parts of 33 bits, so that q times each is exact for |x| < 2^20.
// Beyond, x 2/pi is formed in integers from as many bits of 2/pi as matter (Payne and Hanek), one lane at a time.
#pragma once
#include "math_base.h"

namespace fastnn::FN_ISA {

constexpr double HUGE_ANGLE = 0x1p20;
constexpr double PI_2_A = 0x1.921fb54400000p+0, PI_2_B = 0x1.0b4611a600000p-34, PI_2_C = 0x1.3198a2e000000p-69,
                 PI_2_D = 0x1.b839a252049c1p-104, PI_2_BCD = 0x1.0b4611a626331p-34;

constexpr float PI_2_1 = 0x1.921fb60000000p+0f, PI_2_2 = -0x1.777a5c0000000p-25f, PI_2_3 = -0x1.ee59da0000000p-50f;

struct Angle { double r, lo; int64_t q; };

// x = q pi/2 + r + lo (q modulo 4), for any |x| >= 2^20.
[[maybe_unused]] static Angle reduce_huge_angle(double x) {
  // 64 zero bits, then the bits of 2/pi
  static constexpr uint64_t TWO_OVER_PI[] = {
      0, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561, 0xb7246e3a424dd2e0,
      0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4,
      0x9c845f8bbdf9283b, 0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
      0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};
  union { double d; uint64_t u; } v = {x};
  const bool negative = v.u >> 63;
  if ((v.u >> 52 & 2047) == 2047) return {Limits<double>::NAN_, 0, 0};
  const int e = int(v.u >> 52 & 2047) - 1075;  // |x| = m 2^e
  const uint64_t m = (v.u & ((uint64_t(1) << 52) - 1)) | uint64_t(1) << 52;
  // Bit j of 2/pi has weight 2^-j. Those with j <= e - 2 make multiples of 4; the next 192 are enough.
  const int first = e - 2 + 64, word = first / 64, shift = first % 64;
  uint64_t a[3];
  for (int i = 0; i < 3; ++i)
    a[i] = TWO_OVER_PI[word + i] << shift | (shift ? TWO_OVER_PI[word + i + 1] >> (64 - shift) : 0);
  // m * a modulo 2^192; its two top bits are q, the other 190 a fraction
  typedef unsigned __int128 u128;
  const u128 p2 = u128(m) * a[2], p1 = u128(m) * a[1] + (p2 >> 64);
  const uint64_t top = m * a[0] + uint64_t(p1 >> 64), mid = uint64_t(p1), low = uint64_t(p2);
  int64_t q = int64_t(top >> 62);
  u128 f = u128(top) << 66 | u128(mid) << 2 | low >> 62;  // fraction, weight 2^-128
  const bool up = f >> 127;                               // at least 1/2: the next quadrant, from below
  if (up) f = -f, ++q;
  if (f == 0) return {0, 0, q};
  const int z = (f >> 64) ? __builtin_clzll(uint64_t(f >> 64)) : 64 + __builtin_clzll(uint64_t(f));
  const u128 r = u128(uint64_t((f << z) >> 64)) * 0xc90fdaa22168c235u;  // 2^63 pi/2: r is 2^(127 + z) times the angle
  union { uint64_t u; double d; } s = {uint64_t(1023 - 52 - z) << 52};
  double rr = double(int64_t(r >> 75)) * s.d;
  double ll = double(int64_t(uint64_t(r >> 22) & ((uint64_t(1) << 53) - 1))) * (s.d * 0x1p-53);
  if (up != negative) rr = -rr, ll = -ll;
  return {rr, ll, negative ? -q : q};
}

template <class V> struct Angles { V r, lo; mask_of<V> q; };

FN Angles<vec<double>> reduce_angle(vec<double> x) {
  auto [n, q] = to_integer(x * 0.6366197723675814);
  auto t = x - n * PI_2_A;                        // exact, like the products below
  auto u = two_sum(t, rounded(n * -PI_2_B));
  auto v = two_sum(u.hi, rounded(n * -PI_2_C));
  auto w = fast_two_sum(v.hi, (u.lo + v.lo) - n * PI_2_D);
  Angles<vec<double>> a = {w.hi, w.lo, q};
  if (any_lane(abs(x) > HUGE_ANGLE)) [[unlikely]] {
    for (int i = 0; i < lanes<double>; ++i)
      if (__builtin_fabs(x[i]) > HUGE_ANGLE) {
        auto one = reduce_huge_angle(x[i]);
        a.r[i] = one.r, a.lo[i] = one.lo, a.q[i] = one.q;
      }
  }
  return a;
}
struct WideAngle { vec<double> r, n; };
FN WideAngle reduce_for_float(vec<double> x) {
  auto n = to_integer(x * 0.6366197723675814).n;
  auto r = (x - n * PI_2_A) - n * PI_2_BCD;
  if (any_lane(abs(x) > HUGE_ANGLE)) [[unlikely]] {
    for (int i = 0; i < lanes<double>; ++i)
      if (__builtin_fabs(x[i]) > HUGE_ANGLE) {
        auto one = reduce_huge_angle(x[i]);
        r[i] = one.r, n[i] = double(one.q);
      }
  }
  return {r, n};
}
FN Angles<vec<float>> reduce_wide(vec<float> x) {
  auto w = widen(x);
  auto a = reduce_for_float(w.lo), b = reduce_for_float(w.hi);
  return {narrow({a.r, b.r}), vec<float>{}, to_integer(narrow({a.n, b.n})).i};
}
[[maybe_unused]] static __attribute__((noinline)) Angles<vec<float>> reduce_large(vec<float> x) { return reduce_wide(x); }

// With fused multiply-add, three floats hold pi/2 well enough for |x| < 2^15: the first difference is exact.
FN Angles<vec<float>> reduce_angle(vec<float> x) {
  if constexpr (!FUSED) return reduce_wide(x);
  if (any_lane(abs(x) > 0x1p15f)) [[unlikely]] return reduce_large(x);
  auto [n, q] = to_integer(x * 0.63661977f);
  auto r = fused(n, splat(-PI_2_1), x);
  r = fused(n, splat(-PI_2_2), r);
  return {fused(n, splat(-PI_2_3), r), vec<float>{}, q};
}

FN vec<float> sin_kernel(vec<float> r, vec<float>) {
  auto z = r * r;
  return r + r * z * poly(z, -0.16666667f, 0.008333405f, -0.00019863933f, 2.9446478e-06f);
}
FN vec<float> cos_kernel(vec<float> r, vec<float>) {
  auto z = r * r;
  return splat(1.f) - (0.5f * z - z * z * poly(z, 0.04166666f, -0.0013887931f, 2.4494846e-05f));
}
FN vec<double> sin_kernel(vec<double> r, vec<double> lo) {  // sin(r + lo) = sin r + lo cos r
  auto z = r * r;
  auto p = poly(z, -0.16666666666666632, 0.008333333333322472, -0.00019841269829835674,
              2.7557313697333475e-06, -2.5050758487729372e-08, 1.5896796212309259e-10);
  return r + (r * z * p + lo * (splat(1.) - 0.5 * z));
}
FN vec<double> cos_kernel(vec<double> r, vec<double> lo) {
  auto z = r * r, h = 0.5 * z, one = splat(1.), w = one - h;
  auto p = poly(z, 0.0416666666666666, -0.0013888888888874457, 2.4801587289652865e-05, -2.755731394181028e-07,
              2.0875559289275682e-09, -1.1344296544140543e-11);
  return w + (((one - w) - h) + (z * z * p - r * lo));
}

// sin(x + quadrant pi/2) for one |x| >= 2^20, or NaN
[[maybe_unused]] static __attribute__((noinline)) float sin_huge(float x, int quadrant) {
  const auto a = reduce_huge_angle(x);
  const int64_t q = a.q + quadrant;
  const vec<double> r = splat(a.r), y = q & 1 ? cos_kernel(r, vec<double>{}) : sin_kernel(r, vec<double>{});
  return float(q & 2 ? -y[0] : y[0]);
}

template <int QUADRANT> FN vec<double> sin_in_double(vec<double> x) {
  constexpr double HALF = 0.5 * QUADRANT;
  const auto z = (x * 0.3183098861837907 - splat(HALF)) + splat(Limits<double>::MAGIC);
  const auto n = (z - splat(Limits<double>::MAGIC)) + splat(HALF);  // times PI_2_A exact: at most 20 bits
  auto r = (x - n * (2 * PI_2_A)) - n * (2 * PI_2_BCD);
  const auto r2 = r * r;
  const auto p = poly(r2, -0.16666666625943932, 0.00833333109959026, -0.00019840866994158687, 2.7525320322881365e-06,
                      -2.3887752339542913e-08);
  const auto sign = (to_bits<double>(z) + QUADRANT) << 63;
  return from_bits<double>(to_bits<double>(r * (splat(1.) + r2 * p)) ^ sign);  // this way sin(-0) is -0
}
template <int QUADRANT> FN vec<float> sin_by_double(vec<float> x) {
  const auto w = widen(x);
  auto y = narrow({sin_in_double<QUADRANT>(w.lo), sin_in_double<QUADRANT>(w.hi)});
  if (!all_lanes(abs(x) <= float(HUGE_ANGLE))) [[unlikely]]
    for (int i = 0; i < lanes<float>; ++i)
      if (!(__builtin_fabsf(x[i]) <= float(HUGE_ANGLE))) y[i] = sin_huge(x[i], QUADRANT);
  return y;
}

template <class V> FN V sin_of(V x, int quadrant) {
  using T = scalar<V>;
  auto a = reduce_angle(x);
  V s = sin_kernel(a.r, a.lo), c = cos_kernel(a.r, a.lo);
  auto q = a.q + quadrant;
  V y = (q & 1) != 0 ? c : s;
  return from_bits<T>(to_bits<T>(y) ^ ((q & 2) << (sizeof(T) * 8 - 2)));
}
template <class V> FN V tan_of(V x) {
  using T = scalar<V>;
  auto a = reduce_angle(x);
  V s = sin_kernel(a.r, a.lo), c = cos_kernel(a.r, a.lo);
  auto odd = (a.q & 1) != 0;
  V y = (odd ? -c : s) / (odd ? s : c);
  return abs(x) < Limits<T>::TINY ? x : y;
}
FN vec<float> sin(vec<float> x) { return sin_by_double<0>(x); }
FN vec<double> sin(vec<double> x) { return abs(x) < Limits<double>::TINY ? x : sin_of(x, 0); }
FN vec<float> cos(vec<float> x) { return sin_by_double<1>(x); }
FN vec<double> cos(vec<double> x) { return sin_of(x, 1); }
FN vec<float> tan(vec<float> x) { return tan_of(x); }
FN vec<double> tan(vec<double> x) { return tan_of(x); }

// ---- inverses ------------------------------------------------------------------------------------------------------

FN vec<float> atan_p(vec<float> z) { return poly(z, -0.33333316f, 0.19998531f, -0.14244469f, 0.105997965f, -0.060916666f); }
FN vec<double> atan_p(vec<double> z) {
  return poly(z, -0.333333333333332, 0.19999999999953819, -0.1428571428022056, 0.11111110784678578,
              -0.09090897792895515, 0.07692060836695476, -0.06663111017593897, 0.05847938961210589,
              -0.05039522731961612, 0.03806993969486011, -0.01791291471868272);
}
template <class T> constexpr T PI_2_HI = sizeof(T) == 4 ? T(0x1.921fb6p+0) : T(0x1.921fb54442d18p+0);
template <class T> constexpr T PI_2_LO = sizeof(T) == 4 ? T(-0x1.777a5cp-25) : T(0x1.1a62633145c07p-54);

// atan(a / b) for a, b >= 0 not both 0 or inf. With the smaller over the larger, then pi/8 at most:
//    a/b > tan(pi/8):  atan(a/b) = pi/4 + atan((a - b)/(a + b))
template <class V> FN V atan_quotient(V a, V b) {
  using T = scalar<V>;
  auto swap = a > b;
  V s = swap ? b : a, l = swap ? a : b;
  auto middle = s > l * T(0.41421356);
  V t = (middle ? s - l : s) / (middle ? s + l : l), z = t * t;
  V less = t * z * atan_p(z), zero = constant<V>(0);
  less = less + (middle ? constant<V>(PI_2_LO<T> / 2) : zero);
  // swap: pi/2 - y. One sum of the large parts, the small ones apart.
  V big = middle ? constant<V>(PI_2_HI<T> / 2) : zero;
  V y = big + (t + less);
  return swap ? (constant<V>(PI_2_HI<T>) - big) - (t + (less - constant<V>(PI_2_LO<T>))) : y;
}
template <class V> FN V atan_of(V x) {
  using T = scalar<V>;
  V a = abs(x), y = atan_quotient(a, constant<V>(1));
  y = a < splat(Limits<T>::INF) ? y : a + constant<V>(PI_2_HI<T>);
  y = a == splat(Limits<T>::INF) ? constant<V>(PI_2_HI<T>) : y;
  return copysign(a < Limits<T>::TINY ? a : y, x);
}
FN vec<float> atan(vec<float> x) { return atan_of(x); }
FN vec<double> atan(vec<double> x) { return atan_of(x); }

template <class V> FN V atan2_of(V y, V x) {
  using T = scalar<V>;
  V a = abs(y), b = abs(x), one = constant<V>(1), zero = constant<V>(0), inf = splat(Limits<T>::INF);
  V down = a > T(1e30) ? constant<V>(0.25) : one;  // a + b may not overflow
  down = b > T(1e30) ? constant<V>(0.25) : down;
  auto both = (a == inf) & (b == inf), none = (a == zero) & (b == zero);
  V p = both ? one : a * down, q = both | none ? one : b * down;
  V r = atan_quotient(p, q);
  r = (a == inf) & (b < inf) ? constant<V>(PI_2_HI<T>) : r;
  r = (b == inf) & (a < inf) ? zero : r;
  r = to_bits<T>(x) < 0 ? constant<V>(2 * PI_2_HI<T>) - (r - constant<V>(2 * PI_2_LO<T>)) : r;
  r = copysign(r, y);
  return (a != a) | (b != b) ? a + b : r;
}
FN vec<float> atan2(vec<float> y, vec<float> x) { return atan2_of(y, x); }
FN vec<double> atan2(vec<double> y, vec<double> x) { return atan2_of(y, x); }

FN vec<float> asin_p(vec<float> z) { return poly(z, 0.16666754f, 0.07495252f, 0.04547604f, 0.02415209f, 0.042211805f); }
FN vec<double> asin_p(vec<double> z) {
  return poly(z, 0.16666666666666763, 0.07499999999970129, 0.04464285717525446, 0.030381942676898303,
              0.02237221585766789, 0.01735159641040041, 0.013981007130954997, 0.011397390147716176,
              0.010788756858565542, 0.0036743885912355933, 0.021785118036763598, -0.021108666110514398,
              0.03269698741397393);
}
// |x| > 1/2:  asin(x) = pi/2 - 2 asin(sqrt((1 - x)/2))
template <class V> FN V asin_of(V x) {
  using T = scalar<V>;
  V a = abs(x);
  auto outer = a > T(0.5);
  V z = outer ? T(0.5) * (constant<V>(1) - a) : x * x, s = outer ? sqrt(z) : a;
  V less = s * z * asin_p(z);
  V y = outer ? constant<V>(PI_2_HI<T>) - (T(2) * s + (T(2) * less - constant<V>(PI_2_LO<T>))) : s + less;
  return copysign(a < Limits<T>::TINY ? a : y, x);
}
template <class V> FN V acos_of(V x) {
  using T = scalar<V>;
  V a = abs(x);
  auto outer = a > T(0.5);
  V z = outer ? T(0.5) * (constant<V>(1) - a) : x * x, s = outer ? sqrt(z) : x;
  V less = s * z * asin_p(z);
  V inside = constant<V>(PI_2_HI<T>) - (s + (less - constant<V>(PI_2_LO<T>)));
  V twice = T(2) * (s + less);
  V left = constant<V>(2 * PI_2_HI<T>) - (twice - constant<V>(2 * PI_2_LO<T>));
  return outer ? (x < T(0) ? left : twice) : inside;
}
FN vec<float> asin(vec<float> x) { return asin_of(x); }
FN vec<double> asin(vec<double> x) { return asin_of(x); }
FN vec<float> acos(vec<float> x) { return acos_of(x); }
FN vec<double> acos(vec<double> x) { return acos_of(x); }

}  // namespace fastnn::FN_ISA
