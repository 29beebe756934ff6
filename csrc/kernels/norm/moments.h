// norm/moments.h: mean and spread of numbers, without the cancellation of E[x²] - E[x]².
//
//    a block of at most 4096 is read twice from the first-level cache: mean, then M2 = Σ (x - mean)²
//    blocks are joined in double:  mean += δ·n/N,  M2 += M2' + δ²·n·(N - n)/N         (Chan, Golub, LeVeque 1979)
//
// float32 accumulators hold at most 4096 / (4·lanes) terms each, so the error does not grow with the row.
#pragma once
#include "../../core/stream.h"
#include "../../core/sweep.h"

namespace fastnn::FN_ISA {

constexpr int64_t BLOCK = 4096;

struct Moments {
  double n = 0, mean = 0, m2 = 0;
  FN void join(double count, double block_mean, double block_m2) {
    double total = n + count, delta = block_mean - mean;
    m2 += block_m2 + (n > 0 ? delta * delta * n * count / total : 0);
    mean = n > 0 ? mean + delta * count / total : block_mean;
    n = total;
  }
};

template <class T> FN T total_of(const T* x, int64_t n) {
  vec<T> s[4] = {};
  sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA { s[k] += load_part(x + i, c); });
  return sum_of<T>(s);
}

template <class T, class F = Fetch<false>> FN T spread_of(const T* x, int64_t n, T mean, F fetch = {}) {  // Σ (x - mean)²
  vec<T> s[4] = {};
  sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
    if (k % 2) fetch(x + i);
    vec<T> d = load_part(x + i, c, mean) - mean;
    s[k] += d * d;
  });
  return sum_of<T>(s);
}

template <class T, class F = Fetch<false>> FN Moments moments(const T* x, int64_t n, F fetch = {}) {
  Moments all;
  for (int64_t i = 0; i < n; i += BLOCK) {
    int64_t count = n - i < BLOCK ? n - i : BLOCK;
    T mean = total_of(x + i, count) / T(count);
    all.join(double(count), mean, spread_of(x + i, count, mean, fetch));
  }
  return all;
}

template <class T> FN double sum_squares(const T* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i += BLOCK) total += spread_of(x + i, n - i < BLOCK ? n - i : BLOCK, T(0));
  return total;
}

FN double rsqrt1(double x) { return 1 / __builtin_sqrt(x); }

// Σ a and Σ a·(b - pivot) in one pass, blockwise in double
template <class T> FN void sum_and_dot(double& sum, double& dot, const T* a, const T* b, int64_t n, T pivot) {
  for (int64_t at = 0; at < n; at += BLOCK) {
    vec<T> s[4] = {}, d[4] = {};
    sweep<T>(n - at < BLOCK ? n - at : BLOCK, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
      vec<T> v = load_part(a + at + i, c);
      s[k] += v;
      d[k] += v * (load_part(b + at + i, c, pivot) - pivot);
    });
    sum += sum_of<T>(s);
    dot += sum_of<T>(d);
  }
}

// y = (x - mean)·scale + shift.  x·scale + (shift - mean·scale) would save one subtraction and lose the digits that
// mean and x share; the loop waits for memory anyway.
template <class T> FN void affine(T* y, const T* x, int64_t n, T mean, T scale, T shift) {
  sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
    store_part(y + i, (load_part(x + i, c) - mean) * scale + splat(shift), c);
  });
}

// dx = k1·g - (k2 + k3·(x - mean)): what every one of these normalisations comes down to
template <class T>
FN void combine(T* dx, const T* g, const T* x, int64_t n, T mean, T k1, T k2, T k3) {
  sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
    vec<T> v = (load_part(x + i, c) - mean) * k3 + splat(k2);
    store_part(dx + i, load_part(g + i, c) * k1 - v, c);
  });
}

}  // namespace fastnn::FN_ISA
