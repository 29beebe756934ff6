// reduce/scan.cpp: running sums and products along one axis, and the linear recurrence their derivatives need.
//
//    cumsum       y[i] = x[0] + ... + x[i]            reverse: from the end; exclusive: without x[i] itself
//    cumprod      y[i] = x[0] · ... · x[i]
//    linear_scan  y[i] = a[i − lag] · y[i − 1] + b[i]     lag 0 or 1, y[−1] = 0; reverse: i + lag, i + 1, from the end
//
// d cumprod / dx[i] = (product before i) · s[i] with s[i] = g[i] + x[i + 1] s[i + 1], a reversed linear_scan: no division,
// so zeros do no harm; and a linear_scan's partials are linear_scans, so every order of derivative follows.
//
// along a row: log2(lanes) shifted additions scan a vector, the carry costs one addition a vector (4 cycles, what bounds
// it); a float carry is a pair (hi, lo), so y's rounding error does not grow along the row.
// down columns: one row after the other, lanes are columns.
#include "../../core/error.h"
#include "pass.h"

namespace fastnn::FN_ISA {
namespace {

struct Plus {
  static constexpr bool SUM = true;
  template <class V> FN V operator()(V a, V b) const { return a + b; }
};
struct Times {
  static constexpr bool SUM = false;
  template <class V> FN V operator()(V a, V b) const { return a * b; }
};

// Lanes moved up by N, those of `low` filling in from below (its highest lane last).
template <int N, class V> FN V shift_in(V v, V low) {
  constexpr int L = sizeof(V) / sizeof(v[0]);
  if constexpr (L == 16) {
    if constexpr (N == 1) return __builtin_shufflevector(v, low, 31, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
    else if constexpr (N == 2) return __builtin_shufflevector(v, low, 30, 31, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
    else if constexpr (N == 4) return __builtin_shufflevector(v, low, 28, 29, 30, 31, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    else return __builtin_shufflevector(v, low, 24, 25, 26, 27, 28, 29, 30, 31, 0, 1, 2, 3, 4, 5, 6, 7);
  } else if constexpr (L == 8) {
    if constexpr (N == 1) return __builtin_shufflevector(v, low, 15, 0, 1, 2, 3, 4, 5, 6);
    else if constexpr (N == 2) return __builtin_shufflevector(v, low, 14, 15, 0, 1, 2, 3, 4, 5);
    else return __builtin_shufflevector(v, low, 12, 13, 14, 15, 0, 1, 2, 3);
  } else if constexpr (L == 4) {
    if constexpr (N == 1) return __builtin_shufflevector(v, low, 7, 0, 1, 2);
    else return __builtin_shufflevector(v, low, 6, 7, 0, 1);
  } else {
    return __builtin_shufflevector(v, low, 3, 0);
  }
}
template <class V> FN V flip(V v) {
  constexpr int L = sizeof(V) / sizeof(v[0]);
  if constexpr (L == 16) return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  else if constexpr (L == 8) return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
  else if constexpr (L == 4) return __builtin_shufflevector(v, v, 3, 2, 1, 0);
  else return __builtin_shufflevector(v, v, 1, 0);
}
template <class V, class Op> FN V scan_lanes(V v, V neutral, const Op& op) {
  constexpr int L = sizeof(V) / sizeof(v[0]);
  v = op(v, shift_in<1>(v, neutral));
  if constexpr (L > 2) v = op(v, shift_in<2>(v, neutral));
  if constexpr (L > 4) v = op(v, shift_in<4>(v, neutral));
  if constexpr (L > 8) v = op(v, shift_in<8>(v, neutral));
  return v;
}

// One row of n elements, sx and sy apart (1 or −1 for vectors).
template <class T, class Op> void scan_row(const T* x, int64_t sx, T* y, int64_t sy, int64_t n, bool exclusive) {
  constexpr int W = lanes<T>;
  constexpr bool WIDE = Op::SUM && T(0.5) != T(0);
  const Op op;
  const vec<T> neutral = splat(T(Op::SUM ? 0 : 1));
  vec<T> hi = neutral, lo = {};  // the carry, in every lane
  int64_t i = 0;
  if (sx == sy && (sx == 1 || sx == -1))
    for (; i + W <= n; i += W) {
      vec<T> v = sx == 1 ? load(x + i) : flip(load(x - i - W + 1));
      const vec<T> local = scan_lanes(v, neutral, op);
      vec<T> before = hi;
      if constexpr (WIDE) before = hi - hi == 0 ? hi + lo : hi;
      vec<T> out = exclusive ? op(shift_in<1>(local, neutral), before) : op(local, before);
      if (sx == 1) store(y + i, out);
      else store(y - i - W + 1, flip(out));
      const vec<T> total = splat(local[W - 1]);
      if constexpr (WIDE) {
        const vec<T> sum = hi + total, z = sum - hi;
        lo += (hi - (sum - z)) + (total - z);
        hi = sum;
      } else {
        hi = op(hi, total);
      }
    }
  T carry = hi[0], low = lo[0];
  for (; i < n; ++i) {
    const T v = x[i * sx];
    const T before = WIDE && carry - carry == 0 ? carry + low : carry;
    T next = op(carry, v);
    if constexpr (WIDE) {
      const T z = next - carry;
      low += (carry - (next - z)) + (v - z);
    }
    y[i * sy] = exclusive ? before : WIDE && next - next == 0 ? next + low : next;
    carry = next;
  }
}

// n columns side by side, one row after the other.
template <class T, class Op>
void scan_columns(const T* x, int64_t sx, T* y, int64_t sy, int64_t rows, int64_t n, bool exclusive) {
  constexpr int W = lanes<T>;
  constexpr bool WIDE = Op::SUM && T(0.5) != T(0);
  const Op op;
  alignas(64) T hi[TILE + 64], lo[WIDE ? TILE + 64 : 1];
  for (int64_t c = 0; c < n; ++c) {
    hi[c] = T(Op::SUM ? 0 : 1);
    if constexpr (WIDE) lo[c] = 0;
  }
  for (int64_t r = 0; r < rows; ++r, x += sx, y += sy) {
    for (int64_t c = 0; c < n; c += W) {
      const bool whole = c + W <= n;
      const vec<T> v = whole ? load(x + c) : load_as_n<T, T>(x + c, n - c);
      const vec<T> h = load(hi + c), next = op(h, v);
      vec<T> before = h, after = next;
      if constexpr (WIDE) {
        vec<T> l = load(lo + c);
        before = h - h == 0 ? h + l : h;
        const vec<T> z = next - h;
        l += (h - (next - z)) + (v - z);
        after = next - next == 0 ? next + l : next;
        store(lo + c, l);
      }
      store(hi + c, next);
      if (whole) store(y + c, exclusive ? before : after);
      else store_n(y + c, exclusive ? before : after, n - c);
    }
  }
}

template <class T, class Op>
void scan(const View& y_view, const View& x_view, int64_t axis, bool reverse, bool exclusive) {
  const Ints axes = {x_view.ndim > 0, {axis}};
  Plan p = make_plan(y_view, x_view, axes, true);
  if (p.outputs == 0 || p.length == 0) return;
  const int64_t n = p.length;
  int64_t sx = x_view.ndim ? x_view.strides[axis] : 1, sy = x_view.ndim ? y_view.strides[axis] : 1;
  const T* x = x_view.ptr<T>() + p.x_start;
  T* y = y_view.ptr<T>() + p.y_start;
  if (reverse) {
    x += (n - 1) * sx;
    y += (n - 1) * sy;
    sx = -sx;
    sy = -sy;
  }
  const Axis k = p.kept[p.nk - 1];
  if (k.x == 1 && k.y == 1 && k.size >= 4) {
    const int64_t tiles = ceil_div(k.size, TILE), width = k.size < TILE ? k.size : TILE;
    const int64_t work = width * n;
    parallel_for(p.outputs / k.size * tiles, work >= 32768 ? 1 : 32768 / work, [&](int64_t begin, int64_t end) {
      for (int64_t u = begin; u < end; ++u) {
        const Walk outer(p.kept, p.nk - 1, u / tiles);
        const int64_t c = u % tiles * width;
        scan_columns<T, Op>(x + outer.x + c, sx, y + outer.y + c, sy, n, k.size - c < width ? k.size - c : width, exclusive);
      }
    });
    return;
  }
  parallel_for(p.outputs, n >= 32768 ? 1 : 32768 / n, [&](int64_t begin, int64_t end) {
    Walk row(p.kept, p.nk, begin);
    for (int64_t o = begin; o < end; ++o, row.next()) scan_row<T, Op>(x + row.x, sx, y + row.y, sy, n, exclusive);
  });
}

template <class Op> void scan_of(const View& y, const View& x, int64_t axis, bool reverse, bool exclusive) {
  switch (x.dtype) {
    case DType::f32: return scan<float, Op>(y, x, axis, reverse, exclusive);
    case DType::f64: return scan<double, Op>(y, x, axis, reverse, exclusive);
    case DType::i64: return scan<int64_t, Op>(y, x, axis, reverse, exclusive);
    default: raise_error("cumsum, cumprod: expected float32, float64 or int64");
  }
}

template <class T> void recurrence(const View& y_view, const View& a_view, const View& b_view, int64_t axis, bool reverse, int64_t lag) {
  int64_t outer = 1, inner = 1, n = 1;
  for (int d = 0; d < b_view.ndim; ++d) (d < axis ? outer : d > axis ? inner : n) *= b_view.shape[d];
  if (outer * inner * n == 0) return;
  const int64_t step = reverse ? -inner : inner, first = reverse ? (n - 1) * inner : 0;
  const T *a = a_view.ptr<T>(), *b = b_view.ptr<T>();
  T* y = y_view.ptr<T>();
  parallel_for(outer, ceil_div(32768, n * inner), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const int64_t start = o * n * inner + first;
      for (int64_t c = 0; c < inner; ++c) y[start + c] = b[start + c];
      for (int64_t i = 1; i < n; ++i) {
        const int64_t at = start + i * step;
        const T* factor = a + at - lag * step;
        for (int64_t c = 0; c < inner; ++c) y[at + c] = factor[c] * y[at - step + c] + b[at + c];
      }
    }
  });
}

// dx[i] = g · (product before i) · (product after i), rows of n with `inner` columns.
template <class T> void others(const View& dx_view, const View& g_view, const View& x_view, int64_t axis) {
  int64_t outer = 1, inner = 1, n = 1;
  for (int d = 0; d < x_view.ndim; ++d) (d < axis ? outer : d > axis ? inner : n) *= x_view.shape[d];
  if (outer * inner * n == 0) return;
  const T *x = x_view.ptr<T>(), *g = g_view.ptr<T>();
  T* dx = dx_view.ptr<T>();
  parallel_for(outer, ceil_div(32768, n * inner), [&](int64_t begin, int64_t end) {
    Scratch<T> after(inner == 1 ? n : inner);
    for (int64_t o = begin; o < end; ++o) {
      const T* row = x + o * n * inner;
      T* out = dx + o * n * inner;
      if (inner == 1) {
        scan_row<T, Times>(row, 1, out, 1, n, true);
        scan_row<T, Times>(row + n - 1, -1, after + n - 1, -1, n, true);
        for (int64_t i = 0; i < n; ++i) out[i] *= g[o] * after[i];
        continue;
      }
      for (int64_t c = 0; c < inner; ++c) out[c] = 1, after[c] = g[o * inner + c];
      for (int64_t i = 1; i < n; ++i)
        for (int64_t c = 0; c < inner; ++c) out[i * inner + c] = out[(i - 1) * inner + c] * row[(i - 1) * inner + c];
      for (int64_t i = n; i-- > 0;)
        for (int64_t c = 0; c < inner; ++c) {
          out[i * inner + c] *= after[c];
          after[c] *= row[i * inner + c];
        }
    }
  });
}

}  // namespace

void cumsum(Out y, In x, int64_t axis, bool reverse, bool exclusive) { scan_of<Plus>(y, x, axis, reverse, exclusive); }
void cumprod(Out y, In x, int64_t axis, bool reverse, bool exclusive) { scan_of<Times>(y, x, axis, reverse, exclusive); }

void linear_scan(PackedOut y, PackedIn a, PackedIn b, int64_t axis, bool reverse, int64_t lag) {
  if (b.dtype == DType::f32) recurrence<float>(y, a, b, axis, reverse, lag);
  else if (b.dtype == DType::f64) recurrence<double>(y, a, b, axis, reverse, lag);
  else raise_error("linear_scan: expected a floating point tensor");
}

void prod_dx(PackedOut dx, PackedIn g, PackedIn x, int64_t axis) {
  if (x.dtype == DType::f32) others<float>(dx, g, x, axis);
  else if (x.dtype == DType::f64) others<double>(dx, g, x, axis);
  else raise_error("prod_dx: expected a floating point tensor");
}

}  // namespace fastnn::FN_ISA
