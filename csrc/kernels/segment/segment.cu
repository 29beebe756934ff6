// segment/segment.cu: rows that belong together, summed, compared or normalised. One trilinear form, as segment.cpp tells:
//
//    segment_sum   y[r, h] = Σ_{to[k] = r} p[k, h] x[source[k], h]          segment_dot   dp[k, h] = <g[to[k], h], x[source[k], h]>
//    segment_max   the largest of each column over a segment, and where     segment_softmax   exp(x - m) / Σ exp(x - m) over a segment
//
// to, source: None for k itself, numbers of rows, or, for one of them (csr = 1, -1), where rows begin. No atomics.
// cost     the rows that are read; sorting `to` first (4 bytes a k a pass) unless its offsets are given. A thread has a column of a
//          segment in max and softmax: long segments of few columns wait for it
// read on  rows.cuh
#include <memory>

#include "../../core/cuda/scalar.h"
#include "rows.cuh"

namespace fastnn::cuda {
namespace {

// The row of each k: null for k itself.
struct Ids {
  Scratch<int64_t> own;
  bool given;
  Ids(const char* name, const View& v, int64_t n, int64_t rows, bool csr) : own(v.ndim < 0 ? 0 : n), given(v.ndim >= 0) {
    if (!given || n == 0) return;
    if (csr) {
      Scratch<int64_t> start(rows + 1);
      launch_each(name, rows + 1, CheckedOffsets{name, in<int64_t>(v), global<int64_t>(start), rows + 1, rows, n});
      launch_each(name, n, Expanded{start.read(), global<int64_t>(own), rows});
    } else {
      launch_each(name, n, CheckedIds{name, in<int64_t>(v), global<int64_t>(own), rows, -1});
    }
  }
  global<const int64_t> read() const { return given ? own.read() : global<const int64_t>(); }
};
struct Grouped {
  Scratch<int64_t> start;
  std::unique_ptr<Grouping> sorted;
  Members members{};
  Grouped(const char* name, const View& to, int64_t n, int64_t rows, bool csr) : start(csr ? rows + 1 : 0) {
    if (to.ndim < 0) return;
    if (csr) {
      launch_each(name, rows + 1, CheckedOffsets{name, in<int64_t>(to), global<int64_t>(start), rows + 1, rows, n});
      members = {{}, start.read()};
    } else {
      const Ids ids(name, to, n, rows, false);
      sorted = std::make_unique<Grouping>(name, ids.own.read(), n, rows);
      members = {sorted->groups().order, sorted->groups().start};
    }
  }
};

template <class T> struct Entry {
  global<const T> x, p;
  global<const int64_t> source;
  int64_t row, heads, width;
  __device__ T operator()(int64_t k, int64_t c) const {
    const int64_t from = source ? source[k] : k;
    if (from < 0) return T(0);
    const T v = x[from * row + c];
    return p ? p[k * heads + c / width] * v : v;
  }
  __device__ T scale(int64_t) const { return T(1); }
};

template <class T> __global__ void __launch_bounds__(TEAM_THREADS)
dots(int64_t n, int64_t heads, int64_t width, int parts, global<T> dp, global<const T> g, global<const T> x, global<const int64_t> to, global<const int64_t> source) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(parts, true);
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < n * heads; first += int64_t(gridDim.x) * team.teams) {
    const int64_t item = first + team.team, k = item / heads, h = item % heads;
    T sum = 0;
    if (item < n * heads) {
      const int64_t a = to ? to[k] : k, b = source ? source[k] : k;
      if (a >= 0 && b >= 0)
        for (int64_t j = team.part; j < width; j += team.parts) sum += g[(a * heads + h) * width + j] * x[(b * heads + h) * width + j];
    }
    sum = team.join(memory, sum, [](T p, T q) { return p + q; });
    if (team.part == 0 && item < n * heads) dp[item] = sum;
  }
}

template <class T> struct Largest {
  Members m;
  int64_t width;
  global<T> y;
  global<int32_t> at;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    const int64_t r = e / width, j = e % width;
    T most = -T(Limits<T>::INF);
    int64_t where = -1;
    for (int64_t i = m.begin(r); i < m.end(r); ++i) {
      const int64_t k = m.place(i);
      const T v = x[k * width + j];
      if (v > most || (v != v && most == most) || where < 0) most = v, where = k;  // the first NaN wins
    }
    y[e] = most, at[e] = int32_t(where);
  }
};
template <class T> struct LargestDx {
  int64_t width;
  global<T> dx;
  global<const T> g;
  global<const int32_t> at;
  global<const int64_t> ids;
  __device__ void operator()(int64_t e) const {
    const int64_t k = e / width, r = ids[k], j = e % width;
    dx[e] = r >= 0 && at[r * width + j] == int32_t(k) ? g[r * width + j] : T(0);
  }
};
template <class T> struct Softmax {
  Members m;
  int64_t width;
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    const int64_t r = e / width, j = e % width;
    T most = -T(Limits<T>::INF), sum = 0;
    for (int64_t i = m.begin(r); i < m.end(r); ++i) most = max(most, x[m.place(i) * width + j]);
    for (int64_t i = m.begin(r); i < m.end(r); ++i) {
      const int64_t o = m.place(i) * width + j;
      const T v = exp(x[o] - most);
      y[o] = v;
      sum += v;
    }
    for (int64_t i = m.begin(r); i < m.end(r); ++i) y[m.place(i) * width + j] *= T(1) / sum;
  }
};
template <class T> struct SoftmaxDx {
  Members m;
  int64_t width;
  global<T> dx;
  global<const T> g, y;
  __device__ void operator()(int64_t e) const {
    const int64_t r = e / width, j = e % width;
    T dot = 0;
    for (int64_t i = m.begin(r); i < m.end(r); ++i) dot += g[m.place(i) * width + j] * y[m.place(i) * width + j];
    for (int64_t i = m.begin(r); i < m.end(r); ++i) {
      const int64_t o = m.place(i) * width + j;
      dx[o] = y[o] * (g[o] - dot);
    }
  }
};

}  // namespace

void segment_sum(PackedOut y, PackedIn x, PackedIn p, PackedIn source, PackedIn to, int64_t entries, int64_t csr) {
  const int64_t rows = y.shape[0], heads = y.shape[1], width = y.shape[2];
  const Ids from("segment_sum", source, entries, x.shape[0], csr < 0);
  const Grouped groups("segment_sum", to, entries, rows, csr > 0);
  with_floats("segment_sum", y, [&](auto t) {
    using T = decltype(t);
    run_sum_groups<T>("segment_sum", groups.members, Entry<T>{in<T>(x), given<const T>(p), from.read(), heads * width, heads, width}, entries, rows, heads * width, y);
  });
}
void segment_dot(PackedOut dp, PackedIn g, PackedIn x, PackedIn to, PackedIn source, int64_t csr) {
  const int64_t n = dp.shape[0], heads = g.shape[1], width = g.shape[2];
  if (n == 0 || heads == 0) return;
  const Ids left("segment_dot", to, n, g.shape[0], csr > 0), right("segment_dot", source, n, x.shape[0], csr < 0);
  const int parts = team_size(width);
  with_floats("segment_dot", g, [&](auto t) {
    using T = decltype(t);
    launch("segment_dot", &dots<T>, blocks_for(n * heads, TEAM_THREADS / parts), TEAM_THREADS, n, heads, width, parts, out<T>(dp), in<T>(g), in<T>(x), left.read(), right.read());
  });
}
void segment_max(PackedOut y, PackedOut at, PackedIn x, PackedIn ids) {
  const Grouped groups("segment_max", ids, ids.numel(), y.shape[0], false);
  with_floats("segment_max", x, [&](auto t) {
    using T = decltype(t);
    launch_each("segment_max", y.numel(), Largest<T>{groups.members, y.shape[1], out<T>(y), out<int32_t>(at), in<T>(x)});
  });
}
void segment_max_dx(PackedOut dx, PackedIn g, PackedIn at, PackedIn ids) {
  const Ids to("segment_max_dx", ids, dx.shape[0], g.shape[0], false);
  with_floats("segment_max_dx", g, [&](auto t) {
    using T = decltype(t);
    launch_each("segment_max_dx", dx.numel(), LargestDx<T>{dx.shape[1], out<T>(dx), in<T>(g), in<int32_t>(at), to.read()});
  });
}
void segment_softmax(PackedOut y, PackedIn x, PackedIn ids, int64_t segments) {
  const Grouped groups("segment_softmax", ids, y.shape[0], segments, false);
  with_floats("segment_softmax", x, [&](auto t) {
    using T = decltype(t);
    launch_each("segment_softmax", segments * y.shape[1], Softmax<T>{groups.members, y.shape[1], out<T>(y), in<T>(x)});
  });
}
void segment_softmax_dx(PackedOut dx, PackedIn g, PackedIn y, PackedIn ids, int64_t segments) {
  const Grouped groups("segment_softmax_dx", ids, dx.shape[0], segments, false);
  with_floats("segment_softmax_dx", g, [&](auto t) {
    using T = decltype(t);
    launch_each("segment_softmax_dx", segments * dx.shape[1], SoftmaxDx<T>{groups.members, dx.shape[1], out<T>(dx), in<T>(g), in<T>(y)});
  });
}

}  // namespace fastnn::cuda
