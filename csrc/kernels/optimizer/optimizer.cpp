// optimizer: one training step of every parameter of a group, in one pass over memory.
//
//    for each parameter p with gradient g and state s:   (p, s) <- rule(p, s, g)
//
// The rule is one small function on vectors, the same text as in the paper; arena.h walks it over all tensors.
// The numbers that change from step to step, the learning rate and the step counts, live in 0-d float64 arrays, and
// the kernel advances the counts itself: a recorded step can be replayed without Python.
// Meaning of every rule: reference/optimizer.py, equal to PyTorch's to rounding. Read on: arena.h, clip.cpp.
#include "../declare.h"
#include "arena.h"

namespace fastnn::FN_ISA {

// What is common to all rules, before they look at the gradient.
struct Decay {
  double weight_decay;
  bool maximize;
  template <class V> FN V operator()(V g, V p) const {
    using T = lane<V>;
    if (maximize) g = -g;
    if (weight_decay != 0) g = g + T(weight_decay) * p;  // not 0 * p: an infinite p would turn g into NaN
    return g;
  }
};

FN void check_steps(const char* op, const Ins& params, const Ins& steps) {
  if (steps.n != params.n) raise_error(op);
  for (int64_t i = 0; i < steps.n; ++i)
    if (steps[i].dtype != DType::f64 || steps[i].numel() != 1) raise_error(op);
}
FN void advance(const Ins& steps) {
  for (int64_t i = 0; i < steps.n; ++i) *steps[i].ptr<double>() += 1;
}
FN double value(const View& v) { return *v.ptr<double>(); }
FN void check_rate(const char* op, const View& lr) {
  if (lr.dtype != DType::f64 || lr.numel() != 1) raise_error(op);
}

// ---- SGD: b <- momentum b + (1 - dampening) g,  p <- p - lr b;  Nesterov: p <- p - lr (g + momentum b) -----------
void sgd(Outs params, Outs buffers, Ins grads, In lr, double momentum, double dampening, double weight_decay,
         bool nesterov, bool maximize, bool first) {
  constexpr const char* error = "sgd: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  if (momentum != 0) check_alike(error, params, buffers);
  check_rate(error, lr);
  const Decay decay{weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const T rate = T(value(lr)), keep = T(momentum), take = T(1 - dampening);
      if (momentum == 0) {
        apply<2, T>({&params[i], &grads[i]}, begin, end, [&](V* x) { x[0] = x[0] - rate * decay(x[1], x[0]); });
      } else {
        apply<3, T>({&params[i], &buffers[i], &grads[i]}, begin, end, [&](V* x) {
          V g = decay(x[2], x[0]);
          x[1] = first ? g : keep * x[1] + take * g;  // the first step does not dampen
          x[0] = x[0] - rate * (nesterov ? g + keep * x[1] : x[1]);
        });
      }
    });
  });
}

// ---- Adam: m, v running means of g and g^2, corrected for having started at 0;  p <- p - lr m / (sqrt(v) + eps) ----
// AdamW (decoupled) shrinks p itself instead of adding to g; AMSGrad divides by the largest v seen.
void adam(Outs params, Outs means, Outs squares, Outs largest, Outs steps, Ins grads, In lr, double beta1, double beta2,
          double eps, double weight_decay, bool decoupled, bool maximize) {
  constexpr const char* error = "adam: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  check_alike(error, params, means);
  check_alike(error, params, squares);
  if (largest.n) check_alike(error, params, largest);
  check_steps(error, params, steps);
  check_rate(error, lr);
  advance(steps);
  const Decay decay{decoupled ? 0 : weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const double t = value(steps[i]), rate = value(lr);
      const T size = T(rate / (1 - __builtin_pow(beta1, t)));
      const T root = T(1 / __builtin_sqrt(1 - __builtin_pow(beta2, t)));
      const T shrink = T(decoupled ? 1 - rate * weight_decay : 1), e = T(eps);
      const T keep = T(beta2), take1 = T(1 - beta1), take2 = T(1 - beta2);
      auto moments = [&](V* x, V g) __attribute__((always_inline)) {
        x[1] = x[1] + take1 * (g - x[1]);
        x[2] = keep * x[2] + take2 * g * g;
      };
      // One division a parameter: sqrt(v) times a constant, not over one.
      auto move = [&](V p, V m, V v) __attribute__((always_inline)) { return shrink * p - size * m / (root * sqrt(v) + (e - V{})); };
      if (largest.n) {
        apply<5, T>({&params[i], &means[i], &squares[i], &largest[i], &grads[i]}, begin, end, [&](V* x) {
          moments(x, decay(x[4], x[0]));
          x[3] = max_nan(x[3], x[2]);
          x[0] = move(x[0], x[1], x[3]);
        });
      } else {
        apply<4, T>({&params[i], &means[i], &squares[i], &grads[i]}, begin, end, [&](V* x) {
          moments(x, decay(x[3], x[0]));
          x[0] = move(x[0], x[1], x[2]);
        });
      }
    });
  });
}

// ---- NAdam: Adam looking ahead with the momentum of the next step (Dozat 2016) -------------------------------------
void nadam(Outs params, Outs means, Outs squares, Outs products, Outs steps, Ins grads, In lr, double beta1, double beta2,
           double eps, double weight_decay, double momentum_decay, bool decoupled, bool maximize) {
  constexpr const char* error = "nadam: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  check_alike(error, params, means);
  check_alike(error, params, squares);
  check_steps(error, params, steps);
  check_steps(error, params, products);
  check_rate(error, lr);
  advance(steps);
  auto momentum = [=](double t) __attribute__((always_inline)) {
    return beta1 * (1 - 0.5 * __builtin_pow(0.96, t * momentum_decay));
  };
  for (int64_t i = 0; i < params.n; ++i) *products[i].ptr<double>() *= momentum(value(steps[i]));
  const Decay decay{decoupled ? 0 : weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const double t = value(steps[i]), rate = value(lr), mu = momentum(t), next = momentum(t + 1), product = value(products[i]);
      const T of_g = T(rate * (1 - mu) / (1 - product)), of_m = T(rate * next / (1 - product * next));
      const T root = T(1 / __builtin_sqrt(1 - __builtin_pow(beta2, t)));
      const T shrink = T(decoupled ? 1 - rate * weight_decay : 1), e = T(eps);
      const T keep = T(beta2), take1 = T(1 - beta1), take2 = T(1 - beta2);
      apply<4, T>({&params[i], &means[i], &squares[i], &grads[i]}, begin, end, [&](V* x) {
        V g = decay(x[3], x[0]);
        x[1] = x[1] + take1 * (g - x[1]);
        x[2] = keep * x[2] + take2 * g * g;
        x[0] = shrink * x[0] - (of_g * g + of_m * x[1]) / (root * sqrt(x[2]) + (e - V{}));
      });
    });
  });
}

// ---- Adamax: Adam with the largest decayed gradient in place of the root mean square -------------------------------
void adamax(Outs params, Outs means, Outs norms, Outs steps, Ins grads, In lr, double beta1, double beta2, double eps,
            double weight_decay, bool maximize) {
  constexpr const char* error = "adamax: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  check_alike(error, params, means);
  check_alike(error, params, norms);
  check_steps(error, params, steps);
  check_rate(error, lr);
  advance(steps);
  const Decay decay{weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const T size = T(value(lr) / (1 - __builtin_pow(beta1, value(steps[i])))), e = T(eps), keep = T(beta2), take = T(1 - beta1);
      apply<4, T>({&params[i], &means[i], &norms[i], &grads[i]}, begin, end, [&](V* x) {
        V g = decay(x[3], x[0]);
        x[1] = x[1] + take * (g - x[1]);
        x[2] = max_nan(keep * x[2], abs(g) + (e - V{}));
        x[0] = x[0] - size * x[1] / x[2];
      });
    });
  });
}

// ---- RMSprop: p <- p - lr g / (sqrt(v) + eps); centered: v less the squared mean of g; with momentum, its buffer ----
void rmsprop(Outs params, Outs squares, Outs means, Outs buffers, Outs steps, Ins grads, In lr, double alpha, double eps,
             double weight_decay, double momentum, bool maximize) {
  constexpr const char* error = "rmsprop: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  check_alike(error, params, squares);
  const bool centered = means.n > 0, moving = buffers.n > 0;
  if (centered) check_alike(error, params, means);
  if (moving) check_alike(error, params, buffers);
  check_steps(error, params, steps);
  check_rate(error, lr);
  advance(steps);
  const Decay decay{weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const T rate = T(value(lr)), keep = T(alpha), take = T(1 - alpha), e = T(eps), carry = T(momentum);
      auto square = [&](V* x, V g) __attribute__((always_inline)) { return x[1] = keep * x[1] + take * g * g; };
      auto center = [&](V& mean, V g) __attribute__((always_inline)) { return mean = mean + take * (g - mean); };
      auto ratio = [&](V g, V v) __attribute__((always_inline)) { return g / (sqrt(v) + (e - V{})); };
      if (centered && moving) {
        apply<5, T>({&params[i], &squares[i], &means[i], &buffers[i], &grads[i]}, begin, end, [&](V* x) {
          V g = decay(x[4], x[0]), v = square(x, g), mean = center(x[2], g);
          x[3] = carry * x[3] + ratio(g, v - mean * mean);
          x[0] = x[0] - rate * x[3];
        });
      } else if (centered) {
        apply<4, T>({&params[i], &squares[i], &means[i], &grads[i]}, begin, end, [&](V* x) {
          V g = decay(x[3], x[0]), v = square(x, g), mean = center(x[2], g);
          x[0] = x[0] - rate * ratio(g, v - mean * mean);
        });
      } else if (moving) {
        apply<4, T>({&params[i], &squares[i], &buffers[i], &grads[i]}, begin, end, [&](V* x) {
          V g = decay(x[3], x[0]);
          x[2] = carry * x[2] + ratio(g, square(x, g));
          x[0] = x[0] - rate * x[2];
        });
      } else {
        apply<3, T>({&params[i], &squares[i], &grads[i]}, begin, end, [&](V* x) {
          V g = decay(x[2], x[0]);
          x[0] = x[0] - rate * ratio(g, square(x, g));
        });
      }
    });
  });
}

// ---- Adagrad: p <- p - lr g / (sqrt(sum of g^2) + eps) -------------------------------------------------------------
void adagrad(Outs params, Outs sums, Outs steps, Ins grads, In lr, double lr_decay, double eps, double weight_decay,
             bool maximize) {
  constexpr const char* error = "adagrad: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  check_alike(error, params, sums);
  check_steps(error, params, steps);
  check_rate(error, lr);
  advance(steps);
  const Decay decay{weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const T rate = T(value(lr) / (1 + (value(steps[i]) - 1) * lr_decay)), e = T(eps);
      apply<3, T>({&params[i], &sums[i], &grads[i]}, begin, end, [&](V* x) {
        V g = decay(x[2], x[0]);
        x[1] = x[1] + g * g;
        x[0] = x[0] - rate * g / (sqrt(x[1]) + (e - V{}));
      });
    });
  });
}

// ---- Adadelta: the step is g scaled by (running root of past steps) / (running root of gradients) (Zeiler 2012) -----
void adadelta(Outs params, Outs squares, Outs deltas, Outs steps, Ins grads, In lr, double rho, double eps,
              double weight_decay, bool maximize) {
  constexpr const char* error = "adadelta: parameters, gradients and state must be float arrays alike in type and shape";
  check_float(error, params);
  check_alike(error, params, grads);
  check_alike(error, params, squares);
  check_alike(error, params, deltas);
  check_steps(error, params, steps);
  check_rate(error, lr);
  advance(steps);
  const Decay decay{weight_decay, maximize};
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      using V = vec<T>;
      const T rate = T(value(lr)), keep = T(rho), take = T(1 - rho), e = T(eps);
      apply<4, T>({&params[i], &squares[i], &deltas[i], &grads[i]}, begin, end, [&](V* x) {
        V g = decay(x[3], x[0]);
        x[1] = keep * x[1] + take * g * g;
        V delta = sqrt(x[2] + (e - V{})) / sqrt(x[1] + (e - V{})) * g;
        x[2] = keep * x[2] + take * delta * delta;
        x[0] = x[0] - rate * delta;
      });
    });
  });
}

}  // namespace fastnn::FN_ISA
