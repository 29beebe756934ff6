// softmax/rungs/rows.cuh: softmax and its derivative by a team of threads for each row; which team is the rung.
//
//    y = exp(x - max x) / Σ exp(x - max x)        dx = y·(g - Σ g·y)        a row of (outer, n, inner): n numbers, `inner` apart
#pragma once
#include "../../../core/cuda/each.cuh"
#include "../../../core/cuda/row.cuh"
#include "../../../core/cuda/scalar.h"

namespace fastnn::cuda {

struct Lines {
  int64_t outer, n, inner;
  __device__ int64_t start(int64_t row) const { return row + row / inner * (n - 1) * inner; }
};

template <class Team, class T> __global__ void __launch_bounds__(ROW_THREADS) three_passes(Lines r, global<T> y, global<const T> x) {
  each_row<Team>(r.outer * r.inner, [&](int64_t row, int64_t part) {
    const int64_t at = r.start(row);
    T most = -Limits<T>::INF, sum = 0;
    for (int64_t j = part; j < r.n; j += Team::PARTS) most = Greater()(x[at + j * r.inner], most);
    most = Team::join(most, Greater());
    for (int64_t j = part; j < r.n; j += Team::PARTS) sum += exp(x[at + j * r.inner] - most);
    const T scale = T(1) / Team::join(sum, Plus());
    for (int64_t j = part; j < r.n; j += Team::PARTS) y[at + j * r.inner] = exp(x[at + j * r.inner] - most) * scale;
  });
}

template <class Team, class T>
__global__ void __launch_bounds__(ROW_THREADS) derivative(Lines r, global<T> dx, global<const T> g, global<const T> y) {
  each_row<Team>(r.outer * r.inner, [&](int64_t row, int64_t part) {
    const int64_t at = r.start(row);
    T dot = 0;
    for (int64_t j = part; j < r.n; j += Team::PARTS) dot += g[at + j * r.inner] * y[at + j * r.inner];
    dot = Team::join(dot, Plus());
    for (int64_t j = part; j < r.n; j += Team::PARTS) dx[at + j * r.inner] = y[at + j * r.inner] * (g[at + j * r.inner] - dot);
  });
}

template <class F> void on_lines(const View& x, int64_t axis, const F& f) {
  Lines r{1, x.ndim ? x.shape[axis] : 1, 1};
  for (int d = 0; d < x.ndim; ++d)
    if (d != axis) (d < axis ? r.outer : r.inner) *= x.shape[d];
  if (x.numel() > 0) with_floats("softmax", x, [&](auto t) { f(t, r); });
}

// Defines softmax_<name> and softmax_dx_<name>.
#define FN_SOFTMAX_RUNG(name, Team, forward)                                                                                              \
  void softmax_##name(PackedOut y, PackedIn x, int64_t axis) {                                                                            \
    on_lines(x, axis, [&](auto t, const Lines& r) {                                                                                       \
      using T = decltype(t);                                                                                                              \
      launch("softmax", &forward<Team, T>, blocks_of<Team>(r.outer * r.inner), ROW_THREADS, r, out<T>(y), in<T>(x));                      \
    });                                                                                                                                   \
  }                                                                                                                                       \
  void softmax_dx_##name(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) {                                                            \
    on_lines(g, axis, [&](auto t, const Lines& r) {                                                                                       \
      using T = decltype(t);                                                                                                              \
      launch("softmax_dx", &derivative<Team, T>, blocks_of<Team>(r.outer * r.inner), ROW_THREADS, r, out<T>(dx), in<T>(g), in<T>(y));     \
    });                                                                                                                                   \
  }

}  // namespace fastnn::cuda
