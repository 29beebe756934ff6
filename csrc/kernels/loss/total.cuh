// loss/total.cuh: the end of a loss: the sum of n numbers in a fixed order, by the kernels of reduce/.
#pragma once
#include "../../core/cuda/kernel.cuh"

namespace fastnn::cuda {

void sum(Out y, In x, Ints axes);

constexpr int64_t NONE = 0, MEAN = 1, SUM = 2;  // reduction

template <class T> View flat_view(void* data, int64_t n) {
  View v{};
  v.data = data, v.ndim = 1, v.shape[0] = n, v.strides[0] = 1, v.dtype = dtype_of<T>(), v.place = Place::cuda;
  return v;
}
template <class T> void sum_of(const View& y, void* data, int64_t n) {
  View total = flat_view<T>(y.data, 1);
  total.ndim = 0;
  sum(Out{total}, In{flat_view<T>(data, n)}, Ints{1, {0}});
}

template <class T> __global__ void divide(global<T> y, global<const T> total, T number) { y[0] /= total ? total[0] : number; }
template <class T> void divide_by(const View& y, global<const T> total, T number) {
  launch("divide", &divide<T>, 1, 1, out<T>(y), total, number);
}

}  // namespace fastnn::cuda
