// join/join.cpp: putting arrays side by side, and the two triangles of a matrix.
//
//    cat        y[:, …] = x0 | x1 | …    along one axis
//    triangle   y = x on one side of diagonal k, 0 on the other
//
// cat is one pass over y: a row of y (the axis and all behind it) is a row of each input in turn, so packed inputs are
// copied by the row, in the order of y. Rows of a few values go input by input through a block of rows that stays in
// cache; two to four inputs with one value a row, as in stack(xs, -1), are interleaved in registers. Bound by memory.
#include "../index/nest.h"
#include "../matmul/pack.h"  // Sequence

namespace fastnn::FN_ISA {
namespace {

template <class T> void move(const View& y, const View& x) {
  Nest<2> nest;
  for (int d = 0; d < y.ndim; ++d) nest.add(y.shape[d], {y.strides[d], x.strides[d]});
  const int64_t sy = nest.inner(0), sx = nest.inner(1);
  parallel_for(nest.count(), 32768, [&](int64_t begin, int64_t end) {
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t n) __attribute__((always_inline)) {
      T* const out = y.ptr<T>() + at[0];
      const T* const in = x.ptr<T>() + at[1];
      if (sy == 1 && sx == 1) copy_run(out, in, n);
      else
        for (int64_t i = 0; i < n; ++i) out[i * sy] = in[i * sx];
    });
  });
}

// `rows` rows of n values each, n known where it is small.
template <int N, class T> FN void move_rows(T* y, int64_t sy, const T* x, int64_t n, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    if constexpr (N > 0) {
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) y[r * sy + i] = x[r * N + i];
      __asm__("" : "+r"(x));  // or GCC scatters vectors, at twice the time
    } else {
      copy_run(y + r * sy, x + r * n, n);
    }
  }
}

// Vector J of x[0][0], x[1][0], .. x[K - 1][0], x[0][1], ..: element e = J·lanes + I of them is value e / K of x[e % K].
template <int K, int J, class T, int... I> FN vec<T> woven(const vec<T>* x, Sequence<I...>) {
  constexpr int W = lanes<T>;
  vec<T> v = __builtin_shufflevector(x[0], x[1], ((J * W + I) / K + ((J * W + I) % K == 1 ? W : 0))...);
  if constexpr (K > 2) v = __builtin_shufflevector(v, x[2], ((J * W + I) % K == 2 ? W + (J * W + I) / K : I)...);
  if constexpr (K > 3) v = __builtin_shufflevector(v, x[3], ((J * W + I) % K == 3 ? W + (J * W + I) / K : I)...);
  return v;
}

// y[K r + k] = x[k][r] for r in [begin, end). Input by input with scalar stores, K = 2, 3, 4 of 431 x 1177 floats took
// 201, 400, 592 us; this way 90, 208, 155.
template <int K, class T> FN void weave(T* y, const Ins& xs, int64_t begin, int64_t end) {
  constexpr int W = lanes<T>;
  const T* x[K];
  for (int k = 0; k < K; ++k) x[k] = xs[k].ptr<T>();
  int64_t r = begin;
  if constexpr (sizeof(T) > 1) {
    typename MakeSequence<W>::type s;
    for (; r + W <= end; r += W) {
      vec<T> v[K];
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) v[k] = load(x[k] + r);
      T* const to = y + K * r;
      store(to, woven<K, 0, T>(v, s));
      store(to + W, woven<K, 1, T>(v, s));
      if constexpr (K > 2) store(to + 2 * W, woven<K, 2, T>(v, s));
      if constexpr (K > 3) store(to + 3 * W, woven<K, 3, T>(v, s));
    }
  }
  for (; r < end; ++r)
    for (int k = 0; k < K; ++k) y[K * r + k] = x[k][r];
}

template <class T> void cat_packed(const View& y, const Ins& xs, int64_t axis) {
  int64_t rows = 1, inner = 1;
  for (int d = 0; d < axis; ++d) rows *= y.shape[d];
  for (int d = int(axis) + 1; d < y.ndim; ++d) inner *= y.shape[d];
  const int64_t width = y.shape[axis] * inner;
  if (rows * width == 0) return;
  T* const py = y.ptr<T>();
  if (rows == 1) {
    int64_t at = 0;
    for (int64_t k = 0; k < xs.n; ++k) {
      const int64_t n = xs[k].shape[axis] * inner;
      const T* const px = xs[k].ptr<T>();
      T* const to = py + at;
      parallel_for(n, 1 << 16, [=](int64_t begin, int64_t end) { copy_run(to + begin, px + begin, end - begin); });
      at += n;
    }
    return;
  }
  bool single = width >= 2 && width <= 4;  // one value a row
  for (int64_t k = 0; k < xs.n; ++k) single = single && xs[k].shape[axis] * inner == 1;
  if (single)
    return parallel_for(rows, ceil_div(16384, width), [&](int64_t begin, int64_t end) {
      if (width == 2) weave<2>(py, xs, begin, end);
      else if (width == 3) weave<3>(py, xs, begin, end);
      else weave<4>(py, xs, begin, end);
    });
  const int64_t block = ceil_div(8192 / int64_t(sizeof(T)), width);  // rows of y that stay in the first-level cache
  parallel_for(rows, ceil_div(16384, width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r += block) {
      const int64_t count = r + block < end ? block : end - r;
      int64_t at = r * width;
      for (int64_t k = 0; k < xs.n; ++k) {
        const int64_t n = xs[k].shape[axis] * inner;
        const T* const px = xs[k].ptr<T>() + r * n;
        switch (n) {
          case 1: move_rows<1>(py + at, width, px, n, count); break;
          case 2: move_rows<2>(py + at, width, px, n, count); break;
          case 3: move_rows<3>(py + at, width, px, n, count); break;
          case 4: move_rows<4>(py + at, width, px, n, count); break;
          default: move_rows<0>(py + at, width, px, n, count);
        }
        at += n;
      }
    }
  });
}

template <class T> void cat_typed(const View& y, const Ins& xs, int64_t axis) {
  bool packed = y.packed();
  for (int64_t k = 0; k < xs.n; ++k) packed = packed && xs[k].packed();
  if (packed) return cat_packed<T>(y, xs, axis);
  View part = y;
  for (int64_t k = 0; k < xs.n; ++k) {
    part.shape[axis] = xs[k].shape[axis];
    if (xs[k].numel()) move<T>(part, xs[k]);
    part.data = part.ptr<T>() + xs[k].shape[axis] * y.strides[axis];
  }
}

template <class T> void triangle_typed(const View& y, const View& x, int64_t k, bool upper) {
  const int64_t rows = y.shape[y.ndim - 2], width = y.shape[y.ndim - 1], step = x.strides[x.ndim - 1];
  Nest<1> nest;
  for (int d = 0; d < x.ndim - 1; ++d) nest.add(x.shape[d], {x.strides[d]});
  if (y.numel() == 0) return;
  parallel_for(nest.count(), ceil_div(16384, width), [&](int64_t begin, int64_t end) {
    int64_t r = begin;
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t count) __attribute__((always_inline)) {
      for (int64_t i = 0; i < count; ++i, ++r) {
        const T* const in = x.ptr<T>() + at[0] + i * nest.inner(0);
        T* const out = y.ptr<T>() + r * width;
        int64_t cut = r % rows + k + (upper ? 0 : 1);  // first column of the upper side
        cut = cut < 0 ? 0 : cut > width ? width : cut;
        const int64_t a = upper ? cut : 0, b = upper ? width : cut;
        __builtin_memset(upper ? out : out + cut, 0, size_t(upper ? cut : width - cut) * sizeof(T));
        if (step == 1) copy_run(out + a, in + a, b - a);
        else
          for (int64_t c = a; c < b; ++c) out[c] = in[c * step];
      }
    });
  });
}

}  // namespace

void cat(Out y, Ins xs, int64_t axis) {
  switch (itemsize(y.dtype)) {  // moved as bits, of a type that has vectors
    case 1: return cat_typed<uint8_t>(y, xs, axis);
    case 4: return cat_typed<int32_t>(y, xs, axis);
    default: return cat_typed<int64_t>(y, xs, axis);
  }
}

void triangle(PackedOut y, In x, int64_t k, int64_t upper) {
  by_size(y.dtype, [&](auto t) __attribute__((always_inline)) { triangle_typed<decltype(t)>(y, x, k, upper != 0); });
}

}  // namespace fastnn::FN_ISA
