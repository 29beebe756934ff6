// core/constant.h: numbers of run time as template arguments.
#pragma once
#include "view.h"

namespace fastnn::FN_ISA {

// Calls f(Constant<n>) for the n in 1..Max that equals `n`.
template <int N> struct Constant {
  static constexpr int value = N;
};
template <int Max, class F> FN void with_constant(int64_t n, const F& f) {
  if constexpr (Max > 1) {
    if (n < Max) return with_constant<Max - 1>(n, f);
  }
  f(Constant<Max>{});
}

}  // namespace fastnn::FN_ISA
