// functions.cpp: kernels of elementary functions, float and double, and of their derivatives. Formulas: ops.h.
#include "ops.h"

namespace fastnn::FN_ISA {

#define FLOATS_1(name, Formula) \
  void name(Out y, In x) { on_floats<Formula>(#name, y, x); }
#define FLOATS_2(name, Formula) \
  void name(Out y, In a, In b) { on_floats<Formula>(#name, y, a, b); }
#define FLOATS_3(name, Formula) \
  void name(Out y, In a, In b, In c) { on_floats<Formula>(#name, y, a, b, c); }
FLOATS_1(reciprocal, Reciprocal)
FLOATS_1(sqrt, Sqrt)
FLOATS_1(rsqrt, Rsqrt)
FLOATS_1(exp, Exp)
FLOATS_1(exp2, Exp2)
FLOATS_1(expm1, Expm1)
FLOATS_1(log, Log)
FLOATS_1(log2, Log2)
FLOATS_1(log10, Log10)
FLOATS_1(log1p, Log1p)
FLOATS_1(sin, Sin)
FLOATS_1(cos, Cos)
FLOATS_1(tan, Tan)
FLOATS_1(asin, Asin)
FLOATS_1(acos, Acos)
FLOATS_1(atan, Atan)
FLOATS_1(sinh, Sinh)
FLOATS_1(cosh, Cosh)
FLOATS_1(asinh, Asinh)
FLOATS_1(acosh, Acosh)
FLOATS_1(atanh, Atanh)
FLOATS_1(erf, Erf)
FLOATS_1(erfc, Erfc)
FLOATS_1(frac, Frac)
FLOATS_2(div, Div)
FLOATS_2(atan2, Atan2)
FLOATS_2(hypot, Hypot)
FLOATS_2(copysign, Copysign)
FLOATS_2(logaddexp, Logaddexp)
FLOATS_2(xlogy, Xlogy)
FLOATS_2(abs_dx, AbsDx)
FLOATS_2(square_dx, SquareDx)
FLOATS_2(sqrt_dx, SqrtDx)
FLOATS_2(rsqrt_dx, RsqrtDx)
FLOATS_2(reciprocal_dx, ReciprocalDx)
FLOATS_2(expm1_dx, Expm1Dx)
FLOATS_2(log1p_dx, Log1pDx)
FLOATS_2(sin_dx, SinDx)
FLOATS_2(cos_dx, CosDx)
FLOATS_2(tan_dx, TanDx)
FLOATS_2(asin_dx, AsinDx)
FLOATS_2(atan_dx, AtanDx)
FLOATS_2(sinh_dx, SinhDx)
FLOATS_2(cosh_dx, CoshDx)
FLOATS_2(asinh_dx, AsinhDx)
FLOATS_2(acosh_dx, AcoshDx)
FLOATS_2(atanh_dx, AtanhDx)
FLOATS_2(erf_dx, ErfDx)
FLOATS_3(addcdiv, Addcdiv)
FLOATS_3(var_dx, VarDx)
FLOATS_3(logsumexp_dx, LogsumexpDx)
FLOATS_3(extremum_dx, ExtremumDx)
FLOATS_3(lerp, Lerp)
FLOATS_3(maximum_dx, MaximumDx)
FLOATS_3(minimum_dx, MinimumDx)

}  // namespace fastnn::FN_ISA
