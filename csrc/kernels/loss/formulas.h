// loss/formulas.h: losses that compare two arrays number by number: value and slope of each, once. V is a vector of floats or doubles
// (CPU), or one of them (CUDA); in[0] is x, in[1] the target, then weights.
#pragma once

namespace fastnn::FN_ISA {

template <class V, class T> FN V constant(T s) { return s - V{}; }

struct Mse {
  template <class V, class T> FN static V value(const V* in, T) { return (in[0] - in[1]) * (in[0] - in[1]); }
  template <class V, class T> FN static V slope(const V* in, T) { return 2 * (in[0] - in[1]); }
};

template <class V> FN V sign(V d) { return d > 0 ? V{} + 1 : (d < 0 ? V{} - 1 : d); }  // ±0 and NaN stay

struct L1 {
  template <class V, class T> FN static V value(const V* in, T) { return abs(in[0] - in[1]); }
  template <class V, class T> FN static V slope(const V* in, T) { return sign(in[0] - in[1]); }
};

struct SmoothL1 {  // |d| < β: d²/2β, else |d| - β/2
  template <class V, class T> FN static V value(const V* in, T beta) {
    V d = abs(in[0] - in[1]);
    return d < beta ? d * d * (T(0.5) / beta) : d - T(0.5) * beta;
  }
  template <class V, class T> FN static V slope(const V* in, T beta) {
    V d = in[0] - in[1];
    return abs(d) < beta ? d / beta : sign(d);
  }
};

struct Huber {  // |d| <= δ: d²/2, else δ(|d| - δ/2)
  template <class V, class T> FN static V value(const V* in, T delta) {
    V d = abs(in[0] - in[1]);
    return d <= delta ? T(0.5) * d * d : delta * (d - T(0.5) * delta);
  }
  template <class V, class T> FN static V slope(const V* in, T delta) {
    V d = in[0] - in[1];
    return abs(d) <= delta ? d : delta * sign(d);
  }
};

struct BinaryCrossEntropy {  // -(t·log x + (1-t)·log(1-x))·w, the logarithms kept above -100
  template <class V> FN static V log_above(V l) { return l < -100 ? constant<V>(lane<V>(-100)) : l; }
  template <class V, class T> FN static V value(const V* in, T) {
    V x = in[0], t = in[1];
    return ((t - 1) * log_above(log1p(-x)) - t * log_above(log(x))) * in[2];
  }
  template <class V, class T> FN static V slope(const V* in, T) {
    V x = in[0], spread = (1 - x) * x, least = constant<V>(T(1e-12));
    return (x - in[1]) / (spread < T(1e-12) ? least : spread) * in[2];
  }
};

// (1-t)·softplus(x) + p·t·softplus(-x), all times w;  e = exp(-|x|) never overflows and serves both sides:
// softplus(±x) = max(±x, 0) + log1p(e), and sigmoid(|x|) = 1/(1+e), sigmoid(-|x|) = e/(1+e) without cancellation
struct BinaryCrossEntropyWithLogits {
  template <class V, class T> FN static V value(const V* in, T) {
    V x = in[0], t = in[1], l = log1p(exp(-abs(x))), zero{};
    return ((1 - t) * (max(x, zero) + l) + in[3] * t * (max(-x, zero) + l)) * in[2];
  }
  template <class V, class T> FN static V slope(const V* in, T) {
    V x = in[0], t = in[1], e = exp(-abs(x)), big = 1 / (1 + e), small = e * big;
    V up = x < 0 ? small : big, down = x < 0 ? big : small;
    return ((1 - t) * up - in[3] * t * down) * in[2];
  }
};

}  // namespace fastnn::FN_ISA
