// softmax/rungs/vector.h: softmax of whole vectors, for rungs 2 and 3. `loop(rows, n, each)` runs each(begin, end).
#pragma once
#include "../../declare.h"
#include "../axis.h"

namespace fastnn::FN_ISA {

struct VectorSoftmax {
  template <class T> FN static void along(T* y, const T* x, const T*, int64_t n) {
    T most = row_max(x, n);
    vec<T> s[4] = {};
    sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
      vec<T> e = exp_weight(load_part(x + i, c, NEG_INF<T>) - most);
      s[k] += e;
      store_part(y + i, e, c);
    });
    T scale = 1 / sum_of<T>(s);
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA { store_part(y + i, scale * load_part(y + i, c), c); });
  }
  template <class T> FN static void across(T* y, const T* x, const T*, int64_t n, int64_t stride, int64_t c) {
    vec<T> most = splat(NEG_INF<T>), sum{};
    for (int64_t j = 0; j < n; ++j) most = max(most, load_part(x + j * stride, c));
    for (int64_t j = 0; j < n; ++j) {
      vec<T> e = exp_weight(load_part(x + j * stride, c) - most);
      sum += e;
      store_part(y + j * stride, e, c);
    }
    for (int64_t j = 0; j < n; ++j) store_part(y + j * stride, load_part(y + j * stride, c) / sum, c);
  }
};

struct VectorSoftmaxDx {
  template <class T> FN static void along(T* dx, const T* g, const T* y, int64_t n) {
    vec<T> s[4] = {};
    sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA { s[k] += load_part(g + i, c) * load_part(y + i, c); });
    T dot = sum_of<T>(s);
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
      store_part(dx + i, load_part(y + i, c) * (load_part(g + i, c) - dot), c);
    });
  }
  template <class T> FN static void across(T* dx, const T* g, const T* y, int64_t n, int64_t stride, int64_t c) {
    vec<T> dot{};
    for (int64_t j = 0; j < n; ++j) dot += load_part(g + j * stride, c) * load_part(y + j * stride, c);
    for (int64_t j = 0; j < n; ++j)
      store_part(dx + j * stride, load_part(y + j * stride, c) * (load_part(g + j * stride, c) - dot), c);
  }
};

template <class A, class T, class Loop> static void rows_of(T* y, const T* a, const T* b, Axis s, const Loop& loop) {
  if (s.outer * s.n * s.inner == 0) return;
  if (s.inner == 1)
    return loop(s.outer, s.n, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin * s.n; r < end * s.n; r += s.n) A::template along<T>(y + r, a + r, b + r, s.n);
    });
  int64_t groups = ceil_div(s.inner, lanes<T>);
  loop(s.outer * groups, s.n * lanes<T>, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t i = r % groups * lanes<T>, at = r / groups * s.n * s.inner + i, c = s.inner - i < lanes<T> ? s.inner - i : lanes<T>;
      A::template across<T>(y + at, a + at, b + at, s.n, s.inner, c);
    }
  });
}

template <class A, class Loop> static void softmax_rows(const View& y, const View& a, const View& b, int64_t axis, const Loop& loop) {
  if (y.dtype == DType::f32) rows_of<A>(y.ptr<float>(), a.ptr<float>(), b.ptr<float>(), split_axis(y, axis), loop);
  else rows_of<A>(y.ptr<double>(), a.ptr<double>(), b.ptr<double>(), split_axis(y, axis), loop);
}

}  // namespace fastnn::FN_ISA
