// index/parts.cuh: an indexed array in three parts, and the tables of indices as rows. As parts.h on the CPU:
//
//    x[o, p(b), i]     o  axes kept before the picked ones     b  axes of the tables, broadcast     i  axes kept after
//
// Each b becomes the number of the row it picks (among the picked axes, in row-major order), or -1 where it is skipped. An index out
// of range is a fault, and picks nothing.
#pragma once
#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {

constexpr int64_t SKIP_NONE = INT64_MIN;  // padding_idx: no index is skipped

struct Parts {  // of `whole`, which has the picked axes, and of `rows`, which has the tables' axes instead, at position `at`
  Loops<2> outer, inner;  // strides in whole, in rows
  Loops<1> table;         // strides in rows
  int64_t shape[MAX_DIMS];
  int dims = 0;
  int64_t count() const { return outer.count * table.count * inner.count; }
};

inline int64_t repeated(const View& v, int d_from_right) {  // axes of length 1 repeat
  const int d = v.ndim - d_from_right;
  return d < 0 || v.shape[d] == 1 ? 0 : v.strides[d];
}

inline Parts parts_of(const View& whole, const View& rows, const Ins& index, const Ints& axes, int64_t at) {
  Parts p;
  for (int64_t j = 0; j < index.n; ++j)
    if (index[j].ndim > p.dims) p.dims = index[j].ndim;
  for (int d = 0; d < p.dims; ++d) {
    p.shape[d] = 1;
    for (int64_t j = 0; j < index.n; ++j) {
      const int e = index[j].ndim - p.dims + d;
      if (e >= 0 && index[j].shape[e] != 1) p.shape[d] = index[j].shape[e];
    }
  }
  const int result = whole.ndim - int(axes.n) + p.dims;
  int kept = 0, position = 0;
  const auto add_table = [&] {
    for (int d = 0; d < p.dims; ++d) {
      const int64_t stride[1] = {repeated(rows, result - position++)};
      p.table.add(p.shape[d], stride);
    }
  };
  for (int d = 0; d < whole.ndim; ++d) {
    bool picked = false;
    for (int64_t j = 0; j < axes.n; ++j) picked = picked || axes[j] == d;
    if (picked) continue;
    if (kept == at) add_table();
    const int64_t strides[2] = {whole.strides[d], repeated(rows, result - position)};
    (kept < at ? p.outer : p.inner).add(whole.shape[d], strides);
    ++kept, ++position;
  }
  if (kept <= at) add_table();
  return p;
}

template <class I> struct RowOf {  // row[b] of one table more
  Loops<1> place;
  global<const I> index;
  global<int64_t> row;
  int64_t size, skip;
  bool wrap, first;
  __device__ void operator()(int64_t b) const {
    int64_t at[1];
    place.find(b, at);
    const int64_t raw = int64_t(index[at[0]]), k = wrap && raw < 0 ? raw + size : raw;
    if (uint64_t(k) >= uint64_t(size)) {
      fault(Fault::index, "index", raw, size);
      row[b] = -1;
      return;
    }
    const int64_t before = first ? 0 : row[b];
    row[b] = before < 0 || (first && k == skip) ? -1 : before * size + k;
  }
};

// The rows of all b, on the device.
inline void rows_of(global<int64_t> row, const View& whole, const Ins& index, const Parts& p, const Ints& axes, int64_t wrap, int64_t skip) {
  for (int64_t j = 0; j < index.n; ++j) {
    Loops<1> place;
    for (int d = 0; d < p.dims; ++d) {
      const int64_t stride[1] = {repeated(index[j], p.dims - d)};
      place.add(p.shape[d], stride);
    }
    const int64_t size = whole.shape[axes[j]];
    if (index[j].dtype == DType::i32) launch_each("index", p.table.count, RowOf<int32_t>{place, in<int32_t>(index[j]), row, size, skip, wrap != 0, j == 0});
    else launch_each("index", p.table.count, RowOf<int64_t>{place, in<int64_t>(index[j]), row, size, skip, wrap != 0, j == 0});
  }
}

struct Picked {  // from a row's number to its offset in the whole array
  Loops<1> axes;
  Picked(const View& whole, const Ints& picked) {
    for (int64_t j = 0; j < picked.n; ++j) {
      const int64_t stride[1] = {whole.strides[picked[j]]};
      axes.add(whole.shape[picked[j]], stride);
    }
  }
  __device__ __forceinline__ int64_t operator()(int64_t row) const {
    int64_t at[1];
    axes.find(row, at);
    return at[0];
  }
};

}  // namespace fastnn::cuda
