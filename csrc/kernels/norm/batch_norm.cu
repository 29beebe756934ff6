// norm/batch_norm.cu: every channel to mean 0 and variance 1 over the batch and all places.  x (N, C, S), S places, M = N·S.
//
//    x̂ = (x - mean)·r    r = 1/√(var + ε)    y = x̂·w + b                        mean, var over n and s, var divides by M
//    dx = w·r·(g - Σg/M - x̂·Σ(g·x̂)/M)       dw = Σ g·x̂      db = Σ g
//
// The statistics are a reduction over two axes like any other (reduce/drive.cuh), of pairs that can be joined (reduce/moments.cuh).
// The derivative's two sums: along runs of S numbers, or, where S is small, down the columns of the matrix (N, C·S).
// cost     forward two reads and a write; derivative four reads and a write
#include "../reduce/drive.cuh"
#include "../reduce/moments.cuh"
#include "sums.cuh"

namespace fastnn::cuda {
namespace {

constexpr int64_t FEW_PLACES = 32;  // a warp

struct Batch {
  int64_t N, C, S;
  Split split;
  explicit Batch(const View& x) : N(x.shape[0]), C(x.shape[1]), S(1) {
    for (int d = 2; d < x.ndim; ++d) S *= x.shape[d];
    split = Split(C, S, N * C * S);
  }
};

template <class T> struct MeanAndVariance : MomentsOf<T> {
  using typename MomentsOf<T>::A;
  using R = Two<T>;
  FN R result(const A& a) const { return {a.mean(), a.squares() / a.n}; }
};
template <class T> struct Unzip {
  global<const Two<T>> both;
  global<T> mean, var;
  __device__ void operator()(int64_t c) const { mean[c] = both[c].a, var[c] = both[c].b; }
};
template <class T> struct Fill {
  global<T> a, b;
  T value;
  __device__ void operator()(int64_t c) const { a[c] = value, b[c] = value; }
};

template <class T> struct Apply {
  Split split;
  global<T> y;
  global<const T> x, mean, var, w, b;
  T eps;
  __device__ void operator()(int64_t i) const {
    const int64_t c = split(i).here;
    const T scale = T(1) / sqrt(var[c] + eps) * (w ? w[c] : T(1));
    y[i] = (x[i] - mean[c]) * scale + (b ? b[c] : T(0));
  }
};
template <class T> void apply(const char* name, const View& y, const View& x, const View& mean, const View& var, const View& w, const View& b, double eps) {
  launch_each(name, x.numel(),
              Apply<T>{Batch(x).split, out<T>(y), in<T>(x), in<T>(mean), in<T>(var), given<const T>(w), given<const T>(b), T(eps)});
}

template <class T> void forward(const View& y, const View& mean, const View& var, const View& x, const View& w, const View& b, double eps) {
  const Batch s(x);
  if (s.N * s.C * s.S == 0) return launch_each("batch_norm", s.C, Fill<T>{out<T>(mean), out<T>(var), T(Limits<T>::NAN_)});  // of nothing
  Scratch<Two<T>> both(s.C);
  View to = view_of<T>(both.data, {s.C});
  reduce<MeanAndVariance<T>, T>("batch_norm", to, view_of<T>(x.data, {s.N, s.C, s.S}), Ints{2, {0, 2}}, {});
  launch_each("batch_norm", s.C, Unzip<T>{global<Two<T>>(both), out<T>(mean), out<T>(var)});
  apply<T>("batch_norm", y, x, mean, var, w, b, eps);
}

template <class T> struct Terms {  // of element i of run (n, c), and of element (n, column): g·(x - mean) and g
  global<const T> g, x, mean;
  int64_t C, S;
  bool matrix;
  __device__ Two<T> operator()(int64_t row, int64_t column) const {
    const int64_t i = matrix ? row * C * S + column : row * S + column, c = matrix ? column / S : row % C;
    return {g[i] * (x[i] - mean[c]), g[i]};
  }
};
template <class T> struct Scale {
  global<T> dw;
  global<const T> var;
  T eps;
  __device__ void operator()(int64_t c) const { dw[c] *= T(1) / sqrt(var[c] + eps); }
};
template <class T> struct Derivative {
  Split split;
  global<T> dx;
  global<const T> g, x, w, mean, var, dw, db;
  T eps, M;
  __device__ void operator()(int64_t i) const {
    const int64_t c = split(i).here;
    const T r = T(1) / sqrt(var[c] + eps), h = (x[i] - mean[c]) * r;
    dx[i] = (w ? w[c] * r : r) * (g[i] - db[c] / M - h * (dw[c] / M));
  }
};

template <class T>
void derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w, const View& mean, const View& var, double eps) {
  const Batch s(x);
  if (s.N * s.C * s.S == 0) return launch_each("batch_norm_dx", s.C, Fill<T>{out<T>(dw), out<T>(db), T(0)});
  const bool matrix = s.S < FEW_PLACES;
  const Terms<T> terms{in<T>(g), in<T>(x), in<T>(mean), s.C, s.S, matrix};
  const int parts = team_size(s.S);
  const int64_t tiles = matrix ? ceil_div(s.C * s.S, WARP) : ceil_div(s.N * s.C, TEAM_THREADS / parts);
  const int64_t pieces = matrix ? pieces_of(s.N, 64, tiles) : pieces_of(s.S, 64 * TEAM_THREADS, tiles);
  const int64_t count = matrix ? pieces * s.C * s.S : s.N * s.C * pieces;
  Scratch<T> dots(count), sums(count);
  if (matrix) launch("batch_norm_dx", &column_sums<T, Terms<T>>, blocks_for(tiles * pieces, 1), TEAM_THREADS, terms, s.N, s.C * s.S, pieces, global<T>(dots), global<T>(sums));
  else launch("batch_norm_dx", &run_sums<T, Terms<T>>, blocks_for(tiles * pieces, 1), TEAM_THREADS, terms, s.N * s.C, s.S, pieces, parts, global<T>(dots), global<T>(sums));
  const auto partial = [&](void* data) { return matrix ? view_of<T>(data, {pieces, s.C, s.S}) : view_of<T>(data, {s.N, s.C, pieces}); };
  sum(Out{dw}, In{partial(dots.data)}, Ints{2, {0, 2}});
  sum(Out{db}, In{partial(sums.data)}, Ints{2, {0, 2}});
  launch_each("batch_norm_dx", s.C, Scale<T>{out<T>(dw), in<T>(var), T(eps)});
  launch_each("batch_norm_dx", x.numel(),
              Derivative<T>{s.split, out<T>(dx), in<T>(g), in<T>(x), given<const T>(w), in<T>(mean), in<T>(var), in<T>(dw), in<T>(db), T(eps), T(s.N * s.S)});
}

// running = (1 - momentum)·running + momentum·batch, the variance unbiased; momentum is a 0-d array, here or on the host
template <class T> struct Running {
  global<T> mean, var;
  global<const T> batch_mean, batch_var, momentum;
  T number;
  double unbias;
  __device__ void operator()(int64_t c) const {
    const double m = momentum ? momentum[0] : number;
    if (mean) mean[c] = T((1 - m) * mean[c] + m * batch_mean[c]);
    if (var) var[c] = T((1 - m) * var[c] + m * unbias * batch_var[c]);
  }
};

}  // namespace

void batch_norm(PackedOut y, PackedOut mean, PackedOut var, PackedIn x, PackedIn w, PackedIn b, double eps) {
  with_floats("batch_norm", x, [&](auto t) { forward<decltype(t)>(y, mean, var, x, w, b, eps); });
}
void batch_norm_dx(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, PackedIn mean, PackedIn var, double eps) {
  with_floats("batch_norm_dx", x, [&](auto t) { derivative<decltype(t)>(dx, dw, db, g, x, w, mean, var, eps); });
}
void batch_norm_eval(PackedOut y, PackedIn x, PackedIn mean, PackedIn var, PackedIn w, PackedIn b, double eps) {
  with_floats("batch_norm_eval", x, [&](auto t) { apply<decltype(t)>("batch_norm_eval", y, x, mean, var, w, b, eps); });
}
void batch_norm_running(PackedOut running_mean, PackedOut running_var, PackedIn mean, PackedIn var, PackedIn momentum, int64_t count) {
  with_floats("batch_norm_running", mean, [&](auto t) {
    using T = decltype(t);
    const bool here = momentum.place == Place::cuda;
    launch_each("batch_norm_running", mean.numel(),
                Running<T>{given<T>(running_mean), given<T>(running_var), in<T>(mean), in<T>(var), here ? in<T>(momentum) : global<const T>(),
                           here ? T(0) : *momentum.ptr<T>(), count > 1 ? double(count) / double(count - 1) : 1});
  });
}

}  // namespace fastnn::cuda
