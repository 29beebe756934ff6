// core/cuda/scalar.h: the names of core/simd.h and core/math.h for one number, so that a formula written for vectors
// (elementwise/ops.h, activation.h) serves a GPU thread too. The functions are CUDA's (within 2 ulp, most within 1); the host's
// libm under the shim. sinf and the like, never __sinf: the fast versions are wrong for large arguments.
#pragma once
#include "kernel.cuh"

namespace fastnn::cuda {

template <class T> using vec = T;
template <class V> using scalar = V;
template <class V> using lane = V;
template <class T> constexpr int lanes = 1;
template <class T> struct Limits;
template <> struct Limits<float> { static constexpr float INF = __builtin_inff(), NAN_ = __builtin_nanf(""); };
template <> struct Limits<double> { static constexpr double INF = __builtin_inf(), NAN_ = __builtin_nan(""); };

template <class T> FN T splat(T x) { return x; }
template <class T> FN T max(T a, T b) { return a > b ? a : b; }  // the second where one is NaN
template <class T> FN T min(T a, T b) { return a < b ? a : b; }
template <class T> FN T max_nan(T a, T b) { return a != a ? a : a > b ? a : b; }
template <class T> FN T min_nan(T a, T b) { return a != a ? a : a < b ? a : b; }

#define FN_MATH(name, math)                       \
  FN float name(float x) { return ::math##f(x); } \
  FN double name(double x) { return ::math(x); }
FN_MATH(abs, fabs) FN_MATH(floor, floor) FN_MATH(ceil, ceil) FN_MATH(trunc, trunc) FN_MATH(round, rint) FN_MATH(sqrt, sqrt)
FN_MATH(exp, exp) FN_MATH(exp2, exp2) FN_MATH(expm1, expm1) FN_MATH(log, log) FN_MATH(log2, log2) FN_MATH(log10, log10)
FN_MATH(log1p, log1p) FN_MATH(sin, sin) FN_MATH(cos, cos) FN_MATH(tan, tan) FN_MATH(asin, asin) FN_MATH(acos, acos)
FN_MATH(atan, atan) FN_MATH(sinh, sinh) FN_MATH(cosh, cosh) FN_MATH(tanh, tanh) FN_MATH(asinh, asinh) FN_MATH(acosh, acosh)
FN_MATH(atanh, atanh) FN_MATH(erf, erf) FN_MATH(erfc, erfc)
#undef FN_MATH
#define FN_MATH(name)                                             \
  FN float name(float a, float b) { return ::name##f(a, b); }     \
  FN double name(double a, double b) { return ::name(a, b); }
FN_MATH(pow) FN_MATH(atan2) FN_MATH(hypot) FN_MATH(copysign) FN_MATH(fmod)
#undef FN_MATH
FN float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
FN double fma(double a, double b, double c) { return ::fma(a, b, c); }

template <class T> FN T rsqrt(T x) { return T(1) / sqrt(x); }
template <class T> FN T log1p_unit(T x) { return log1p(x); }
template <class T> FN T sigmoid(T x) {  // from the side where exp is small
  const T e = exp(-abs(x));
  return x >= T(0) ? T(1) / (T(1) + e) : x < T(0) ? e / (T(1) + e) : x;
}
template <class T> FN T softplus(T x) { return x != x ? x : max(x, T(0)) + log1p(exp(-abs(x))); }
template <class T> FN T logsigmoid(T x) { return x != x ? x : min(x, T(0)) - log1p(exp(-abs(x))); }

}  // namespace fastnn::cuda
