// pool/pool.cu: pooling over the last two axes, x (..., H, W) -> y (..., H', W'), and its derivatives. A thread makes one number of the
// result, and walks over the window, or over the windows that cover it: nothing is added by two threads, so there are no atomics, and
// sums come in the order of the CPU's. Neighbouring threads read neighbouring windows.
//
//    max_pool2d            y and, for each window, the offset of its maximum: a byte, int32 above 256 taps, or an empty array
//    avg_pool2d, _dx       a linear pair; one window that is the whole plane is a mean like any other (reduce/)
//    adaptive_*            windows of unequal size: window i of an axis covers [floor(i n / m), ceil((i + 1) n / m))
//    max_unpool2d          y[index] = x, or +=: who writes a place is found by grouping the indices (../index/group.cuh)
//
// cost     x once from memory: windows that overlap find it in L1 and L2. Divisions of indices are multiplications (Split).
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"
#include "../index/group.cuh"

namespace fastnn::cuda {

void mean(Out y, In x, Ints axes);

namespace {

struct Image {  // the last two axes are the plane
  int64_t planes, h, w;
  explicit Image(const View& x) : planes(1), h(x.shape[x.ndim - 2]), w(x.shape[x.ndim - 1]) {
    for (int d = 0; d < x.ndim - 2; ++d) planes *= x.shape[d];
  }
  Split split() const { return Split(h, w, planes * h * w); }
};
FN int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
FN int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// First and one past the last of the windows that may cover row or column h.
FN int64_t first_window(int64_t h, const Pool2d& p, int d) {
  const int64_t low = h + p.padding[d] - (p.kernel[d] - 1) * p.dilation[d];
  return low > 0 ? ceil_div(low, p.stride[d]) : 0;
}
FN int64_t end_window(int64_t h, const Pool2d& p, int d, int64_t count) { return least(count, (h + p.padding[d]) / p.stride[d] + 1); }

// ---- the largest --------------------------------------------------------------------------------------------------------

template <class T, class O> struct Max {
  Image in;
  Split out;
  Pool2d p;
  global<T> y;
  global<O> offsets;
  global<const T> x;
  __device__ void operator()(int64_t k) const {
    const auto [plane, i, j] = out(k);
    const int64_t top = i * p.stride[0] - p.padding[0], left = j * p.stride[1] - p.padding[1];
    const int64_t a0 = top < 0 ? ceil_div(-top, p.dilation[0]) : 0, b0 = left < 0 ? ceil_div(-left, p.dilation[1]) : 0;
    T best = -T(Limits<T>::INF);
    int64_t at = (a0 < p.kernel[0] ? a0 * p.kernel[1] : 0) + least(b0, p.kernel[1] - 1);
    for (int64_t a = a0; a < p.kernel[0] && top + a * p.dilation[0] < in.h; ++a) {
      const int64_t row = (plane * in.h + top + a * p.dilation[0]) * in.w;
      for (int64_t b = b0; b < p.kernel[1] && left + b * p.dilation[1] < in.w; ++b) {
        const T v = x[row + left + b * p.dilation[1]];
        if (v > best || v != v) best = v, at = a * p.kernel[1] + b;  // the first of equals, the last NaN
      }
    }
    y[k] = best;
    if (offsets) offsets[k] = O(at);
  }
};
template <class T, class O> struct MaxDx {
  Split in;
  int64_t h, w;  // of g
  Pool2d p;
  global<T> dx;
  global<const T> g;
  global<const O> offsets;
  __device__ void operator()(int64_t k) const {
    const auto [plane, row, column] = in(k);
    T sum = 0;
    for (int64_t i = first_window(row, p, 0), i1 = end_window(row, p, 0, h); i < i1; ++i) {
      const int64_t a = row + p.padding[0] - i * p.stride[0];
      if (a % p.dilation[0]) continue;
      for (int64_t j = first_window(column, p, 1), j1 = end_window(column, p, 1, w); j < j1; ++j) {
        const int64_t b = column + p.padding[1] - j * p.stride[1], o = (plane * h + i) * w + j;
        if (b % p.dilation[1] == 0 && int64_t(offsets[o]) == a / p.dilation[0] * p.kernel[1] + b / p.dilation[1]) sum += g[o];
      }
    }
    dx[k] = sum;
  }
};
// x at the offsets, 0 where a window holds padding alone; or where that is, kept inside of a plane of height x width
template <class T, class O> struct At {
  Split out;
  int64_t h, w;
  Pool2d p;
  global<T> y;
  global<const T> x;  // null: y gets the place
  global<const O> offsets;
  __device__ void operator()(int64_t k) const {
    const auto [plane, i, j] = out(k);
    const int64_t o = offsets[k];
    int64_t r = i * p.stride[0] - p.padding[0] + o / p.kernel[1] * p.dilation[0];
    int64_t c = j * p.stride[1] - p.padding[1] + o % p.kernel[1] * p.dilation[1];
    const bool inside = r >= 0 && r < h && c >= 0 && c < w;
    if (x) y[k] = inside ? x[(plane * h + r) * w + c] : T(0);
    else y[k] = T(most(0, least(r, h - 1)) * w + most(0, least(c, w - 1)));
  }
};
template <class F> void with_offsets(const View& offsets, const F& f) {
  if (offsets.dtype == DType::u8) f(uint8_t{});
  else f(int32_t{});
}

// ---- the mean -----------------------------------------------------------------------------------------------------------

struct Side {  // one axis: how many elements each window counts
  int64_t kernel, stride, padding, size;
  bool count_padding;
  FN int64_t start(int64_t i) const { return i * stride - padding; }
  FN int64_t first(int64_t i) const { return most(0, start(i)); }
  FN int64_t last(int64_t i) const { return least(start(i) + kernel, size); }
  FN int64_t count(int64_t i) const { return count_padding ? least(start(i) + kernel, size + padding) - start(i) : last(i) - first(i); }
};
template <class T> struct Mean {
  Split out;
  Side rows, columns;
  int64_t divisor;
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t k) const {
    const auto [plane, i, j] = out(k);
    T sum = 0;
    for (int64_t c = columns.first(j); c < columns.last(j); ++c) {
      T down = 0;
      for (int64_t r = rows.first(i); r < rows.last(i); ++r) down += x[(plane * rows.size + r) * columns.size + c];
      sum += down;
    }
    y[k] = sum / T(divisor ? divisor : rows.count(i) * columns.count(j));
  }
};
template <class T> struct MeanDx {
  Split in;
  Side rows, columns;
  Pool2d p;
  int64_t divisor, h, w;  // of g
  global<T> dx;
  global<const T> g;
  __device__ void operator()(int64_t k) const {
    const auto [plane, r, c] = in(k);
    T sum = 0;
    for (int64_t i = first_window(r, p, 0), i1 = end_window(r, p, 0, h); i < i1; ++i)
      for (int64_t j = first_window(c, p, 1), j1 = end_window(c, p, 1, w); j < j1; ++j)
        sum += g[(plane * h + i) * w + j] / T(divisor ? divisor : rows.count(i) * columns.count(j));
    dx[k] = sum;
  }
};

// ---- windows of unequal size ----------------------------------------------------------------------------------------------

FN int64_t adaptive_first(int64_t i, int64_t n, int64_t m) { return i / m * n + i % m * n / m; }
FN int64_t adaptive_last(int64_t i, int64_t n, int64_t m) { return ceil_div((i + 1) * n, m); }

template <class T> struct Adaptive {  // the mean, or the largest and where
  Image in, out;
  Split split;
  global<T> y;
  global<int64_t> indices;  // null: the mean
  global<const T> x;
  __device__ void operator()(int64_t k) const {
    const auto [plane, i, j] = split(k);
    const int64_t top = adaptive_first(i, in.h, out.h), bottom = adaptive_last(i, in.h, out.h);
    const int64_t left = adaptive_first(j, in.w, out.w), right = adaptive_last(j, in.w, out.w);
    T sum = 0, best = -T(Limits<T>::INF);
    int64_t at = top * in.w + left;
    for (int64_t r = top; r < bottom; ++r)
      for (int64_t c = left; c < right; ++c) {
        const T v = x[(plane * in.h + r) * in.w + c];
        sum += v;
        if (v > best || v != v) best = v, at = r * in.w + c;
      }
    if (indices) y[k] = best, indices[k] = at;
    else y[k] = sum / T((bottom - top) * (right - left));
  }
};
template <class T> struct AdaptiveDx {
  Image in, out;
  Split split;
  global<T> dx;
  global<const T> g;
  __device__ void operator()(int64_t k) const {
    const auto [plane, r, c] = split(k);
    int64_t i0 = r * out.h / in.h, j0 = c * out.w / in.w;  // a window that covers it; the first
    while (i0 > 0 && adaptive_last(i0 - 1, in.h, out.h) > r) --i0;
    while (j0 > 0 && adaptive_last(j0 - 1, in.w, out.w) > c) --j0;
    T sum = 0;
    for (int64_t i = i0; i < out.h && adaptive_first(i, in.h, out.h) <= r; ++i)
      for (int64_t j = j0; j < out.w && adaptive_first(j, in.w, out.w) <= c; ++j) {
        const int64_t rows = adaptive_last(i, in.h, out.h) - adaptive_first(i, in.h, out.h);
        const int64_t columns = adaptive_last(j, in.w, out.w) - adaptive_first(j, in.w, out.w);
        sum += g[(plane * out.h + i) * out.w + j] / T(rows * columns);
      }
    dx[k] = sum;
  }
};

// ---- the way back from a largest ------------------------------------------------------------------------------------------

struct Places {  // the key of element k: its place in y
  int64_t n, size;
  global<const int64_t> indices;
  global<int64_t> key;
  __device__ void operator()(int64_t k) const {
    const int64_t at = indices[k];
    if (uint64_t(at) >= uint64_t(size)) fault(Fault::index, "max_unpool2d", at, size);
    key[k] = uint64_t(at) < uint64_t(size) ? k / n * size + at : -1;
  }
};
template <class T> struct Unpool {
  global<T> y;
  global<const T> x;
  Groups groups;
  bool add;
  __device__ void operator()(int64_t place) const {
    T v = 0;
    for (int64_t i = groups.start[place], end = groups.start[place + 1]; i < end; ++i)
      v = add && i > groups.start[place] ? v + x[groups.order[i]] : x[groups.order[i]];
    y[place] = v;
  }
};
template <class T> struct UnpoolDx {
  int64_t n, size;
  global<T> dx;
  global<const T> g;
  global<const int64_t> indices;
  __device__ void operator()(int64_t k) const {
    const int64_t at = indices[k];
    if (uint64_t(at) >= uint64_t(size)) fault(Fault::index, "max_unpool2d_dx", at, size);
    dx[k] = uint64_t(at) < uint64_t(size) ? g[k / n * size + at] : T(0);
  }
};

Side side_of(const Pool2d& p, int d, int64_t size, int64_t count_padding) { return {p.kernel[d], p.stride[d], p.padding[d], size, count_padding != 0}; }

}  // namespace

void max_pool2d(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p) {
  with_floats("max_pool2d", y, [&](auto t) {
    using T = decltype(t);
    with_offsets(offsets, [&](auto o) {
      using O = decltype(o);
      launch_each("max_pool2d", y.numel(), Max<T, O>{Image(x), Image(y).split(), p, out<T>(y), given<O>(offsets), in<T>(x)});
    });
  });
}
void max_pool2d_dx(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p) {
  with_floats("max_pool2d_dx", dx, [&](auto t) {
    using T = decltype(t);
    with_offsets(offsets, [&](auto o) {
      const Image to(g);
      launch_each("max_pool2d_dx", dx.numel(),
                  MaxDx<T, decltype(o)>{Image(dx).split(), to.h, to.w, p, out<T>(dx), in<T>(g), in<decltype(o)>(offsets)});
    });
  });
}
void max_pool2d_at(PackedOut y, PackedIn x, PackedIn offsets, Pool2d p) {
  with_floats("max_pool2d_at", y, [&](auto t) {
    using T = decltype(t);
    with_offsets(offsets, [&](auto o) {
      const Image from(x);
      launch_each("max_pool2d_at", y.numel(),
                  At<T, decltype(o)>{Image(y).split(), from.h, from.w, p, out<T>(y), in<T>(x), in<decltype(o)>(offsets)});
    });
  });
}
void max_pool2d_indices(PackedOut indices, PackedIn offsets, Pool2d p, int64_t height, int64_t width) {
  with_offsets(offsets, [&](auto o) {
    launch_each("max_pool2d_indices", indices.numel(),
                At<int64_t, decltype(o)>{Image(indices).split(), height, width, p, out<int64_t>(indices), global<const int64_t>(), in<decltype(o)>(offsets)});
  });
}

void avg_pool2d(PackedOut y, PackedIn x, Pool2d p, int64_t count_padding, int64_t divisor) {
  const Image from(x), to(y);
  const Side rows = side_of(p, 0, from.h, count_padding), columns = side_of(p, 1, from.w, count_padding);
  const bool whole = to.h == 1 && to.w == 1 && rows.padding == 0 && columns.padding == 0 && rows.kernel == from.h && columns.kernel == from.w;
  with_floats("avg_pool2d", y, [&](auto t) {
    using T = decltype(t);
    if (whole && divisor == 0 && x.numel())
      return mean(Out{view_of<T>(y.data, {from.planes})}, In{view_of<T>(x.data, {from.planes, from.h * from.w})}, Ints{1, {1}});
    launch_each("avg_pool2d", y.numel(), Mean<T>{to.split(), rows, columns, divisor, out<T>(y), in<T>(x)});
  });
}
void avg_pool2d_dx(PackedOut dx, PackedIn g, Pool2d p, int64_t count_padding, int64_t divisor) {
  const Image from(dx), to(g);
  with_floats("avg_pool2d_dx", dx, [&](auto t) {
    using T = decltype(t);
    launch_each("avg_pool2d_dx", dx.numel(), MeanDx<T>{from.split(), side_of(p, 0, from.h, count_padding), side_of(p, 1, from.w, count_padding), p,
                                                       divisor, to.h, to.w, out<T>(dx), in<T>(g)});
  });
}

void adaptive_avg_pool2d(PackedOut y, PackedIn x) {
  with_floats("adaptive_avg_pool2d", y, [&](auto t) {
    using T = decltype(t);
    launch_each("adaptive_avg_pool2d", y.numel(), Adaptive<T>{Image(x), Image(y), Image(y).split(), out<T>(y), global<int64_t>(), in<T>(x)});
  });
}
void adaptive_avg_pool2d_dx(PackedOut dx, PackedIn g) {
  with_floats("adaptive_avg_pool2d_dx", dx, [&](auto t) {
    using T = decltype(t);
    launch_each("adaptive_avg_pool2d_dx", dx.numel(), AdaptiveDx<T>{Image(dx), Image(g), Image(dx).split(), out<T>(dx), in<T>(g)});
  });
}
void adaptive_max_pool2d(PackedOut y, PackedOut indices, PackedIn x) {
  with_floats("adaptive_max_pool2d", y, [&](auto t) {
    using T = decltype(t);
    launch_each("adaptive_max_pool2d", y.numel(), Adaptive<T>{Image(x), Image(y), Image(y).split(), out<T>(y), out<int64_t>(indices), in<T>(x)});
  });
}

void max_unpool2d(PackedOut y, PackedIn x, PackedIn indices, int64_t add) {
  if (y.numel() == 0) return;
  const Image from(x), to(y);
  Scratch<int64_t> keys(x.numel());
  launch_each("max_unpool2d", x.numel(), Places{from.h * from.w, to.h * to.w, in<int64_t>(indices), global<int64_t>(keys)});
  const Grouping grouping("max_unpool2d", keys.read(), x.numel(), y.numel());
  with_floats("max_unpool2d", y, [&](auto t) {
    using T = decltype(t);
    launch_each("max_unpool2d", y.numel(), Unpool<T>{out<T>(y), in<T>(x), grouping.groups(), add != 0});
  });
}
void max_unpool2d_dx(PackedOut dx, PackedIn g, PackedIn indices) {
  const Image from(dx), to(g);
  with_floats("max_unpool2d_dx", dx, [&](auto t) {
    using T = decltype(t);
    launch_each("max_unpool2d_dx", dx.numel(), UnpoolDx<T>{from.h * from.w, to.h * to.w, out<T>(dx), in<T>(g), in<int64_t>(indices)});
  });
}

}  // namespace fastnn::cuda
