// pool/rungs/windows.h: what the rungs of max_pool2d share: dispatch on the types of numbers and offsets.
#pragma once
#include "../../declare.h"
#include "../rows.h"

namespace fastnn::FN_ISA {

// f(T* y, O* offsets or null, const T* x): offsets are bytes, int32 for windows of more than 256 taps, or not wanted.
template <class F> static void with_types(const View& y, const View& offsets, const View& x, const F& f) {
  auto offset = [&](auto* to, auto* from) {
    if (offsets.numel() == 0) f(to, static_cast<uint8_t*>(nullptr), from);
    else if (offsets.dtype == DType::u8) f(to, offsets.ptr<uint8_t>(), from);
    else f(to, offsets.ptr<int32_t>(), from);
  };
  if (y.numel() == 0) return;
  if (y.dtype == DType::f32) offset(y.ptr<float>(), x.ptr<const float>());
  else offset(y.ptr<double>(), x.ptr<const double>());
}

}  // namespace fastnn::FN_ISA
