// optimizer.cu: one training step of every parameter of a group: SGD and Adam. Formulas as in optimizer.cpp.
//
//    many tensors, few launches    a launch takes up to SLOTS tensors: their addresses and where each begins travel as arguments, and
//                                  a thread finds its tensor by looking through them. A network of 150 tensors is 7 launches
//    the step count                lies on the GPU: one small launch advances all of them, the step reads them
//
// cost     what must be moved: 28 bytes a parameter for Adam in float32
#include <memory>
#include <vector>

#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {

void copy(Out y, In x);

namespace {

constexpr int SLOTS = 24, ARRAYS = 5;

template <class T> struct Batch {
  int count;
  int64_t begin[SLOTS + 1];           // where each tensor begins among all elements
  global<T> arrays[ARRAYS][SLOTS];    // parameter, gradient, state ...
  global<const double> step[SLOTS];
};

struct Counts {
  int count;
  global<double> step[SLOTS];
};
__global__ void advance(Counts c) {
  if (int(threadIdx.x) < c.count) c.step[threadIdx.x][0] += 1;
}
void advance_all(const Ins& steps) {
  for (int64_t i = 0; i < steps.n; i += SLOTS) {
    Counts c{};
    c.count = int(steps.n - i < SLOTS ? steps.n - i : SLOTS);
    for (int k = 0; k < c.count; ++k) c.step[k] = out<double>(steps[i + k]);
    launch("advance", advance, 1, 32, c);
  }
}

template <class T, class Rule> __global__ void step(Batch<T> b, Rule rule) {
  const int64_t n = b.begin[b.count];
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += int64_t(gridDim.x) * blockDim.x) {
    int k = 0;
    while (i >= b.begin[k + 1]) ++k;
    rule(b, k, i - b.begin[k]);
  }
}

struct Repacked {  // a tensor with strides, contiguous for the length of a step
  View original, packed;
  Scratch<char> memory;
  explicit Repacked(const View& v) : original(v), packed(v), memory(v.bytes()) {
    packed.data = memory.data;
    for (int64_t d = v.ndim - 1, stride = 1; d >= 0; stride *= v.shape[d--]) packed.strides[d] = stride;
    copy(Out{packed}, In{original});
  }
};

// lists: parameters first, gradients second
template <class T, class Rule> void run(const char* name, const Ins* const* lists, int arrays, const Ins& steps, const Rule& rule) {
  const Ins& params = *lists[0];
  for (int64_t i = 0; i < params.n;) {
    Batch<T> b{};
    std::vector<std::unique_ptr<Repacked>> repacked;
    for (; i < params.n && b.count < SLOTS; ++i) {
      if (params[i].dtype != dtype_of<T>()) continue;
      const int k = b.count++;
      b.begin[k + 1] = b.begin[k] + params[i].numel();
      for (int j = 0; j < arrays; ++j) {
        const View& v = (*lists[j])[i];
        if (v.dtype != params[i].dtype || v.numel() != params[i].numel())
          raise_error(ErrorKind::runtime, "%s: parameters, gradients and state must be float arrays alike in type and shape", name);
        if (!v.packed()) repacked.push_back(std::make_unique<Repacked>(v));
        b.arrays[j][k] = out<T>(v.packed() ? v : repacked.back()->packed);
      }
      if (steps.n) b.step[k] = in<double>(steps[i]);
    }
    const int64_t n = b.begin[b.count];
    if (n) launch(name, &step<T, Rule>, blocks_for(n, 256), 256, b, rule);
    for (const auto& r : repacked) copy(Out{r->original}, In{r->packed});  // gradients come back as they were
  }
}

template <class T> FN T decayed(T g, T p, double weight_decay, bool maximize) {
  if (maximize) g = -g;
  return weight_decay != 0 ? g + T(weight_decay) * p : g;  // not 0 * p: an infinite p would turn g into NaN
}

struct Sgd {
  global<const double> lr;
  double momentum, dampening, weight_decay;
  bool nesterov, maximize, first;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const T p = b.arrays[0][k][i], rate = T(lr[0]), keep = T(momentum);
    T g = decayed(b.arrays[1][k][i], p, weight_decay, maximize);
    if (momentum != 0) {
      T& buffer = b.arrays[2][k][i];
      const T moved = first ? g : keep * buffer + T(1 - dampening) * g;  // the first step does not dampen
      buffer = moved;
      g = nesterov ? g + keep * moved : moved;
    }
    b.arrays[0][k][i] = p - rate * g;
  }
};

struct Adam {
  global<const double> lr;
  double beta1, beta2, eps, weight_decay;
  bool decoupled, maximize, amsgrad;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const double t = b.step[k][0], rate = lr[0];
    const T size = T(rate / (1 - pow(beta1, t))), root = T(1 / sqrt(1 - pow(beta2, t)));
    const T shrink = T(decoupled ? 1 - rate * weight_decay : 1);
    const T p = b.arrays[0][k][i], g = decayed(b.arrays[1][k][i], p, decoupled ? 0 : weight_decay, maximize);
    T m = b.arrays[2][k][i], v = b.arrays[3][k][i];
    m += T(1 - beta1) * (g - m);
    v = T(beta2) * v + T(1 - beta2) * g * g;
    b.arrays[2][k][i] = m, b.arrays[3][k][i] = v;
    if (amsgrad) v = b.arrays[4][k][i] = max_nan(b.arrays[4][k][i], v);
    b.arrays[0][k][i] = shrink * p - size * m / (root * sqrt(v) + T(eps));
  }
};

template <class Rule> void run_all(const char* name, const Ins* const* lists, int arrays, const Ins& steps, const Rule& rule) {
  run<float>(name, lists, arrays, steps, rule);
  run<double>(name, lists, arrays, steps, rule);
}

}  // namespace

void sgd(Outs params, Outs buffers, Ins grads, In lr, double momentum, double dampening, double weight_decay, bool nesterov,
         bool maximize, bool first) {
  const Ins* lists[] = {&params, &grads, &buffers};
  run_all("sgd", lists, momentum != 0 ? 3 : 2, Ins{0, nullptr},
          Sgd{in<double>(lr), momentum, dampening, weight_decay, nesterov, maximize, first});
}
void adam(Outs params, Outs means, Outs squares, Outs largest, Outs steps, Ins grads, In lr, double beta1, double beta2, double eps,
          double weight_decay, bool decoupled, bool maximize) {
  advance_all(steps);
  const Ins* lists[] = {&params, &grads, &means, &squares, &largest};
  run_all("adam", lists, largest.n ? 5 : 4, steps,
          Adam{in<double>(lr), beta1, beta2, eps, weight_decay, decoupled, maximize, largest.n > 0});
}

}  // namespace fastnn::cuda
