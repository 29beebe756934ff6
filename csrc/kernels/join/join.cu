// join/join.cu: putting arrays side by side, and the two triangles of a matrix.
//
//    cat        y[:, …] = x0 | x1 | …    along one axis: a copy for each input (copy/copy.cu), into its part of y
//    triangle   y = x on one side of diagonal k, 0 on the other
#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {

void copy(Out y, In x);

namespace {

template <class T> struct Triangle {
  Loops<1> place;
  Split split;  // matrix, row, column
  global<T> y;
  global<const T> x;
  int64_t k;
  bool upper;
  __device__ void operator()(int64_t e) const {
    const auto [matrix, row, column] = split(e);
    int64_t at[1];
    place.find(e, at);
    y[e] = upper ? column - row >= k ? x[at[0]] : T(0) : column - row <= k ? x[at[0]] : T(0);
  }
};

}  // namespace

void cat(Out y, Ins xs, int64_t axis) {
  View part = y;
  for (int64_t k = 0; k < xs.n; ++k) {
    part.shape[axis] = xs[k].shape[axis];
    if (part.numel()) copy(Out{part}, In{xs[k]});
    part.data = part.ptr<char>() + xs[k].shape[axis] * y.strides[axis] * itemsize(y.dtype);
  }
}

void triangle(PackedOut y, In x, int64_t k, int64_t upper) {
  Loops<1> place;
  for (int d = 0; d < x.ndim; ++d) {
    const int64_t stride[1] = {x.strides[d]};
    place.add(x.shape[d], stride);
  }
  by_size(y.dtype, [&](auto t) {
    using T = decltype(t);
    launch_each("triangle", y.numel(), Triangle<T>{place, Split(y.shape[y.ndim - 2], y.shape[y.ndim - 1], y.numel()), out<T>(y), in<T>(x), k, upper != 0});
  });
}

}  // namespace fastnn::cuda
