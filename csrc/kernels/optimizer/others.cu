// optimizer/others.cu: NAdam, Adamax, RMSprop, Adagrad, Adadelta. Formulas as in optimizer.cpp; read optimizer.cu first.
#include "batch.cuh"

namespace fastnn::cuda {
namespace {

// NAdam: Adam looking ahead with the momentum of the next step (Dozat 2016). The products of all momenta so far lie on the GPU.
FN double momentum_at(double t, double beta1, double momentum_decay) { return beta1 * (1 - 0.5 * pow(0.96, t * momentum_decay)); }
struct Products {
  int count;
  double beta1, momentum_decay;
  global<double> product[SLOTS];
  global<const double> step[SLOTS];
};
__global__ void multiply_products(Products p) {
  const int k = int(threadIdx.x);
  if (k < p.count) p.product[k][0] *= momentum_at(p.step[k][0], p.beta1, p.momentum_decay);
}
struct NAdam {
  global<const double> lr;
  double beta1, beta2, eps, weight_decay, momentum_decay;
  bool decoupled, maximize;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const double t = b.step[k][0], rate = lr[0], product = b.product[k][0];
    const double mu = momentum_at(t, beta1, momentum_decay), next = momentum_at(t + 1, beta1, momentum_decay);
    const T of_g = T(rate * (1 - mu) / (1 - product)), of_m = T(rate * next / (1 - product * next)), root = T(1 / sqrt(1 - pow(beta2, t)));
    const T p = b.arrays[0][k][i], g = decayed(b.arrays[1][k][i], p, decoupled ? 0 : weight_decay, maximize);
    const T m = b.arrays[2][k][i], keep = T(beta2), moved = m + T(1 - beta1) * (g - m), v = keep * b.arrays[3][k][i] + T(1 - beta2) * g * g;
    b.arrays[2][k][i] = moved, b.arrays[3][k][i] = v;
    b.arrays[0][k][i] = T(decoupled ? 1 - rate * weight_decay : 1) * p - (of_g * g + of_m * moved) / (root * sqrt(v) + T(eps));
  }
};

struct Adamax {  // Adam with the largest decayed gradient in place of the root mean square
  global<const double> lr;
  double beta1, beta2, eps, weight_decay;
  bool maximize;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const T size = T(lr[0] / (1 - pow(beta1, b.step[k][0])));
    const T p = b.arrays[0][k][i], g = decayed(b.arrays[1][k][i], p, weight_decay, maximize);
    const T m = b.arrays[2][k][i], moved = m + T(1 - beta1) * (g - m), norm = max_nan(T(beta2) * b.arrays[3][k][i], abs(g) + T(eps));
    b.arrays[2][k][i] = moved, b.arrays[3][k][i] = norm;
    b.arrays[0][k][i] = p - size * moved / norm;
  }
};

struct RmsProp {  // centered: v less the squared mean of g; moving: with momentum, its buffer. Arrays in that order, those there are
  global<const double> lr;
  double alpha, eps, weight_decay, momentum;
  bool maximize, centered, moving;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const T p = b.arrays[0][k][i], g = decayed(b.arrays[1][k][i], p, weight_decay, maximize), take = T(1 - alpha);
    T v = T(alpha) * b.arrays[2][k][i] + take * g * g;
    b.arrays[2][k][i] = v;
    if (centered) {
      T& mean = b.arrays[3][k][i];
      const T m = mean + take * (g - mean);
      mean = m;
      v = v - m * m;
    }
    T step = g / (sqrt(v) + T(eps));
    if (moving) {
      T& buffer = b.arrays[centered ? 4 : 3][k][i];
      step = T(momentum) * buffer + step;
      buffer = step;
    }
    b.arrays[0][k][i] = p - T(lr[0]) * step;
  }
};

struct Adagrad {
  global<const double> lr;
  double lr_decay, eps, weight_decay;
  bool maximize;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const T rate = T(lr[0] / (1 + (b.step[k][0] - 1) * lr_decay));
    const T p = b.arrays[0][k][i], g = decayed(b.arrays[1][k][i], p, weight_decay, maximize), sum = b.arrays[2][k][i] + g * g;
    b.arrays[2][k][i] = sum;
    b.arrays[0][k][i] = p - rate * g / (sqrt(sum) + T(eps));
  }
};

struct Adadelta {  // the step is g scaled by (running root of past steps) / (running root of gradients) (Zeiler 2012)
  global<const double> lr;
  double rho, eps, weight_decay;
  bool maximize;
  template <class T> __device__ void operator()(const Batch<T>& b, int k, int64_t i) const {
    const T keep = T(rho), take = T(1 - rho), e = T(eps);
    const T p = b.arrays[0][k][i], g = decayed(b.arrays[1][k][i], p, weight_decay, maximize);
    const T v = keep * b.arrays[2][k][i] + take * g * g, u = b.arrays[3][k][i], delta = sqrt(u + e) / sqrt(v + e) * g;
    b.arrays[2][k][i] = v, b.arrays[3][k][i] = keep * u + take * delta * delta;
    b.arrays[0][k][i] = p - T(lr[0]) * delta;
  }
};

}  // namespace

void nadam(Outs params, Outs means, Outs squares, Outs products, Outs steps, Ins grads, In lr, double beta1, double beta2, double eps,
           double weight_decay, double momentum_decay, bool decoupled, bool maximize) {
  advance_all(steps);
  for (int64_t i = 0; i < products.n; i += SLOTS) {
    Products p{};
    p.count = int(products.n - i < SLOTS ? products.n - i : SLOTS), p.beta1 = beta1, p.momentum_decay = momentum_decay;
    for (int k = 0; k < p.count; ++k) p.product[k] = out<double>(products[i + k]), p.step[k] = in<double>(steps[i + k]);
    launch("nadam", multiply_products, 1, 32, p);
  }
  const Ins* lists[] = {&params, &grads, &means, &squares};
  run_all("nadam", lists, 4, steps, NAdam{in<double>(lr), beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize}, products);
}
void adamax(Outs params, Outs means, Outs norms, Outs steps, Ins grads, In lr, double beta1, double beta2, double eps, double weight_decay,
            bool maximize) {
  advance_all(steps);
  const Ins* lists[] = {&params, &grads, &means, &norms};
  run_all("adamax", lists, 4, steps, Adamax{in<double>(lr), beta1, beta2, eps, weight_decay, maximize});
}
void rmsprop(Outs params, Outs squares, Outs means, Outs buffers, Outs steps, Ins grads, In lr, double alpha, double eps, double weight_decay,
             double momentum, bool maximize) {
  advance_all(steps);
  const bool centered = means.n > 0, moving = buffers.n > 0;
  const Ins* lists[] = {&params, &grads, &squares, centered ? static_cast<const Ins*>(&means) : &buffers, &buffers};
  run_all("rmsprop", lists, 3 + centered + moving, steps, RmsProp{in<double>(lr), alpha, eps, weight_decay, momentum, maximize, centered, moving});
}
void adagrad(Outs params, Outs sums, Outs steps, Ins grads, In lr, double lr_decay, double eps, double weight_decay, bool maximize) {
  advance_all(steps);
  const Ins* lists[] = {&params, &grads, &sums};
  run_all("adagrad", lists, 3, steps, Adagrad{in<double>(lr), lr_decay, eps, weight_decay, maximize});
}
void adadelta(Outs params, Outs squares, Outs deltas, Outs steps, Ins grads, In lr, double rho, double eps, double weight_decay, bool maximize) {
  advance_all(steps);
  const Ins* lists[] = {&params, &grads, &squares, &deltas};
  run_all("adadelta", lists, 4, steps, Adadelta{in<double>(lr), rho, eps, weight_decay, maximize});
}

}  // namespace fastnn::cuda
