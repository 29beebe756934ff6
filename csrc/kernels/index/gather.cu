// index/gather.cu: one index per element, along one axis.
//
//    gather       y[i, j, k] = x[i, index[i, j, k], k]            (axis 1; index has the shape of y)
//    scatter      y[i, index[i, j, k], k] = or += x[i, j, k]
//
// Where several elements of a scatter name one place, they are sorted to be neighbours (group.cuh): the last one in order stays, or
// the first adds them up, in order.
#include <type_traits>

#include "group.cuh"

namespace fastnn::cuda {
namespace {

template <class T, class I> struct Gather {
  Loops<3> place;  // y, x without the axis, index
  global<T> y;
  global<const T> x;
  global<const I> index;
  int64_t size, stride;
  __device__ void operator()(int64_t e) const {
    int64_t at[3];
    place.find(e, at);
    const int64_t k = int64_t(index[at[2]]);
    if (uint64_t(k) >= uint64_t(size)) return fault(Fault::index, "gather", k, size);
    y[at[0]] = x[at[1] + k * stride];
  }
};

template <class I> struct PlaceOf {  // the number of the place in y, row-major, that element e goes to
  Loops<2> place;                    // y's numbers without the axis, index
  global<int64_t> to;
  global<const I> index;
  int64_t size, step;
  __device__ void operator()(int64_t e) const {
    int64_t at[2];
    place.find(e, at);
    const int64_t k = int64_t(index[at[1]]);
    if (uint64_t(k) >= uint64_t(size)) fault(Fault::index, "scatter", k, size);
    to[e] = uint64_t(k) < uint64_t(size) ? at[0] + k * step : -1;
  }
};
template <class T, bool ADD> struct Scatter {
  Loops<1> to, from;  // y by place, x by element
  global<T> y;
  global<const T> x;
  global<const uint32_t> place;
  global<const int> order;
  int64_t n, places;
  __device__ void operator()(int64_t s) const {
    const int64_t p = place[s];
    const bool mine = ADD ? s == 0 || place[s - 1] != p : s + 1 == n || place[s + 1] != p;
    if (p >= places || !mine) return;
    int64_t at[1], source[1];
    to.find(p, at);
    T v = y[at[0]];
    for (int64_t k = s; ADD ? k < n && place[k] == p : k == s; ++k) {
      from.find(order[k], source);
      const T term = x[source[0]];
      v = ADD ? T(v + term) : term;
    }
    y[at[0]] = v;
  }
};

template <class I> void places_of(global<int64_t> to, const View& y, const View& index, int64_t axis) {
  Loops<2> place;
  int64_t number[MAX_DIMS] = {}, step = 1;  // of y's axes, row-major
  for (int d = y.ndim - 1; d >= 0; step *= y.shape[d--]) number[d] = step;
  for (int d = 0; d < index.ndim; ++d) {
    const int64_t strides[2] = {d == axis ? 0 : number[d], index.strides[d]};
    place.add(index.shape[d], strides);
  }
  launch_each("scatter", index.numel(), PlaceOf<I>{place, to, in<I>(index), y.ndim ? y.shape[axis] : 1, y.ndim ? number[axis] : 0});
}

}  // namespace

void gather(Out y, In x, In index, int64_t axis) {
  Loops<3> place;
  for (int d = 0; d < index.ndim; ++d) {
    const int64_t strides[3] = {y.strides[d], d == axis ? 0 : x.strides[d], index.strides[d]};
    place.add(index.shape[d], strides);
  }
  const int64_t size = x.ndim ? x.shape[axis] : 1, stride = x.ndim ? x.strides[axis] : 0;
  by_size(y.dtype, [&](auto t) {
    using T = decltype(t);
    if (index.dtype == DType::i32) launch_each("gather", index.numel(), Gather<T, int32_t>{place, out<T>(y), in<T>(x), in<int32_t>(index), size, stride});
    else launch_each("gather", index.numel(), Gather<T, int64_t>{place, out<T>(y), in<T>(x), in<int64_t>(index), size, stride});
  });
}

void scatter(Out y, In index, In x, int64_t axis, int64_t accumulate) {
  const int64_t n = index.numel();
  if (n == 0) return;
  Scratch<int64_t> place(n);
  if (index.dtype == DType::i32) places_of<int32_t>(place, y, index, axis);
  else places_of<int64_t>(place, y, index, axis);
  const Sorted sorted("scatter", place.read(), n, y.numel());
  Loops<1> to, from;
  for (int d = 0; d < y.ndim; ++d) {
    const int64_t a[1] = {y.strides[d]}, b[1] = {x.strides[d]};
    to.add(y.shape[d], a), from.add(index.shape[d], b);
  }
  const auto run = [&](auto t, auto how) {
    using T = decltype(t);
    launch_each("scatter", n, Scatter<T, decltype(how)::value>{to, from, out<T>(y), in<T>(x), sorted.rows.key, sorted.rows.index, n, y.numel()});
  };
  if (accumulate) by_type(y.dtype, [&](auto t) { run(t, std::true_type{}); });
  else by_size(y.dtype, [&](auto t) { run(t, std::false_type{}); });
}

}  // namespace fastnn::cuda
