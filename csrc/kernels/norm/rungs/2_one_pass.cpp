// layer_norm, rung 2, one pass: mean and variance from one reading of the row, in four sums that do not wait for each other.
//
//    d = x - x₀        mean = x₀ + Σd/n        var = Σd²/n - (Σd/n)²
//
// x₀, the row's first number, is a pivot: without it Σx² - (Σx)²/n loses every digit where the mean is large beside the
// spread. The sums are doubles. Four of each: an addition has a latency of 4 cycles and one can start every cycle.
//
// cost     2 readings of the row instead of 3, 4 sums in flight instead of 1; still one number at a time
// read on  3_vector.cpp
#include "../../declare.h"

namespace fastnn::FN_ISA {
namespace {

template <class T, class F> void sum_two(double& first, double& second, int64_t n, const F& f) {
  double a[4] = {}, b[4] = {};
  for (int64_t i = 0; i < n; ++i) f(i, a[i % 4], b[i % 4]);
  first = (a[0] + a[1]) + (a[2] + a[3]), second = (b[0] + b[1]) + (b[2] + b[3]);
}

template <class T> struct Stats {
  double mean, r;
  Stats(const T* x, int64_t n, double eps) {
    double pivot = double(x[0]), sum, squares;
    sum_two<T>(sum, squares, n, [&](int64_t i, double& a, double& b) {
      double d = double(x[i]) - pivot;
      a += d, b += d * d;
    });
    double shift = sum / double(n), var = squares / double(n) - shift * shift;
    mean = pivot + shift, r = 1 / __builtin_sqrt((var < 0 ? 0 : var) + eps);
  }
};

template <class T> const T* given(const View& v) { return v.ndim < 0 || v.numel() == 0 ? nullptr : v.ptr<T>(); }

template <class T> void forward(const View& y, const View& x, const View& w, const View& b, int64_t n, double eps) {
  const T *wp = given<T>(w), *bp = given<T>(b);
  for (int64_t row = 0; row < x.numel(); row += n) {
    const T* xr = x.ptr<T>() + row;
    Stats<T> s(xr, n, eps);
    T mean = T(s.mean), r = T(s.r);
    for (int64_t i = 0; i < n; ++i) y.ptr<T>()[row + i] = (xr[i] - mean) * r * (wp ? wp[i] : T(1)) + (bp ? bp[i] : T(0));
  }
}

template <class T>
void derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w, int64_t n,
                double eps) {
  const T* wp = given<T>(w);
  T *dwp = dw.ptr<T>(), *dbp = db.ptr<T>();
  for (int64_t i = 0; i < dw.numel(); ++i) dwp[i] = 0;
  for (int64_t i = 0; i < db.numel(); ++i) dbp[i] = 0;
  for (int64_t row = 0; row < x.numel(); row += n) {
    const T *xr = x.ptr<T>() + row, *gr = g.ptr<T>() + row;
    Stats<T> s(xr, n, eps);
    T mean = T(s.mean), r = T(s.r);
    double shift, slope;
    sum_two<T>(shift, slope, n, [&](int64_t i, double& a, double& b) {
      double t = double(gr[i] * (wp ? wp[i] : T(1)));
      a += t, b += t * double((xr[i] - mean) * r);
    });
    if (dw.numel()) for (int64_t i = 0; i < n; ++i) dwp[i] += gr[i] * (xr[i] - mean) * r;
    if (db.numel()) for (int64_t i = 0; i < n; ++i) dbp[i] += gr[i];
    T a = T(shift / double(n)), b = T(slope / double(n));
    for (int64_t i = 0; i < n; ++i)
      dx.ptr<T>()[row + i] = (gr[i] * (wp ? wp[i] : T(1)) - a - (xr[i] - mean) * r * b) * r;
  }
}

}  // namespace

void layer_norm_one_pass(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t n, double eps) {
  x.dtype == DType::f32 ? forward<float>(y, x, w, b, n, eps) : forward<double>(y, x, w, b, n, eps);
}
void layer_norm_dx_one_pass(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t n,
                            double eps) {
  x.dtype == DType::f32 ? derivative<float>(dx, dw, db, g, x, w, n, eps) : derivative<double>(dx, dw, db, g, x, w, n, eps);
}

}  // namespace fastnn::FN_ISA
