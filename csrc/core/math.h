// core/math.h: elementary functions of vectors, within a few units in the last place (ulp), for every argument.
//
//    math_exp.h     exp exp2 expm1 sigmoid tanh sinh cosh softplus logsigmoid
//    math_log.h     log log2 log10 log1p asinh acosh atanh pow
//    math_trig.h    sin cos tan asin acos atan atan2
//    math_erf.h     erf erfc
//
// Each function has the same shape: reduce the argument to a short interval (exactly, or with the error carried
// along), evaluate a polynomial there, undo the reduction. No tables and no branches, so all lanes go together; the
// one exception is sin and cos of huge arguments. NaN, infinities, signed zeros and subnormals are right.
//
// tools/minimax.py derives every coefficient: best for the *weighted* error of the function, and rounded one at a time,
// refitting the rest. tests/test_elementwise.py measures the errors; docs/accuracy.md lists them.
//
// v2 has no fused multiply-add, and from v3 on the compiler fuses a * b + c where it likes. So constants that are
// subtracted n times have trailing zeros (exact with and without), and the few places where one rounding more or less
// would matter say two_product or rounded.
#pragma once
#include "math_exp.h"
#include "math_log.h"
#include "math_trig.h"
#include "math_erf.h"
