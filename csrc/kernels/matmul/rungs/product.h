// matmul/rungs/product.h: what the rungs share. A rung is a functor that adds A . B to C, for a single product.
#pragma once
#include "../../declare.h"
#include "../batch.h"

namespace fastnn::FN_ISA {

void matmul(Out c, In a, In b);
void matmul_bias(Out c, In a, In b, In bias);

// C = D, or 0: what a product is then added to.
template <class T> FN void begin(const Problem<T>& p) {
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) p.c.c[i * p.c.rs + j * p.c.cs] = p.c.d ? p.c.d[i * p.c.d_rs + j * p.c.d_cs] : T(0);
}

// Integers have one algorithm only, the production one.
template <class One> static void climb(Out c, In a, In b, In bias, const One& one) {
  const View* d = bias.ndim < 0 ? nullptr : &bias;
  if (c.dtype == DType::f32) each_product<float>(c, a, b, d, one);
  else if (c.dtype == DType::f64) each_product<double>(c, a, b, d, one);
  else if (d) matmul_bias(c, a, b, bias);
  else matmul(c, a, b);
}

// Defines matmul_<name> and matmul_bias_<name>.
#define FN_MATMUL_RUNG(name, One)                                                          \
  void matmul_##name(Out c, In a, In b) { climb(c, a, b, In{View{nullptr, {}, {}, -1, c.dtype}}, One{}); } \
  void matmul_bias_##name(Out c, In a, In b, In bias) { climb(c, a, b, bias, One{}); }

}  // namespace fastnn::FN_ISA
