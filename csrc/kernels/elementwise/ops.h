// elementwise/ops.h: arithmetic formulas, each once. V is a vector of floats or doubles (CPU), one float or double (CUDA), or
// (I) one integer.
//
// Names are those of kernels.def in CamelCase. `f_dx(g, ...)` is the derivative of f times g, in one pass; what it reads
// besides g (x or y) is what the op saves. Read on: activation.h, tile.h (how a formula becomes a loop).
#pragma once
#if defined(FN_CUDA)
#include "tile.cuh"
#else
#include "tile.h"
#endif

namespace fastnn::FN_ISA {

struct Cheap { static constexpr int64_t GRAIN = CHEAP; };
struct Costly { static constexpr int64_t GRAIN = COSTLY; };

#define FORMULA(Name, Cost, Params, expression) \
  struct Name : Cost { template <class V> FN V operator() Params const { return expression; } };

template <class V> FN V number(double c) { return splat(scalar<V>(c)); }

// ---- arithmetic ------------------------------------------------------------------------------------------------------
FORMULA(Add, Cheap, (V a, V b), a + b)
FORMULA(Sub, Cheap, (V a, V b), a - b)
FORMULA(Mul, Cheap, (V a, V b), a * b)
FORMULA(Div, Cheap, (V a, V b), a / b)
FORMULA(Neg, Cheap, (V a), -a)
FORMULA(Square, Cheap, (V a), a * a)
FORMULA(Cube, Cheap, (V a), a * a * a)
FORMULA(Maximum, Cheap, (V a, V b), max_nan(a, b))
FORMULA(Minimum, Cheap, (V a, V b), min_nan(a, b))
FORMULA(Fmax, Cheap, (V a, V b), ((a > b) | (b != b)) ? a : b)  // the other one where one is NaN
FORMULA(Fmin, Cheap, (V a, V b), ((a < b) | (b != b)) ? a : b)
FORMULA(Addcmul, Cheap, (V x, V a, V b), x + a * b)
FORMULA(Addcdiv, Cheap, (V x, V a, V b), x + a / b)
FORMULA(Clamp, Cheap, (V x, V lo, V hi), min_nan(max_nan(x, lo), hi))
FORMULA(Copysign, Cheap, (V a, V b), copysign(a, b))
// From the nearer end, so that lerp(a, b, 1) is b
FORMULA(Lerp, Cheap, (V a, V b, V w), abs(w) < scalar<V>(0.5) ? a + w * (b - a) : b - (number<V>(1) - w) * (b - a))

FORMULA(Abs, Cheap, (V a), abs(a))
FORMULA(Sign, Cheap, (V a), a > number<V>(0) ? number<V>(1) : a < number<V>(0) ? number<V>(-1) : number<V>(0))
FORMULA(Floor, Cheap, (V a), floor(a))
FORMULA(Ceil, Cheap, (V a), ceil(a))
FORMULA(Trunc, Cheap, (V a), trunc(a))
FORMULA(Round, Cheap, (V a), round(a))
FORMULA(Frac, Cheap, (V a), a - trunc(a))

// Gradient of maximum and minimum for their first argument: all of g, nothing, or half of it on a tie.
FORMULA(MaximumDx, Cheap, (V g, V a, V b), a == b ? scalar<V>(0.5) * g : a < b ? number<V>(0) : g)
FORMULA(MinimumDx, Cheap, (V g, V a, V b), a == b ? scalar<V>(0.5) * g : a > b ? number<V>(0) : g)
FORMULA(AbsDx, Cheap, (V g, V x), x > number<V>(0) ? g : x < number<V>(0) ? -g : x == number<V>(0) ? number<V>(0) : x)
FORMULA(SquareDx, Cheap, (V g, V x), scalar<V>(2) * g * x)

// Derivatives of reductions, g and y (mean: m) broadcast along the reduced axes: one pass over x.
FORMULA(VarDx, Cheap, (V g, V x, V m), g * (x - m))
FORMULA(LogsumexpDx, Costly, (V g, V x, V y), g * exp(x - max(number<V>(-3e38), y)))  // a row of -inf has gradient 0
FORMULA(ExtremumDx, Cheap, (V g, V x, V y), x == y ? g : number<V>(0))

// ---- division with remainder ---------------------------------------------------------------------------------------------
// fmod(a, b) = a - b trunc(a / b), exactly. The quotient is rounded, so it may be one too large: the remainder then comes
// out negative, and b is added back. Quotients that do not fit the significand go one lane at a time.
template <class V> FN V fmod(V a, V b) {
  using T = scalar<V>;
  V x = abs(a), m = abs(b), q = trunc(x / m);
  auto p = two_product(q, m);
  V r = (x - p.hi) - p.lo;
  r = r < T(0) ? r + m : r;
  r = (m == splat(Limits<T>::INF)) & (x < splat(Limits<T>::INF)) ? x : r;
  constexpr T MOST = sizeof(T) == 4 ? T(0x1p22) : T(0x1p50), LEAST = sizeof(T) == 4 ? T(0x1p-100) : T(0x1p-900);
  if (any_lane((q > T(0)) & (x < T(Limits<T>::INF)) & (m > T(0)) & ((q > MOST) | (x < LEAST)))) [[unlikely]]
    for (int i = 0; i < lanes<T>; ++i) r[i] = sizeof(T) == 4 ? T(__builtin_fmodf(x[i], m[i])) : T(__builtin_fmod(x[i], m[i]));
  return copysign(r, a);
}
struct Fmod : Costly {
  template <class V> FN V operator()(V a, V b) const { return fmod(a, b); }
};
struct Remainder : Costly {  // has the sign of b, as Python's %
  template <class V> FN V operator()(V a, V b) const {
    V r = fmod(a, b);
    auto zero = number<V>(0);
    return (r != zero) & ((r < zero) != (b < zero)) ? r + b : r;
  }
};
struct FloorDivide : Costly {  // Python's //: from the remainder, so that a == (a // b) * b + a % b as closely as can be
  template <class V> FN V operator()(V a, V b) const {
    auto zero = number<V>(0), one = number<V>(1);
    V r = fmod(a, b), q = (a - r) / b;
    q = (r != zero) & ((r < zero) != (b < zero)) ? q - one : q;
    V f = floor(q);
    f = q - f > number<V>(0.5) ? f + one : f;
    f = q != zero ? f : copysign(zero, a / b);
    return b == zero ? a / b : f;
  }
};

// ---- integers ------------------------------------------------------------------------------------------------------------
// Sums wrap around (computed unsigned, where overflow is defined).
template <class I> struct UnsignedOf { using type = I; };
template <> struct UnsignedOf<int64_t> { using type = uint64_t; };
template <> struct UnsignedOf<int32_t> { using type = uint32_t; };
template <class I> using Unsigned = typename UnsignedOf<I>::type;
#define WRAPPING(Name, Params, expression)            \
  struct Name : Cheap {                               \
    template <class I> FN I operator() Params const { \
      using U = Unsigned<I>;                          \
      return I(expression);                           \
    }                                                 \
  };
WRAPPING(IntAdd, (I a, I b), U(a) + U(b))
WRAPPING(IntSub, (I a, I b), U(a) - U(b))
WRAPPING(IntMul, (I a, I b), U(a) * U(b))
WRAPPING(IntNeg, (I a), U(0) - U(a))
WRAPPING(IntSquare, (I a), U(a) * U(a))
WRAPPING(IntCube, (I a), U(a) * U(a) * U(a))
WRAPPING(IntAddcmul, (I x, I a, I b), U(x) + U(a) * U(b))
WRAPPING(IntAbs, (I a), a < 0 ? U(0) - U(a) : U(a))
FORMULA(Same, Cheap, (V a), a)
FORMULA(IntSign, Cheap, (V a), V((a > 0) - (a < 0)))
FORMULA(IntMax, Cheap, (V a, V b), a > b ? a : b)
FORMULA(IntMin, Cheap, (V a, V b), a < b ? a : b)
FORMULA(IntClamp, Cheap, (V x, V lo, V hi), IntMin{}(IntMax{}(x, lo), hi))

FN_RAISES raise_zero_division();  // (on a GPU: notes it and returns, so callers return at once)
struct IntFmod : Costly {
  template <class I> FN I operator()(I a, I b) const {
    if (b == 0) return I(raise_zero_division());
    return b == I(-1) ? I(0) : I(a % b);  // the smallest number % -1 traps
  }
};
struct IntRemainder : Costly {
  template <class I> FN I operator()(I a, I b) const {
    const I r = IntFmod{}(a, b);
    return r != 0 && (r < 0) != (b < 0) ? I(r + b) : r;
  }
};
struct IntFloorDivide : Costly {
  template <class I> FN I operator()(I a, I b) const {
    if (b == 0) return I(raise_zero_division());
    if (I(-1) < 0 && b == I(-1)) return I(Unsigned<I>(0) - Unsigned<I>(a));
    I q = I(a / b), r = I(a % b);
    return r != 0 && (r < 0) != (b < 0) ? I(q - 1) : q;
  }
};
FN_RAISES raise_negative_power();
struct IntPow : Costly {
  template <class I> FN I operator()(I a, I n) const {
    if (n < 0) return I(raise_negative_power());
    Unsigned<I> y = 1, p = Unsigned<I>(a);
    for (auto k = Unsigned<I>(n); k; k >>= 1) {
      if (k & 1) y = Unsigned<I>(y * p);
      p = Unsigned<I>(p * p);
    }
    return I(y);
  }
};

FORMULA(BitwiseAnd, Cheap, (V a, V b), V(a & b))
FORMULA(BitwiseOr, Cheap, (V a, V b), V(a | b))
FORMULA(BitwiseXor, Cheap, (V a, V b), V(a ^ b))
FORMULA(BitwiseNot, Cheap, (V a), V(~a))
template <class I> constexpr int BITS = int(sizeof(I) * 8);  // shifts by that much or more, or negative: as if bit by bit
WRAPPING(ShiftLeft, (I a, I n), U(n) >= U(BITS<I>) ? U(0) : U(a) << (U(n) & U(BITS<I> - 1)))
FORMULA(ShiftRight, Cheap, (V a, V n), V(Unsigned<V>(n) >= Unsigned<V>(BITS<V>) ? (a < 0 ? -1 : 0) : a >> (n & (BITS<V> - 1))))

// ---- comparisons: one number at a time, result 0 or 1 ---------------------------------------------------------------------
#define COMPARISON(Name, Params, expression) \
  struct Name : Cheap { template <class T> FN bool operator() Params const { return expression; } };
COMPARISON(Eq, (T a, T b), a == b)
COMPARISON(Ne, (T a, T b), a != b)
COMPARISON(Lt, (T a, T b), a < b)
COMPARISON(Le, (T a, T b), a <= b)
COMPARISON(Gt, (T a, T b), a > b)
COMPARISON(Ge, (T a, T b), a >= b)
COMPARISON(LogicalAnd, (T a, T b), (a != T(0)) & (b != T(0)))
COMPARISON(LogicalOr, (T a, T b), (a != T(0)) | (b != T(0)))
COMPARISON(LogicalXor, (T a, T b), (a != T(0)) != (b != T(0)))
COMPARISON(LogicalNot, (T a), a == T(0))
COMPARISON(Isnan, (T a), a != a)
COMPARISON(Isfinite, (T a), a - a == a - a)
COMPARISON(Isinf, (T a), (a == a) & (a - a != a - a))
COMPARISON(Between, (T x, T lo, T hi), (x > lo) & (x < hi))
struct Signbit : Cheap {
  FN bool operator()(float a) const { return __builtin_bit_cast(int32_t, a) < 0; }
  FN bool operator()(double a) const { return __builtin_bit_cast(int64_t, a) < 0; }
  template <class I> FN bool operator()(I a) const { return a < 0; }
};
struct Where : Cheap {
  template <class T> FN T operator()(uint8_t c, T a, T b) const { return c ? a : b; }
};

// ---- functions -----------------------------------------------------------------------------------------------------------
FORMULA(Reciprocal, Cheap, (V x), number<V>(1) / x)
FORMULA(Sqrt, Cheap, (V x), sqrt(x))
FORMULA(Rsqrt, Cheap, (V x), rsqrt(x))
#define FUNCTION(Name, f) FORMULA(Name, Costly, (V x), f(x))
FUNCTION(Exp, exp) FUNCTION(Exp2, exp2) FUNCTION(Expm1, expm1) FUNCTION(Log, log) FUNCTION(Log2, log2) FUNCTION(Log10, log10)
FUNCTION(Log1p, log1p) FUNCTION(Sin, sin) FUNCTION(Cos, cos) FUNCTION(Tan, tan) FUNCTION(Asin, asin) FUNCTION(Acos, acos)
FUNCTION(Atan, atan) FUNCTION(Sinh, sinh) FUNCTION(Cosh, cosh) FUNCTION(Asinh, asinh) FUNCTION(Acosh, acosh)
FUNCTION(Atanh, atanh) FUNCTION(Erf, erf) FUNCTION(Erfc, erfc)
FORMULA(Pow, Costly, (V x, V y), pow(x, y))
FORMULA(Atan2, Costly, (V y, V x), atan2(y, x))

template <class V> FN V hypot(V a, V b) {
  if constexpr (sizeof(a[0]) == 4) {
    auto p = widen(a), q = widen(b);
    V y = narrow({sqrt(p.lo * p.lo + q.lo * q.lo), sqrt(p.hi * p.hi + q.hi * q.hi)});
    return (abs(a) == Limits<float>::INF) | (abs(b) == Limits<float>::INF) ? number<V>(Limits<float>::INF) : y;
  } else {
    V m = max(abs(a), abs(b)), one = number<V>(1);
    V s = m > 1e150 ? number<V>(0x1p-600) : m < 1e-150 ? number<V>(0x1p600) : one;
    V back = m > 1e150 ? number<V>(0x1p600) : m < 1e-150 ? number<V>(0x1p-600) : one;
    V p = a * s, q = b * s, y = sqrt(p * p + q * q) * back;
    return (abs(a) == Limits<double>::INF) | (abs(b) == Limits<double>::INF) ? number<V>(Limits<double>::INF) : y;
  }
}
FORMULA(Hypot, Cheap, (V a, V b), hypot(a, b))
struct Logaddexp : Costly {  // log(exp(a) + exp(b))
  template <class V> FN V operator()(V a, V b) const {
    V y = max_nan(a, b) + log1p_unit(exp(-abs(a - b)));
    return (a == b) & (abs(a) == Limits<scalar<V>>::INF) ? a : y;
  }
};
struct Xlogy : Costly {  // x log y, 0 at x = 0 whatever y (but NaN)
  template <class V> FN V operator()(V x, V y) const {
    return (x == number<V>(0)) & (y == y) ? number<V>(0) : x * log(y);
  }
};

FORMULA(SqrtDx, Cheap, (V g, V y), scalar<V>(0.5) * g / y)
FORMULA(RsqrtDx, Cheap, (V g, V y), scalar<V>(-0.5) * g * y * y * y)
FORMULA(ReciprocalDx, Cheap, (V g, V y), -g * y * y)
FORMULA(Expm1Dx, Cheap, (V g, V y), g * y + g)
FORMULA(Log1pDx, Cheap, (V g, V x), g / (number<V>(1) + x))
FORMULA(SinDx, Costly, (V g, V x), g * cos(x))
FORMULA(CosDx, Costly, (V g, V x), -g * sin(x))
FORMULA(TanDx, Cheap, (V g, V y), g * (number<V>(1) + y * y))
FORMULA(AsinDx, Cheap, (V g, V x), g / sqrt(number<V>(1) - x * x))
FORMULA(AtanDx, Cheap, (V g, V x), g / (number<V>(1) + x * x))
FORMULA(SinhDx, Costly, (V g, V x), g * cosh(x))
FORMULA(CoshDx, Costly, (V g, V x), g * sinh(x))
FORMULA(AsinhDx, Cheap, (V g, V x), g / sqrt(number<V>(1) + x * x))
FORMULA(AcoshDx, Cheap, (V g, V x), g / sqrt(x * x - number<V>(1)))
FORMULA(AtanhDx, Cheap, (V g, V x), g / (number<V>(1) - x * x))
FORMULA(ErfDx, Costly, (V g, V x), scalar<V>(1.1283791670955126) * g * exp(-(x * x)))

}  // namespace fastnn::FN_ISA
