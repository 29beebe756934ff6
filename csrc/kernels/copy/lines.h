// copy/lines.h: one line of n elements, y[i·sy] = x[i·sx], for one type or two.
//
// Elements that keep their type are moved as bits: a memcpy, backwards by reversing vectors, every second one by taking the
// even lanes. Other strides go one element at a time, and on purpose: left alone, GCC gathers them into vectors, which on
// Zen 4 takes 1.2 ns an element against 0.3.
#pragma once
#include "../../core/half.h"
#include "../../core/shuffle.h"
#include "../index/nest.h"

namespace fastnn::FN_ISA {

struct Bool { uint8_t v; };

// float -> integer as C casts it, but NaN and out-of-range values give a defined result instead of a trap.
template <class To, class From> FN To cast(From v) {
  if constexpr (__is_same(From, float) || __is_same(From, double)) {
    if constexpr (__is_same(To, float) || __is_same(To, double)) return To(v);
    else if constexpr (__is_same(To, uint8_t)) return v > -9.2e18 && v < 9.2e18 ? To(int64_t(v)) : To(0);
    else if constexpr (__is_same(To, int32_t)) return v >= From(-2147483648.0) && v < From(2147483648.0) ? To(v) : To(-2147483647 - 1);
    else return v >= From(-9223372036854775808.0) && v < From(9223372036854775808.0) ? To(v) : To(-9223372036854775807LL - 1);
  } else {
    return To(v);
  }
}
template <class To, class From> FN To converted(From v) {
  if constexpr (__is_same(To, Bool)) return {uint8_t(v != From(0))};
  else if constexpr (__is_same(To, Half) || __is_same(To, BFloat)) return rounded<To>(v);
  else if constexpr (__is_same(From, Half) || __is_same(From, BFloat)) return to_float(v);
  else return cast<To>(v);
}

template <class To, class From> FN void strided_line(To* y, int64_t sy, const From* x, int64_t sx, int64_t n) {
  for (int64_t i = 0; i < n; ++i, y += sy, x += sx) {
    *y = converted<To>(*x);
    __asm__("" : "+r"(x));
  }
}

template <class T> FN void reversed_line(T* y, const T* x, int64_t n) {  // y[i] = x[-i]
  int64_t i = 0;
  if constexpr (sizeof(T) == 1) {
    for (; i + 8 <= n; i += 8) {
      uint64_t w;
      __builtin_memcpy(&w, x - i - 7, 8);
      w = __builtin_bswap64(w);
      __builtin_memcpy(y + i, &w, 8);
    }
  } else if constexpr (sizeof(T) > 2) {
    for (; i + lanes<T> <= n; i += lanes<T>) store(y + i, reverse<T>(load(x - i - (lanes<T> - 1))));
  }
  for (; i < n; ++i) y[i] = x[-i];
}

template <class T> FN void every_second(T* y, const T* x, int64_t n) {  // y[i] = x[2 i]
  int64_t i = 0;
  for (; i + lanes<T> < n; i += lanes<T>) {  // never reads behind x[2 (n - 1)]
    vec<T> even, odd;
    split2<T>(load(x + 2 * i), load(x + 2 * i + lanes<T>), even, odd);
    store(y + i, even);
  }
  for (; i < n; ++i) y[i] = x[2 * i];
}

// Below AVX-512 no instruction turns floats into int64 or back: one number at a time, with a branch for what is out of range.
// Numbers within int32 go by way of it, 32 at once, which gives the same (a truncated value is exact; an int32 is rounded once,
// like the int64 of its value). 500 x 512 float32 to int64 (Zen 3): 194 to 65 us, int64 to float32 117 to 53; where every block holds
// an int64 beyond int32, 117 to 150.
template <class To, class From>
constexpr bool BY_INT32 = VECTOR_BYTES < 64 && ((__is_same(To, int64_t) && (__is_same(From, float) || __is_same(From, double))) ||
                                                (__is_same(From, int64_t) && (__is_same(To, float) || __is_same(To, double))));
template <class To, class From> FN void line_by_int32(To* __restrict y, const From* __restrict x, int64_t n) {
  constexpr int BLOCK = 32, W = lanes<From>;
  int64_t i = 0;
  for (; i + BLOCK <= n; i += BLOCK) {
    bits<From> outside{};
#pragma GCC unroll 16
    for (int k = 0; k < BLOCK; k += W) {
      const vec<From> v = load(x + i + k);
      if constexpr (__is_same(To, int64_t)) outside |= ~(abs(v) < splat(From(2147483648.0)));  // NaN is outside
      else outside |= (v < -2147483648LL) | (v > 2147483647LL);
    }
    bool any;
    if constexpr (__is_same(From, int64_t)) any = any_lane(reinterpret_cast<bits<double>>(outside));
    else any = any_lane(outside);
    if (any)
      for (int k = 0; k < BLOCK; ++k) y[i + k] = cast<To>(x[i + k]);
    else
      for (int k = 0; k < BLOCK; ++k) y[i + k] = To(int32_t(x[i + k]));
  }
  for (; i < n; ++i) y[i] = cast<To>(x[i]);
}

template <class To, class From> FN void line(To* __restrict y, int64_t sy, const From* __restrict x, int64_t sx, int64_t n) {
  if constexpr (__is_same(To, From)) {
    if (sy == 1 && sx == 1) return copy_run(y, x, n);
    if (sy == 1 && sx == -1) return reversed_line(y, x, n);
    if constexpr (sizeof(To) > 2)
      if (sy == 1 && sx == 2) return every_second(y, x, n);
  }
  if (sy == 1 && sx == 0) {
    const To value = converted<To>(*x);
    for (int64_t i = 0; i < n; ++i) y[i] = value;
  } else if (sy == 1 && sx == 1) {
    if constexpr (BY_INT32<To, From>) return line_by_int32(y, x, n);
    for (int64_t i = 0; i < n; ++i) y[i] = converted<To>(x[i]);
  } else {
    strided_line(y, sy, x, sx, n);
  }
}

}  // namespace fastnn::FN_ISA
