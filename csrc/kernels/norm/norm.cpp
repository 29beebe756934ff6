// norm.cpp: layer norm, RMS norm (over the last n numbers) and group norm (over the channels of a group and all places).
//
// cost     layer norm reads a row from memory once and three times from the first-level cache; its derivative reads x and
//          g once, writes dx, and sums dw and db on the way. Bound by memory for rows up to 4096.
// read on  moments.h (mean and spread)  →  rows.h (the row algorithms)  →  short.h (few numbers)  →  batch_norm.cpp
#include "../declare.h"
#include "rows.h"

namespace fastnn::FN_ISA {

// Not given: None as an input, an empty array as an output.
template <class T> FN T* optional(const View& v) { return v.ndim < 0 || v.numel() == 0 ? nullptr : v.ptr<T>(); }

template <bool CENTRE, class T>
static void rows_forward(const View& y, const View& x, const View& w, const View& b, int64_t n, double eps) {
  if (x.numel() == 0) return;
  normalise_rows<CENTRE>(y.ptr<T>(), x.ptr<T>(), optional<const T>(w), optional<const T>(b), x.numel() / n, n, 1, eps);
}
template <bool CENTRE, class T>
static void rows_derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w,
                            int64_t n, double eps) {
  rows_dx<CENTRE>(dx.ptr<T>(), optional<T>(dw), optional<T>(db), g.ptr<T>(), x.ptr<T>(), optional<const T>(w),
                  n ? x.numel() / n : 0, n, 1, eps);
}

void layer_norm(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t n, double eps) {
  if (x.dtype == DType::f32) rows_forward<true, float>(y, x, w, b, n, eps);
  else rows_forward<true, double>(y, x, w, b, n, eps);
}
void layer_norm_dx(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t n, double eps) {
  if (x.dtype == DType::f32) rows_derivative<true, float>(dx, dw, db, g, x, w, n, eps);
  else rows_derivative<true, double>(dx, dw, db, g, x, w, n, eps);
}
void rms_norm(PackedOut y, PackedIn x, PackedIn w, int64_t n, double eps) {
  View none = w;
  none.ndim = -1;
  if (x.dtype == DType::f32) rows_forward<false, float>(y, x, w, none, n, eps);
  else rows_forward<false, double>(y, x, w, none, n, eps);
}
void rms_norm_dx(PackedOut dx, PackedOut dw, PackedIn g, PackedIn x, PackedIn w, int64_t n, double eps) {
  View none = dw;
  none.ndim = -1;
  if (x.dtype == DType::f32) rows_derivative<false, float>(dx, dw, none, g, x, w, n, eps);
  else rows_derivative<false, double>(dx, dw, none, g, x, w, n, eps);
}

// ---- group norm ----------------------------------------------------------------------------------------------------
// x (N, C, S) with S places: row (n, group) holds C/groups channels of S numbers. With few places the channel's weight is
// spread over a table and rows.h does the rest; with many, each channel is one run of S numbers with one weight.

struct Groups {
  int64_t N, C, S, groups, width;  // width: channels in a group
};
FN Groups groups_of(const View& x, int64_t groups) {
  Groups s{x.shape[0], x.shape[1], 1, groups, x.shape[1] / groups};
  for (int d = 2; d < x.ndim; ++d) s.S *= x.shape[d];
  return s;
}
constexpr int64_t FEW = 16;

template <class T> FN void spread_over_places(T* table, const T* w, int64_t C, int64_t S) {
  for (int64_t c = 0; c < C; ++c)
    for (int64_t i = 0; i < S; ++i) table[c * S + i] = w[c];
}

template <class T> static void group_forward(T* y, const T* x, const T* w, const T* b, Groups s, double eps) {
  int64_t K = s.width * s.S;
  if (s.S < FEW) {
    Scratch<T> table(2 * s.C * s.S + 1);
    T* tw = w ? static_cast<T*>(table) : nullptr;
    T* tb = b ? static_cast<T*>(table) + s.C * s.S : nullptr;
    if (w) spread_over_places(tw, w, s.C, s.S);
    if (b) spread_over_places(tb, b, s.C, s.S);
    return normalise_rows<true, T>(y, x, tw, tb, s.N * s.groups, K, s.groups, eps);
  }
  parallel_for(s.N * s.groups, rows_grain(K), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Moments m = moments(x + row * K, K);
      double r = rsqrt1(m.m2 / double(K) + eps);
      for (int64_t j = 0; j < s.width; ++j) {
        int64_t c = row % s.groups * s.width + j, at = row * K + j * s.S;
        affine(y + at, x + at, s.S, T(m.mean), w ? T(r) * w[c] : T(r), b ? b[c] : T(0));
      }
    }
  });
}

template <class T>
static void group_derivative(T* dx, T* dw, T* db, const T* g, const T* x, const T* w, Groups s, double eps) {
  int64_t K = s.width * s.S;
  if (s.S < FEW) {
    int64_t CS = s.C * s.S;
    Scratch<T> table(3 * CS + 1);
    T *tw = table, *pw = tw + CS, *pb = pw + CS;
    if (w) spread_over_places(tw, w, s.C, s.S);
    rows_dx<true, T>(dx, dw ? pw : nullptr, db ? pb : nullptr, g, x, w ? tw : nullptr, s.N * s.groups, K, s.groups, eps);
    for (int64_t c = 0; c < s.C; ++c) {
      T sw = 0, sb = 0;
      for (int64_t i = 0; i < s.S; ++i) {
        if (dw) sw += pw[c * s.S + i];
        if (db) sb += pb[c * s.S + i];
      }
      if (dw) dw[c] = sw;
      if (db) db[c] = sb;
    }
    return;
  }
  Scratch<double> sums(2 * s.N * s.C + 1);  // [n][c] of Σ g and Σ g·x̂
  double *sum_g = sums, *dot_g = sum_g + s.N * s.C;
  parallel_for(s.N * s.groups, rows_grain(K), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Moments m = moments(x + row * K, K);
      double r = rsqrt1(m.m2 / double(K) + eps), shift = 0, slope = 0;
      T mean = T(m.mean);
      for (int64_t j = 0; j < s.width; ++j) {
        int64_t c = row % s.groups * s.width + j, at = row * K + j * s.S;
        double sum = 0, dot = 0;
        sum_and_dot(sum, dot, g + at, x + at, s.S, mean);
        sum_g[row * s.width + j] = sum;
        dot_g[row * s.width + j] = dot * r;
        shift += (w ? w[c] : 1) * sum;
        slope += (w ? w[c] : 1) * dot * r;
      }
      shift /= double(K), slope /= double(K);
      for (int64_t j = 0; j < s.width; ++j) {
        int64_t c = row % s.groups * s.width + j, at = row * K + j * s.S;
        combine(dx + at, g + at, x + at, s.S, mean, T(w ? w[c] * r : r), T(r * shift), T(r * r * slope));
      }
    }
  });
  for (int64_t c = 0; c < s.C; ++c) {
    double sw = 0, sb = 0;
    for (int64_t n = 0; n < s.N; ++n) sw += dot_g[n * s.C + c], sb += sum_g[n * s.C + c];
    if (dw) dw[c] = T(sw);
    if (db) db[c] = T(sb);
  }
}

void group_norm(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t groups, double eps) {
  if (x.numel() == 0) return;
  if (x.dtype == DType::f32)
    group_forward<float>(y.ptr<float>(), x.ptr<float>(), optional<float>(w), optional<float>(b), groups_of(x, groups), eps);
  else
    group_forward<double>(y.ptr<double>(), x.ptr<double>(), optional<double>(w), optional<double>(b),
                          groups_of(x, groups), eps);
}
void group_norm_dx(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t groups,
                   double eps) {
  if (x.dtype == DType::f32)
    group_derivative<float>(dx.ptr<float>(), optional<float>(dw), optional<float>(db), g.ptr<float>(), x.ptr<float>(),
                            optional<float>(w), groups_of(x, groups), eps);
  else
    group_derivative<double>(dx.ptr<double>(), optional<double>(dw), optional<double>(db), g.ptr<double>(),
                             x.ptr<double>(), optional<double>(w), groups_of(x, groups), eps);
}

}  // namespace fastnn::FN_ISA
