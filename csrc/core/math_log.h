// core/math_log.h: logarithms, the inverse hyperbolic functions, powers.
//
//    log(x) = k ln 2 + log(1 + f),   x = 2^k (1 + f),   sqrt(1/2) <= 1 + f < sqrt(2)
//
// The significand is cut so that f is exact. Near x = 1, k is 0 and the result is as precise as log(1 + f).
#pragma once
#include "math_exp.h"

namespace fastnn::FN_ISA {

// log(1 + f) = f - c, c small: the caller adds k ln 2 between the two. `less` is c.
FN vec<float> log1p_less(vec<float> f) {
  auto p = poly(f, 0.33333316f, -0.25000814f, 0.20002313f, -0.16624452f, 0.14180541f, -0.13128828f, 0.1288428f, -0.07861235f);
  auto z = f * f;
  return 0.5f * z - z * f * p;
}
FN vec<double> log1p_less(vec<double> f) {  // s = f / (2 + f):  log(1 + f) = 2 atanh(s) = f - (h - s (h + R(s^2))), h = f^2/2
  auto s = f / (splat(2.) + f), z = s * s, h = 0.5 * f * f;
  auto r = z * poly(z, 0.6666666666666735, 0.3999999999940935, 0.285714287436866, 0.2222219842895761,
              0.18183572356419184, 0.15313832115355608, 0.14798259400292094);
  return h - s * (h + r);
}

template <class V> struct LogParts { V k, f; };  // x = 2^k (1 + f), for finite x > 0
template <class V> FN LogParts<V> log_reduce(V x) {
  using T = scalar<V>;
  using I = typename Limits<T>::Int;
  constexpr int M = Limits<T>::MANTISSA;
  constexpr I SQRT_HALF = sizeof(T) == 4 ? I(0x3f3504f3) : I(0x3fe6a09e667f3bcdLL), ONE = I(Limits<T>::BIAS) << M;
  constexpr T UP = sizeof(T) == 4 ? T(0x1p25) : T(0x1p54);
  auto subnormal = x < Limits<T>::TINY;
  x = subnormal ? x * UP : x;
  // Bits of x as an integer, counted from those of sqrt(1/2): the exponent field then is k, as wanted.
  auto i = add_bits<T>(to_bits<T>(x), ONE - SQRT_HALF);
  V k = from_integer<V>(shift_right<T>(i, M) - Limits<T>::BIAS);
  V m = from_bits<T>((i & ((I(1) << M) - 1)) + SQRT_HALF);
  return {subnormal ? k - constant<V>(M + 2) : k, m - constant<V>(1)};
}
template <class V> FN V log_ends(V x, V y) {  // what the arithmetic above does not know: 0, inf, NaN and x < 0
  using T = scalar<V>;
  y = x < splat(Limits<T>::INF) ? y : x;
  y = x == constant<V>(0) ? splat(-Limits<T>::INF) : y;
  return x < constant<V>(0) ? splat(Limits<T>::NAN_) : y;
}

template <class T> constexpr T LN2_HI = sizeof(T) == 4 ? T(0x1.63p-1) : T(0x1.62e42feep-1);  // trailing zeros: k LN2_HI exact
template <class T> constexpr T LN2_LO = sizeof(T) == 4 ? T(-2.12194440054690583e-4) : T(1.90821492927058770e-10);

template <class V> FN V log_of(V x) {
  using T = scalar<V>;
  auto [k, f] = log_reduce(x);
  return log_ends(x, k * LN2_HI<T> - ((log1p_less(f) - k * LN2_LO<T>) - f));
}
FN vec<float> log(vec<float> x) { return log_of(x); }
FN vec<double> log(vec<double> x) { return log_of(x); }

// log2 and log10: k and log(1 + f) / log(base), the latter with the division's constant in two parts.
template <class V> FN V log2_of(V x) {
  auto [k, f] = log_reduce(x);
  V less = log1p_less(f);
  auto [hi, lo] = fast_two_sum(f, -less);
  constexpr bool s = sizeof(scalar<V>) == 4;
  V y = hi * scalar<V>(s ? 0x1.715476p+0 : 0x1.71547652b82fep+0);
  V e = lo * scalar<V>(1.4426950408889634) + hi * scalar<V>(s ? 0x1.4ae0bf85ddf44p-26 : 0x1.777d0ffda0d24p-56);
  return log_ends(x, k + (y + e));
}
FN vec<float> log2(vec<float> x) { return log2_of(x); }
FN vec<double> log2(vec<double> x) { return log2_of(x); }

template <class V> FN V log10_of(V x) {
  auto [k, f] = log_reduce(x);
  V less = log1p_less(f);
  auto [hi, lo] = fast_two_sum(f, -less);
  using T = scalar<V>;
  constexpr bool s = sizeof(T) == 4;
  V y = hi * T(s ? 0x1.bcb7b2p-2 : 0x1.bcb7b1526e50ep-2);
  V e = lo * T(0.4342944819032518) + hi * T(s ? -0x1.5b235e39ab2a9p-27 : 0x1.95355baaafad3p-57);
  constexpr T HI = s ? T(0x1.344p-2) : T(0x1.34413509f6p-2), LO = s ? T(0x1.3509f79fef312p-18) : T(0x1.9fef311f12b36p-42);
  return log_ends(x, k * HI + (y + (e + k * LO)));
}
FN vec<float> log10(vec<float> x) { return log10_of(x); }
FN vec<double> log10(vec<double> x) { return log10_of(x); }

// log(1 + x): u = 1 + x is rounded, c = x - (u - 1) is what it lost; scaled with u it goes back into f.
template <class V> FN V log1p_of(V x) {
  using T = scalar<V>;
  V one = constant<V>(1), u = one + x, c = x - (u - one);
  auto [k, f] = log_reduce(u);
  V kk = k > constant<V>(60) ? constant<V>(60) : k;  // there c no longer matters, and 2^-k must stay a number
  f = f + c * pow2<V>(-to_integer(kk).i);
  V y = log_ends(u, k * LN2_HI<T> - ((log1p_less(f) - k * LN2_LO<T>) - f));
  return abs(x) < Limits<T>::TINY ? x : y;
}
FN vec<float> log1p(vec<float> x) { return log1p_of(x); }
FN vec<double> log1p(vec<double> x) { return log1p_of(x); }

// log(1 + e) for 0 <= e <= 1: k is 0 or 1
template <class V> FN V log1p_unit(V e) {
  using T = scalar<V>;
  auto upper = e > T(0.41421356);
  V f = upper ? T(0.5) * e - splat(T(0.5)) : e, zero = constant<V>(0);
  V less = log1p_less(f) - (upper ? splat(LN2_LO<T>) : zero);
  return (upper ? splat(LN2_HI<T>) : zero) - (less - f);
}
// log(1 + exp(x)) and -log(1 + exp(-x))
template <class V> FN V softplus(V x) { return max(constant<V>(0), x) + log1p_unit(exp(-abs(x))); }
template <class V> FN V logsigmoid(V x) { return min(constant<V>(0), x) - log1p_unit(exp(-abs(x))); }

template <class V> FN V asinh_of(V x) {
  V a = abs(x), one = constant<V>(1), big = constant<V>(sizeof(scalar<V>) == 4 ? 0x1p30 : 0x1p300);
  auto far = a > big;
  V u = far ? a : a + a * a / (one + sqrt(a * a + one));
  V y = log1p(u) + (far ? constant<V>(0.6931471805599453) : constant<V>(0));
  return copysign(y, x);
}
template <class V> FN V acosh_of(V x) {
  V t = x - constant<V>(1), big = constant<V>(sizeof(scalar<V>) == 4 ? 0x1p30 : 0x1p300);
  auto far = t > big;
  t = t < scalar<V>(0) ? splat(Limits<scalar<V>>::NAN_) : t;
  return log1p(far ? x : t + sqrt(t + t + t * t)) + (far ? constant<V>(0.6931471805599453) : constant<V>(0));
}
template <class V> FN V atanh_of(V x) {
  V a = abs(x);
  return copysign(scalar<V>(0.5) * log1p((a + a) / (constant<V>(1) - a)), x);
}
FN vec<float> asinh(vec<float> x) { return asinh_of(x); }
FN vec<double> asinh(vec<double> x) { return asinh_of(x); }
FN vec<float> acosh(vec<float> x) { return acosh_of(x); }
FN vec<double> acosh(vec<double> x) { return acosh_of(x); }
FN vec<float> atanh(vec<float> x) { return atanh_of(x); }
FN vec<double> atanh(vec<double> x) { return atanh_of(x); }

// ---- pow ---------------------------------------------------------------------------------------------------------
// |x|^y = exp(y log|x|). The error of the exponent is the relative error of the power, and the exponent goes to 700:
// so log|x| is needed to 63 bits, as a Pair. float does it all in double.

// log(x) as hi + lo, to about 2^-66:  log(1 + f) = 2 s + 2 s^3/3 + s^5 r(s^2),  s = f / (2 + f) as a Pair
FN Pair<vec<double>> log_pair(vec<double> x) {
  using V = vec<double>;
  auto [k, f] = log_reduce(x);
  auto d = fast_two_sum(splat(2.), f);
  V s = f / d.hi;
  auto back = two_product(s, d.hi);
  V s_lo = ((f - back.hi) - back.lo - s * d.lo) / d.hi;
  auto z = two_product(s, s);                      // s^2, with its low part
  z.lo = z.lo + 2. * s * s_lo;
  V r = poly(z.hi, 0.4, 0.2857142857142857, 0.22222222222222222, 0.18181818181818182, 0.15384615384615385,
             0.13333333333333333, 0.11764705882352941, 0.10526315789473684, 0.095238095238095238, 0.08695652173913043);
  // t = 2/3 + z r, as a Pair
  V zr = z.hi * r;
  zr = rounded(zr);
  auto t = fast_two_sum(splat(0.6666666666666666), zr);
  t.lo = t.lo + splat(3.700743415417188e-17) + z.lo * splat(0.4);
  // w = s z t
  auto sz = two_product(s, z.hi);
  sz.lo = sz.lo + s * z.lo + s_lo * z.hi;
  auto w = two_product(sz.hi, t.hi);
  w.lo = w.lo + sz.hi * t.lo + sz.lo * t.hi;
  // k ln 2 + 2 s + w
  V kh = rounded(k * LN2_HI<double>);
  auto a = fast_two_sum(kh, 2. * s);               // |k ln 2| >= 2 |s| or k = 0
  a = {k == splat(0.) ? 2. * s : a.hi, k == splat(0.) ? splat(0.) : a.lo};
  auto b = two_sum(a.hi, w.hi);
  V lo = b.lo + (a.lo + (w.lo + (2. * s_lo + k * LN2_LO<double>)));
  return fast_two_sum(b.hi, lo);
}

FN vec<double> pow_abs(vec<double> x, vec<double> y) {  // x > 0
  auto l = log_pair(x);
  auto p = two_product(l.hi, y);
  auto finite = abs(p.hi) < splat(1e300);
  auto lo = finite ? p.lo + l.lo * y : splat(0.);
  auto e = exp(p.hi);
  auto more = e * lo;
  return (more == more) & (e < splat(Limits<double>::INF)) ? e + more : e;
}
FN vec<float> pow_abs(vec<float> x, vec<float> y) {
  auto wx = widen(x), wy = widen(y);
  return narrow({exp(wy.lo * log(wx.lo)), exp(wy.hi * log(wx.hi))});
}

// x^y. Signs and ends as in C's pow.
template <class V> FN V pow_of(V x, V y) {
  using T = scalar<V>;
  V one = constant<V>(1), zero = constant<V>(0), inf = splat(Limits<T>::INF), a = abs(x);
  V p = pow_abs(a, y);
  auto integer = trunc(y) == y, odd = integer & (trunc(y * T(0.5)) * T(2) != y);
  // |x| = 0 or inf, or y = inf: 0, 1 or inf
  auto x_end = (a == zero) | (a == inf), y_end = abs(y) == inf;
  V big = (a > one) ? inf : zero, small = (a > one) ? zero : inf;
  V ends = y > zero ? big : small;
  ends = a == one ? one : ends;
  p = x_end | y_end ? ends : p;
  auto negative = to_bits<T>(x) < 0;
  p = negative & (odd != 0) ? -p : p;
  p = (x < zero) & (integer == 0) & (a < inf) & (abs(y) < inf) ? splat(Limits<T>::NAN_) : p;
  p = (x != x) | (y != y) ? x + y : p;
  return (x == one) | (y == zero) ? one : p;
}
FN vec<float> pow(vec<float> x, vec<float> y) { return pow_of(x, y); }
FN vec<double> pow(vec<double> x, vec<double> y) { return pow_of(x, y); }

}  // namespace fastnn::FN_ISA
