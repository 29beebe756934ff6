// core/math_erf.h: the error function, its complement, its inverse.
//
//    erf     float: x P(x^2) / Q(x^2) up to where it is 1.  double: x P(x^2) below 1, 1 - erfc above
//    erfc    exp(-x^2) u P(t) from 1/2 on,  u = K / (x + K),  t = 1 - 2 u   (Shepherd and Laframboise, 1981)
//            x^2 is taken exactly: half an ulp of it would be 100 ulp of the result
#pragma once
#include "math_log.h"

namespace fastnn::FN_ISA {

FN vec<float> erfc_p(vec<float> t) {
  return poly(t, 0.29117945f, -0.2556644f, 0.19635172f, -0.13079214f, 0.07441641f, -0.035187162f, 0.013100068f,
              -0.0033484742f, 0.00025309404f, 0.00022355917f, -7.009146e-05f);
}
FN vec<double> erfc_p(vec<double> t) {
  return poly(t, 0.2911794425500771, -0.25566442044077586, 0.19635171339246718, -0.13079207765538078, 0.07441654640900397,
              -0.035188106980945745, 0.013098340964215763, -0.003342901344263569, 0.0002630234859457037,
              0.00021195282677518887, -9.297247968526555e-05, 2.82506002553562e-06, 9.992390373273273e-06,
              -2.374358395625827e-06, -8.77001034314434e-07, 4.4151193883843774e-07, 7.428912117943993e-08,
              -7.007674111720671e-08, -6.77822481177076e-09, 1.0362042057143126e-08, 5.85455748418044e-10,
              -1.0998131239153879e-09);
}
template <class V> FN V erfc_tail(V x) {  // x >= 1/2
  V k = constant<V>(3.75), end = constant<V>(sizeof(scalar<V>) == 4 ? 10.5 : 27.5);
  x = min(end, x);
  auto square = two_product(x, x);
  V u = k / (x + k), e = exp(-square.hi);
  return (e - e * square.lo) * (u * erfc_p(constant<V>(1) - (u + u)));
}

FN vec<float> erf(vec<float> x) {
  const auto one = splat(1.f), end = splat(3.925f);
  auto a = max(-end, min(end, x)), z = a * a;
  auto p = poly(z, 0.6240748f, 0.1054135f, 0.029185409f, 0.0020865537f, 0.00015754037f, 1.1315897e-06f);
  auto q = poly(z, 0.5530719f, 0.27777725f, 0.06315185f, 0.008286911f, 0.0006437121f, 2.1043119e-05f);
  return max(-one, min(one, a * p / q));
}
FN vec<double> erf_small(vec<double> x) {  // |x| <= 1
  return x * poly(x * x, 1.1283791670955126, -0.3761263890318331, 0.11283791670933968, -0.0268661706411711,
              0.005223977587138064, -0.000854832483647592, 0.00012055253763253512,
              -1.4923758928548025e-05, 1.6431920957950417e-06, -1.6046185343486343e-07,
              1.264283668578632e-08, -3.6892102393717447e-10, -6.848566724126926e-11);
}
FN vec<double> erf(vec<double> x) {
  auto a = abs(x);
  return a < 1. ? erf_small(x) : copysign(splat(1.) - erfc_tail(a), x);
}

FN vec<float> erfc(vec<float> x) {
  auto a = abs(x), tail = erfc_tail(a);
  return a < 0.5f ? splat(1.f) - erf(x) : x < 0.f ? splat(2.f) - tail : tail;
}
FN vec<double> erfc(vec<double> x) {
  auto a = abs(x), tail = erfc_tail(a);
  return a < 0.5 ? splat(1.) - erf_small(x) : x < 0. ? splat(2.) - tail : tail;
}

}  // namespace fastnn::FN_ISA
