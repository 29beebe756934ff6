// softmax.cu: probabilities along one axis, their logarithm, and both derivatives.
//
//    softmax         y = exp(x - max x) / Σ exp(x - max x)           log_softmax       y = x - max x - log Σ exp(x - max x)
//    softmax_dx      dx = y·(g - Σ g·y)                              log_softmax_dx    dx = g - exp(y)·Σ g
//
// x is (outer, n, inner); a team of threads has one row of n elements, `inner` apart (core/cuda/team.cuh). The maximum and the sum
// are found in one pass, as pairs (m, Σ exp(x - m)) that can be joined.
//
// cost     two reads and one write, the second read from L2: the row has just been there
#include "../../core/cuda/scalar.h"
#include "../../core/cuda/team.cuh"

namespace fastnn::cuda {
namespace {

struct Rows {
  int64_t outer, n, inner;
  int parts;
};
Rows rows_of(const View& x, int64_t axis) {
  Rows r{1, x.ndim ? x.shape[axis] : 1, 1, 1};
  for (int d = 0; d < x.ndim; ++d)
    if (d != axis) (d < axis ? r.outer : r.inner) *= x.shape[d];
  r.parts = team_size(r.n);
  if (r.inner > 1 && r.parts > TEAM_THREADS / 32) r.parts = TEAM_THREADS / 32;
  return r;
}

template <class T> struct MaxSum { T m, s; };
template <class T> FN MaxSum<T> joined(MaxSum<T> a, MaxSum<T> b) {
  const T m = a.m != a.m ? a.m : b.m != b.m ? b.m : max(a.m, b.m);
  const T p = a.m == m ? a.s : a.s * exp(a.m - m), q = b.m == m ? b.s : b.s * exp(b.m - m);
  return {m, (a.s == T(0) ? T(0) : p) + (b.s == T(0) ? T(0) : q)};
}

// f(start of this team's row, whether there is one): all threads go through the same rows, so that they meet at barriers.
template <class F> __device__ __forceinline__ void each_row(const Rows& r, const Team& team, const F& f) {
  const int64_t rows = r.outer * r.inner;
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < rows; first += int64_t(gridDim.x) * team.teams) {
    const int64_t row = first + team.team;
    f(row < rows ? row / r.inner * r.n * r.inner + row % r.inner : 0, row < rows ? r.n : 0);
  }
}

template <class T, bool LOG> __global__ void forward(Rows r, global<T> y, global<const T> x) {
  SHARED(MaxSum<T>, memory, TEAM_THREADS);
  const Team team(r.parts, r.inner == 1);
  each_row(r, team, [&](int64_t at, int64_t n) {
    MaxSum<T> a = {-T(Limits<T>::INF), T(0)};
    for (int64_t j = team.part; j < n; j += team.parts) a = joined(a, {x[at + j * r.inner], T(1)});
    a = team.join(memory, a, [](const MaxSum<T>& p, const MaxSum<T>& q) { return joined(p, q); });
    const T sum = a.m == Limits<T>::INF ? T(Limits<T>::NAN_) : a.s;  // infinity minus infinity: all of the row
    const T scale = LOG ? log(sum) : T(1) / sum;
    for (int64_t j = team.part; j < n; j += team.parts) {
      const T v = x[at + j * r.inner] - a.m;
      y[at + j * r.inner] = LOG ? v - scale : exp(v) * scale;
    }
  });
}

template <class T, bool LOG> __global__ void derivative(Rows r, global<T> dx, global<const T> g, global<const T> y) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(r.parts, r.inner == 1);
  each_row(r, team, [&](int64_t at, int64_t n) {
    T sum = 0;
    for (int64_t j = team.part; j < n; j += team.parts) {
      const int64_t i = at + j * r.inner;
      sum += LOG ? g[i] : g[i] * y[i];
    }
    sum = team.join(memory, sum, [](T p, T q) { return p + q; });
    for (int64_t j = team.part; j < n; j += team.parts) {
      const int64_t i = at + j * r.inner;
      dx[i] = LOG ? g[i] - exp(y[i]) * sum : y[i] * (g[i] - sum);
    }
  });
}

template <class F> void run(const View& x, int64_t axis, const F& f) {
  const Rows r = rows_of(x, axis);
  if (x.numel() == 0) return;
  const unsigned blocks = blocks_for(r.outer * r.inner, TEAM_THREADS / r.parts);
  if (x.dtype == DType::f32) f(float{}, r, blocks);
  else if (x.dtype == DType::f64) f(double{}, r, blocks);
  else raise_error("softmax: expected a floating point tensor");
}

template <bool LOG> void run_forward(const char* name, const View& y, const View& x, int64_t axis) {
  run(x, axis, [&](auto t, const Rows& r, unsigned blocks) {
    using T = decltype(t);
    launch(name, &forward<T, LOG>, blocks, TEAM_THREADS, r, out<T>(y), in<T>(x));
  });
}
template <bool LOG> void run_derivative(const char* name, const View& dx, const View& g, const View& y, int64_t axis) {
  run(g, axis, [&](auto t, const Rows& r, unsigned blocks) {
    using T = decltype(t);
    launch(name, &derivative<T, LOG>, blocks, TEAM_THREADS, r, out<T>(dx), in<T>(g), in<T>(y));
  });
}

}  // namespace

void softmax(PackedOut y, PackedIn x, int64_t axis) { run_forward<false>("softmax", y, x, axis); }
void log_softmax(PackedOut y, PackedIn x, int64_t axis) { run_forward<true>("log_softmax", y, x, axis); }
void softmax_dx(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) { run_derivative<false>("softmax_dx", dx, g, y, axis); }
void log_softmax_dx(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) {
  run_derivative<true>("log_softmax_dx", dx, g, y, axis);
}

}  // namespace fastnn::cuda
