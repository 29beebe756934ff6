// conv2d/rungs/columns.h: convolution as a matrix product, for rungs 3 and 4.
//
//    columns[c·P·Q + p·Q + q, i·J + j] = x[c, i·s + p·d - pad, j·s + q·d - pad]    (0 outside), one group of one image
//    y = W · columns        dcolumns = Wᵀ · g, added back to dx        dW += g · columnsᵀ
//
// `multiply(m, n, k, a, b, c)` adds a product to C[m, n] (rows of n); a and b are Matrix: any strides, so transposes cost nothing.
#pragma once
#include "../../matmul/pack.h"
#include "triple.h"

namespace fastnn::FN_ISA {

// f(column index, x index, begin, end) for every row of columns: `begin..end` of J lie in the image.
template <class F> FN void each_column_row(const Triple& t, const F& f) {
  for (int64_t row = 0; row < t.C * t.P * t.Q; ++row)
    for (int64_t i = 0; i < t.I; ++i) {
      int64_t c = row / (t.P * t.Q), p = row / t.Q % t.P, q = row % t.Q;
      int64_t h = i * t.s.stride[0] + p * t.s.dilation[0] - t.s.padding[0];
      bool inside = h >= 0 && h < t.H;
      f((row * t.I + i) * t.J, (c * t.H + h) * t.W + t.left(q), inside ? t.begin(q) : t.J, inside ? t.end(q) : t.J);
    }
}

template <class T, class Multiply>
static void by_columns(const Triple& t, T* g, T* x, T* w, int wanted, const Multiply& multiply) {  // wanted: 0 g, 1 x, 2 w
  int64_t m = t.O / t.groups, n = t.I * t.J, k = t.C * t.P * t.Q, stride = t.s.stride[1];
  Scratch<T> columns(k * n);
  for (int64_t image = 0; image < t.N; ++image)
    for (int64_t group = 0; group < t.groups; ++group) {
      T *gp = g + (image * t.O + group * m) * n, *xp = x + (image * t.groups + group) * t.C * t.H * t.W, *wp = w + group * m * k;
      if (wanted != 1)
        each_column_row(t, [&](int64_t to, int64_t from, int64_t begin, int64_t end) {
          for (int64_t j = 0; j < begin && j < t.J; ++j) columns[to + j] = 0;
          for (int64_t j = begin; j < end; ++j) columns[to + j] = xp[from + j * stride];
          for (int64_t j = end < begin ? begin : end; j < t.J; ++j) columns[to + j] = 0;
        });
      else
        for (int64_t q = 0; q < k * n; ++q) columns[q] = 0;
      if (wanted == 0) multiply(m, n, k, Matrix<T>{wp, k, 1}, Matrix<T>{columns, n, 1}, gp);
      if (wanted == 1) multiply(k, n, m, Matrix<T>{wp, 1, k}, Matrix<T>{gp, n, 1}, columns.data);
      if (wanted == 2) multiply(m, k, n, Matrix<T>{gp, n, 1}, Matrix<T>{columns, 1, n}, wp);
      if (wanted == 1)
        each_column_row(t, [&](int64_t from, int64_t to, int64_t begin, int64_t end) {
          for (int64_t j = begin; j < end; ++j) xp[to + j * stride] += columns[from + j];
        });
    }
}

template <class Multiply>
static void conv2d_by_columns(const View& g, const View& x, const View& w, const Conv2d& s, int wanted, const Multiply& multiply) {
  if (g.numel() == 0 || x.numel() == 0 || w.numel() == 0) return;
  Triple t(g, x, w, s);
  if (g.dtype == DType::f32) by_columns(t, g.ptr<float>(), x.ptr<float>(), w.ptr<float>(), wanted, multiply);
  else by_columns(t, g.ptr<double>(), x.ptr<double>(), w.ptr<double>(), wanted, multiply);
}

}  // namespace fastnn::FN_ISA
