// copy.cu: y = x, any strides, any dtypes: an elementwise kernel whose formula is the conversion. x may be one number on the host:
// that is how arrays are filled.
//
// What is stored only (core/view.h) is converted to and from the type that it is computed in; all else goes by way of that, as on the CPU.
//
//    cost    read + write over the bandwidth of memory, where either side is contiguous along the last axis; a transposed copy reads
//            one sector (32 bytes) for each element
#include "../../core/half.h"
#include "../elementwise/tile.cuh"

namespace fastnn::cuda {
void copy(Out y, In x);

namespace {

struct Same { template <class X> FN X operator()(X x) const { return x; } };
struct Whole { template <class X> FN int64_t operator()(X x) const { return int64_t(x); } };  // -1.0 to uint8 is 255
struct Widened { template <class X> FN float operator()(X x) const { return to_float(x); } };
template <class H> struct Rounded { FN H operator()(float x) const { return rounded<H>(x); } };

template <class F, class Y, class X> void moved(const View& y, const View& x) {
  const View* p[] = {&x};
  run<F, Y, X, X, X, 1>("copy", y, p);
}
template <class Y, class X> void convert(const View& y, const View& x) {
  if constexpr (__is_same(Y, uint8_t) && (__is_same(X, float) || __is_same(X, double))) moved<Whole, Y, X>(y, x);
  else moved<Same, Y, X>(y, x);
}

void copy_stored(const View& y, const View& x) {
  const DType type = is_stored(x.dtype) ? x.dtype : y.dtype, way = computed(type);
  if (x.dtype == y.dtype) return itemsize(type) == 1 ? moved<Same, uint8_t, uint8_t>(y, x) : moved<Same, uint16_t, uint16_t>(y, x);
  if (x.dtype != way && y.dtype != way) {
    const Scratch<char> memory(x.numel() * itemsize(way));
    View between = x;
    between.data = memory.data, between.dtype = way, between.place = Place::cuda;
    int64_t stride = 1;
    for (int d = x.ndim - 1; d >= 0; stride *= x.shape[d--]) between.strides[d] = stride;
    copy(Out{between}, In{x});
    return copy(Out{y}, In{between});
  }
  const bool wide = y.dtype == way;
  switch (type) {
    case DType::i8: return wide ? moved<Same, int32_t, int8_t>(y, x) : moved<Same, int8_t, int32_t>(y, x);
    case DType::i16: return wide ? moved<Same, int32_t, int16_t>(y, x) : moved<Same, int16_t, int32_t>(y, x);
    case DType::f16: return wide ? moved<Widened, float, Half>(y, x) : moved<Rounded<Half>, Half, float>(y, x);
    default: return wide ? moved<Widened, float, BFloat>(y, x) : moved<Rounded<BFloat>, BFloat, float>(y, x);
  }
}

template <class X> void from(const View& y, const View& x) {
  switch (y.dtype) {
    case DType::f32: return convert<float, X>(y, x);
    case DType::f64: return convert<double, X>(y, x);
    case DType::i64: return convert<int64_t, X>(y, x);
    case DType::i32: return convert<int32_t, X>(y, x);
    case DType::u8: return convert<uint8_t, X>(y, x);
    default: return convert<Flag, X>(y, x);
  }
}

}  // namespace

void copy(Out y, In x) {
  if (is_stored(y.dtype) || is_stored(x.dtype)) return copy_stored(y, x);
  switch (x.dtype) {
    case DType::f32: return from<float>(y, x);
    case DType::f64: return from<double>(y, x);
    case DType::i64: return from<int64_t>(y, x);
    case DType::i32: return from<int32_t>(y, x);
    default: return from<uint8_t>(y, x);
  }
}

}  // namespace fastnn::cuda
