// index/gather.cpp: one index per element, along one axis.
//
//    gather       y[i, j, k] = x[i, index[i, j, k], k]            (axis 1; index has the shape of y)
//    scatter      y[i, index[i, j, k], k] = or += x[i, j, k]
//
// gather runs over the positions of index in any order. scatter's threads share out the lines (i, k), and take j in
// order inside, so the last writer and the order of sums never depend on the number of threads. Indices are checked
// before scatter writes anything. Bound by the latency of scattered accesses: about 1 ns an element in cache.
#include "nest.h"

namespace fastnn::FN_ISA {

void index_put(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip, int64_t accumulate);

namespace {

template <class I> FN int64_t checked(I i, int64_t size, int64_t axis) {
  if (__builtin_expect(uint64_t(int64_t(i)) >= uint64_t(size), 0))
    raise_error(ErrorKind::index, "index %lld is out of bounds for dimension %lld with size %lld", (long long)i,
                (long long)axis, (long long)size);
  return int64_t(i);
}

template <class T, class I> void gather_typed(const View& y, const View& x, const View& index, int64_t axis) {
  Nest<3> nest;
  for (int d = 0; d < index.ndim; ++d)
    nest.add(index.shape[d], {y.strides[d], d == axis ? 0 : x.strides[d], index.strides[d]});
  const int64_t size = x.shape[axis], stride = x.strides[axis];
  const int64_t sy = nest.inner(0), sx = nest.inner(1), si = nest.inner(2);
  parallel_for(nest.count(), 16384, [&](int64_t begin, int64_t end) {
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t n) __attribute__((always_inline)) {
      T* const py = y.ptr<T>() + at[0];
      const T* const px = x.ptr<T>() + at[1];
      const I* const pi = index.ptr<I>() + at[2];
      if (sy == 1 && si == 1 && stride == 1 && sx == 0)
        for (int64_t i = 0; i < n; ++i) py[i] = px[checked(pi[i], size, axis)];
      else
        for (int64_t i = 0; i < n; ++i) py[i * sy] = px[i * sx + checked(pi[i * si], size, axis) * stride];
    });
  });
}

template <class I> void check_all(const View& index, int64_t size, int64_t axis) {
  Nest<1> nest;
  for (int d = 0; d < index.ndim; ++d) nest.add(index.shape[d], {index.strides[d]});
  const int64_t step = nest.inner(0);
  parallel_for(nest.count(), 32768, [&](int64_t begin, int64_t end) {
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t n) __attribute__((always_inline)) {
      const I* const p = index.ptr<I>() + at[0];
      uint64_t bad = 0;
      for (int64_t i = 0; i < n; ++i) bad |= uint64_t(uint64_t(int64_t(p[i * step])) >= uint64_t(size));
      if (bad)
        for (int64_t i = 0; i < n; ++i) checked(p[i * step], size, axis);
    });
  });
}

struct Assign { template <class T> FN static void put(T& y, T x) { y = x; } };
struct Add { template <class T> FN static void put(T& y, T x) { y = T(y + x); } };

template <class Op, class T, class I>
void scatter_typed(const View& y, const View& index, const View& x, int64_t axis) {
  Nest<3> lines;  // every axis but `axis`
  for (int d = 0; d < index.ndim; ++d)
    if (d != axis) lines.add(index.shape[d], {y.strides[d], index.strides[d], x.strides[d]});
  const int64_t n = index.shape[axis], step_i = index.strides[axis], step_x = x.strides[axis], stride = y.strides[axis];
  const int64_t sy = lines.inner(0), si = lines.inner(1), sx = lines.inner(2);
  const bool along = si > step_i || lines.ndim == 0;  // the line itself is the short way through index
  const bool plain = along ? step_i == 1 && step_x == 1 : si == 1 && sx == 1 && sy == 1;
  const int64_t grain = along ? ceil_div(8192, n + 1) : stripe<T>(lines.count(), n + 1, 8192);
  parallel_for(lines.count(), grain, [&](int64_t begin, int64_t end) {
    for_runs(lines, begin, end, [&](const int64_t* at, int64_t count) __attribute__((always_inline)) {
      T* const py = y.ptr<T>() + at[0];
      const I* const pi = index.ptr<I>() + at[1];
      const T* const px = x.ptr<T>() + at[2];
      const auto row = [=](int64_t length, T* to, const I* in, const T* from, int64_t a, int64_t b, int64_t c,
                           int64_t d) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int64_t i = 0; i < length; ++i) Op::put(to[i * a + int64_t(in[i * b]) * d], from[i * c]);
      };
      if (along) {
        for (int64_t k = 0; k < count; ++k) {
          T* const to = py + k * sy;
          const I* const in = pi + k * si;
          const T* const from = px + k * sx;
          if (plain && stride == 1) row(n, to, in, from, 0, 1, 1, 1);
          else row(n, to, in, from, 0, step_i, step_x, stride);
        }
      } else {
        for (int64_t j = 0; j < n; ++j) {
          const I* const in = pi + j * step_i;
          const T* const from = px + j * step_x;
          if (plain) row(count, py, in, from, 1, 1, 1, stride);
          else row(count, py, in, from, sy, si, sx, stride);
        }
      }
    });
  });
}

template <class I> void scatter_any(const View& y, const View& index, const View& x, int64_t axis, bool accumulate) {
  check_all<I>(index, y.shape[axis], axis);
  if (accumulate)
    by_type(y.dtype, [&](auto t) __attribute__((always_inline)) { scatter_typed<Add, decltype(t), I>(y, index, x, axis); });
  else
    by_size(y.dtype,
            [&](auto t) __attribute__((always_inline)) { scatter_typed<Assign, decltype(t), I>(y, index, x, axis); });
}

}  // namespace

void gather(Out y, In x, In index, int64_t axis) {
  by_size(y.dtype, [&](auto t) __attribute__((always_inline)) {
    if (index.dtype == DType::i32) gather_typed<decltype(t), int32_t>(y, x, index, axis);
    else gather_typed<decltype(t), int64_t>(y, x, index, axis);
  });
}

void scatter(Out y, In index, In x, int64_t axis, int64_t accumulate) {
  int64_t lines = 1;
  for (int d = 0; d < index.ndim; ++d)
    if (d != axis) lines *= index.shape[d];
  if (lines == 1 && index.ndim == 1) {  // one line: index_put knows how to share it out
    const View table = index;
    return index_put(y, x, Ins{1, &table}, Ints{1, {0}}, 0, 0, INT64_MIN, accumulate);
  }
  if (index.dtype == DType::i32) scatter_any<int32_t>(y, index, x, axis, accumulate != 0);
  else scatter_any<int64_t>(y, index, x, axis, accumulate != 0);
}

}  // namespace fastnn::FN_ISA
