// optimizer/batch.cuh: many tensors, few launches. A launch takes up to SLOTS tensors: their addresses and where each begins travel as
// arguments, and a thread finds its tensor by looking through them. A network of 150 tensors is 7 launches. Step counts lie on the GPU:
// one small launch advances all of them, the step reads them.
#pragma once
#include <memory>
#include <vector>

#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {

void copy(Out y, In x);

constexpr int SLOTS = 24, ARRAYS = 5;

template <class T> struct Batch {
  int count;
  int64_t begin[SLOTS + 1];           // where each tensor begins among all elements
  global<T> arrays[ARRAYS][SLOTS];    // parameter, gradient, state ...
  global<const double> step[SLOTS], product[SLOTS];
  __device__ __forceinline__ int tensor_of(int64_t i) const {
    int k = 0;
    while (i >= begin[k + 1]) ++k;
    return k;
  }
};

struct Counts {
  int count;
  global<double> step[SLOTS];
};
static __global__ void advance(Counts c) {
  if (int(threadIdx.x) < c.count) c.step[threadIdx.x][0] += 1;
}
inline void advance_all(const Ins& steps) {
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
    const int k = b.tensor_of(i);
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

// f(batch, elements in it) until all tensors of type T have had their turn. lists: parameters first, gradients second.
template <class T, class F>
void each_batch(const char* name, const Ins* const* lists, int arrays, const Ins& steps, const Ins& products, const F& f) {
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
      if (products.n) b.product[k] = in<double>(products[i]);
    }
    if (b.begin[b.count]) f(b, b.begin[b.count]);
    for (const auto& r : repacked) copy(Out{r->original}, In{r->packed});  // gradients come back as they were
  }
}

template <class T> FN T decayed(T g, T p, double weight_decay, bool maximize) {
  if (maximize) g = -g;
  return weight_decay != 0 ? g + T(weight_decay) * p : g;  // not 0 * p: an infinite p would turn g into NaN
}

template <class T, class Rule>
void run(const char* name, const Ins* const* lists, int arrays, const Ins& steps, const Ins& products, const Rule& rule) {
  each_batch<T>(name, lists, arrays, steps, products,
                [&](const Batch<T>& b, int64_t n) { launch(name, &step<T, Rule>, blocks_for(n, 256), 256, b, rule); });
}
template <class Rule>
void run_all(const char* name, const Ins* const* lists, int arrays, const Ins& steps, const Rule& rule, const Ins& products = Ins{0, nullptr}) {
  run<float>(name, lists, arrays, steps, products, rule);
  run<double>(name, lists, arrays, steps, products, rule);
}

}  // namespace fastnn::cuda
