// index/put.cpp: rows written where tables of indices say, or added up there.
//
//    index_put   y[o, p(b), i] = or += x[o, b, i]
//    index_sum   y = 0, then +=                   (the derivative of index_get, and of embedding)
//
// Sums are deterministic for any number of threads: what is added to one place is added in the order of b, because the
// threads share out places (columns, or buckets of rows), never b. Bound by memory.
#include "../../core/stream.h"
#include "group.h"
#include "parts.h"

namespace fastnn::FN_ISA {
namespace {

struct Assign { template <class T> FN static void put(T& y, T x) { y = x; } };
struct Add { template <class T> FN static void put(T& y, T x) { y = T(y + x); } };

// Rows b = order[k], k in [begin, end) (or b = k without an order), columns [c0, c1) of outer × inner.
template <class Op, class T>
FN void put_block(T* y, const T* x, const Parts& p, const int64_t* to, bool skips, const RowPlaces& place,
                  const int32_t* order, int64_t begin, int64_t end, int64_t c0, int64_t c1) {
  const int64_t inner = p.inner.count(), sy = p.inner.inner(0), sx = p.inner.inner(1), step = place.step;
  const bool packed = p.inner.packed();
  if (c1 - c0 == 1 && p.outer.ndim == 0 && inner == 1 && !order && !place.list.count) {
    if (!skips && step == 1) {
#pragma GCC unroll 4
      for (int64_t b = begin; b < end; ++b) Op::put(y[to[b]], x[b]);
      return;
    }
    for (int64_t b = begin; b < end; ++b)
      if (to[b] != NONE) Op::put(y[to[b]], x[b * step]);
    return;
  }
  for (int64_t c = c0; c < c1;) {
    const int64_t o = c / inner, i0 = c - o * inner, i1 = c1 - o * inner < inner ? c1 - o * inner : inner;
    int64_t out = 0, in = 0;
    for_runs(p.outer, o, o + 1, [&](const int64_t* at, int64_t) { out = at[0], in = at[1]; });
    for (int64_t k = begin; k < end; ++k) {
      const int64_t b = order ? order[k] : k;
      if (to[b] == NONE) continue;
      T* const yrow = y + out + to[b];
      const T* const xrow = x + in + place(b);
      if (inner == 1) Op::put(*yrow, *xrow);
      else if (packed)
        for (int64_t i = i0; i < i1; ++i) Op::put(yrow[i], xrow[i]);
      else
        for_row(p.inner, i0, i1, [&](int64_t w, int64_t r, int64_t n) __attribute__((always_inline)) {
          for (int64_t i = 0; i < n; ++i) Op::put(yrow[w + i * sy], xrow[r + i * sx]);
        });
    }
    c += i1 - i0;
  }
}

template <class Op, class T> void put(const View& y, const View& x, const Parts& p, const int64_t* to, bool skips) {
  const RowPlaces place(p.table);
  const int64_t tables = p.table.count(), columns = p.outer.count() * p.inner.count();
  T* const py = y.ptr<T>();
  const T* const px = x.ptr<T>();
  if (tables * columns == 0) return;
  const bool few_columns = columns * int64_t(sizeof(T)) < 256;
  if (!few_columns && tables * columns > 32768) {
    return parallel_for(columns, stripe<T>(columns, tables, 32768), [&](int64_t c0, int64_t c1) {
      put_block<Op>(py, px, p, to, skips, place, nullptr, 0, tables, c0, c1);
    });
  }
  // Few columns: threads share out the rows of y, in 64 ranges. Grouping costs two passes over b, so it wants threads.
  constexpr int64_t GROUPS = 64;
  const bool group = tables >= (1 << 16) && tables < INT32_MAX && (num_threads() > 3 || tables > (1 << 22));
  if (!group) {
    const int64_t step = 1 << 20;
    for (int64_t b = 0; b < tables; b += step)
      put_block<Op>(py, px, p, to, skips, place, nullptr, b, b + step < tables ? b + step : tables, 0, columns);
    return;
  }
  int64_t low = INT64_MAX, high = NONE;
  for (int64_t b = 0; b < tables; ++b)
    if (to[b] != NONE) {
      if (to[b] < low) low = to[b];
      if (to[b] > high) high = to[b];
    }
  if (low > high) return;
  const uint64_t width = (uint64_t(high) - uint64_t(low)) / GROUPS + 1;
  Scratch<int32_t> start(GROUPS + 1), order(tables);
  group_by(tables, GROUPS, start.data, order.data, [&](int64_t b) __attribute__((always_inline)) {
    return to[b] == NONE ? -1 : int64_t((uint64_t(to[b]) - uint64_t(low)) / width);
  });
  parallel_for(GROUPS, 1, [&](int64_t g0, int64_t g1) {
    put_block<Op>(py, px, p, to, skips, place, order.data, start[g0], start[g1], 0, columns);
  });
}

void put_any(const View& y, const View& x, const Parts& p, const int64_t* to, bool skips, bool accumulate) {
  if (accumulate)
    by_type(y.dtype, [&](auto t) __attribute__((always_inline)) { put<Add, decltype(t)>(y, x, p, to, skips); });
  else by_size(y.dtype, [&](auto t) __attribute__((always_inline)) { put<Assign, decltype(t)>(y, x, p, to, skips); });
}

void fill_zero(const View& y) {
  const int64_t bytes = y.bytes();
  parallel_for(bytes, 1 << 18, [=](int64_t begin, int64_t end) {
    __builtin_memset(y.ptr<char>() + begin, 0, size_t(end - begin));
  });
}

// Each row of y is written once: the sum of its group, or zeros. `to` numbers y's rows. A y larger than the cache is written past
// it, and the rows of x, far apart, are fetched ahead: 16,384 rows of 256 into 50,257 (Zen 5) 1.8 -> 0.66 ms.
template <class T>
void sum_rows(const View& y, const View& x, const int64_t* to, int64_t tables, int64_t rows, int64_t length,
              const RowPlaces& place) {
  Scratch<int32_t> start(rows + 1), order(tables);
  group_by(tables, rows, start.data, order.data, [&](int64_t b) __attribute__((always_inline)) {
    return to[b] == NONE ? -1 : to[b];
  });
  T* const py = y.ptr<T>();
  const T* const px = x.ptr<T>();
  constexpr int32_t AHEAD = 8;
  const bool large = past_cache(length, y.bytes());
  auto fetch = [&](int32_t k) __attribute__((always_inline)) {
    if (k >= start[rows]) return;
    const char* row = reinterpret_cast<const char*>(px + place(order[k]));
    for (int64_t i = 0; i < length * int64_t(sizeof(T)); i += 64) __builtin_prefetch(row + i);
  };
  parallel_for(rows, ceil_div(16384, length), [&](int64_t r0, int64_t r1) {
    alignas(64) T tile[ROW_TILE];
    bool clear = false;
    for (int64_t r = r0; r < r1; ++r) {
      T* const out = large ? tile : py + r * length;
      int32_t k = start[r];
      if (k == start[r + 1]) {
        if (!(large && clear)) __builtin_memset(out, 0, size_t(length) * sizeof(T));
        clear = true;
      } else {
        if (large) fetch(k + AHEAD);
        const T* const first = px + place(order[k]);
        if (k + 1 == start[r + 1] && large) {
          stream(py + r * length, first, length * int64_t(sizeof(T)));
          continue;
        }
        clear = false;
        __builtin_memcpy(out, first, size_t(length) * sizeof(T));
        while (++k < start[r + 1]) {
          if (large) fetch(k + AHEAD);
          const T* const in = px + place(order[k]);
          for (int64_t i = 0; i < length; ++i) out[i] = T(out[i] + in[i]);
        }
      }
      if (large) stream(py + r * length, tile, length * int64_t(sizeof(T)));
    }
    if (large) stream_end();
  });
}

}  // namespace

void index_put(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip, int64_t accumulate) {
  const Parts p = split(y, x, index, axes, at);
  const Places to(index, p, picks_of(y, axes, wrap, skip), true);
  put_any(y, x, p, to.at.index, skip != NONE, accumulate != 0);
}

void index_sum(PackedOut y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip) {
  const Parts p = split(y, x, index, axes, at);
  const int64_t tables = p.table.count(), length = p.inner.count();
  Picks picks = picks_of(y, axes, wrap, skip);
  int64_t rows = 1;
  bool leading = p.outer.ndim == 0 && p.inner.packed();
  for (int64_t j = axes.n - 1; j >= 0; --j) {
    leading = leading && axes[j] == j;
    rows *= y.shape[j];
  }
  if (leading && length >= 8 && rows < INT32_MAX && tables < INT32_MAX && tables > 0 && is_float(y.dtype)) {
    for (int64_t j = 0; j < axes.n; ++j) picks.stride[j] = length ? picks.stride[j] / length : 0;
    const Places to(index, p, picks, true);
    const RowPlaces place(p.table);
    if (y.dtype == DType::f32) sum_rows<float>(y, x, to.at.index, tables, rows, length, place);
    else sum_rows<double>(y, x, to.at.index, tables, rows, length, place);
    return;
  }
  const Places to(index, p, picks, true);
  fill_zero(y);
  put_any(y, x, p, to.at.index, skip != NONE, true);
}

}  // namespace fastnn::FN_ISA
