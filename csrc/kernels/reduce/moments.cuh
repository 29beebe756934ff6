// reduce/moments.cuh: mean and squares about it, as values that can be joined, in one pass over memory.
//
// A thread adds d = x - pivot and d², its pivot being the first number it meets: no division a number, and what cancels when
// Σd²  becomes Σ(x - mean)² is at most log2(length of the thread's own chain) bits, typically one. Two of them are joined exactly,
// by their means: Chan, Golub, LeVeque 1983.
#pragma once
#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {

template <class T> struct MomentsOf {
  struct A {
    T n, pivot, sum, square;
    FN T mean() const { return pivot + (n == T(0) ? T(0) : sum / n); }
    FN T squares() const {  // Σ (x - mean)²
      const T s = square - (n == T(0) ? T(0) : sum * sum / n);
      return s < T(0) ? T(0) : s;
    }
  };
  FN A init() const { return {T(0), T(0), T(0), T(0)}; }
  FN A add(A a, T x, int64_t) const {
    if (a.n == T(0)) a.pivot = x;
    const T d = x - a.pivot;
    return {a.n + T(1), a.pivot, a.sum + d, fma(d, d, a.square)};
  }
  FN A join(const A& a, const A& b) const {
    if (a.n == T(0)) return b;
    if (b.n == T(0)) return a;
    const T n = a.n + b.n, d = b.mean() - a.mean();
    return {n, a.mean() + d * (b.n / n), T(0), a.squares() + b.squares() + d * d * (a.n * (b.n / n))};
  }
};

}  // namespace fastnn::cuda
