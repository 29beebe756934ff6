// reduce/arg.cu: argmax and argmin along one axis, with the value found there: a reduction of (value, index) pairs.
//
//    index[o] = the first r with x[o, r] = y[o] = max_r x[o, r]          NaN counts as larger (smaller) than all others
#include "../../core/cuda/each.cuh"
#include "drive.cuh"

namespace fastnn::cuda {
namespace {

template <class T> struct Found {
  T value;
  int64_t index;
};
template <class T, bool MAX> struct Best {
  using A = Found<T>;
  using R = Found<T>;
  FN A init() const { return {T(0), -1}; }
  FN A join(const A& a, const A& b) const {
    if (a.index < 0 || b.index < 0) return a.index < 0 ? b : a;
    const bool nan_a = a.value != a.value, nan_b = b.value != b.value;
    const bool tie = nan_a ? nan_b : a.value == b.value;
    const bool better = nan_a || nan_b ? nan_b : MAX ? b.value > a.value : b.value < a.value;
    return (tie ? b.index < a.index : better) ? b : a;
  }
  FN A add(const A& a, T x, int64_t i) const { return join(a, {x, i}); }
  FN R result(const A& a) const { return a; }
};
template <class T> struct Unzip {
  global<const Found<T>> found;
  global<int64_t> index;
  global<T> y;
  __device__ void operator()(int64_t o) const { index[o] = found[o].index, y[o] = found[o].value; }
};

template <bool MAX> void arg(const char* name, const View& index, const View& y, const View& x, int64_t axis) {
  const int64_t n = y.numel();
  by_type(x.dtype, [&](auto t) {
    using T = decltype(t);
    Scratch<Found<T>> found(n);
    View to{};  // x's axes but the one
    to.data = found.data, to.dtype = x.dtype, to.place = Place::cuda;
    for (int d = 0; d < x.ndim; ++d)
      if (d != axis) to.shape[to.ndim++] = x.shape[d];
    int64_t stride = 1;
    for (int d = to.ndim - 1; d >= 0; stride *= to.shape[d--]) to.strides[d] = stride;
    reduce<Best<T, MAX>, T>(name, to, x, x.ndim ? Ints{1, {axis}} : Ints{0, {}}, {});
    launch_each(name, n, Unzip<T>{found.read(), out<int64_t>(index), out<T>(y)});
  });
}

}  // namespace

void argmax(PackedOut index, PackedOut y, In x, int64_t axis) { arg<true>("argmax", index, y, x, axis); }
void argmin(PackedOut index, PackedOut y, In x, int64_t axis) { arg<false>("argmin", index, y, x, axis); }

}  // namespace fastnn::cuda
