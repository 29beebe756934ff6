// conv2d/rungs/columns.cuh: rung 3's copies: every window of an image as a column, and back.
//
//    columns[n, group, (c, p, q), (i, j)] = x[n, c, s·i + d·p − P, s·j + d·q − P]
#pragma once
#include "../conv.cuh"

namespace fastnn::cuda {

template <class T> struct Unfold {
  Conv<T> v;
  global<T> columns;
  __device__ void operator()(int64_t e) const {
    const int64_t j = e % v.J, i = e / v.J % v.I, tap = e / (v.I * v.J), q = tap % v.Q, p = tap / v.Q % v.P, zc = tap / (v.P * v.Q);
    columns[e] = v.pixel(zc / v.C, zc % v.C, v.row(i, p), v.column(j, q));
  }
};
template <class T> struct Fold {  // v.g: the columns, v.O: C·P·Q. A number of dx gathers what was spread, so no two threads add to one
  Conv<T> v;
  __device__ void operator()(int64_t e) const {
    const int64_t w = e % v.W, h = e / v.W % v.H, c = e / (v.H * v.W) % v.C, z = e / (v.H * v.W * v.C);
    T sum = v.start(z % v.groups, c, v.C);
    for (int64_t p = 0; p < v.P; ++p)
      for (int64_t q = 0; q < v.Q; ++q) sum += v.slope_under(z, (c * v.P + p) * v.Q + q, h, w, p, q);
    v.out[e] = sum;
  }
};
template <class T> struct AddImages {
  global<T> dw;
  global<const T> each;
  int64_t images, size;
  __device__ void operator()(int64_t e) const {
    T sum = 0;
    for (int64_t n = 0; n < images; ++n) sum += each[n * size + e];
    dw[e] = sum;
  }
};

}  // namespace fastnn::cuda
