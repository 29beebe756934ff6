// copy.cu: y = x, any strides, any dtypes: an elementwise kernel whose formula is the conversion. x may be one number on the host:
// that is how arrays are filled.
//
//    cost    read + write over the bandwidth of memory, where either side is contiguous along the last axis; a transposed copy reads
//            one sector (32 bytes) for each element
#include "../elementwise/tile.cuh"

namespace fastnn::cuda {
namespace {

struct Same { template <class X> FN X operator()(X x) const { return x; } };
struct Whole { template <class X> FN int64_t operator()(X x) const { return int64_t(x); } };  // -1.0 to uint8 is 255

template <class Y, class X> void convert(const View& y, const View& x) {
  const View* p[] = {&x};
  if constexpr (__is_same(Y, uint8_t) && (__is_same(X, float) || __is_same(X, double))) run<Whole, Y, X, X, X, 1>("copy", y, p);
  else run<Same, Y, X, X, X, 1>("copy", y, p);
}

template <class X> void from(const View& y, const View& x) {
  switch (y.dtype) {
    case DType::f32: return convert<float, X>(y, x);
    case DType::f64: return convert<double, X>(y, x);
    case DType::i64: return convert<int64_t, X>(y, x);
    case DType::i32: return convert<int32_t, X>(y, x);
    case DType::u8: return convert<uint8_t, X>(y, x);
    case DType::b8: return convert<Flag, X>(y, x);
    default: raise_error(ErrorKind::dtype, "copy: there are no tensors of this dtype on a GPU");
  }
}

}  // namespace

void copy(Out y, In x) {
  switch (x.dtype) {
    case DType::f32: return from<float>(y, x);
    case DType::f64: return from<double>(y, x);
    case DType::i64: return from<int64_t>(y, x);
    case DType::i32: return from<int32_t>(y, x);
    default: return from<uint8_t>(y, x);
  }
}

}  // namespace fastnn::cuda
