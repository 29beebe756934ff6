// interpolate/interpolate.cpp: separable resampling of the last two axes, and its transpose.
//
//    y[i, j] = Σ over s, t of  row_weights[i, s] · column_weights[j, t] · x[rows[i, s], columns[j, t]]
//
// Nearest has one tap an axis, linear two, cubic four, antialiased more: Python makes the tables, one kernel serves them
// all. No table: that axis stays as it is. No weights: one tap of weight one, and values are copied, not multiplied.
//
//    forward   an input row is resampled across its columns once (a gather), into a ring of as many rows as a row has
//              taps; an output row is then a weighted sum of ring rows on whole vectors. The taps of one output lie
//              within that many consecutive inputs, so ring slots do not collide.
//    dx        the tables are inverted first: who reads input row h, with which weight? Rows of g are added on whole
//              vectors, then column w sums its readers: a gather again, no zero fill, fixed order.
//
//    cost      upscaling: one gather for each input row, one or two multiply-adds and the store for an output
#include "../../core/parallel.h"
#include "../../core/simd.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

// One axis's table, tap by tap: index[t · outs + i], in 32 bits where the gather instruction wants them.
template <class T> struct Taps {
  int64_t outs, taps;
  bool present, weighted;
  Scratch<int32_t> index;
  Scratch<T> weight;

  FN ~Taps() {}  // inline, as everything compiled once per instruction set: no symbol that a linker could share
  FN Taps(const View& indices, const View& weights, int64_t outs, int64_t size)
      : outs(outs), taps(indices.ndim < 0 ? 1 : indices.shape[1]), present(indices.ndim >= 0), weighted(weights.ndim >= 0),
        index(present ? outs * taps : 1), weight(weighted ? outs * taps : 1) {
    if (!present) return;
    for (int64_t i = 0; i < outs; ++i)
      for (int64_t t = 0; t < taps; ++t) {
        int64_t k = indices.ptr<int64_t>()[i * taps + t];
        if (k < 0 || k >= size) raise_index("interpolate2d", k, size);
        index[t * outs + i] = int32_t(k);
        if (weighted) weight[t * outs + i] = T(weights.ptr<double>()[i * taps + t]);
      }
  }
  FN int64_t at(int64_t i, int64_t t) const { return present ? index[t * outs + i] : i; }
  FN T weight_at(int64_t i, int64_t t) const { return weighted ? weight[t * outs + i] : T(1); }
};

// The inverse: the readers of input k are entry[first[k]], ..., entry[first[k + 1] - 1], in order.
template <class T> struct Readers {
  struct Entry {
    int32_t out;
    T weight;
  };
  Scratch<int64_t> first;
  Scratch<Entry> entry;

  FN ~Readers() {}
  FN Readers(const Taps<T>& taps, int64_t size) : first(size + 2), entry(taps.outs * taps.taps + 1) {
    for (int64_t k = 0; k < size + 2; ++k) first[k] = 0;
    for (int64_t i = 0; i < taps.outs; ++i)
      for (int64_t t = 0; t < taps.taps; ++t) ++first[taps.at(i, t) + 2];
    for (int64_t k = 1; k < size + 2; ++k) first[k] += first[k - 1];
    for (int64_t i = 0; i < taps.outs; ++i)
      for (int64_t t = 0; t < taps.taps; ++t) entry[first[taps.at(i, t) + 1]++] = {int32_t(i), taps.weight_at(i, t)};
  }
};

template <class T> FN void columns_of(T* y, const T* x, const Taps<T>& columns) {
  int64_t n = columns.outs;
  const int32_t* a = columns.index;
  const T* p = columns.weight;
  if (!columns.weighted) {
    for (int64_t j = 0; j < n; ++j) y[j] = x[a[j]];
  } else if (columns.taps == 2) {
    for (int64_t j = 0; j < n; ++j) y[j] = p[j] * x[a[j]] + p[n + j] * x[a[n + j]];
  } else {
    for (int64_t j = 0; j < n; ++j) y[j] = p[j] * x[a[j]];
    for (int64_t t = 1; t < columns.taps; ++t)
      for (int64_t j = 0; j < n; ++j) y[j] += p[t * n + j] * x[a[t * n + j]];
  }
}

template <class T> FN vec<T> load_head(const T* p, int64_t n) { return n >= lanes<T> ? load(p) : load_n(p, n); }
template <class T> FN void store_head(T* p, vec<T> v, int64_t n) { n >= lanes<T> ? store(p, v) : store_n(p, v, n); }

struct Planes {
  int64_t count, h, w;
  static FN Planes of(const View& x) {
    Planes p{1, x.shape[x.ndim - 2], x.shape[x.ndim - 1]};
    for (int d = 0; d < x.ndim - 2; ++d) p.count *= x.shape[d];
    return p;
  }
};

// f(plane, first row, last row): bands of rows of each plane, 10-30 us each.
template <class F> FN void for_rows(int64_t planes, int64_t rows, int64_t row_cost, const F& f) {
  constexpr int64_t work = 1 << 15;
  int64_t band = work / (row_cost + 1) + 1;
  if (band > rows) band = rows;
  int64_t bands = ceil_div(rows, band);
  parallel_for(planes * bands, bands > 1 ? 1 : work / (band * row_cost + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t first = k % bands * band;
      f(k / bands, first, first + band < rows ? first + band : rows);
    }
  });
}

template <class T> static void resample(T* y, const T* x, Planes in, Planes out, const Taps<T>& rows, const Taps<T>& columns) {
  int64_t taps = rows.taps;
  for_rows(in.count, out.h, (taps + 2 * columns.taps) * out.w, [&](int64_t plane, int64_t begin, int64_t end) {
    Scratch<T> ring(columns.present ? taps * out.w : 1);
    Scratch<int64_t> held(taps);
    Scratch<const T*> source(taps);
    for (int64_t s = 0; s < taps; ++s) held[s] = -1;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t s = 0; s < taps; ++s) {
        int64_t r = rows.at(i, s), slot = r % taps;
        const T* row = x + (plane * in.h + r) * in.w;
        source[s] = columns.present ? ring + slot * out.w : row;
        if (!columns.present || held[slot] == r) continue;
        columns_of(ring + slot * out.w, row, columns);
        held[slot] = r;
      }
      T* to = y + (plane * out.h + i) * out.w;
      if (!rows.weighted) {
        __builtin_memcpy(to, source[0], size_t(out.w) * sizeof(T));
        continue;
      }
      for (int64_t j = 0; j < out.w; j += lanes<T>) {
        vec<T> sum = rows.weight_at(i, 0) * load_head(source[0] + j, out.w - j);
        for (int64_t s = 1; s < taps; ++s) sum += rows.weight_at(i, s) * load_head(source[s] + j, out.w - j);
        store_head(to + j, sum, out.w - j);
      }
    }
  });
}

template <class T> static void resample_dx(T* dx, const T* g, Planes in, Planes out, const Taps<T>& rows, const Taps<T>& columns) {
  Readers<T> row_readers(rows, in.h), column_readers(columns, in.w);
  int64_t cost = (rows.outs * rows.taps / in.h + 1 + 4 * columns.taps) * out.w + in.w;
  for_rows(in.count, in.h, cost, [&](int64_t plane, int64_t begin, int64_t end) {
    Scratch<T> sum(out.w + 1);
    for (int64_t h = begin; h < end; ++h) {
      T* to = dx + (plane * in.h + h) * in.w;
      T* target = columns.present ? sum.data : to;
      int64_t first = row_readers.first[h], last = row_readers.first[h + 1];
      for (int64_t j = 0; j < out.w; j += lanes<T>) {
        vec<T> s{};
        for (int64_t k = first; k < last; ++k) {
          auto reader = row_readers.entry[k];
          s += reader.weight * load_head(g + (plane * out.h + reader.out) * out.w + j, out.w - j);
        }
        store_head(target + j, s, out.w - j);
      }
      if (!columns.present) continue;
      for (int64_t w = 0; w < in.w; ++w) {
        T s = 0;
        for (int64_t k = column_readers.first[w]; k < column_readers.first[w + 1]; ++k)
          s += column_readers.entry[k].weight * sum[column_readers.entry[k].out];
        to[w] = s;
      }
    }
  });
}

void interpolate2d(PackedOut y, PackedIn x, HostIn rows, HostIn row_weights, HostIn columns, HostIn column_weights) {
  if (y.numel() == 0) return;
  Planes in = Planes::of(x), out = Planes::of(y);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    Taps<T> r(rows, row_weights, out.h, in.h), c(columns, column_weights, out.w, in.w);
    resample(y.ptr<T>(), x.ptr<T>(), in, out, r, c);
  };
  y.dtype == DType::f32 ? run(float{}) : run(double{});
}

void interpolate2d_dx(PackedOut dx, PackedIn g, HostIn rows, HostIn row_weights, HostIn columns, HostIn column_weights) {
  if (dx.numel() == 0) return;
  Planes in = Planes::of(dx), out = Planes::of(g);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    Taps<T> r(rows, row_weights, out.h, in.h), c(columns, column_weights, out.w, in.w);
    resample_dx(dx.ptr<T>(), g.ptr<T>(), in, out, r, c);
  };
  dx.dtype == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace fastnn::FN_ISA
