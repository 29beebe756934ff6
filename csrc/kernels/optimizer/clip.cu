// optimizer/clip.cu: what happens to all gradients before a step, or to all parameters after it. As clip.cpp.
//
// The norm of all gradients as one long vector: each block adds what its threads meet, in double; one block adds the blocks', in order.
#include "../../core/cuda/team.cuh"
#include "batch.cuh"

namespace fastnn::cuda {
namespace {

constexpr int NORM_BLOCKS = int(2 * BUSY);

struct Power {
  double p;
  bool largest;
  FN double of(double g) const { return largest || p == 1 ? abs(g) : p == 2 ? g * g : pow(abs(g), p); }
  FN double join(double a, double b) const { return largest ? a != a ? a : b != b ? b : max(a, b) : a + b; }
  FN double root(double s) const { return largest || p == 1 ? s : p == 2 ? sqrt(s) : pow(s, 1 / p); }
};

template <class T> __global__ void __launch_bounds__(TEAM_THREADS) norm_blocks(Batch<T> b, Power power, global<double> partial) {
  SHARED(double, memory, TEAM_THREADS);
  const Team team(TEAM_THREADS, true);
  const int64_t n = b.begin[b.count];
  double sum = 0;
  for (int64_t i = int64_t(blockIdx.x) * TEAM_THREADS + threadIdx.x; i < n; i += int64_t(gridDim.x) * TEAM_THREADS) {
    const int k = b.tensor_of(i);
    sum = power.join(sum, power.of(double(b.arrays[0][k][i - b.begin[k]])));
  }
  sum = team.join(memory, sum, [&](double x, double y) { return power.join(x, y); });
  if (threadIdx.x == 0) partial[blockIdx.x] = power.join(partial[blockIdx.x], sum);  // of this batch and those before
}
__global__ void clear(global<double> partial) { partial[threadIdx.x] = 0; }
template <class T> __global__ void __launch_bounds__(TEAM_THREADS) norm_end(Power power, global<const double> partial, global<T> norm) {
  SHARED(double, memory, TEAM_THREADS);
  const Team team(TEAM_THREADS, true);
  double sum = 0;
  for (int i = int(threadIdx.x); i < NORM_BLOCKS; i += TEAM_THREADS) sum = power.join(sum, partial[i]);
  sum = team.join(memory, sum, [&](double x, double y) { return power.join(x, y); });
  if (threadIdx.x == 0) norm[0] = T(power.root(sum));
}

struct ToNorm {
  global<const float> single;
  global<const double> twice;
  double max_norm;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const double scale = max_norm / ((single ? double(single[0]) : twice[0]) + 1e-6);
    if (!(scale >= 1)) b.arrays[0][k][i] *= T(scale);  // a NaN norm makes every gradient NaN, as it should
  }
};
struct ToValue {
  double limit;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    T& g = b.arrays[0][k][i];
    g = g > T(limit) ? T(limit) : g < T(-limit) ? T(-limit) : g;
  }
};
struct Threshold {  // p <- sign(p) max(|p| - lr l1, 0): the proximal step of an l1 penalty, which makes exact zeros
  global<const double> lr;
  double l1;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    T& p = b.arrays[0][k][i];
    const T size = abs(p) - T(lr[0] * l1);
    p = size < T(0) ? T(0) : copysign(size, p);  // NaN stays
  }
};
constexpr Ins NONE{0, nullptr};

}  // namespace

void grad_norm(Out norm, Ins grads, double p) {
  const Power power{p, bool(__builtin_isinf(p))};
  Scratch<double> partial(NORM_BLOCKS);
  launch("grad_norm", clear, 1, NORM_BLOCKS, global<double>(partial));
  const Ins* lists[] = {&grads};
  const auto add = [&](auto zero) {
    using T = decltype(zero);
    each_batch<T>("grad_norm", lists, 1, NONE, NONE, [&](const Batch<T>& b, int64_t) {
      launch("grad_norm", &norm_blocks<T>, NORM_BLOCKS, TEAM_THREADS, b, power, global<double>(partial));
    });
  };
  add(float{}), add(double{});
  if (norm.dtype == DType::f32) launch("grad_norm", &norm_end<float>, 1, TEAM_THREADS, power, partial.read(), out<float>(norm));
  else launch("grad_norm", &norm_end<double>, 1, TEAM_THREADS, power, partial.read(), out<double>(norm));
}
void clip_to_norm(Outs grads, In norm, double max_norm) {
  const Ins* lists[] = {&grads};
  const bool single = norm.dtype == DType::f32;
  run_all("clip_to_norm", lists, 1, NONE, ToNorm{single ? in<float>(norm) : global<const float>(), single ? global<const double>() : in<double>(norm), max_norm});
}
void clip_to_value(Outs grads, double limit) {
  const Ins* lists[] = {&grads};
  run_all("clip_to_value", lists, 1, NONE, ToValue{limit});
}
void soft_threshold(Outs params, In lr, double l1) {
  const Ins* lists[] = {&params};
  run_all("soft_threshold", lists, 1, NONE, Threshold{in<double>(lr), l1});
}

}  // namespace fastnn::cuda
