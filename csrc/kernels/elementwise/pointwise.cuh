// elementwise/pointwise.cuh: where the operands of an elementwise kernel lie, as the host works it out and a thread reads it.
#pragma once
#include "../../core/cuda/kernel.cuh"

namespace fastnn::cuda {

constexpr int MAX_OPERANDS = 3, THREADS = 256, PER_THREAD = 4;

// n / d for n < 2^31 by a multiplication: with s bits so that d <= 2^s and m = ceil(2^(32 + s) / d) - 2^32,
// n / d == (mulhi(n, m) + n) >> s. (Granlund and Montgomery 1994, "Division by invariant integers using multiplication")
struct Divider {
  unsigned d, m, s;
  Divider(unsigned d = 1) : d(d), m(0), s(0) {
    while ((uint64_t(1) << s) < d) ++s;
    m = unsigned(((uint64_t(1) << 32) * ((uint64_t(1) << s) - d)) / d + 1);
  }
  __device__ __forceinline__ unsigned divide(unsigned n) const { return (__umulhi(n, m) + n) >> s; }
};

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
  bool flat, small;  // small: all offsets and the number of elements are below 2^31
  int ndim;
  Divider length[MAX_DIMS];                       // innermost last; the outermost needs none
  int64_t size[MAX_DIMS], stride[1 + MAX_OPERANDS][MAX_DIMS];  // stride[0]: y's

  __device__ __forceinline__ void find(int64_t i, int64_t* at, int inputs) const {
    for (int k = 0; k <= inputs; ++k) at[k] = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      int64_t next, here;
      if (small) {
        next = length[d].divide(unsigned(i));
        here = i - next * int64_t(length[d].d);
      } else {
        next = i / size[d];
        here = i % size[d];
      }
      for (int k = 0; k <= inputs; ++k) at[k] += here * stride[k][d];
      i = next;
    }
  }
};

inline bool is_number(const View& v) {
  for (int d = 0; d < v.ndim; ++d)
    if (v.strides[d] != 0 && v.shape[d] != 1) return false;
  return true;
}

// Axes of length 1 go, and two become one where every operand runs through both in one stride.
inline Pointwise pointwise_of(const View& y, const View* const* in, int inputs) {
  Pointwise p{};
  p.y = out<uint8_t>(y);
  p.n = y.numel();
  if (p.n == 0) return p;
  p.small = p.n < (int64_t(1) << 31);
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
  auto stride = [&](int k, int d) { return k == 0 ? y.strides[d] : in[k - 1]->strides[d]; };
  for (int d = 0; d < y.ndim; ++d) {
    if (y.shape[d] == 1) continue;
    bool merges = p.ndim > 0;
    for (int k = 0; merges && k <= inputs; ++k) merges = p.stride[k][p.ndim - 1] == stride(k, d) * y.shape[d];
    if (!merges) {
      p.size[p.ndim] = 1;
      ++p.ndim;
    }
    p.size[p.ndim - 1] *= y.shape[d];
    for (int k = 0; k <= inputs; ++k) p.stride[k][p.ndim - 1] = stride(k, d);
  }
  for (int d = 0; d < p.ndim && p.small; ++d) p.length[d] = Divider(unsigned(p.size[d]));
  return p;
}

}  // namespace fastnn::cuda
