// elementwise/pointwise.cuh: where the operands of an elementwise kernel lie, as the host works it out and a thread reads it.
#pragma once
#include "../../core/cuda/loops.cuh"

namespace fastnn::cuda {

constexpr int MAX_OPERANDS = 3, THREADS = 256, PER_THREAD = 4;

struct Operand {
  global<const uint8_t> data;
  int64_t step;      // of a contiguous call: 0 for one number
  bool on_host;      // its value is here
  alignas(8) char number[8];
};

struct Pointwise {
  global<uint8_t> y;
  Operand in[MAX_OPERANDS];
  int64_t n;
  bool flat;  // every operand is contiguous in the order of y, or one number
  Loops<1 + MAX_OPERANDS> loops;  // otherwise; y first
};

inline bool is_number(const View& v) {
  for (int d = 0; d < v.ndim; ++d)
    if (v.strides[d] != 0 && v.shape[d] != 1) return false;
  return true;
}

inline Pointwise pointwise_of(const View& y, const View* const* in, int inputs) {
  Pointwise p{};
  p.y = out<uint8_t>(y);
  p.n = y.numel();
  if (p.n == 0) return p;
  p.flat = y.packed();
  for (int k = 0; k < inputs; ++k) {
    const View& v = *in[k];
    Operand& x = p.in[k];
    x.on_host = v.place == Place::cpu;
    if (x.on_host) __builtin_memcpy(x.number, v.data, size_t(itemsize(v.dtype)));
    else x.data = cuda::in<uint8_t>(v);
    const bool number = is_number(v);
    x.step = number ? 0 : 1;
    p.flat = p.flat && (number || v.packed());
  }
  for (int d = 0; d < y.ndim; ++d) {
    int64_t strides[1 + MAX_OPERANDS] = {y.strides[d]};
    for (int k = 0; k < inputs; ++k) strides[1 + k] = in[k]->strides[d];
    p.loops.add(y.shape[d], strides);
  }
  return p;
}

}  // namespace fastnn::cuda
