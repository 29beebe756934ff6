// cross_entropy.cu: negative log-likelihood of class indices, from logits (cross_entropy) or log-probabilities (nll_loss).
//
//    cross_entropy     l = (1-ε)·w[t]·(lse - x[t]) + ε/C·Σ w[c]·(lse - x[c])         lse = log Σ exp x
//    its derivative    dx[c] = G·(A·softmax(x)[c] - q[c])      q[c] = (1-ε)·w[t]·[c = t] + ε/C·w[c]      A = Σ q
//                      G = g, or g / Σ w[t] for the mean
//
// x is (N, C, S). A team of threads has one sample (core/cuda/team.cuh). Probabilities are never stored: forward is one read of x, the
// derivative two reads (the second from L2) and one write. A target out of range is a fault, and counts as ignored.
#include "../../core/cuda/scalar.h"
#include "../../core/cuda/team.cuh"
#include "total.cuh"

namespace fastnn::cuda {
namespace {

constexpr int64_t IGNORE_NOTHING = INT64_MIN;

template <class T> struct Targets {
  global<const int64_t> index;
  global<const T> weight;  // (C) or null
  int64_t N, C, S, ignore;
  const char* name;
  int parts;
  T keep, share;  // 1-ε, ε/C

  // The class of sample i, or -1 where it takes no part.
  __device__ int64_t of(int64_t i) const {
    const int64_t c = index[i];
    if (c == ignore && ignore != IGNORE_NOTHING) return -1;
    if (c >= 0 && c < C) return c;
    fault(Fault::index, name, c, C);
    return -1;
  }
  __device__ T weight_of(int64_t c) const { return weight ? weight[c] : T(1); }
  __device__ int64_t start(int64_t i) const { return i / S * C * S + i % S; }
};
template <class T>
Targets<T> targets_of(const char* name, const View& x, const View& target, const View& weight, int64_t ignore, double smoothing) {
  Targets<T> t{in<int64_t>(target), {}, x.shape[0], x.shape[1], 1, ignore, name, 1, T(1 - smoothing), T(0)};
  if (weight.ndim >= 0) t.weight = in<T>(weight);
  for (int d = 2; d < x.ndim; ++d) t.S *= x.shape[d];
  t.share = t.C ? T(smoothing / double(t.C)) : T(0);
  t.parts = team_size(t.C);
  if (t.S > 1 && t.parts > TEAM_THREADS / 32) t.parts = TEAM_THREADS / 32;
  return t;
}

template <class T> struct Stats { T m, s, rest, weights; };  // maximum, Σ exp(x - m), Σ w·x, Σ w

template <class T> __device__ Stats<T> joined(const Stats<T>& a, const Stats<T>& b) {
  const T m = a.m != a.m ? a.m : b.m != b.m ? b.m : max(a.m, b.m);
  const T p = a.s == T(0) ? T(0) : a.m == m ? a.s : a.s * exp(a.m - m), q = b.s == T(0) ? T(0) : b.m == m ? b.s : b.s * exp(b.m - m);
  return {m, p + q, a.rest + b.rest, a.weights + b.weights};
}

template <class T, class M>
__device__ Stats<T> stats_of(const Targets<T>& t, const Team& team, M& memory, global<const T> x, int64_t at, bool mine) {
  Stats<T> a = {-T(Limits<T>::INF), T(0), T(0), T(0)};
  for (int64_t c = team.part; mine && c < t.C; c += team.parts) {
    const T v = x[at + c * t.S], w = t.share != T(0) ? t.weight_of(c) : T(0);
    a = joined(a, Stats<T>{v, T(1), w == T(0) ? T(0) : w * v, w});
  }
  return team.join(memory, a, [](const Stats<T>& p, const Stats<T>& q) { return joined(p, q); });
}

template <class T> __global__ void losses(Targets<T> t, global<T> loss, global<const T> x) {
  SHARED(Stats<T>, memory, TEAM_THREADS);
  const Team team(t.parts, t.S == 1);
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < t.N * t.S; first += int64_t(gridDim.x) * team.teams) {
    const int64_t i = first + team.team;
    const bool mine = i < t.N * t.S;
    const int64_t at = mine ? t.start(i) : 0;
    const Stats<T> a = stats_of(t, team, memory, x, at, mine);
    if (!mine || team.part != 0) continue;
    const int64_t c = t.of(i);
    if (c < 0) {
      loss[i] = T(0);
      continue;
    }
    const T lse = log(a.s);
    T l = t.weight_of(c) * (a.m - x[at + c * t.S] + lse);
    if (t.share != T(0)) l = t.keep * l + t.share * (a.weights * (a.m + lse) - a.rest);
    loss[i] = l;
  }
}

template <class T> __global__ void slopes(Targets<T> t, global<T> dx, global<const T> g, global<const T> x, global<const T> total, int64_t reduction) {
  SHARED(Stats<T>, memory, TEAM_THREADS);
  const Team team(t.parts, t.S == 1);
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < t.N * t.S; first += int64_t(gridDim.x) * team.teams) {
    const int64_t i = first + team.team;
    const bool mine = i < t.N * t.S;
    const int64_t at = mine ? t.start(i) : 0;
    const Stats<T> a = stats_of(t, team, memory, x, at, mine);
    if (!mine) continue;
    const int64_t c = t.of(i);
    const T G = reduction == NONE ? g[i] : reduction == MEAN ? g[0] / total[0] : g[0];
    const T hit = c < 0 ? T(0) : G * t.keep * t.weight_of(c), scale = (hit + G * t.share * a.weights) / a.s;
    for (int64_t k = team.part; k < t.C; k += team.parts) {
      T d = exp(x[at + k * t.S] - a.m) * scale;
      if (t.share != T(0)) d -= G * t.share * t.weight_of(k);
      dx[at + k * t.S] = c < 0 ? T(0) : k == c ? d - hit : d;
    }
  }
}

template <class T> __global__ void weights(Targets<T> t, global<T> w) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < t.N * t.S; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t c = t.of(i);
    w[i] = c < 0 ? T(0) : t.weight_of(c);
  }
}
template <class T> void total_weight(const Targets<T>& t, const View& total) {
  Scratch<T> w(t.N * t.S);
  launch(t.name, &weights<T>, blocks_for(t.N * t.S, 256), 256, t, global<T>(w));
  sum_of<T>(total, w.data, t.N * t.S);
}
template <class T> View number_view(const Scratch<T>& s) { return flat_view<T>(s.data, 1); }

template <class T, class Each> void reduced(const Targets<T>& t, const View& y, int64_t reduction, const Each& each) {
  const int64_t n = t.N * t.S;
  if (reduction == NONE) return each(out<T>(y));
  Scratch<T> loss(n), total(1);
  each(global<T>(loss));
  sum_of<T>(y, loss.data, n);
  if (reduction != MEAN) return;
  total_weight(t, number_view(total));
  divide_by<T>(y, total.read(), T(0));
}

template <class T> void forward(const View& y, const View& x, const View& target, const View& weight, double smoothing, int64_t ignore, int64_t reduction) {
  const Targets<T> t = targets_of<T>("cross_entropy", x, target, weight, ignore, smoothing);
  reduced<T>(t, y, reduction, [&](global<T> loss) {
    launch("cross_entropy", &losses<T>, blocks_for(t.N * t.S, TEAM_THREADS / t.parts), TEAM_THREADS, t, loss, in<T>(x));
  });
}
template <class T>
void derivative(const View& dx, const View& g, const View& x, const View& target, const View& weight, double smoothing, int64_t ignore, int64_t reduction) {
  const Targets<T> t = targets_of<T>("cross_entropy", x, target, weight, ignore, smoothing);
  Scratch<T> total(1);
  if (reduction == MEAN) total_weight(t, number_view(total));
  launch("cross_entropy_dx", &slopes<T>, blocks_for(t.N * t.S, TEAM_THREADS / t.parts), TEAM_THREADS, t, out<T>(dx), in<T>(g), in<T>(x),
         total.read(), reduction);
}

template <class T> __global__ void picked(Targets<T> t, global<T> loss, global<const T> x) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < t.N * t.S; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t c = t.of(i);
    loss[i] = c < 0 ? T(0) : -t.weight_of(c) * x[t.start(i) + c * t.S];
  }
}
template <class T> __global__ void picked_slopes(Targets<T> t, global<T> dx, global<const T> g, global<const T> total, int64_t reduction) {
  for (int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; e < t.N * t.C * t.S; e += int64_t(gridDim.x) * blockDim.x) {
    const int64_t i = e / (t.C * t.S) * t.S + e % t.S, k = e / t.S % t.C, c = t.of(i);
    dx[e] = c == k ? -t.weight_of(c) * (reduction == NONE ? g[i] : reduction == MEAN ? g[0] / total[0] : g[0]) : T(0);
  }
}
template <class T> __global__ void target_weights(Targets<T> t, global<T> q) {
  for (int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; e < t.N * t.C * t.S; e += int64_t(gridDim.x) * blockDim.x) {
    const int64_t i = e / (t.C * t.S) * t.S + e % t.S, k = e / t.S % t.C, c = t.of(i);
    q[e] = c < 0 ? T(0) : (c == k ? t.keep * t.weight_of(c) : T(0)) + t.share * t.weight_of(k);
  }
}

template <class F> void with_floats(const View& v, const F& f) {
  if (v.numel() == 0) return;
  if (v.dtype == DType::f32) f(float{});
  else f(double{});
}

}  // namespace

void cross_entropy(PackedOut y, PackedIn x, PackedIn target, PackedIn weight, double smoothing, int64_t ignore, int64_t reduction) {
  if (x.dtype == DType::f32) forward<float>(y, x, target, weight, smoothing, ignore, reduction);
  else forward<double>(y, x, target, weight, smoothing, ignore, reduction);
}
void cross_entropy_dx(PackedOut dx, PackedIn g, PackedIn x, PackedIn target, PackedIn weight, double smoothing, int64_t ignore,
                      int64_t reduction) {
  if (x.dtype == DType::f32) derivative<float>(dx, g, x, target, weight, smoothing, ignore, reduction);
  else derivative<double>(dx, g, x, target, weight, smoothing, ignore, reduction);
}
void cross_entropy_target(PackedOut q, PackedOut total, PackedIn target, PackedIn weight, double smoothing, int64_t ignore) {
  with_floats(q, [&](auto zero) {
    using T = decltype(zero);
    const Targets<T> t = targets_of<T>("cross_entropy", q, target, weight, ignore, smoothing);
    total_weight(t, total);
    launch("cross_entropy_target", &target_weights<T>, blocks_for(q.numel(), 256), 256, t, out<T>(q));
  });
}
void nll_loss(PackedOut y, PackedIn x, PackedIn target, PackedIn weight, int64_t ignore, int64_t reduction) {
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const Targets<T> t = targets_of<T>("nll_loss", x, target, weight, ignore, 0);
    reduced<T>(t, y, reduction, [&](global<T> loss) {
      launch("nll_loss", &picked<T>, blocks_for(t.N * t.S, 256), 256, t, loss, in<T>(x));
    });
  };
  if (x.dtype == DType::f32) run(float{});
  else run(double{});
}
void nll_loss_dx(PackedOut dx, PackedIn g, PackedIn target, PackedIn weight, int64_t ignore, int64_t reduction) {
  with_floats(dx, [&](auto zero) {
    using T = decltype(zero);
    const Targets<T> t = targets_of<T>("nll_loss", dx, target, weight, ignore, 0);
    Scratch<T> total(1);
    if (reduction == MEAN) total_weight(t, number_view(total));
    launch("nll_loss_dx", &picked_slopes<T>, blocks_for(dx.numel(), 256), 256, t, out<T>(dx), in<T>(g),
           total.read(), reduction);
  });
}

}  // namespace fastnn::cuda
