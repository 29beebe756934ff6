// optimizer/clip: what happens to all gradients before a step, or to all parameters after it. Same walk as a step.
#include "../declare.h"
#include "arena.h"

namespace fastnn::FN_ISA {

// Eight (four, two) elements as doubles: float32 gradients of 1e30 must not overflow when squared.
template <class T> FN vec<double> widen(const T* p) {
  if constexpr (sizeof(T) == 8) return load(p);
  else {
    typedef float Half __attribute__((vector_size(VECTOR_BYTES / 2), aligned(4), may_alias));
    return __builtin_convertvector(*reinterpret_cast<const Half*>(p), vec<double>);
  }
}

// join over all elements of f(element), in four independent chains that hide the latency of the addition.
template <class T, class F, class Join> FN double fold(const T* g, int64_t n, const F& f, const Join& join) {
  constexpr int L = lanes<double>, WAYS = 4;
  vec<double> sum[WAYS] = {};
  int64_t i = 0;
  for (; i + WAYS * L <= n; i += WAYS * L)
#pragma GCC unroll 4
    for (int w = 0; w < WAYS; ++w) sum[w] = join(sum[w], f(widen(g + i + w * L)));
  for (; i < n; ++i) sum[0] = join(sum[0], f(vec<double>{double(g[i])}));  // the other lanes are 0: no part of any norm
  vec<double> all = join(join(sum[0], sum[1]), join(sum[2], sum[3]));
  return fold_lanes<double>(all, join);
}

// norm of all gradients as one long vector: (sum |g|^p)^(1/p), or max |g| for infinite p.
// One partial result a chunk, joined in order: the same bits for any number of threads.
void grad_norm(Out norm, Ins grads, double p) {
  check_float("grad_norm: gradients must be floating point", grads);
  if (!is_float(norm.dtype) || norm.numel() != 1) raise_error("grad_norm: the norm is one floating point number");
  using V = vec<double>;
  const bool largest = __builtin_isinf(p);
  const auto add = [](auto a, auto b) __attribute__((always_inline)) { return a + b; };
  const auto max = [](auto a, auto b) __attribute__((always_inline)) { return max_nan(a, b); };
  auto reduce = [&](auto* g, int64_t n) __attribute__((always_inline)) {
    if (largest) return fold(g, n, [](V a) __attribute__((always_inline)) { return abs(a); }, max);
    if (p == 2) return fold(g, n, [](V a) __attribute__((always_inline)) { return a * a; }, add);
    if (p == 1) return fold(g, n, [](V a) __attribute__((always_inline)) { return abs(a); }, add);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += __builtin_pow(__builtin_fabs(double(g[i])), p);
    return sum;
  };
  auto join = [&](double a, double b) __attribute__((always_inline)) { return largest ? max(a, b) : a + b; };
  const int64_t chunks = count_chunks(grads);
  Scratch<double> scratch(chunks + 1);
  double* partial = scratch;
  for (int64_t i = 0; i < chunks; ++i) partial[i] = 0;
  for_each_segment(grads, [&](int64_t i, int64_t begin, int64_t end, int64_t chunk) {
    with_type(grads[i], [&](auto zero) {
      using T = decltype(zero);
      if (grads[i].packed()) {
        partial[chunk] = join(partial[chunk], reduce(grads[i].ptr<T>() + begin, end - begin));
        return;
      }
      T stage[STAGE];
      for (; begin < end; begin += STAGE) {
        const int64_t n = end - begin < STAGE ? end - begin : STAGE;
        move<T, false>(stage, grads[i], begin, n);
        partial[chunk] = join(partial[chunk], reduce(stage, n));
      }
    });
  });
  double total = 0;
  for (int64_t i = 0; i < chunks; ++i) total = join(total, partial[i]);
  if (p == 2) total = __builtin_sqrt(total);
  else if (p != 1 && !largest) total = __builtin_pow(total, 1 / p);
  if (norm.dtype == DType::f32) *norm.ptr<float>() = float(total);
  else *norm.ptr<double>() = total;
}

// g <- g * min(1, max_norm / (norm + 1e-6)), the norm read from where grad_norm left it.
void clip_to_norm(Outs grads, In norm, double max_norm) {
  constexpr const char* error = "clip_to_norm: gradients must be floating point, the norm one such number";
  check_float(error, grads);
  if (!is_float(norm.dtype) || norm.numel() != 1) raise_error(error);
  const double total = norm.dtype == DType::f32 ? double(*norm.ptr<float>()) : *norm.ptr<double>();
  const double scale = max_norm / (total + 1e-6);
  if (scale >= 1) return;  // a NaN norm goes on and makes every gradient NaN, as it should
  for_each_segment(grads, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(grads[i], [&](auto zero) {
      using T = decltype(zero);
      apply<2, T>({&grads[i], &grads[i]}, begin, end, [&](vec<T>* x) { x[0] = T(scale) * x[1]; });
    });
  });
}

// g <- min(max(g, -limit), limit)
void clip_to_value(Outs grads, double limit) {
  check_float("clip_to_value: gradients must be floating point", grads);
  for_each_segment(grads, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(grads[i], [&](auto zero) {
      using T = decltype(zero);
      const vec<T> high = splat(T(limit)), low = splat(T(-limit));
      apply<2, T>({&grads[i], &grads[i]}, begin, end, [&](vec<T>* x) { x[0] = x[1] > high ? high : x[1] < low ? low : x[1]; });
    });
  });
}

// p <- sign(p) max(|p| - lr l1, 0): the proximal step of an l1 penalty, which makes exact zeros
void soft_threshold(Outs params, In lr, double l1) {
  constexpr const char* error = "soft_threshold: parameters must be floating point, lr one float64 number";
  check_float(error, params);
  if (lr.dtype != DType::f64 || lr.numel() != 1) raise_error(error);
  for_each_segment(params, [&](int64_t i, int64_t begin, int64_t end, int64_t) {
    with_type(params[i], [&](auto zero) {
      using T = decltype(zero);
      const vec<T> limit = splat(T(*lr.ptr<double>() * l1)), none = {};
      apply<2, T>({&params[i], &params[i]}, begin, end, [&](vec<T>* x) {
        vec<T> size = abs(x[1]) - limit;
        x[0] = size < none ? none : copysign(size, x[1]);  // NaN stays
      });
    });
  });
}

}  // namespace fastnn::FN_ISA
