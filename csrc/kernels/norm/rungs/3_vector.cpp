// layer_norm, rung 3, vector: 4, 8 or 16 numbers in one register; every pass is a sweep over vectors.
//
// The row is read again for each pass, but from the first-level cache, where a vector costs one cycle; so the one-pass
// formula of rung 2 no longer pays and the safe one, Σ(x - mean)², comes back (moments.h). Sums over lanes are added last.
//
// cost     forward: 3 readings of a row, 1 store, bound by memory once a single core's bandwidth is met
// read on  ../norm.cpp, ../rows.h: the same on all cores, dw and db summed per chunk of rows
#include "../../declare.h"
#include "../moments.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Stats {
  T mean, r;
  Stats(const T* x, int64_t n, double eps) {
    Moments m = moments(x, n);
    mean = T(m.mean), r = T(rsqrt1(m.m2 / double(n) + eps));
  }
};

template <class T> const T* given(const View& v) { return v.ndim < 0 || v.numel() == 0 ? nullptr : v.ptr<T>(); }

template <class T> void forward(const View& y, const View& x, const View& w, const View& b, int64_t n, double eps) {
  const T *wp = given<T>(w), *bp = given<T>(b);
  for (int64_t row = 0; row < x.numel(); row += n) {
    const T* xr = x.ptr<T>() + row;
    T* yr = y.ptr<T>() + row;
    Stats<T> s(xr, n, eps);
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
      vec<T> v = (load_part(xr + i, c) - s.mean) * s.r;
      if (wp) v = v * load_part(wp + i, c);
      store_part(yr + i, bp ? v + load_part(bp + i, c) : v, c);
    });
  }
}

template <class T>
void derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w, int64_t n,
                double eps) {
  const T* wp = given<T>(w);
  T *dwp = dw.numel() ? dw.ptr<T>() : nullptr, *dbp = db.numel() ? db.ptr<T>() : nullptr;
  for (int64_t i = 0; i < dw.numel(); ++i) dwp[i] = 0;
  for (int64_t i = 0; i < db.numel(); ++i) dbp[i] = 0;
  for (int64_t row = 0; row < x.numel(); row += n) {
    const T *xr = x.ptr<T>() + row, *gr = g.ptr<T>() + row;
    T* dr = dx.ptr<T>() + row;
    Stats<T> s(xr, n, eps);
    vec<T> a[4] = {}, b[4] = {};
    sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
      vec<T> gv = load_part(gr + i, c), v = (load_part(xr + i, c, s.mean) - s.mean) * s.r, t = wp ? gv * load_part(wp + i, c) : gv;
      a[k] += t, b[k] += t * v;
      if (dwp) store_part(dwp + i, load_part(dwp + i, c) + gv * v, c);
      if (dbp) store_part(dbp + i, load_part(dbp + i, c) + gv, c);
    });
    T shift = sum_of<T>(a) / T(n), slope = sum_of<T>(b) / T(n);
    sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
      vec<T> t = load_part(gr + i, c), v = (load_part(xr + i, c) - s.mean) * s.r;
      if (wp) t = t * load_part(wp + i, c);
      store_part(dr + i, (t - shift - v * slope) * s.r, c);
    });
  }
}

}  // namespace

void layer_norm_vector(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t n, double eps) {
  x.dtype == DType::f32 ? forward<float>(y, x, w, b, n, eps) : forward<double>(y, x, w, b, n, eps);
}
void layer_norm_dx_vector(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t n, double eps) {
  x.dtype == DType::f32 ? derivative<float>(dx, dw, db, g, x, w, n, eps) : derivative<double>(dx, dw, db, g, x, w, n, eps);
}

}  // namespace fastnn::FN_ISA
