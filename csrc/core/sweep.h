// core/sweep.h: walk n contiguous elements a vector at a time.
//
//    vec<T> s[4] = {};
//    sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA { s[k] += load_part(x + i, c); });
//    T total = sum_lanes(s[0] + s[1] + (s[2] + s[3]));
//
// i is the offset, k = 0..3 the accumulator to use (an FP add has a latency of 4 cycles: one chain would wait), c the
// lanes that exist: all of them but in the last call. load_part and store_part fold to a plain load and store while c is
// the constant lanes<T>, so the tail costs no second body. The order of additions depends on n only.
#pragma once
#include "simd.h"

#define FN_LAMBDA __attribute__((always_inline))

namespace fastnn::FN_ISA {

template <class T> FN vec<T> load_part(const T* p, int64_t c, T fill = T(0)) {
  return c == lanes<T> ? load(p) : load_n(p, c, fill);
}
template <class T> FN void store_part(T* p, vec<T> v, int64_t c) {
  if (c == lanes<T>) store(p, v);
  else store_n(p, v, c);
}

template <class T, class F> FN void sweep(int64_t n, const F& f) {
  constexpr int L = lanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) f(i + k * L, k, int64_t(L));
  }
  for (; i + L <= n; i += L) f(i, 0, int64_t(L));
  if (i < n) f(i, 1, n - i);
}

template <class T> FN T sum_of(const vec<T>* s) { return sum_lanes<T>((s[0] + s[1]) + (s[2] + s[3])); }

}  // namespace fastnn::FN_ISA
