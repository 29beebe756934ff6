// index/index.cpp: advanced indexing. Whole rows are picked by tables of indices, one table for each picked axis.
//
//    index_get   y[o, b, i]  = x[o, p(b), i]      p(b) = the picked axes' indices at b, b runs over the tables' shape
//    index_put   y[o, p(b), i] = or += x[o, b, i]
//    index_sum   y = 0, then +=                   (the derivative of index_get, and of embedding)
//
//         x                 tables b       y         o  axes kept before the picked ones     Nest `outer`
//      0 ▒▒▒▒▒▒               2         ▓▓▓▓▓▓       i  axes kept after                      Nest `inner`
//      1 ░░░░░░               0         ▒▒▒▒▒▒       b  axes of the tables, broadcast together
//      2 ▓▓▓▓▓▓               2         ▓▓▓▓▓▓
//
// First all indices become offsets (bounds are checked here, so a bad index leaves y as it was), then rows are moved.
// Sums are deterministic for any number of threads: what is added to one place is added in the order of b, because the
// threads share out places (columns, or buckets of rows), never b. Bound by memory: a row costs its cache lines.
// Read on: gather.cpp (one index per element), mask.cpp.
#include "nest.h"

namespace fastnn::FN_ISA {
namespace {

constexpr int64_t NONE = INT64_MIN;  // offset of a skipped index (padding_idx); also "nothing is skipped"

struct Picks {
  int64_t size[MAX_DIMS];    // of the picked axes
  int64_t stride[MAX_DIMS];  // what one step along each is worth
  int64_t axis[MAX_DIMS];    // their numbers, for messages
  bool wrap;                 // -1 means the last
  int64_t skip;
};

// The three parts of y[o, b, i]. `whole` has the picked axes, `rows` has the tables' axes instead, at position `at`.
// rows may be smaller than the result where it is broadcast: its axes are aligned at the right, length 1 repeats.
struct Parts {
  Nest<2> outer, inner;  // strides in whole, in rows
  Nest<1> table;         // strides in rows
  int64_t shape[MAX_DIMS];
  int dims;
};

FN int64_t repeat_stride(const View& v, int d_from_right) {
  int d = v.ndim - d_from_right;
  return d < 0 || v.shape[d] == 1 ? 0 : v.strides[d];
}

FN bool is_picked(const Ints& axes, int d) {
  for (int64_t j = 0; j < axes.n; ++j)
    if (axes[j] == d) return true;
  return false;
}

Parts split(const View& whole, const View& rows, const Ins& index, const Ints& axes, int64_t at) {
  Parts p;
  p.dims = 0;
  for (int64_t j = 0; j < index.n; ++j)
    if (index[j].ndim > p.dims) p.dims = index[j].ndim;
  for (int d = 0; d < p.dims; ++d) {
    p.shape[d] = 1;
    for (int64_t j = 0; j < index.n; ++j) {
      int e = index[j].ndim - p.dims + d;
      if (e >= 0 && index[j].shape[e] != 1) p.shape[d] = index[j].shape[e];
    }
  }
  const int result = whole.ndim - int(axes.n) + p.dims;
  int kept = 0, position = 0;
  auto add_table = [&]() __attribute__((always_inline)) {
    for (int d = 0; d < p.dims; ++d) p.table.add(p.shape[d], {repeat_stride(rows, result - position++)});
  };
  for (int d = 0; d < whole.ndim; ++d) {
    if (is_picked(axes, d)) continue;
    if (kept == at) add_table();
    (kept < at ? p.outer : p.inner).add(whole.shape[d], {whole.strides[d], repeat_stride(rows, result - position)});
    ++kept, ++position;
  }
  if (kept <= at) add_table();
  return p;
}

Picks picks_of(const View& whole, const Ints& axes, int64_t wrap, int64_t skip) {
  Picks p;
  for (int64_t j = 0; j < axes.n; ++j) {
    p.size[j] = whole.shape[axes[j]];
    p.stride[j] = whole.strides[axes[j]];
    p.axis[j] = axes[j];
  }
  p.wrap = wrap != 0;
  p.skip = skip;
  return p;
}

template <class I> FN int64_t checked(I raw, const Picks& p, int64_t j) {
  int64_t i = int64_t(raw);
  if (p.wrap && i < 0) i += p.size[j];
  if (__builtin_expect(uint64_t(i) >= uint64_t(p.size[j]), 0))
    raise_error(ErrorKind::index, "index %lld is out of bounds for dimension %lld with size %lld", (long long)raw,
                (long long)p.axis[j], (long long)p.size[j]);
  return i;
}

template <class I> void add_offsets(int64_t* to, const View& index, const Parts& parts, const Picks& p, int64_t j) {
  Nest<1> nest;
  for (int d = 0; d < parts.dims; ++d) nest.add(parts.shape[d], {repeat_stride(index, parts.dims - d)});
  const I* from = index.ptr<I>();
  const int64_t step = nest.inner(0), stride = p.stride[j], n = nest.count();
  const bool first = j == 0, skips = p.skip != NONE;
  parallel_for(n, 16384, [=, &nest, &p](int64_t begin, int64_t end) {
    int64_t* out = to + begin;
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t count) __attribute__((always_inline)) {
      const I* in = from + at[0];
      if (first && skips)
        for (int64_t i = 0; i < count; ++i) {
          int64_t k = checked(in[i * step], p, j);
          out[i] = k == p.skip ? NONE : k * stride;
        }
      else if (first)
        for (int64_t i = 0; i < count; ++i) out[i] = checked(in[i * step], p, j) * stride;
      else
        for (int64_t i = 0; i < count; ++i) out[i] += checked(in[i * step], p, j) * stride;
      out += count;
    });
  });
}

// to[b] = Σ_j stride_j · index_j[b]
void offsets(int64_t* to, const Ins& index, const Parts& parts, const Picks& p) {
  for (int64_t j = 0; j < index.n; ++j)
    if (index[j].dtype == DType::i32) add_offsets<int32_t>(to, index[j], parts, p, j);
    else add_offsets<int64_t>(to, index[j], parts, p, j);
}

// The table itself where it holds offsets already: one vector of indices that are all in range, for an axis of stride 1.
const int64_t* ready_offsets(const Ins& index, const Parts& parts, const Picks& p) {
  const View& v = index[0];
  if (index.n != 1 || v.dtype != DType::i64 || p.stride[0] != 1 || p.skip != NONE || !v.packed()) return nullptr;
  const int64_t* const k = v.ptr<int64_t>();
  const uint64_t size = uint64_t(p.size[0]);
  uint64_t bad = 0;
  for (int64_t b = 0, n = parts.table.count(); b < n; ++b) bad |= uint64_t(uint64_t(k[b]) >= size);
  return bad ? nullptr : k;
}

struct Offsets {
  const int64_t* ready;
  Scratch<int64_t> made;
  Offsets(const Ins& index, const Parts& parts, const Picks& p)
      : ready(ready_offsets(index, parts, p)), made(ready ? 0 : parts.table.count()) {
    if (!ready) offsets(made, index, parts, p);
  }
  FN operator const int64_t*() const { return ready ? ready : made.data; }
};

// Where row b lies in `rows`: b · step when the tables' axes are regular there, else a list.
struct RowPlaces {
  Scratch<int64_t> list;
  int64_t step;
  explicit RowPlaces(const Nest<1>& table) : list(table.ndim > 1 ? table.count() : 0), step(table.inner(0)) {
    if (table.ndim < 2) return;
    int64_t* out = list;
    for_runs(table, 0, table.count(), [&](const int64_t* at, int64_t count) {
      for (int64_t i = 0; i < count; ++i) *out++ = at[0] + i * step;
    });
  }
  FN int64_t operator()(int64_t b) const { return list.count ? list.data[b] : b * step; }
};

// One row of `inner`, positions [begin, end): f(whole, rows, count, step in whole, step in rows).
template <class F> FN void for_row(const Nest<2>& inner, int64_t begin, int64_t end, const F& f) {
  for_runs(inner, begin, end, [&](const int64_t* at, int64_t count) __attribute__((always_inline)) {
    f(at[0], at[1], count);
  });
}

template <class T> void get(const View& y, const View& x, const Parts& p, const int64_t* from, bool skips) {
  const RowPlaces place(p.table);
  const int64_t tables = p.table.count(), inner = p.inner.count(), outer = p.outer.count();
  const int64_t piece = inner > 32768 ? 16384 : inner, pieces = ceil_div(inner, piece ? piece : 1);
  const int64_t sx = p.inner.inner(0), sy = p.inner.inner(1);
  const bool packed = p.inner.packed();
  T* const py = y.ptr<T>();
  const T* const px = x.ptr<T>();
  if (tables * inner * outer == 0) return;
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
        for (; b < last; ++b) {
          if (b + 4 < last && from[b + 4] != NONE) __builtin_prefetch(px + in + from[b + 4]);
          T* const to = py + out + place(b);
          if (from[b] == NONE) __builtin_memset(to, 0, size_t(inner) * sizeof(T));
          else copy_run(to, px + in + from[b], inner);
        }
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

struct Assign { template <class T> FN static void put(T& y, T x) { y = x; } };
struct Add { template <class T> FN static void put(T& y, T x) { y = T(y + x); } };

// Rows b = order[k], k in [begin, end) (or b = k without an order), columns [c0, c1) of outer × inner.
template <class Op, class T>
FN void put_block(T* y, const T* x, const Parts& p, const int64_t* to, const RowPlaces& place, const int32_t* order,
                  int64_t begin, int64_t end, int64_t c0, int64_t c1) {
  const int64_t inner = p.inner.count(), sy = p.inner.inner(0), sx = p.inner.inner(1), step = place.step;
  const bool packed = p.inner.packed();
  if (c1 - c0 == 1 && p.outer.ndim == 0 && inner == 1 && !order && !place.list.count) {
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

// Groups b = 0 … n-1 by group(b), keeping their order: order[start[g]] … order[start[g + 1] - 1] are group g's.
template <class G> FN void group_by(int64_t n, int64_t groups, int32_t* start, int32_t* order, const G& group) {
  for (int64_t g = 0; g <= groups; ++g) start[g] = 0;
  for (int64_t b = 0; b < n; ++b) {
    int64_t g = group(b);
    if (g >= 0) ++start[g + 1];
  }
  for (int64_t g = 0; g < groups; ++g) start[g + 1] += start[g];
  for (int64_t b = 0; b < n; ++b) {
    int64_t g = group(b);
    if (g >= 0) order[start[g]++] = int32_t(b);
  }
  for (int64_t g = groups; g > 0; --g) start[g] = start[g - 1];  // each start has moved to its group's end
  start[0] = 0;
}

template <class Op, class T> void put(const View& y, const View& x, const Parts& p, const int64_t* to) {
  const RowPlaces place(p.table);
  const int64_t tables = p.table.count(), columns = p.outer.count() * p.inner.count();
  T* const py = y.ptr<T>();
  const T* const px = x.ptr<T>();
  if (tables * columns == 0) return;
  const bool few_columns = columns * int64_t(sizeof(T)) < 256;
  if (!few_columns && tables * columns > 32768) {
    int64_t grain = ceil_div(32768, tables);
    if (grain < int64_t(128 / sizeof(T))) grain = 128 / sizeof(T);  // two cache lines, or threads write the same ones
    return parallel_for(columns, grain, [&](int64_t c0, int64_t c1) {
      put_block<Op>(py, px, p, to, place, nullptr, 0, tables, c0, c1);
    });
  }
  // Few columns: threads share out the rows of y, in 64 ranges. Grouping costs two passes over b, so it wants threads.
  constexpr int64_t GROUPS = 64;
  const bool group = tables >= (1 << 16) && tables < INT32_MAX && (num_threads() > 3 || tables > (1 << 22));
  if (!group) {
    const int64_t step = 1 << 20;
    for (int64_t b = 0; b < tables; b += step)
      put_block<Op>(py, px, p, to, place, nullptr, b, b + step < tables ? b + step : tables, 0, columns);
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
    put_block<Op>(py, px, p, to, place, order.data, start[g0], start[g1], 0, columns);
  });
}

void put_any(const View& y, const View& x, const Parts& p, const int64_t* to, bool accumulate) {
  if (accumulate)
    by_type(y.dtype, [&](auto t) __attribute__((always_inline)) { put<Add, decltype(t)>(y, x, p, to); });
  else by_size(y.dtype, [&](auto t) __attribute__((always_inline)) { put<Assign, decltype(t)>(y, x, p, to); });
}

void fill_zero(const View& y) {
  const int64_t bytes = y.bytes();
  parallel_for(bytes, 1 << 18, [=](int64_t begin, int64_t end) {
    __builtin_memset(y.ptr<char>() + begin, 0, size_t(end - begin));
  });
}

// Each row of y is written once: the sum of its group, or zeros. `to` numbers y's rows.
template <class T>
void sum_rows(const View& y, const View& x, const int64_t* to, int64_t tables, int64_t rows, int64_t length,
              const RowPlaces& place) {
  Scratch<int32_t> start(rows + 1), order(tables);
  group_by(tables, rows, start.data, order.data, [&](int64_t b) __attribute__((always_inline)) {
    return to[b] == NONE ? -1 : to[b];
  });
  T* const py = y.ptr<T>();
  const T* const px = x.ptr<T>();
  parallel_for(rows, ceil_div(16384, length), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      T* const out = py + r * length;
      int32_t k = start[r];
      if (k == start[r + 1]) {
        __builtin_memset(out, 0, size_t(length) * sizeof(T));
        continue;
      }
      __builtin_memcpy(out, px + place(order[k]), size_t(length) * sizeof(T));
      while (++k < start[r + 1]) {
        const T* const in = px + place(order[k]);
        for (int64_t i = 0; i < length; ++i) out[i] = T(out[i] + in[i]);
      }
    }
  });
}

}  // namespace

void index_get(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip) {
  const Parts p = split(x, y, index, axes, at);
  const Offsets from(index, p, picks_of(x, axes, wrap, skip));
  by_size(y.dtype, [&](auto t) __attribute__((always_inline)) { get<decltype(t)>(y, x, p, from, skip != NONE); });
}

void index_put(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip, int64_t accumulate) {
  const Parts p = split(y, x, index, axes, at);
  const Offsets to(index, p, picks_of(y, axes, wrap, skip));
  put_any(y, x, p, to, accumulate != 0);
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
    const Offsets to(index, p, picks);
    const RowPlaces place(p.table);
    if (y.dtype == DType::f32) sum_rows<float>(y, x, to, tables, rows, length, place);
    else sum_rows<double>(y, x, to, tables, rows, length, place);
    return;
  }
  const Offsets to(index, p, picks);
  fill_zero(y);
  put_any(y, x, p, to, true);
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
