// norm/rungs/rows.cuh: layer norm and its derivative by a team of threads for each row; which team is the rung, and how it reads.
//
//    x̂ = (x - mean)·r     r = 1/√(Σ(x - mean)²/n + ε)     y = x̂·w + b
//    dx = r·(γ - mean(γ) - x̂·mean(γ·x̂))    γ = g·w        dw = Σ_rows g·x̂     db = Σ_rows g
#pragma once
#include "../../../core/cuda/each.cuh"
#include "../../../core/cuda/row.cuh"
#include "../../../core/cuda/scalar.h"

namespace fastnn::cuda {

template <class T> struct LayerNorm {
  int64_t rows, n;
  T eps;
  global<const T> x, g, w, b;
  global<T> mean, scale;  // of each row, from the derivative's first kernel for its second
};
template <class T> struct MeanScale { T mean, r; };

// A part's numbers of a row, read from memory each time that they are needed: each(f) calls f(j, number).
template <class Team, class T> struct Read {
  global<const T> x;
  int64_t n, part;
  template <class F> __device__ __forceinline__ void each(const F& f) const {
    for (int64_t j = part; j < n; j += Team::PARTS) f(j, x[j]);
  }
};

template <class Team, class T, class Line> __device__ __forceinline__ MeanScale<T> stats_of(const Line& x, int64_t n, T eps) {
  T mean = 0, squares = 0;
  x.each([&](int64_t, T v) { mean += v; });
  mean = Team::join(mean, Plus()) / T(n);
  x.each([&](int64_t, T v) { squares += (v - mean) * (v - mean); });
  return {mean, T(1) / sqrt(Team::join(squares, Plus()) / T(n) + eps)};
}

template <class Team, template <class, class> class Line, class T> __global__ void __launch_bounds__(ROW_THREADS) forward(LayerNorm<T> p, global<T> y) {
  each_row<Team>(p.rows, [&](int64_t row, int64_t part) {
    const Line<Team, T> x{p.x + row * p.n, p.n, part};
    const MeanScale<T> s = stats_of<Team, T>(x, p.n, p.eps);
    x.each([&](int64_t j, T v) {
      const T h = (v - s.mean) * s.r;
      y[row * p.n + j] = (p.w ? h * p.w[j] : h) + (p.b ? p.b[j] : T(0));
    });
  });
}

template <class Team, template <class, class> class Line, class T> __global__ void __launch_bounds__(ROW_THREADS) to_input(LayerNorm<T> p, global<T> dx) {
  each_row<Team>(p.rows, [&](int64_t row, int64_t part) {
    const Line<Team, T> x{p.x + row * p.n, p.n, part};
    const MeanScale<T> s = stats_of<Team, T>(x, p.n, p.eps);
    const auto slope_at = [&](int64_t j) { return p.w ? p.g[row * p.n + j] * p.w[j] : p.g[row * p.n + j]; };
    T shift = 0, slope = 0;
    x.each([&](int64_t j, T v) {
      const T t = slope_at(j);
      shift += t, slope += t * (v - s.mean) * s.r;
    });
    shift = Team::join(shift, Plus()) / T(p.n), slope = Team::join(slope, Plus()) / T(p.n);
    x.each([&](int64_t j, T v) { dx[row * p.n + j] = (slope_at(j) - shift - (v - s.mean) * s.r * slope) * s.r; });
    if (part == 0) p.mean[row] = s.mean, p.scale[row] = s.r;
  });
}

// A thread has a column: neighbours read neighbours, but a matrix has only so many columns. (../norm.cu adds pieces of rows.)
template <class T> __global__ void __launch_bounds__(ROW_THREADS) to_weights(LayerNorm<T> p, global<T> dw, global<T> db) {
  for (int64_t j = int64_t(blockIdx.x) * ROW_THREADS + threadIdx.x; j < p.n; j += int64_t(gridDim.x) * ROW_THREADS) {
    T w = 0, b = 0;
    for (int64_t row = 0; row < p.rows; ++row) {
      const T g = p.g[row * p.n + j];
      w += g * (p.x[row * p.n + j] - p.mean[row]) * p.scale[row], b += g;
    }
    if (dw) dw[j] = w;
    if (db) db[j] = b;
  }
}

template <class Team, template <class, class> class Line> void run_forward(const View& y, const View& x, const View& w, const View& b, int64_t n, double eps) {
  with_floats("layer_norm", x, [&](auto t) {
    using T = decltype(t);
    if (x.numel() == 0) return;
    const LayerNorm<T> p{x.numel() / n, n, T(eps), in<T>(x), {}, given<const T>(w), given<const T>(b), {}, {}};
    launch("layer_norm", &forward<Team, Line, T>, blocks_of<Team>(p.rows), ROW_THREADS, p, out<T>(y));
  });
}
template <class Team, template <class, class> class Line>
void run_derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w, int64_t n, double eps) {
  with_floats("layer_norm_dx", x, [&](auto t) {
    using T = decltype(t);
    if (n == 0) return;
    const int64_t rows = x.numel() / n;
    Scratch<T> mean(rows), scale(rows);
    const LayerNorm<T> p{rows, n, T(eps), in<T>(x), in<T>(g), given<const T>(w), {}, global<T>(mean), global<T>(scale)};
    launch("layer_norm_dx", &to_input<Team, Line, T>, blocks_of<Team>(rows), ROW_THREADS, p, out<T>(dx));
    const global<T> to_w = given<T>(dw), to_b = given<T>(db);
    if (to_w || to_b) launch("layer_norm_dx", &to_weights<T>, blocks_for(n, ROW_THREADS), ROW_THREADS, p, to_w, to_b);
  });
}

// Defines layer_norm_<name> and layer_norm_dx_<name>.
#define FN_LAYER_NORM_RUNG(name, Team, Line)                                                                                               \
  void layer_norm_##name(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t n, double eps) { run_forward<Team, Line>(y, x, w, b, n, eps); } \
  void layer_norm_dx_##name(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t n, double eps) {           \
    run_derivative<Team, Line>(dx, dw, db, g, x, w, n, eps);                                                                               \
  }

}  // namespace fastnn::cuda
