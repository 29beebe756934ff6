// core/math_exp.h: exponentials and what is made of them.
//
//    exp(x) = 2^n exp(r),   n = round(x / ln 2),   r = x - n ln 2,   |r| <= 0.347
//
// ln 2 is subtracted in two parts; the first has enough trailing zeros that n times it is exact.
// exp(r) = 1 + (r + r^2 q(r)): the rounding of the polynomial counts for little next to the leading 1.
#pragma once
#include "math_base.h"

namespace fastnn::FN_ISA {

FN vec<float> exp_q(vec<float> r) { return poly(r, 0.49999994f, 0.16666515f, 0.041668084f, 0.008369348f, 0.0013840367f); }
FN vec<double> exp_q(vec<double> r) {
  return poly(r, 0.5, 0.16666666666666666, 0.041666666666666886, 0.008333333333333349,
              0.0013888888888807958, 0.000198412698412159, 2.4801587443435335e-05,
              2.7557319318529237e-06, 2.7557188593070697e-07, 2.505202131623904e-08,
              2.093786282776756e-09, 1.6099774706047428e-10);
}

template <class V> struct ExpParts { V n, r; };  // exp(x) = 2^n exp(r)
template <class V> FN ExpParts<V> exp_reduce(V x) {
  using T = scalar<V>;
  constexpr bool f = sizeof(T) == 4;
  // The ends: below, even the smallest subnormal rounds to 0; above, infinity is certain. min and max return
  // their second argument where one is NaN, so NaN passes.
  constexpr T LO = f ? T(-104.5) : T(-746.5), HI = f ? T(89.5) : T(710.5);
  x = min(splat(HI), max(splat(LO), x));
  V n = to_integer(x * T(1.4426950408889634)).n;
  V r = x - n * (f ? T(0x1.63p-1) : T(0x1.62e42feep-1));
  return {n, r - n * (f ? T(-2.12194440054690583e-4) : T(1.90821492927058770e-10))};
}

template <class V> FN V exp_of(V x) {
  auto [n, r] = exp_reduce(x);
  return scale(constant<V>(1) + (r + r * r * exp_q(r)), n);
}
FN vec<float> exp(vec<float> x) { return exp_of(x); }
FN vec<double> exp(vec<double> x) { return exp_of(x); }

// exp(x) / 2, finite wherever sinh and cosh are.
template <class V> FN V exp_half(V x) {
  auto [n, r] = exp_reduce(x);
  return scale(constant<V>(1) + (r + r * r * exp_q(r)), n - constant<V>(1));
}

FN vec<float> exp2_p(vec<float> r) {
  return poly(r, 0.6931473f, 0.24022658f, 0.055501696f, 0.009617005f, 0.0013450555f, 0.00015750929f);
}
FN vec<double> exp2_p(vec<double> r) {
  return poly(r, 0.6931471805599453, 0.2402265069591007, 0.05550410866482338, 0.00961812910763023, 0.0013333558146033015,
              0.00015403530388892638, 1.5252734167747654e-05, 1.3215491314662177e-06, 1.0177931568773808e-07,
              7.052961385307916e-09, 4.4734554269395613e-10, 2.8714216037953616e-11);
}
template <class V> FN V exp2_of(V x) {
  constexpr double LO = sizeof(scalar<V>) == 4 ? -151 : -1076, HI = sizeof(scalar<V>) == 4 ? 129 : 1025;
  x = min(constant<V>(HI), max(constant<V>(LO), x));
  V n = to_integer(x).n, r = x - n;
  return scale(constant<V>(1) + r * exp2_p(r), n);
}
FN vec<float> exp2(vec<float> x) { return exp2_of(x); }
FN vec<double> exp2(vec<double> x) { return exp2_of(x); }

// exp(x) - 1 = 2 (s (exp(r) - 1) + (s - 1/2)),  s = 2^(n-1): no cancellation, and s stays finite as long as exp(x) does.
template <class V> FN V expm1_of(V x) {
  using T = scalar<V>;
  constexpr T LO = sizeof(T) == 4 ? T(-20) : T(-40), HI = sizeof(T) == 4 ? T(89) : T(710);  // -1 below, infinite above
  auto [n, r] = exp_reduce(min(splat(HI), max(splat(LO), x)));
  V s = scale(constant<V>(1), n - constant<V>(1));
  V y = s * (r + r * r * exp_q(r)) + (s - constant<V>(0.5));
  return abs(x) < Limits<T>::TINY ? x : y + y;  // -0 and subnormals
}
FN vec<float> expm1(vec<float> x) { return expm1_of(x); }
FN vec<double> expm1(vec<double> x) { return expm1_of(x); }

// 1 / (1 + exp(-x)). Written with exp(-|x|), which cannot overflow, so the left tail keeps its precision down to 0.
template <class V> FN V sigmoid_of(V x) {
  V e = exp(-abs(x));
  V one = constant<V>(1);
  return (x < constant<V>(0) ? e : one) / (one + e);
}
FN vec<float> sigmoid(vec<float> x) { return sigmoid_of(x); }
FN vec<double> sigmoid(vec<double> x) { return sigmoid_of(x); }

// tanh, float: x P(x^2) / Q(x^2) up to where it is 1; one division is cheaper than an exponential. Coefficients of one
// sign, so P and Q lose nothing. double: t / (t + 2), t = exp(2 |x|) - 1.
FN vec<float> tanh(vec<float> x) {
  const auto one = splat(1.f), end = splat(9.02f);
  auto a = max(-end, min(end, x)), z = a * a;
  auto p = poly(z, 0.5825216f, 0.07793975f, 0.00203535f, 1.1990313e-05f, 7.758635e-09f);
  auto q = poly(z, 0.5825216f, 0.27211353f, 0.015070457f, 0.00019124716f, 4.5215387e-07f);
  return max(-one, min(one, a * p / q));
}
FN vec<double> tanh(vec<double> x) {
  auto a = abs(x);
  auto t = expm1(min(splat(44.), a + a));
  return copysign(t / (t + splat(2.)), x);
}

FN vec<float> sinh_p(vec<float> z) { return poly(z, 0.16666667f, 0.008333311f, 0.00019842635f, 2.7839258e-06f); }
FN vec<double> sinh_p(vec<double> z) {
  return poly(z, 0.16666666666666669, 0.008333333333332915, 0.00019841269841589247, 2.755731910848465e-06,
              2.5052130675392186e-08, 1.6056687153964568e-10, 7.775688239946653e-13);
}
template <class V> FN V sinh_of(V x) {
  V a = abs(x), z = x * x, e = exp_half(a);
  V small = x + x * z * sinh_p(z), large = copysign(e - constant<V>(0.25) / e, x);
  small = a < Limits<scalar<V>>::TINY ? x : small;
  return a < scalar<V>(1) ? small : large;
}
template <class V> FN V cosh_of(V x) {
  V e = exp_half(abs(x));
  return e + constant<V>(0.25) / e;
}
FN vec<float> sinh(vec<float> x) { return sinh_of(x); }
FN vec<double> sinh(vec<double> x) { return sinh_of(x); }
FN vec<float> cosh(vec<float> x) { return cosh_of(x); }
FN vec<double> cosh(vec<double> x) { return cosh_of(x); }

// 1 / sqrt(x): two roundings; the estimate instructions save little and lose subnormals
template <class V> FN V rsqrt(V x) { return constant<V>(1) / sqrt(x); }

}  // namespace fastnn::FN_ISA
