// elementwise/activation.h: the non-linearities of networks and their derivatives, each formula once.
//
// NaN goes through all of them: comparisons are written so that NaN takes the branch that computes. Every derivative at a
// kink is PyTorch's (relu'(0) = 0). A number that an activation has (slope, alpha, lambda) is one more operand.
#pragma once
#include "ops.h"

namespace fastnn::FN_ISA {

template <class V> FN V zero() { return V{}; }
template <class V> FN V one() { return splat(scalar<V>(1)); }

FORMULA(Relu, Cheap, (V x), max(zero<V>(), x))  // NaN is returned: it is the second
FORMULA(ReluDx, Cheap, (V g, V y), y <= zero<V>() ? zero<V>() : g)
FORMULA(IntRelu, Cheap, (V x), x < 0 ? V(0) : x)
FORMULA(Relu6, Cheap, (V x), min(number<V>(6), max(zero<V>(), x)))
FORMULA(LeakyRelu, Cheap, (V x, V slope), x > zero<V>() ? x : slope * x)
FORMULA(LeakyReluDx, Cheap, (V g, V x, V slope), x > zero<V>() ? g : slope * g)
FORMULA(Threshold, Cheap, (V x, V t, V value), t >= x ? value : x)

FORMULA(Elu, Costly, (V x, V alpha), x > zero<V>() ? x : alpha * expm1(x))
FORMULA(EluDx, Costly, (V g, V x, V alpha), x > zero<V>() ? g : g * alpha * exp(x))
FORMULA(Celu, Costly, (V x, V alpha), x > zero<V>() ? x : alpha * expm1(x / alpha))
FORMULA(CeluDx, Costly, (V g, V x, V alpha), x > zero<V>() ? g : g * exp(x / alpha))
constexpr double SELU_SCALE = 1.0507009873554804934193349852946, SELU_ALPHA = 1.6732632423543772848170429916717;
FORMULA(Selu, Costly, (V x), scalar<V>(SELU_SCALE) * (x > zero<V>() ? x : scalar<V>(SELU_ALPHA) * expm1(x)))
FORMULA(SeluDx, Costly, (V g, V x),
        scalar<V>(SELU_SCALE) * g * (x > zero<V>() ? one<V>() : scalar<V>(SELU_ALPHA) * exp(x)))

FORMULA(Tanh, Costly, (V x), tanh(x))
FORMULA(TanhDx, Cheap, (V g, V y), g * (one<V>() - y * y))
FORMULA(TanhDxDy, Cheap, (V h, V g, V y), scalar<V>(-2) * h * g * y)
FORMULA(Sigmoid, Costly, (V x), sigmoid(x))
FORMULA(SigmoidDx, Cheap, (V g, V y), g * (y - y * y))
FORMULA(Logsigmoid, Costly, (V x), logsigmoid(x))
FORMULA(LogsigmoidDx, Costly, (V g, V x), g * sigmoid(-x))
FORMULA(Softplus, Costly, (V x, V threshold), x > threshold ? x : softplus(x))
FORMULA(SoftplusDx, Costly, (V g, V x, V threshold), x > threshold ? g : g * sigmoid(x))

// gelu(x) = x P(X < x), X normal;  gelu_tanh approximates it, with u the argument of its tanh
constexpr double SQRT_HALF = 0.70710678118654752440, INV_SQRT_2PI = 0.39894228040143267794;
constexpr double GELU_A = 0.79788456080286535588, GELU_B = 0.044715;
FORMULA(Gelu, Costly, (V x), scalar<V>(0.5) * x * (one<V>() + erf(scalar<V>(SQRT_HALF) * x)))
struct GeluDx : Costly {
  template <class V> FN V operator()(V g, V x) const {
    using T = scalar<V>;
    V p = T(0.5) * (one<V>() + erf(T(SQRT_HALF) * x));
    return g * (p + T(INV_SQRT_2PI) * x * exp(T(-0.5) * x * x));
  }
};
struct GeluTanh : Costly {
  template <class V> FN V operator()(V x) const {
    using T = scalar<V>;
    V u = T(GELU_A) * x * (one<V>() + T(GELU_B) * x * x);
    return T(0.5) * x * (one<V>() + tanh(u));
  }
};
struct GeluTanhDx : Costly {
  template <class V> FN V operator()(V g, V x) const {
    using T = scalar<V>;
    V z = x * x, t = tanh(T(GELU_A) * x * (one<V>() + T(GELU_B) * z));
    V du = T(GELU_A) * (one<V>() + T(3 * GELU_B) * z), flat = one<V>() - t * t;
    return T(0.5) * g * (one<V>() + t + (flat == zero<V>() ? flat : x * flat * du));
  }
};

FORMULA(Silu, Costly, (V x), x / (one<V>() + exp(-x)))
struct SiluDx : Costly {
  template <class V> FN V operator()(V g, V x) const {
    V s = sigmoid(x);
    return g * (s + x * (s - s * s));
  }
};
// mish(x) = x tanh(log(1 + e^x)) = x n / (n + 2),  n = e^x (e^x + 2)
struct Mish : Costly {
  template <class V> FN V operator()(V x) const {
    V top = number<V>(25), e = exp(min(top, x)), n = e * e + scalar<V>(2) * e;
    return x * (n / (n + number<V>(2)));
  }
};
struct MishDx : Costly {
  template <class V> FN V operator()(V g, V x) const {
    V top = number<V>(25), e = exp(min(top, x)), n = e * e + scalar<V>(2) * e;
    V t = n / (n + number<V>(2)), flat = one<V>() - t * t;
    return g * (t + x * flat * (e / (one<V>() + e)));
  }
};

FORMULA(Hardsigmoid, Cheap, (V x), min(number<V>(6), max(zero<V>(), x + number<V>(3))) * scalar<V>(1. / 6))
FORMULA(HardsigmoidDx, Cheap, (V g, V x),
        (x > number<V>(-3)) & (x < number<V>(3)) ? g * scalar<V>(1. / 6) : zero<V>())
FORMULA(Hardswish, Cheap, (V x), x * min(number<V>(6), max(zero<V>(), x + number<V>(3))) * scalar<V>(1. / 6))
FORMULA(HardswishDx, Cheap, (V g, V x),
        x <= number<V>(-3) ? zero<V>() : x < number<V>(3) ? g * (x * scalar<V>(1. / 3) + number<V>(0.5)) : g)
FORMULA(Softsign, Cheap, (V x), x / (one<V>() + abs(x)))
struct SoftsignDx : Cheap {
  template <class V> FN V operator()(V g, V x) const {
    V d = one<V>() + abs(x);
    return g / (d * d);
  }
};
FORMULA(Tanhshrink, Costly, (V x), x - tanh(x))
FORMULA(Hardshrink, Cheap, (V x, V l), (x >= -l) & (x <= l) ? zero<V>() : x)
FORMULA(Softshrink, Cheap, (V x, V l), x > l ? x - l : x < -l ? x + l : x == x ? zero<V>() : x)
FORMULA(ShrinkDx, Cheap, (V g, V x, V l), (x >= -l) & (x <= l) ? zero<V>() : g)

}  // namespace fastnn::FN_ISA
