// arithmetic.cpp: kernels on numbers of every dtype: sums to shifts, comparisons, selection. Formulas: ops.h.
#include "ops.h"

namespace fastnn::FN_ISA {

#if !defined(FN_CUDA)  // there: tile.cuh
int raise_zero_division() { raise_error("ZeroDivisionError"); }
int raise_negative_power() { raise_error("Integers to negative integer powers are not allowed."); }
#endif

#define NUMBERS_1(name, Float, Int, bools) \
  void name(Out y, In x) { on_numbers<Float, Int>(#name, bools, y, x); }
#define NUMBERS_2(name, Float, Int, bools) \
  void name(Out y, In a, In b) { on_numbers<Float, Int>(#name, bools, y, a, b); }
#define NUMBERS_3(name, Float, Int, bools) \
  void name(Out y, In a, In b, In c) { on_numbers<Float, Int>(#name, bools, y, a, b, c); }
// kernel     float        integer       bool?
NUMBERS_2(add, Add, IntAdd, true)
NUMBERS_2(mul, Mul, IntMul, true)
NUMBERS_2(floor_divide, FloorDivide, IntFloorDivide, false)
NUMBERS_2(remainder, Remainder, IntRemainder, false)
NUMBERS_2(fmod, Fmod, IntFmod, false)
NUMBERS_2(pow, Pow, IntPow, true)
NUMBERS_2(maximum, Maximum, IntMax, true)
NUMBERS_2(minimum, Minimum, IntMin, true)
NUMBERS_2(fmax, Fmax, IntMax, true)
NUMBERS_2(fmin, Fmin, IntMin, true)
void sub(Out y, In a, In b) {
  if (y.dtype == DType::b8)
    raise_error("Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator "
                "instead.");
  on_numbers<Sub, IntSub>("sub", false, y, a, b);
}
NUMBERS_3(addcmul, Addcmul, IntAddcmul, true)
NUMBERS_3(clamp, Clamp, IntClamp, true)
NUMBERS_1(neg, Neg, IntNeg, false)
NUMBERS_1(abs, Abs, IntAbs, true)
NUMBERS_1(sign, Sign, IntSign, true)
NUMBERS_1(square, Square, IntSquare, true)
NUMBERS_1(cube, Cube, IntCube, true)
NUMBERS_1(floor, Floor, Same, true)
NUMBERS_1(ceil, Ceil, Same, true)
NUMBERS_1(trunc, Trunc, Same, true)
NUMBERS_1(round, Round, Same, true)

#define INTEGERS_2(name, Int) \
  void name(Out y, In a, In b) { on_integers<Int>(#name, true, y, a, b); }
INTEGERS_2(bitwise_and, BitwiseAnd)
INTEGERS_2(bitwise_or, BitwiseOr)
INTEGERS_2(bitwise_xor, BitwiseXor)
void shift_left(Out y, In a, In b) { on_integers<ShiftLeft>("shift_left", false, y, a, b); }
void shift_right(Out y, In a, In b) { on_integers<ShiftRight>("shift_right", false, y, a, b); }
void bitwise_not(Out y, In x) {
  if (y.dtype == DType::b8) to_flags<LogicalNot>(y, x);
  else on_integers<BitwiseNot>("bitwise_not", false, y, x);
}

#define FLAGS_1(name, Formula) \
  void name(Out y, In x) { to_flags<Formula>(y, x); }
#define FLAGS_2(name, Formula) \
  void name(Out y, In a, In b) { to_flags<Formula>(y, a, b); }
#define FLAGS_3(name, Formula) \
  void name(Out y, In a, In b, In c) { to_flags<Formula>(y, a, b, c); }
FLAGS_2(eq, Eq)
FLAGS_2(ne, Ne)
FLAGS_2(lt, Lt)
FLAGS_2(le, Le)
FLAGS_2(gt, Gt)
FLAGS_2(ge, Ge)
FLAGS_2(logical_and, LogicalAnd)
FLAGS_2(logical_or, LogicalOr)
FLAGS_2(logical_xor, LogicalXor)
FLAGS_1(logical_not, LogicalNot)
FLAGS_1(isnan, Isnan)
FLAGS_1(isinf, Isinf)
FLAGS_1(isfinite, Isfinite)
FLAGS_1(signbit, Signbit)
FLAGS_3(between, Between)

void where(Out y, In a, In b, In c) { on_bits<Where>(y, a, b, c); }

}  // namespace fastnn::FN_ISA
