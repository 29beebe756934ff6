// optimizer.cu: one training step of every parameter of a group: SGD and Adam. Formulas as in optimizer.cpp.
//
// cost     what must be moved: 28 bytes a parameter for Adam in float32
// read on  batch.cuh (many tensors, few launches)  →  others.cu  →  clip.cu
#include "batch.cuh"

namespace fastnn::cuda {
namespace {

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
