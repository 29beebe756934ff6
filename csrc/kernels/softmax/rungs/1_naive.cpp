// softmax, rung 1, naive: three loops over a row, one number at a time.
//
//    y = exp(x - max x) / Σ exp(x - max x)        dx = y·(g - Σ g·y)
//
// Without the maximum exp overflows from x = 89 on. A row may be strided: softmax along any axis.
//
// cost     exp has only a vector form here, so 15 of 16 lanes compute nothing
// read on  2_vector.cpp
#include "../../declare.h"
#include "../axis.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> T exp_one(T x) { return exp_weight(splat(x))[0]; }

template <class T> void forward(T* y, const T* x, Axis s) {
  for (int64_t row = 0; row < s.outer * s.inner; ++row) {
    int64_t at = row / s.inner * s.n * s.inner + row % s.inner, end = at + s.n * s.inner;
    T most = NEG_INF<T>, sum = 0;
    for (int64_t i = at; i < end; i += s.inner) most = x[i] > most ? x[i] : most;
    for (int64_t i = at; i < end; i += s.inner) sum += y[i] = exp_one(x[i] - most);
    for (int64_t i = at; i < end; i += s.inner) y[i] /= sum;
  }
}

template <class T> void derivative(T* dx, const T* g, const T* y, Axis s) {
  for (int64_t row = 0; row < s.outer * s.inner; ++row) {
    int64_t at = row / s.inner * s.n * s.inner + row % s.inner, end = at + s.n * s.inner;
    T dot = 0;
    for (int64_t i = at; i < end; i += s.inner) dot += g[i] * y[i];
    for (int64_t i = at; i < end; i += s.inner) dx[i] = y[i] * (g[i] - dot);
  }
}

}  // namespace

void softmax_naive(PackedOut y, PackedIn x, int64_t axis) {
  if (y.numel() == 0) return;
  if (y.dtype == DType::f32) forward(y.ptr<float>(), x.ptr<float>(), split_axis(y, axis));
  else forward(y.ptr<double>(), x.ptr<double>(), split_axis(y, axis));
}
void softmax_dx_naive(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) {
  if (dx.numel() == 0) return;
  if (dx.dtype == DType::f32) derivative(dx.ptr<float>(), g.ptr<float>(), y.ptr<float>(), split_axis(dx, axis));
  else derivative(dx.ptr<double>(), g.ptr<double>(), y.ptr<double>(), split_axis(dx, axis));
}

}  // namespace fastnn::FN_ISA
