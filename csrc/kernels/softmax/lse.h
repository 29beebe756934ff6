// softmax/lse.h: the two numbers everything here needs of a row: its maximum m, and s = Σ exp(x - m).
//
//    softmax = exp(x - m) / s          logsumexp = m + log s          both finite for any finite x
//
// A row of -inf gives m - m = NaN everywhere, as does +inf or NaN anywhere in it (exp carries it into s).
#pragma once
#include "../../core/math.h"
#include "../../core/sweep.h"

namespace fastnn::FN_ISA {

template <class T> constexpr T NEG_INF = -T(__builtin_inf());

// exp(x) for x <= 0 (or NaN), 0 where the result would be subnormal. A subnormal costs 160 ns a vector (the core traps into
// microcode; Cascade Lake), and masked attention scores make whole rows of them.
template <class V> FN V exp_weight(V x) {
  using T = scalar<V>;
  constexpr bool f = sizeof(T) == 4;
  constexpr T LO = f ? T(-87.3) : T(-708.3);
  V t = x < LO ? splat(LO) : x;
  auto z = to_integer(t * T(1.4426950408889634));
  V r = t - z.n * (f ? T(0x1.63p-1) : T(0x1.62e42feep-1));
  r -= z.n * (f ? T(-2.12194440054690583e-4) : T(1.90821492927058770e-10));
  V y = (constant<V>(1) + (r + r * r * exp_q(r))) * pow2<V>(z.i);
  return x < LO ? V{} : y;
}

template <class T> FN T row_max(const T* x, int64_t n) {
  vec<T> m[4];
  m[0] = m[1] = m[2] = m[3] = splat(NEG_INF<T>);
  sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA { m[k] = max(m[k], load_part(x + i, c, NEG_INF<T>)); });
  return max_lanes<T>(max(max(m[0], m[1]), max(m[2], m[3])));
}

struct Nothing {
  FN void operator()(const void*) const {}
};
template <class T, class F = Nothing> FN T row_sum_exp(const T* x, int64_t n, T m, F fetch = {}) {
  vec<T> s[4] = {};
  sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
    fetch(x + i);
    s[k] += exp_weight(load_part(x + i, c, NEG_INF<T>) - m);
  });
  return sum_of<T>(s);
}

// A row of at most 8 vectors is held in registers from the first load to the last store: K = ceil(n / lanes), the last
// one with c lanes. Rows of 33 were 4 times slower through memory: a masked store cannot be forwarded to a later load,
// which then waits until the store has left the core (measured on Cascade Lake).
constexpr int HELD = 8;

template <class T> FN int64_t last_lanes(int64_t n) { return n - (n - 1) / lanes<T> * lanes<T>; }

template <int K, class T> FN void load_row(vec<T>* v, const T* x, int64_t c, T fill) {
#pragma GCC unroll 8
  for (int k = 0; k < K - 1; ++k) v[k] = load(x + k * lanes<T>);
  v[K - 1] = load_part(x + (K - 1) * lanes<T>, c, fill);
}
template <int K, class T> FN void store_row(T* y, const vec<T>* v, int64_t c) {
#pragma GCC unroll 8
  for (int k = 0; k < K - 1; ++k) store(y + k * lanes<T>, v[k]);
  store_part(y + (K - 1) * lanes<T>, v[K - 1], c);
}
template <int K, class T> FN T held_max(const vec<T>* v) {
  vec<T> m = v[0];
#pragma GCC unroll 8
  for (int k = 1; k < K; ++k) m = max(m, v[k]);
  return max_lanes<T>(m);
}
template <int K, class T> FN T held_sum(const vec<T>* v) {
  vec<T> s = v[0];
#pragma GCC unroll 8
  for (int k = 1; k < K; ++k) s += v[k];
  return sum_lanes<T>(s);
}
template <int K, class T> FN T held_exp(vec<T>* v, T m) {  // v = exp(v - m), returns the sum
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) v[k] = exp_weight(v[k] - m);
  return held_sum<K, T>(v);
}

// f(constant K) for K = ceil(n / lanes) <= 8
template <int K> struct Vectors { static constexpr int count = K; };
template <class T, class F> FN void with_vectors(int64_t n, const F& f) {
  switch ((n + lanes<T> - 1) / lanes<T>) {
    case 1: return f(Vectors<1>{});
    case 2: return f(Vectors<2>{});
    case 3: return f(Vectors<3>{});
    case 4: return f(Vectors<4>{});
    case 5: return f(Vectors<5>{});
    case 6: return f(Vectors<6>{});
    case 7: return f(Vectors<7>{});
    default: return f(Vectors<8>{});
  }
}

// y = exp(x - m) but for the last, partial vector, which comes back in `rest`; returns the sum of all.
template <class T, class F = Nothing> FN T row_exp(T* y, vec<T>& rest, const T* x, int64_t n, T m, F fetch = {}) {
  int64_t whole = n - n % lanes<T>;
  vec<T> s[4] = {};
  sweep<T>(whole, [&](int64_t i, int k, int64_t) FN_LAMBDA {
    fetch(x + i);
    vec<T> e = exp_weight(load(x + i) - m);
    store(y + i, e);
    s[k] += e;
  });
  rest = vec<T>{};
  if (whole < n) s[1] += rest = exp_weight(load_n(x + whole, n - whole, NEG_INF<T>) - m);
  return sum_of<T>(s);
}

template <class T> FN void row_stats(T& m, T& s, const T* x, int64_t n) {
  if (n > HELD * lanes<T> || n == 0) {
    m = row_max(x, n);
    s = row_sum_exp(x, n, m);
    return;
  }
  with_vectors<T>(n, [&](auto vectors) FN_LAMBDA {
    constexpr int K = decltype(vectors)::count;
    vec<T> v[K];
    load_row<K, T>(v, x, last_lanes<T>(n), NEG_INF<T>);
    m = held_max<K, T>(v);
    s = held_exp<K, T>(v, m);
  });
}

// U vectors of rows side by side: step j of all of them is at x + j·stride.
template <int U, class T> FN void column_max(vec<T>* m, const T* x, int64_t n, int64_t stride, int64_t c) {
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) m[u] = splat(NEG_INF<T>);
  for (int64_t j = 0; j < n; ++j)
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) m[u] = max(m[u], load_part(x + j * stride + u * lanes<T>, c));
}

template <int U, class T> FN void column_sum_exp(vec<T>* s, const vec<T>* m, const T* x, int64_t n, int64_t stride,
                                                 int64_t c) {
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) s[u] = vec<T>{};
  for (int64_t j = 0; j < n; ++j)
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) s[u] += exp_weight(load_part(x + j * stride + u * lanes<T>, c) - m[u]);
}

// The same, and the exponentials are kept in y.
template <int U, class T> FN void column_exp(T* y, vec<T>* s, const vec<T>* m, const T* x, int64_t n, int64_t stride, int64_t c) {
#pragma GCC unroll 4
  for (int u = 0; u < U; ++u) s[u] = vec<T>{};
  for (int64_t j = 0; j < n; ++j)
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      const int64_t i = j * stride + u * lanes<T>;
      const vec<T> e = exp_weight(load_part(x + i, c) - m[u]);
      s[u] += e;
      store_part(y + i, e, c);
    }
}

template <class T> FN T log1(T x) { return log(splat(x))[0]; }

}  // namespace fastnn::FN_ISA
