// index/index.cpp: advanced indexing. Whole rows are picked by tables of indices, one table for each picked axis.
//
//    index_get   y[o, b, i]  = x[o, p(b), i]      p(b) = the picked axes' indices at b, b runs over the tables' shape
//    one_hot     y[b, c]     = c == index[b]
//
// Bound by memory: a row costs its cache lines. Read on: parts.h (o, b and i), put.cpp (the way back), gather.cpp (one
// index per element), mask.cpp.
#include "parts.h"

namespace fastnn::FN_ISA {
namespace {

// Rows b .. last of neighbours, from[b] in x, to y. Everything is local and rows of 32 to 64 bytes have a loop of their own:
// 20,000 rows of 64 bytes take 48 us on a core, 82 with one loop for all lengths.
template <class T>
FN void copy_rows(T* y, const T* x, Placed from, const RowPlaces& place, int64_t b, int64_t last, int64_t inner, bool large) {
  const int64_t bytes = inner * int64_t(sizeof(T)), step = place.step;
  const int64_t* const list = place.list.count ? place.list.data : nullptr;
  auto each = [=](const auto& copy) __attribute__((always_inline)) {
    for (int64_t k = b; k < last; ++k) {
      T* const to = y + (list ? list[k] : k * step);
      if (from[k] == NONE) __builtin_memset(to, 0, size_t(bytes));
      else copy(to, x + from[k], k);
    }
  };
  if (bytes >= 32 && bytes <= 64)
    return each([=](T* to, const T* row, int64_t) __attribute__((always_inline)) {
      ends<32>(reinterpret_cast<char*>(to), reinterpret_cast<const char*>(row), bytes);
    });
  each([=](T* to, const T* row, int64_t k) __attribute__((always_inline)) {
    if (k + 4 < last && from[k + 4] != NONE) __builtin_prefetch(x + from[k + 4]);
    copy_row(to, row, inner, large);
  });
}

template <class T> void get(const View& y, const View& x, const Parts& p, Placed from, bool skips) {
  const RowPlaces place(p.table);
  const int64_t tables = p.table.count(), inner = p.inner.count(), outer = p.outer.count();
  const int64_t piece = inner > 32768 ? 16384 : inner, pieces = ceil_div(inner, piece ? piece : 1);
  const int64_t sx = p.inner.inner(0), sy = p.inner.inner(1);
  const bool packed = p.inner.packed();
  T* const py = y.ptr<T>();
  const T* const px = x.ptr<T>();
  if (tables * inner * outer == 0) return;
  const bool large = y.bytes() >= LARGE;
  parallel_for(outer * tables * pieces, ceil_div(16384, piece), [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end;) {  // one o at a time; a unit is a piece of a row
      const int64_t o = u / (tables * pieces);
      int64_t stop = (o + 1) * tables * pieces;
      if (stop > end) stop = end;
      int64_t in = 0, out = 0;
      for_runs(p.outer, o, o + 1, [&](const int64_t* at, int64_t) { in = at[0], out = at[1]; });
      int64_t b = (u - o * tables * pieces) / pieces;
      if (inner == 1) {
        const int64_t last = b + (stop - u);
        if (place.list.count == 0 && !skips) {
          const int64_t step = place.step;
          for (; b < last; ++b) py[out + b * step] = px[in + from[b]];
        } else {
          for (; b < last; ++b) py[out + place(b)] = from[b] == NONE ? T(0) : px[in + from[b]];
        }
        u = stop;
        continue;
      }
      if (packed && pieces == 1) {
        const int64_t last = b + (stop - u);
        copy_rows(py + out, px + in, from, place, b, last, inner, large);
        u = stop;
        continue;
      }
      for (; u < stop; ++u) {
        const int64_t q = u % pieces, i0 = q * piece, i1 = i0 + piece < inner ? i0 + piece : inner;
        T* const to = py + out + place(b);
        const int64_t at = from[b];
        const T* const row = px + in + at;
        if (at == NONE)
          for_row(p.inner, i0, i1, [&](int64_t, int64_t r, int64_t n) __attribute__((always_inline)) {
            for (int64_t i = 0; i < n; ++i) to[r + i * sy] = 0;
          });
        else if (packed) copy_run(to + i0, row + i0, i1 - i0);
        else
          for_row(p.inner, i0, i1, [&](int64_t w, int64_t r, int64_t n) __attribute__((always_inline)) {
            for (int64_t i = 0; i < n; ++i) to[r + i * sy] = row[w + i * sx];
          });
        b += q == pieces - 1;
      }
    }
  });
}

}  // namespace

void index_get(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip) {
  const Parts p = split(x, y, index, axes, at);
  const Places from(index, p, picks_of(x, axes, wrap, skip));
  by_size(y.dtype, [&](auto t) __attribute__((always_inline)) { get<decltype(t)>(y, x, p, from.at, skip != NONE); });
}

void one_hot(PackedOut y, In index) {
  const int64_t classes = y.shape[y.ndim - 1];
  Nest<1> nest;
  for (int d = 0; d < index.ndim; ++d) nest.add(index.shape[d], {index.strides[d]});
  const int64_t step = nest.inner(0), n = index.numel();
  int64_t* const py = y.ptr<int64_t>();
  parallel_for(n, ceil_div(32768, classes + 1), [&](int64_t begin, int64_t end) {
    __builtin_memset(py + begin * classes, 0, size_t((end - begin) * classes) * sizeof(int64_t));
    int64_t* row = py + begin * classes;
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t count) __attribute__((always_inline)) {
      const int64_t* in = index.ptr<int64_t>() + at[0];
      for (int64_t i = 0; i < count; ++i, row += classes) {
        const int64_t k = in[i * step];
        if (k < 0) raise_error("one_hot: Class values must be non-negative.");
        if (k >= classes) raise_error("one_hot: Class values must be smaller than num_classes.");
        row[k] = 1;
      }
    });
  });
}

}  // namespace fastnn::FN_ISA
