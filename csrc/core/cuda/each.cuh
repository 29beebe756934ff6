// core/cuda/each.cuh: the simplest kernel there is: rule(i) for i = 0 ... n - 1, neighbours by neighbours. Most kernels that move or
// combine numbers without sharing any are a rule: a struct of pointers and sizes with one function.
#pragma once
#include <initializer_list>

#include "loops.cuh"

namespace fastnn::cuda {

template <class Rule> __global__ void __launch_bounds__(256) each(int64_t n, Rule rule) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += int64_t(gridDim.x) * blockDim.x) rule(i);
}
template <class Rule> void launch_each(const char* name, int64_t n, const Rule& rule) {
  if (n > 0) launch(name, &each<Rule>, blocks_for(n, 256), 256, n, rule);
}

// i = (outer · size + here) · inner + rest: two divisions, of 32 bits where the array is small enough
struct Split {
  int64_t size, inner;
  Divider by_size, by_inner;
  bool small;
  Split(int64_t size = 1, int64_t inner = 1, int64_t count = 0)
      : size(size), inner(inner), small(count < (int64_t(1) << 31) && size < (int64_t(1) << 31) && inner < (int64_t(1) << 31)) {
    if (small && size > 0 && inner > 0) by_size = Divider(unsigned(size)), by_inner = Divider(unsigned(inner));
  }
  struct Place { int64_t outer, here, rest; };
  __device__ __forceinline__ Place operator()(int64_t i) const {
    const int64_t q = small ? by_inner.divide(unsigned(i)) : i / inner, o = small ? by_size.divide(unsigned(q)) : q / size;
    return {o, q - o * size, i - q * inner};
  }
};

// From a dtype to a type: f(T{}).
template <class F> void with_floats(const char* op, const View& v, const F& f) {
  if (v.dtype == DType::f32) f(float{});
  else if (v.dtype == DType::f64) f(double{});
  else raise_error(ErrorKind::dtype, "%s: expected a floating point tensor", op);
}
template <class F> void by_size(DType t, const F& f) {  // what is moved as bits
  switch (itemsize(t)) {
    case 1: return f(uint8_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}
template <class F> void by_type(DType t, const F& f) {
  switch (t) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::i64: return f(int64_t{});
    case DType::i32: return f(int32_t{});
    default: return f(uint8_t{});
  }
}

// Not given: None as an input, an empty array as an output.
template <class T> global<T> given(const View& v) { return v.ndim < 0 || v.numel() == 0 ? global<T>() : out<T>(v); }

// A contiguous array of the device for other kernels to work on.
template <class T> View view_of(void* data, std::initializer_list<int64_t> shape) {
  View v{};
  v.data = data, v.dtype = dtype_of<T>(), v.place = Place::cuda;
  for (int64_t n : shape) v.shape[v.ndim++] = n;
  int64_t stride = 1;
  for (int d = v.ndim - 1; d >= 0; stride *= v.shape[d--]) v.strides[d] = stride;
  return v;
}

// Its rows as columns: the last two axes change places.
inline View flipped(View v) {
  const int64_t n = v.shape[v.ndim - 1], step = v.strides[v.ndim - 1];
  v.shape[v.ndim - 1] = v.shape[v.ndim - 2], v.strides[v.ndim - 1] = v.strides[v.ndim - 2], v.shape[v.ndim - 2] = n, v.strides[v.ndim - 2] = step;
  return v;
}

}  // namespace fastnn::cuda
