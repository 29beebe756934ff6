// embedding_bag: sums or means of rows of a table, without the rows in between.
//
//    F(g, w, p) = Σ_b scale(b) Σ_{i in bag b} p[i] <g[b], w[index[i]]>       bag b = offsets[b] .. offsets[b + 1]
//
//    embedding_bag      ∂F/∂g    y[b]  = scale(b) Σ_i p[i] w[index[i]]     w (V, D) table   p (n) or None: 1   y, g (B, D)
//    embedding_bag_dw   ∂F/∂w    dw[v] = Σ_{index[i] = v} scale(b(i)) p[i] g[b(i)]
//    embedding_bag_dp   ∂F/∂p    dp[i] = scale(b(i)) <g[b(i)], w[index[i]]>
//    embedding_bag_max  the index whose row is largest, for each column; -1 for an empty bag
//
// scale is 1, or one over the number of indices that count (mean). An index equal to `skip` takes no part. offsets (B): the last
// bag ends with the indices; or (B + 1).
// Bound by memory: one row read an index, the next ones prefetched. Threads share out bags, or rows of dw, each of which is
// written once: its indices are grouped first, in order, so the sums are the same for any number of threads.
#include "../../core/error.h"
#include "../../core/parallel.h"
#include "../declare.h"
#include "../index/group.h"
#include "../segment/rows.h"

namespace fastnn::FN_ISA {
namespace {

constexpr int64_t GRAIN = 32768;  // numbers read a chunk

struct Bags {
  const int64_t *index, *offsets;
  int64_t count, total, rows, width, skip, ends;

  Bags(const View& i, const View& o, int64_t bags, int64_t rows, int64_t width, int64_t skip)
      : index(i.ptr<int64_t>()), offsets(o.ptr<int64_t>()), count(bags), total(i.numel()), rows(rows), width(width), skip(skip),
        ends(o.numel()) {
    if (i.dtype != DType::i64 || o.dtype != DType::i64 || (ends != bags && ends != bags + 1))
      raise_error(ErrorKind::shape, "embedding_bag: offsets must be int64, one a bag");
    if (ends && offsets[0] != 0)
      raise_error(ErrorKind::shape, "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                  "However, got %lld", (long long)offsets[0]);
    for (int64_t b = 0; b < ends; ++b) {
      if (b && offsets[b] < offsets[b - 1])
        raise_error(ErrorKind::value, "embedding_bag: offsets must not fall, got %lld after %lld", (long long)offsets[b], (long long)offsets[b - 1]);
      if (offsets[b] > total)
        raise_error(ErrorKind::shape, "offsets[-1] can not be greater than input's length %lld but got offsets[-1] of %lld",
                    (long long)total, (long long)offsets[b]);
    }
    if (ends == bags + 1) total = offsets[bags];  // what lies beyond belongs to no bag
    bool outside = false;
    for (int64_t k = 0; k < total; ++k) outside |= uint64_t(index[k]) >= uint64_t(rows);
    for (int64_t k = 0; outside && k < total; ++k)
      if (index[k] < 0 || index[k] >= rows) raise_index("embedding_bag", index[k], rows);
  }
  FN int64_t begin(int64_t b) const { return offsets[b]; }
  FN int64_t end(int64_t b) const { return b + 1 < ends ? offsets[b + 1] : total; }
  int64_t grain() const { return ceil_div(GRAIN * count, (total + count) * width + 1); }  // bags
  double scale(int64_t b, bool mean) const {
    int64_t n = 0;
    if (!mean) return 1;
    for (int64_t k = begin(b); k < end(b); ++k) n += index[k] != skip;
    return n ? 1. / double(n) : 1.;
  }
};

template <class F> void with_type(const View& x, const F& f) {
  if (x.dtype == DType::f32) return f(float{});
  if (x.dtype == DType::f64) return f(double{});
  raise_error(ErrorKind::dtype, "embedding_bag: not implemented for integers");
}

}  // namespace

void embedding_bag(PackedOut y, PackedIn w, PackedIn p, PackedIn index, PackedIn offsets, int64_t skip, bool mean) {
  Bags bags(index, offsets, y.shape[0], w.shape[0], w.shape[1], skip);
  with_type(y, [&](auto type) {
    using T = decltype(type);
    const T *table = w.ptr<T>(), *weights = p.ndim < 0 ? nullptr : p.ptr<T>();
    auto row = [=, &bags](int64_t k) __attribute__((always_inline)) {
      return bags.index[k] == skip ? nullptr : table + bags.index[k] * bags.width;
    };
    auto weight = [=](int64_t k) __attribute__((always_inline)) { return weights ? weights[k] : T(1); };
    parallel_for(bags.count, bags.grain(), [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b)
        sum_rows(y.ptr<T>() + b * bags.width, bags.width, bags.begin(b), bags.end(b), bags.total, row, weight, T(bags.scale(b, mean)));
    });
  });
}

void embedding_bag_dw(PackedOut dw, PackedIn g, PackedIn p, PackedIn index, PackedIn offsets, int64_t skip, bool mean) {
  Bags bags(index, offsets, g.shape[0], dw.shape[0], dw.shape[1], skip);
  if (bags.total >= INT32_MAX || bags.rows >= INT32_MAX) raise_error(ErrorKind::value, "embedding_bag: too many indices");
  Scratch<int32_t> start(bags.rows + 1), order(bags.total), bag(bags.total);
  group_by(bags.total, bags.rows, start.data, order.data,
           [&](int64_t k) __attribute__((always_inline)) { return bags.index[k] == skip ? int64_t(-1) : bags.index[k]; });
  with_type(g, [&](auto type) {
    using T = decltype(type);
    Scratch<T> factor(bags.total);  // of each index
    for (int64_t b = 0; b < bags.count; ++b) {
      T scale = T(bags.scale(b, mean));
      for (int64_t k = bags.begin(b); k < bags.end(b); ++k) bag[k] = int32_t(b), factor[k] = p.ndim < 0 ? scale : scale * p.ptr<T>()[k];
    }
    const T* grad = g.ptr<T>();
    auto row = [&](int64_t k) __attribute__((always_inline)) { return grad + bag[order[k]] * bags.width; };
    auto weight = [&](int64_t k) __attribute__((always_inline)) { return factor[order[k]]; };
    parallel_for(bags.rows, ceil_div(GRAIN, bags.width + 1), [&](int64_t first, int64_t last) {
      for (int64_t v = first; v < last; ++v) {
        T* to = dw.ptr<T>() + v * bags.width;
        if (start[v] == start[v + 1]) __builtin_memset(to, 0, size_t(bags.width) * sizeof(T));
        else sum_rows(to, bags.width, start[v], start[v + 1], start[bags.rows], row, weight, T(1));
      }
    });
  });
}

void embedding_bag_dp(PackedOut dp, PackedIn g, PackedIn w, PackedIn index, PackedIn offsets, int64_t skip, bool mean) {
  Bags bags(index, offsets, g.shape[0], w.shape[0], w.shape[1], skip);
  with_type(g, [&](auto type) {
    using T = decltype(type);
    constexpr int W = lanes<T>;
    for (int64_t k = bags.total; k < dp.numel(); ++k) dp.ptr<T>()[k] = 0;
    parallel_for(bags.count, bags.grain(), [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b)
        for (int64_t k = bags.begin(b); k < bags.end(b); ++k) {
          const T *x = g.ptr<T>() + b * bags.width, *row = w.ptr<T>() + bags.index[k] * bags.width;
          vec<T> acc{};
          int64_t j = 0;
          for (; j + W <= bags.width; j += W) acc += load(x + j) * load(row + j);
          if (j < bags.width) acc += load_n(x + j, bags.width - j) * load_n(row + j, bags.width - j);
          dp.ptr<T>()[k] = bags.index[k] == skip ? T(0) : sum_lanes<T>(acc) * T(bags.scale(b, mean));
        }
    });
  });
}

void embedding_bag_max(PackedOut at, PackedIn w, PackedIn index, PackedIn offsets, int64_t skip) {
  Bags bags(index, offsets, at.shape[0], w.shape[0], w.shape[1], skip);
  with_type(w, [&](auto type) {
    using T = decltype(type);
    parallel_for(bags.count, bags.grain(), [&](int64_t begin, int64_t end) {
      Scratch<T> most(bags.width);
      for (int64_t b = begin; b < end; ++b) {
        int64_t* to = at.ptr<int64_t>() + b * bags.width;
        bool first = true;
        for (int64_t k = bags.begin(b); k < bags.end(b); ++k) {
          int64_t i = bags.index[k];
          if (i == skip) continue;
          const T* row = w.ptr<T>() + i * bags.width;
          for (int64_t j = 0; j < bags.width; ++j) {
            bool larger = first || row[j] > most[j];
            most[j] = larger ? row[j] : most[j];
            to[j] = larger ? i : to[j];
          }
          first = false;
        }
        for (int64_t j = 0; first && j < bags.width; ++j) to[j] = -1;
      }
    });
  });
}

}  // namespace fastnn::FN_ISA
