// layer_norm, rung 1, naive: the formulas as they stand, one number at a time.
//
//    x̂ = (x - mean) / √(var + ε)        y = x̂·w + b
//    dx = (γ - mean(γ) - x̂·mean(γ·x̂)) / √(var + ε)    γ = g·w        dw = Σ g·x̂    db = Σ g
//
// cost     a sum in one variable waits 4 cycles for each addition, and a row is read three times: 2 % of the machine
// read on  2_one_pass.cpp
#include "../../declare.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Stats {
  double mean = 0, r = 0;
  Stats(const T* x, int64_t n, double eps) {
    double var = 0;
    for (int64_t i = 0; i < n; ++i) mean += double(x[i]);
    mean /= double(n);
    for (int64_t i = 0; i < n; ++i) var += (double(x[i]) - mean) * (double(x[i]) - mean);
    r = 1 / __builtin_sqrt(var / double(n) + eps);
  }
};

template <class T> const T* given(const View& v) { return v.ndim < 0 || v.numel() == 0 ? nullptr : v.ptr<T>(); }

template <class T> void forward(const View& y, const View& x, const View& w, const View& b, int64_t n, double eps) {
  const T *wp = given<T>(w), *bp = given<T>(b);
  for (int64_t row = 0; row < x.numel(); row += n) {
    const T* xr = x.ptr<T>() + row;
    Stats<T> s(xr, n, eps);
    for (int64_t i = 0; i < n; ++i) {
      double v = (double(xr[i]) - s.mean) * s.r;
      y.ptr<T>()[row + i] = T((wp ? v * double(wp[i]) : v) + (bp ? double(bp[i]) : 0));
    }
  }
}

template <class T>
void derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w, int64_t n,
                double eps) {
  const T* wp = given<T>(w);
  for (int64_t i = 0; i < dw.numel(); ++i) dw.ptr<T>()[i] = 0;
  for (int64_t i = 0; i < db.numel(); ++i) db.ptr<T>()[i] = 0;
  for (int64_t row = 0; row < x.numel(); row += n) {
    const T *xr = x.ptr<T>() + row, *gr = g.ptr<T>() + row;
    Stats<T> s(xr, n, eps);
    double shift = 0, slope = 0;
    for (int64_t i = 0; i < n; ++i) {
      double v = (double(xr[i]) - s.mean) * s.r, t = double(gr[i]) * (wp ? double(wp[i]) : 1);
      shift += t, slope += t * v;
      if (dw.numel()) dw.ptr<T>()[i] += T(double(gr[i]) * v);
      if (db.numel()) db.ptr<T>()[i] += gr[i];
    }
    shift /= double(n), slope /= double(n);
    for (int64_t i = 0; i < n; ++i) {
      double v = (double(xr[i]) - s.mean) * s.r, t = double(gr[i]) * (wp ? double(wp[i]) : 1);
      dx.ptr<T>()[row + i] = T((t - shift - v * slope) * s.r);
    }
  }
}

}  // namespace

void layer_norm_naive(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t n, double eps) {
  x.dtype == DType::f32 ? forward<float>(y, x, w, b, n, eps) : forward<double>(y, x, w, b, n, eps);
}
void layer_norm_dx_naive(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t n,
                         double eps) {
  x.dtype == DType::f32 ? derivative<float>(dx, dw, db, g, x, w, n, eps) : derivative<double>(dx, dw, db, g, x, w, n, eps);
}

}  // namespace fastnn::FN_ISA
