// index/parts.h: the three parts of an indexed array, and the tables of indices as offsets.
//
//         x                 tables b       y         o  axes kept before the picked ones     Nest `outer`
//      0 ▒▒▒▒▒▒               2         ▓▓▓▓▓▓       i  axes kept after                      Nest `inner`
//      1 ░░░░░░               0         ▒▒▒▒▒▒       b  axes of the tables, broadcast together
//      2 ▓▓▓▓▓▓               2         ▓▓▓▓▓▓
//
// All indices become offsets first: bounds are checked here, so a bad index leaves the output as it was.
#pragma once
#include "nest.h"

namespace fastnn::FN_ISA {

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

FN Parts split(const View& whole, const View& rows, const Ins& index, const Ints& axes, int64_t at) {
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

FN Picks picks_of(const View& whole, const Ints& axes, int64_t wrap, int64_t skip) {
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

template <class I> static void add_offsets(int64_t* to, const View& index, const Parts& parts, const Picks& p, int64_t j) {
  Nest<1> nest;
  for (int d = 0; d < parts.dims; ++d) nest.add(parts.shape[d], {repeat_stride(index, parts.dims - d)});
  const I* from = index.ptr<I>();
  const int64_t step = nest.inner(0), stride = p.stride[j], n = nest.count();
  const int64_t below = p.wrap ? p.size[j] : 0, size = p.size[j], skip = p.skip;
  const bool first = j == 0;
  // No branch in the loop, so it is one of vectors; whether an index was bad is asked for once a run.
  parallel_for(n, 16384, [=, &nest, &p](int64_t begin, int64_t end) {
    int64_t* out = to + begin;
    for_runs(nest, begin, end, [&](const int64_t* at, int64_t count) __attribute__((always_inline)) {
      const I* in = from + at[0];
      uint64_t bad = 0;
      const auto each = [&](int64_t apart) __attribute__((always_inline)) {
        for (int64_t i = 0; i < count; ++i) {
          const int64_t raw = int64_t(in[i * apart]), k = raw < 0 ? raw + below : raw, there = k == skip ? NONE : k * stride;
          bad |= uint64_t(uint64_t(k) >= uint64_t(size));
          out[i] = first ? there : out[i] + there;
        }
      };
      if (step == 1) each(1);
      else each(step);
      for (int64_t i = 0; bad && i < count; ++i) checked(in[i * step], p, j);  // raises
      out += count;
    });
  });
}

// to[b] = Σ_j stride_j · index_j[b]
FN void offsets(int64_t* to, const Ins& index, const Parts& parts, const Picks& p) {
  for (int64_t j = 0; j < index.n; ++j)
    if (index[j].dtype == DType::i32) add_offsets<int32_t>(to, index[j], parts, p, j);
    else add_offsets<int64_t>(to, index[j], parts, p, j);
}

// Whether one vector of indices is all in range: then it is checked, but need not be copied.
FN bool plain_indices(const Ins& index, const Parts& parts, const Picks& p) {
  const View& v = index[0];
  if (index.n != 1 || v.dtype != DType::i64 || p.skip != NONE || !v.packed()) return false;
  const int64_t* const k = v.ptr<int64_t>();
  const uint64_t size = uint64_t(p.size[0]), below = p.wrap ? size : 0;
  uint64_t bad = 0;
  parallel_for(parts.table.count(), 32768, [k, size, below, &bad](int64_t begin, int64_t end) {
    uint64_t any = 0;
    for (int64_t b = begin; b < end; ++b) any |= uint64_t(uint64_t(k[b]) + below >= size + below);
    if (any) __atomic_fetch_or(&bad, any, __ATOMIC_RELAXED);
  });
  return !bad;
}

// The offset of row b, or NONE.
struct Placed {
  const int64_t* index;
  int64_t stride, below;  // of a list of offsets 1 and 0
  FN int64_t operator[](int64_t b) const {
    const int64_t k = index[b];
    return (k < 0 ? k + below : k) * stride;
  }
};
// Plain indices become offsets as they are asked for (13,264 rows of 64 floats, Zen 5: writing them down first took 7 of 64 us), unless
// a list is wanted and they are none.
struct Places {
  Scratch<int64_t> made;
  Placed at;
  Places(const Ins& index, const Parts& parts, const Picks& p, bool listed = false)
      : made((!listed || (p.stride[0] == 1 && !p.wrap)) && plain_indices(index, parts, p) ? 0 : parts.table.count()) {
    if (made.count) offsets(made, index, parts, p), at = {made, 1, 0};
    else at = {index[0].ptr<int64_t>(), p.stride[0], p.wrap ? p.size[0] : 0};
  }
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

}  // namespace fastnn::FN_ISA
