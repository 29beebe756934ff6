// softmax.cpp: probabilities along one axis, their logarithm, and both derivatives.
//
//    softmax         y = exp(x - max x) / Σ exp(x - max x)           log_softmax       y = x - max x - log Σ exp(x - max x)
//    softmax_dx      dx = y·(g - Σ g·y)                              log_softmax_dx    dx = g - exp(y)·Σ g
//
// cost     three passes over a row that stays in the first-level cache: maximum; exp and sum; scale. From memory one read
//          and one write, so a long row is bound by memory and a short one by exp (about 10 instructions a vector)
// read on  axis.h (lanes along the row, across rows, or rows turned into lanes)  →  lse.h  →  ../loss/cross_entropy.cpp
#include "../declare.h"
#include "axis.h"
#include "lse.h"

namespace fastnn::FN_ISA {

#define EACH_VECTOR                       \
  _Pragma("GCC unroll 4") for (int u = 0; u < U; ++u)

struct Softmax {
  static constexpr int arrays = 2;
  static constexpr int turn = 1;
  template <class T, class F> FN static void row(T* y, const T* x, const T*, int64_t n, F fetch) {
    vec<T> rest;
    T scale = 1 / row_exp(y, rest, x, n, row_max(x, n), fetch);
    int64_t whole = n - n % lanes<T>;
    sweep<T>(whole, [&](int64_t i, int, int64_t) FN_LAMBDA { store(y + i, scale * load(y + i)); });
    if (whole < n) store_n(y + whole, scale * rest, n - whole);
  }
  template <int K, class T> FN static void held(T* y, const T* x, const T*, int64_t c) {
    vec<T> v[K];
    load_row<K, T>(v, x, c, NEG_INF<T>);
    T scale = 1 / held_exp<K, T>(v, held_max<K, T>(v));
    for (int k = 0; k < K; ++k) v[k] *= scale;
    store_row<K, T>(y, v, c);
  }
  template <int U, class T> FN static void columns(T* y, const T* x, const T*, int64_t n, int64_t stride, int64_t c) {
    vec<T> m[U], s[U];
    column_max<U>(m, x, n, stride, c);
    column_exp<U>(y, s, m, x, n, stride, c);
    EACH_VECTOR s[u] = 1 / s[u];
    for (int64_t j = 0; j < n; ++j) EACH_VECTOR {
      int64_t i = j * stride + u * lanes<T>;
      store_part(y + i, load_part(y + i, c) * s[u], c);
    }
  }
};

struct LogSoftmax {
  static constexpr int arrays = 2;
  static constexpr int turn = 2;
  template <class T, class F> FN static void row(T* y, const T* x, const T*, int64_t n, F fetch) {
    T m = row_max(x, n), lse = log1(row_sum_exp(x, n, m, fetch));
    // x - m first: m + log s would round away log s where m is large
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA { store_part(y + i, load_part(x + i, c) - m - lse, c); });
  }
  template <int K, class T> FN static void held(T* y, const T* x, const T*, int64_t c) {
    vec<T> v[K], e[K];
    load_row<K, T>(v, x, c, NEG_INF<T>);
    T m = held_max<K, T>(v);
    for (int k = 0; k < K; ++k) e[k] = v[k];
    T lse = log1(held_exp<K, T>(e, m));
    for (int k = 0; k < K; ++k) v[k] = v[k] - m - lse;
    store_row<K, T>(y, v, c);
  }
  template <int U, class T> FN static void columns(T* y, const T* x, const T*, int64_t n, int64_t stride, int64_t c) {
    vec<T> m[U], s[U];
    column_max<U>(m, x, n, stride, c);
    column_sum_exp<U>(s, m, x, n, stride, c);
    EACH_VECTOR s[u] = log(s[u]);
    for (int64_t j = 0; j < n; ++j) EACH_VECTOR {
      int64_t i = j * stride + u * lanes<T>;
      store_part(y + i, load_part(x + i, c) - m[u] - s[u], c);
    }
  }
};

struct SoftmaxDx {
  static constexpr int arrays = 3;
  static constexpr int turn = 0;
  template <class T, class F> FN static void row(T* dx, const T* g, const T* y, int64_t n, F fetch) {
    vec<T> s[4] = {};
    sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA { s[k] += load_part(g + i, c) * load_part(y + i, c); });
    T dot = sum_of<T>(s);
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
      fetch.second(y + i), fetch.second(g + i);
      store_part(dx + i, load_part(y + i, c) * (load_part(g + i, c) - dot), c);
    });
  }
  template <int K, class T> FN static void held(T* dx, const T* g, const T* y, int64_t c) {
    vec<T> v[K], p[K];
    load_row<K, T>(v, g, c, T(0));
    load_row<K, T>(p, y, c, T(0));
    vec<T> s = v[0] * p[0];
    for (int k = 1; k < K; ++k) s += v[k] * p[k];
    T dot = sum_lanes<T>(s);
    for (int k = 0; k < K; ++k) v[k] = p[k] * (v[k] - dot);
    store_row<K, T>(dx, v, c);
  }
  template <int U, class T> FN static void columns(T* dx, const T* g, const T* y, int64_t n, int64_t stride, int64_t c) {
    vec<T> s[U] = {};
    for (int64_t j = 0; j < n; ++j) EACH_VECTOR {
      int64_t i = j * stride + u * lanes<T>;
      s[u] += load_part(g + i, c) * load_part(y + i, c);
    }
    for (int64_t j = 0; j < n; ++j) EACH_VECTOR {
      int64_t i = j * stride + u * lanes<T>;
      store_part(dx + i, load_part(y + i, c) * (load_part(g + i, c) - s[u]), c);
    }
  }
};

struct LogSoftmaxDx {
  static constexpr int arrays = 3;
  static constexpr int turn = 0;
  template <class T, class F> FN static void row(T* dx, const T* g, const T* y, int64_t n, F fetch) {
    vec<T> s[4] = {};
    sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA { s[k] += load_part(g + i, c); });
    T total = sum_of<T>(s);
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
      fetch(y + i), fetch(g + i);
      store_part(dx + i, load_part(g + i, c) - exp_weight(load_part(y + i, c)) * total, c);
    });
  }
  template <int K, class T> FN static void held(T* dx, const T* g, const T* y, int64_t c) {
    vec<T> v[K], p[K];
    load_row<K, T>(v, g, c, T(0));
    load_row<K, T>(p, y, c, T(0));
    T total = held_sum<K, T>(v);
    for (int k = 0; k < K; ++k) v[k] -= exp_weight(p[k]) * total;
    store_row<K, T>(dx, v, c);
  }
  template <int U, class T> FN static void columns(T* dx, const T* g, const T* y, int64_t n, int64_t stride, int64_t c) {
    vec<T> s[U] = {};
    for (int64_t j = 0; j < n; ++j) EACH_VECTOR s[u] += load_part(g + j * stride + u * lanes<T>, c);
    for (int64_t j = 0; j < n; ++j) EACH_VECTOR {
      int64_t i = j * stride + u * lanes<T>;
      store_part(dx + i, load_part(g + i, c) - exp_weight(load_part(y + i, c)) * s[u], c);
    }
  }
};

template <class A> static void run(const View& y, const View& a, const View& b, int64_t axis) {
  if (y.dtype == DType::f32) along_axis<A>(y.ptr<float>(), a.ptr<float>(), b.ptr<float>(), split_axis(y, axis));
  else along_axis<A>(y.ptr<double>(), a.ptr<double>(), b.ptr<double>(), split_axis(y, axis));
}

void softmax(PackedOut y, PackedIn x, int64_t axis) { run<Softmax>(y, x, x, axis); }
void log_softmax(PackedOut y, PackedIn x, int64_t axis) { run<LogSoftmax>(y, x, x, axis); }
void softmax_dx(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) { run<SoftmaxDx>(dx, g, y, axis); }
void log_softmax_dx(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) { run<LogSoftmaxDx>(dx, g, y, axis); }

}  // namespace fastnn::FN_ISA
