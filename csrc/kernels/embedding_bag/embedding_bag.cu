// embedding_bag/embedding_bag.cu: sums or means of rows of a table, without the rows in between. As embedding_bag.cpp tells:
//
//    embedding_bag      y[b]  = scale(b) Σ_i p[i] w[index[i]]               embedding_bag_dw   dw[v] = Σ_{index[i] = v} scale(b(i)) p[i] g[b(i)]
//    embedding_bag_dp   dp[i] = scale(b(i)) <g[b(i)], w[index[i]]>          embedding_bag_max  the index whose row is largest, by column
//
// read on  ../segment/rows.cuh
#include "../../core/cuda/scalar.h"
#include "../segment/rows.cuh"

namespace fastnn::cuda {
namespace {

struct ScaleOf {  // of each bag: 1, or one over the number of indices that count
  global<const int64_t> start, index;
  global<double> scale;
  bool mean;
  __device__ void operator()(int64_t b) const {
    int64_t n = 0;
    if (mean)
      for (int64_t k = start[b]; k < start[b + 1]; ++k) n += index[k] >= 0;
    scale[b] = n ? 1. / double(n) : 1.;
  }
};

struct Bags {
  int64_t count, total, rows, width;
  Scratch<int64_t> start, index, bag;  // index: -1 where it takes no part
  Scratch<double> scale;
  Bags(const View& indices, const View& offsets, int64_t bags, int64_t rows, int64_t width, int64_t skip, bool mean)
      : count(bags), total(indices.numel()), rows(rows), width(width), start(bags + 1), index(total), bag(total), scale(bags) {
    const char* name = "embedding_bag";
    if (indices.dtype != DType::i64 || offsets.dtype != DType::i64 || (offsets.numel() != bags && offsets.numel() != bags + 1))
      raise_error(ErrorKind::shape, "embedding_bag: offsets must be int64, one a bag");
    launch_each(name, bags + 1, CheckedOffsets{name, in<int64_t>(offsets), global<int64_t>(start), offsets.numel(), bags, total});
    launch_each(name, total, Expanded{start.read(), global<int64_t>(bag), bags});
    launch_each(name, total, CheckedIds{name, in<int64_t>(indices), global<int64_t>(index), rows, skip});
    launch_each(name, bags, ScaleOf{start.read(), index.read(), global<double>(scale), mean});
  }
};

template <class T> struct Row {
  global<const T> w, p;
  global<const int64_t> index;
  global<const double> scales;
  int64_t width;
  __device__ T operator()(int64_t k, int64_t c) const {
    if (index[k] < 0) return T(0);
    return p ? p[k] * w[index[k] * width + c] : w[index[k] * width + c];
  }
  __device__ T scale(int64_t b) const { return T(scales[b]); }
};
template <class T> struct Gradient {
  global<const T> g, p;
  global<const int64_t> bag;
  global<const double> scales;
  int64_t width;
  __device__ T operator()(int64_t k, int64_t c) const {
    const int64_t b = bag[k];
    if (b < 0) return T(0);  // beyond the last bag
    return T(scales[b]) * (p ? p[k] : T(1)) * g[b * width + c];
  }
  __device__ T scale(int64_t) const { return T(1); }
};
template <class T> __global__ void __launch_bounds__(TEAM_THREADS)
dots(int64_t n, int64_t width, int parts, global<T> dp, global<const T> g, global<const T> w, global<const int64_t> bag, global<const int64_t> index, global<const double> scale) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(parts, true);
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < n; first += int64_t(gridDim.x) * team.teams) {
    const int64_t k = first + team.team, b = k < n ? bag[k] : -1, i = k < n ? index[k] : -1;
    T sum = 0;
    if (b >= 0 && i >= 0)
      for (int64_t j = team.part; j < width; j += team.parts) sum += g[b * width + j] * w[i * width + j];
    sum = team.join(memory, sum, [](T p, T q) { return p + q; });
    if (team.part == 0 && k < n) dp[k] = b >= 0 && i >= 0 ? sum * T(scale[b]) : T(0);
  }
}
template <class T> struct Largest {
  int64_t width;
  global<int64_t> at;
  global<const T> w;
  global<const int64_t> start, index;
  __device__ void operator()(int64_t e) const {
    const int64_t b = e / width, j = e % width;
    T most = 0;
    int64_t where = -1;
    for (int64_t k = start[b]; k < start[b + 1]; ++k) {
      const int64_t i = index[k];
      if (i < 0) continue;
      const T v = w[i * width + j];
      if (where < 0 || v > most) most = v, where = i;
    }
    at[e] = where;
  }
};

}  // namespace

void embedding_bag(PackedOut y, PackedIn w, PackedIn p, PackedIn index, PackedIn offsets, int64_t skip, bool mean) {
  const Bags bags(index, offsets, y.shape[0], w.shape[0], w.shape[1], skip, mean);
  with_floats("embedding_bag", y, [&](auto t) {
    using T = decltype(t);
    run_sum_groups<T>("embedding_bag", Members{{}, bags.start.read()}, Row<T>{in<T>(w), given<const T>(p), bags.index.read(), bags.scale.read(), bags.width},
                      bags.total, bags.count, bags.width, y);
  });
}
void embedding_bag_dw(PackedOut dw, PackedIn g, PackedIn p, PackedIn index, PackedIn offsets, int64_t skip, bool mean) {
  const Bags bags(index, offsets, g.shape[0], dw.shape[0], dw.shape[1], skip, mean);
  const Grouping groups("embedding_bag_dw", bags.index.read(), bags.total, bags.rows);
  with_floats("embedding_bag_dw", g, [&](auto t) {
    using T = decltype(t);
    run_sum_groups<T>("embedding_bag_dw", Members{groups.groups().order, groups.groups().start},
                      Gradient<T>{in<T>(g), given<const T>(p), bags.bag.read(), bags.scale.read(), bags.width}, bags.total, bags.rows, bags.width, dw);
  });
}
void embedding_bag_dp(PackedOut dp, PackedIn g, PackedIn w, PackedIn index, PackedIn offsets, int64_t skip, bool mean) {
  const Bags bags(index, offsets, g.shape[0], w.shape[0], w.shape[1], skip, mean);
  const int parts = team_size(bags.width);
  if (dp.numel() == 0) return;
  with_floats("embedding_bag_dp", g, [&](auto t) {
    using T = decltype(t);
    launch("embedding_bag_dp", &dots<T>, blocks_for(dp.numel(), TEAM_THREADS / parts), TEAM_THREADS, dp.numel(), bags.width, parts, out<T>(dp), in<T>(g), in<T>(w),
           bags.bag.read(), bags.index.read(), bags.scale.read());
  });
}
void embedding_bag_max(PackedOut at, PackedIn w, PackedIn index, PackedIn offsets, int64_t skip) {
  const Bags bags(index, offsets, at.shape[0], w.shape[0], w.shape[1], skip, false);
  with_floats("embedding_bag_max", w, [&](auto t) {
    using T = decltype(t);
    launch_each("embedding_bag_max", at.numel(), Largest<T>{bags.width, out<int64_t>(at), in<T>(w), bags.start.read(), bags.index.read()});
  });
}

}  // namespace fastnn::cuda
