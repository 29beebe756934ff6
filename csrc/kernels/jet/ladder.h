// jet/ladder.h: an activation and its derivatives, s[k] = s^(k)(z) for k = 0..n, n <= 5 (order 4, and one for the adjoint).
// Where a derivative is a polynomial in the function, all of them cost one evaluation of the function.
// Generic in the vector: of the names of core/math.h on the CPU, of one number and core/cuda/scalar.h on a GPU. Include those first.
#pragma once

namespace fastnn::FN_ISA {

template <class V> FN V whole(double c) { return splat(lane<V>(c)); }

struct TanhLadder {  // t = tanh z,  q = t' = 1 - t^2
  template <class V> FN void operator()(V z, int n, V* s) const {
    using T = lane<V>;
    V t = tanh(z), z2 = t * t, q = whole<V>(1) - z2;
    s[0] = t, s[1] = q;
    if (n >= 2) s[2] = T(-2) * t * q;
    if (n >= 3) s[3] = q * (T(6) * z2 - whole<V>(2));
    if (n >= 4) s[4] = q * t * (whole<V>(16) - T(24) * z2);
    if (n >= 5) s[5] = q * (whole<V>(16) - T(120) * z2 * q);
  }
};

struct SinLadder {
  template <class V> FN void operator()(V z, int n, V* s) const {
    V a = sin(z), b = cos(z);
    s[0] = a, s[1] = b;
    if (n >= 2) s[2] = -a;
    if (n >= 3) s[3] = -b;
    if (n >= 4) s[4] = a;
    if (n >= 5) s[5] = b;
  }
};

// s = sigmoid z and its derivatives from n = 1 on, polynomials in q = s' = s (1 - s), m = 1 - 2 s
template <class V> FN void sigmoid_derivatives(V y, int n, V* s) {
  using T = lane<V>;
  V q = y - y * y, m = whole<V>(1) - T(2) * y;
  s[0] = y, s[1] = q;
  if (n >= 2) s[2] = q * m;
  if (n >= 3) s[3] = q * (whole<V>(1) - T(6) * q);
  if (n >= 4) s[4] = q * m * (whole<V>(1) - T(12) * q);
  if (n >= 5) s[5] = q * (whole<V>(1) - q * (whole<V>(30) - T(120) * q));
}
struct SigmoidLadder {
  template <class V> FN void operator()(V z, int n, V* s) const { sigmoid_derivatives(sigmoid(z), n, s); }
};

struct SiluLadder {  // (z σ)^(k) = z σ^(k) + k σ^(k-1)
  template <class V> FN void operator()(V z, int n, V* s) const {
    V r[6];
    sigmoid_derivatives(sigmoid(z), n, r);
    s[0] = z * r[0];
    for (int k = 1; k <= n; ++k) s[k] = z * r[k] + lane<V>(k) * r[k - 1];
  }
};

struct SoftplusLadder {  // z itself beyond 20, as PyTorch's
  template <class V> FN void operator()(V z, int n, V* s) const {
    V r[5], zero{};
    auto far = z > whole<V>(20);
    sigmoid_derivatives(sigmoid(z), n - 1, r);
    s[0] = far ? z : softplus(z);
    s[1] = far ? whole<V>(1) : r[0];
    for (int k = 2; k <= n; ++k) s[k] = far ? zero : r[k - 1];
  }
};

struct GeluLadder {  // z P(X < z); p the normal density, p' = -z p. Beyond 40 p is 0, and powers of z must not overflow.
  template <class V> FN void operator()(V z, int n, V* s) const {
    using T = lane<V>;
    V a = min(whole<V>(40), max(whole<V>(-40), z)), z2 = a * a;
    V below = T(0.5) * (whole<V>(1) + erf(T(0.70710678118654752440) * z));
    V p = T(0.39894228040143267794) * exp(T(-0.5) * z2);
    s[0] = z * below, s[1] = below + a * p;
    if (n >= 2) s[2] = p * (whole<V>(2) - z2);
    if (n >= 3) s[3] = p * a * (z2 - whole<V>(4));
    if (n >= 4) s[4] = p * (z2 * (whole<V>(7) - z2) - whole<V>(4));
    if (n >= 5) s[5] = p * a * (z2 * (z2 - whole<V>(11)) + whole<V>(18));
  }
};

// Calls f(ladder) for the activation of that number; ops/jet.py has the names in this order.
template <class F> FN bool with_ladder(int64_t activation, const F& f) {
  switch (activation) {
    case 0: f(TanhLadder{}); return true;
    case 1: f(SinLadder{}); return true;
    case 2: f(SigmoidLadder{}); return true;
    case 3: f(GeluLadder{}); return true;
    case 4: f(SiluLadder{}); return true;
    case 5: f(SoftplusLadder{}); return true;
  }
  return false;
}

}  // namespace fastnn::FN_ISA
