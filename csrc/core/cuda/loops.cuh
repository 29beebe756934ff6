// core/cuda/loops.cuh: from a flat index to the addresses of K arrays with strides. Axes of length 1 go, and two become one where
// every array runs through both in one stride, so most calls are left with one or two.
#pragma once
#include "kernel.cuh"

namespace fastnn::cuda {

// n / d for n < 2^31 by a multiplication, 20 instructions less than a division: with s bits so that d <= 2^s and
// m = ceil(2^(32 + s) / d) - 2^32,  n / d == (mulhi(n, m) + n) >> s.
// (Granlund and Montgomery 1994, "Division by invariant integers using multiplication")
struct Divider {
  unsigned d, m, s;
  Divider(unsigned d = 1) : d(d), m(0), s(0) {
    while ((uint64_t(1) << s) < d) ++s;
    m = unsigned(((uint64_t(1) << 32) * ((uint64_t(1) << s) - d)) / d + 1);
  }
  __device__ __forceinline__ unsigned divide(unsigned n) const { return (__umulhi(n, m) + n) >> s; }
};

template <int K> struct Loops {
  int ndim = 0;
  bool small = true;  // fewer than 2^31 steps in all
  int64_t count = 1;
  Divider length[MAX_DIMS];  // outermost first
  int64_t size[MAX_DIMS], stride[K][MAX_DIMS];

  void add(int64_t n, const int64_t* strides) {  // one more axis, inside of the others
    count *= n;
    small = small && count < (int64_t(1) << 31);
    if (n == 1) return;
    bool merges = ndim > 0;
    for (int k = 0; merges && k < K; ++k) merges = stride[k][ndim - 1] == strides[k] * n;
    if (merges) size[ndim - 1] *= n;
    else size[ndim++] = n;
    for (int k = 0; k < K; ++k) stride[k][ndim - 1] = strides[k];
    if (count && small) length[ndim - 1] = Divider(unsigned(size[ndim - 1]));
  }

  __device__ __forceinline__ void find(int64_t i, int64_t* at) const {
    for (int k = 0; k < K; ++k) at[k] = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      int64_t next = 0, here = i;
      if (d > 0) {
        next = small ? length[d].divide(unsigned(i)) : i / size[d];
        here = i - next * size[d];
      }
      for (int k = 0; k < K; ++k) at[k] += here * stride[k][d];
      i = next;
    }
  }
};

}  // namespace fastnn::cuda
